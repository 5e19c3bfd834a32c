"""The data for the overview's template: formatted figures and the chart."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import cached_property

from django.utils import timezone
from django.utils.formats import date_format
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext

from django_telroi import conf
from django_telroi.admin.overview.charts import Stack, stacked_bars, swatch
from django_telroi.admin.overview.formats import (
    AttemptLinks,
    Figure,
    TableRow,
    Tile,
    figure,
    money,
    percent,
    seconds_words,
)
from django_telroi.admin.overview.names import ALERT_NAMES, OUTCOME_NAMES, PAUSE_NAMES, RARE_OUTCOMES, REFUSAL_NAMES
from django_telroi.admin.overview.ranking_tables import table_row
from django_telroi.admin.shared.chips import ago_words, listed, moment_words, region_name
from django_telroi.admin.shared.narrow_filters import CountedResult
from django_telroi.models.phone_number import RULE_NAMES
from django_telroi.services.statistics.figures import CurrentCounts
from django_telroi.services.statistics.periods import Bar, Group, Outcome, Period, Statistics
from django_telroi.services.statistics.rankings import MAX_ATTEMPTS


class Page:
    """The data for the template. Each property is computed when the template uses it."""

    def __init__(
        self, figures: Statistics, current: CurrentCounts, links: AttemptLinks | None = None, *, numbers_url: str = ""
    ) -> None:
        """``numbers_url``: the list of numbers, ``""`` if the user may not open it."""
        self.figures, self.current, self.links = figures, current, links or AttemptLinks()
        self.numbers_url = numbers_url

    def url(self, **filters: str) -> str:
        """Return the list of the attempts of the period with these filters, or ``""``."""
        return self.links.to(self.figures.since, self.figures.until, **filters)

    @cached_property
    def is_empty(self) -> bool:
        return not self.figures.total.calls

    @property
    def heading(self) -> str:
        return {
            Period.DAY: _("The last 24 hours"),
            Period.WEEK: _("The last 7 days"),
            Period.MONTH: _("The last 30 days"),
        }[self.figures.period]

    @property
    def span(self) -> str:
        """The start of the period."""
        words = {"since": moment_words(self.figures.since, now=self.current.now)}
        return pgettext("period of the overview", "Since %(since)s.") % words

    @property
    def age(self) -> str:
        # The statistics of a period are cached, the figures of this moment are not. The page says which is which.
        seconds = (self.current.now - self.figures.until).total_seconds()
        if seconds < 1:
            return _("Counted just now.")
        words = {"ago": ago_words(self.figures.until, now=self.current.now)}
        return _("Counted %(ago)s and cached for five minutes. Figures with “now” are always current.") % words

    def pauses(self) -> Iterator[str]:
        """Yield a sentence for each key that is paused."""
        for name, pause in self.current.pauses.items():
            words = {
                "until": moment_words(pause.until, now=self.current.now),
                "why": PAUSE_NAMES.get(pause.reason, pause.reason),
                "key": conf.key_label(name),
            }
            if words["key"]:
                yield _("All calls with the key %(key)s wait until %(until)s: %(why)s.") % words
            else:
                yield _("All calls wait until %(until)s: %(why)s.") % words

    def tiles(self) -> Iterator[Tile]:
        total, counts, before = self.figures.total, self.figures.counts, self.figures.before
        requested = ngettext("of %(count)s request", "of %(count)s requests", total.calls)
        yield Tile(
            _("Calls placed"),
            figure(total.placed),
            requested % {"count": figure(total.calls)},
            url=self.url(outcome=CountedResult.PLACED),
            before=self._before(figure(before.placed)),
        )
        verified = _("%(count)s verified") % {"count": figure(total.verified)}
        yield Tile(
            _("Verified of placed"),
            percent(total.share),
            verified,
            url=self.url(outcome=Outcome.VERIFIED),
            before=self._before(percent(before.share)),
        )
        if total.cost is not None:
            estimate = pgettext("estimated cost", "placed calls × CALL_PRICES")
            before_cost = self._before(money(before.cost or 0))
            yield Tile(pgettext("tile", "Estimated cost"), money(total.cost), estimate, before=before_cost)
        median = seconds_words(self.figures.median_seconds)
        median_before = self._before(seconds_words(self.figures.earlier.median_seconds))
        yield Tile(_("Median to verified"), median, _("from request to right code"), before=median_before)
        unknown = ngettext("%(count)s call", "%(count)s calls", counts[Outcome.UNKNOWN])
        count = {"count": figure(counts[Outcome.UNKNOWN])}
        url = self.url(outcome=Outcome.UNKNOWN)
        unknown_before = self._before(percent(self.figures.unknown_share_before))
        share = percent(self.figures.unknown_share)
        yield Tile(_("Outcome unknown"), share, unknown % count, url=url, before=unknown_before)
        yield Tile(
            _("Requests rejected"),
            figure(self.figures.refused),
            _("before any call"),
            url="#telroi-refusals",
            before=self._before(figure(sum(self.figures.earlier.refusals.values()))),
        )
        limited = f"{self.numbers_url}?state=limited" if self.numbers_url else ""
        yield Tile(_("Numbers limited now"), figure(sum(self.current.limited.values())), self._rules(), url=limited)
        queued = f"{self.links.address}?status__exact=queued" if self.links.address else ""
        yield Tile(_("Waiting in the queue now"), figure(self.current.waiting), url=queued)

    def _before(self, value: str) -> str:
        """Return the figure of the period before."""
        words = {
            Period.DAY: pgettext("earlier figure", "24 hours before: %(value)s"),
            Period.WEEK: pgettext("earlier figure", "7 days before: %(value)s"),
            Period.MONTH: pgettext("earlier figure", "30 days before: %(value)s"),
        }[self.figures.period]
        return words % {"value": value}

    def _rules(self) -> str:
        names = {rule.value: str(name) for rule, name in RULE_NAMES.items()}
        limited = sorted(self.current.limited.items(), key=lambda item: -item[1])
        # No line begins with a figure alone.
        return " · ".join(f"{names.get(rule, rule)}:\N{NO-BREAK SPACE}{figure(count)}" for rule, count in limited)

    @cached_property
    def outcomes(self) -> list[Outcome]:
        """The outcomes in the legend. Rare outcomes are included only if there are any."""
        return [each for each in Outcome if each not in RARE_OUTCOMES or self.figures.counts[each]]

    def legend(self) -> Iterator[tuple[SafeString, str, Figure]]:
        for outcome in self.outcomes:
            count = Figure(figure(self.figures.counts[outcome]), self.url(outcome=outcome))
            yield swatch(_class_of(outcome)), str(OUTCOME_NAMES[outcome]), count

    @property
    def chart_title(self) -> str:
        return _("Calls per hour") if self.figures.period is Period.DAY else _("Calls per day")

    def chart(self) -> SafeString:
        total = {"count": figure(self.figures.total.calls), "bars": figure(len(self.figures.bars))}
        parts = listed(f"{count.text} {name}" for _swatch, name, count in self.legend())
        about = _("%(bars)s bars, %(count)s calls in all:") % total
        return stacked_bars(
            [self._stack(bar) for bar in self.figures.bars],
            classes=[_class_of(outcome) for outcome in self.outcomes],
            key="telroi-calls",
            title=self.chart_title,
            about=f"{about} {parts}.",
        )

    def _stack(self, bar: Bar) -> Stack:
        counts = [bar.counts.get(outcome, 0) for outcome in self.outcomes]
        named = zip(counts, self.outcomes, strict=True)
        parts = listed(f"{figure(count)} {OUTCOME_NAMES[outcome]}" for count, outcome in named if count)
        none = _("no calls")
        words = f"{self.bucket_words(bar.start)}: {parts or none}"
        # The label has no minutes, because a bar begins at a full hour or day.
        start = timezone.localtime(bar.start)
        label = date_format(start, "H:00" if self.figures.period is Period.DAY else "j M")
        return Stack(label=label, parts=counts, words=words)

    def bucket_words(self, start: datetime) -> str:
        """Format the start of a bar. If the clocks changed in the period, the zone distinguishes the repeated hour."""
        local = timezone.localtime(start)
        if self.figures.period is not Period.DAY:
            return date_format(local, "D j M")
        ends = (timezone.localtime(moment).utcoffset() for moment in (self.figures.since, self.figures.until))
        # Django's "T" is not used, because it omits the zone in the ambiguous hour.
        return date_format(local, "D H:i") if len(set(ends)) == 1 else f"{date_format(local, 'D H:i')} {local:%Z}"

    def chart_rows(self) -> Iterator[tuple[str, list[Figure], Figure]]:
        starts = [bar.start for bar in self.figures.bars]
        # A span includes both ends, and a bar ends just before the next one begins.
        ends = [start - timedelta(microseconds=1) for start in starts[1:]] + [self.figures.until]
        for bar, end in zip(self.figures.bars, ends, strict=True):
            counts = [
                Figure(figure(count), self.links.to(bar.start, end, outcome=outcome) if count else "")
                for outcome in self.outcomes
                for count in [bar.counts.get(outcome, 0)]
            ]
            yield self.bucket_words(bar.start), counts, Figure(figure(bar.total), self.links.to(bar.start, end))

    def outcome_names(self) -> list[str]:
        return [capfirst(str(OUTCOME_NAMES[outcome])) for outcome in self.outcomes]

    def regions(self) -> list[TableRow]:
        return [self._row(group, "region__exact", unnamed=_("no region")) for group in self.figures.regions]

    def purposes(self) -> list[TableRow]:
        return [self._row(group, "purpose__exact", unnamed=_("no purpose")) for group in self.figures.purposes]

    def keys(self) -> list[TableRow]:
        """The calls of each key. Empty for a site with one key."""
        return [self._row(group, "key_name__exact", unnamed="") for group in self.figures.keys]

    def _row(self, group: Group, parameter: str, *, unnamed: str) -> TableRow:
        def link(**outcome: str) -> str:
            return "" if group.is_rest else self.url(**{parameter: group.name}, **outcome)

        named = region_name(group.name) if parameter == "region__exact" else group.name
        earlier = {
            "region__exact": self.figures.earlier.regions,
            "purpose__exact": self.figures.earlier.purposes,
            "key_name__exact": self.figures.earlier.keys,
        }[parameter]
        return table_row(
            group,
            name=_("all others") if group.is_rest else named or unnamed,
            before=None if group.is_rest else earlier.get(group.name, 0),
            link=link,
            usual=self.figures.usual_share,
        )

    @property
    def ranked_words(self) -> str:
        """What is ranked. A period with very many attempts is ranked by the newest ones."""
        since, until = self.figures.ranked_since, self.figures.until
        if since <= self.figures.since:
            return pgettext("rankings", "The ten with most calls. Each figure is a link to its attempts.")
        words = pgettext("rankings", "The ten with most calls of the newest %(count)s attempts, since %(since)s.")
        return words % {"count": figure(MAX_ATTEMPTS), "since": moment_words(since, now=until)}

    @property
    def has_costs(self) -> bool:
        return self.figures.total.cost is not None

    def refusals(self) -> Iterator[tuple[str, str, str]]:
        """Yield the reason, how often, and how often in the period before."""
        for refused in self.figures.refusals:
            before = self.figures.earlier.refusals.get(refused.code, 0)
            yield str(REFUSAL_NAMES.get(refused.code, refused.code)), figure(refused.times), figure(before)

    def alerts(self) -> Iterator[tuple[str, str, str]]:
        for alerted in self.figures.alerts:
            last = moment_words(alerted.last_at, now=self.current.now)
            kind, _space, key = alerted.kind.partition(" ")
            name = str(ALERT_NAMES.get(kind, kind))
            yield f"{key}: {name}" if key else name, figure(alerted.times), last


def _class_of(outcome: Outcome) -> str:
    return outcome.value.replace("_", "-")
