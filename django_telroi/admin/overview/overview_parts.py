"""What the overview's template shows: the figures in words, and the chart."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from django.utils import timezone
from django.utils.formats import date_format, number_format
from django.utils.safestring import SafeString
from django.utils.text import capfirst
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from django_telroi.admin.overview.charts import Stack, share_bar, stacked_bars, swatch
from django_telroi.admin.shared.chips import ago_words, country_flag, moment_words
from django_telroi.backends import is_own_backend
from django_telroi.models.phone_number import RULE_NAMES
from django_telroi.services.shared.site_control import PauseReason
from django_telroi.services.statistics.figures import CurrentCounts
from django_telroi.services.statistics.periods import Bar, Group, Outcome, Period, Statistics

OUTCOME_NAMES = {
    Outcome.VERIFIED: gettext_lazy("verified"),
    Outcome.NOT_VERIFIED: gettext_lazy("not verified"),
    Outcome.FAILED: gettext_lazy("failed"),
    Outcome.UNKNOWN: gettext_lazy("outcome unknown"),
    Outcome.OPEN: gettext_lazy("still open"),
    Outcome.TEST_KEY: gettext_lazy("with a test key"),
}
RARE_OUTCOMES = frozenset({Outcome.OPEN, Outcome.TEST_KEY})
REFUSAL_NAMES = {
    "invalid_number": gettext_lazy("no phone number"),
    "not_callable": gettext_lazy("never callable, or blocked"),
    "vetoed": gettext_lazy("refused by MAY_START; the log has the reasons"),
    "region_not_allowed": gettext_lazy("a region that is not allowed"),
    "invalid_purpose": gettext_lazy("a purpose that is not offered"),
    "cooldown": gettext_lazy("called a moment ago"),
    "hourly_limit": gettext_lazy("the number's hour was full"),
    "daily_limit": gettext_lazy("the number's day was full"),
    "held": gettext_lazy("Telroi asked to leave the number alone"),
    "too_many_requests": gettext_lazy("too many requests of one address or user"),
    "site_limit": gettext_lazy("the site's calls of a day were used up"),
    "calls_stopped": gettext_lazy("all calls were stopped"),
    "misconfigured": gettext_lazy("Telroi refused our key"),
    "unavailable": gettext_lazy("Telroi was not available"),
}
ALERT_NAMES = {
    "misconfigured": gettext_lazy("Telroi refused our key or our address. Check API_KEY and BASE_URL."),
    "insufficient_funds": gettext_lazy("The balance at Telroi is used up. Top it up."),
    "key_limited": gettext_lazy("The key asked for more than Telroi allows it in a minute."),
    "pumping": gettext_lazy("Many calls to numbers that begin alike, and hardly any verified. Consider to block them."),
    "proxies_undecided": gettext_lazy("A proxy stands in front, and TRUSTED_PROXIES does not say how many."),
    "waiting": gettext_lazy("Requests wait in the queue for longer than they should. Check the workers."),
}
OWN_REFUSAL_NAMES = {
    "held": gettext_lazy("the provider asked to leave the number alone"),
    "misconfigured": gettext_lazy("the provider refused our key"),
    "unavailable": gettext_lazy("the provider was not available"),
}
"""In place of the others, on a site with a backend of its own."""
OWN_ALERT_NAMES = {
    "misconfigured": gettext_lazy("The provider refused our key, or the backend cannot be made. Check its settings."),
    "insufficient_funds": gettext_lazy("The balance at the provider is used up. Top it up."),
    "key_limited": gettext_lazy("The key asked for more than the provider allows it."),
}
OWN_PAUSE_NAMES = {PauseReason.MISCONFIGURED: gettext_lazy("the provider refused the key")}
PAUSE_NAMES = {
    PauseReason.MISCONFIGURED: gettext_lazy("Telroi refused the key"),
    PauseReason.KEY_LIMITED: gettext_lazy("the key is over its limit"),
}


def figure(value: float, *, decimals: int = 0) -> str:
    """Rounded before it is written: Django cuts off what is too long."""
    return str(number_format(round(value, decimals), decimals, use_l10n=True, force_grouping=True))


def percent(share: float | None) -> str:
    return "–" if share is None else _("%(share)s %%") % {"share": figure(100 * share, decimals=1)}


def seconds_words(seconds: float | None) -> str:
    return "–" if seconds is None else _("%(count)s s") % {"count": figure(seconds)}


@dataclass(frozen=True)
class Tile:
    """A figure that answers a question at a glance; ``note`` says what it is of."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class TableRow:
    """One line of a table by region or purpose."""

    name: str
    mark: str
    calls: str
    placed: str
    verified: str
    share: str
    bar: SafeString


class Page:
    """Everything that the template asks for; each is composed when it is asked."""

    def __init__(self, figures: Statistics, standing: CurrentCounts) -> None:
        self.figures, self.standing = figures, standing

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
        """From when on, and how old the figures are where they come from the cache."""
        since = timezone.localtime(self.figures.since)
        words = {"since": date_format(since, "DATETIME_FORMAT"), "zone": f"{since:%Z}"}
        return _("Since %(since)s (%(zone)s).") % words

    @property
    def age(self) -> str:
        seconds = (self.standing.now - self.figures.until).total_seconds()
        if seconds < 1:
            return _("Counted just now.")
        words = {"ago": ago_words(self.figures.until, now=self.standing.now)}
        return _("Counted %(ago)s, and anew after five minutes; what says “now” is read each time.") % words

    @property
    def pause(self) -> str:
        pause = self.standing.pause
        if not pause:
            return ""
        until = moment_words(pause.until, now=self.standing.now)
        return _("All calls wait until %(until)s: %(why)s.") % {
            "until": until,
            "why": _named(pause.reason, PAUSE_NAMES, OWN_PAUSE_NAMES),
        }

    def pumped(self) -> Iterator[str]:
        for each in self.standing.pumped:
            words = {"prefix": each.prefix, "calls": figure(each.calls), "verified": figure(each.verified)}
            yield (
                _(
                    "Numbers that begin with +%(prefix)s: %(calls)s calls in the last hour, %(verified)s of them "
                    "verified. If that is nobody you know, put the prefix into BLOCKED_PREFIXES."
                )
                % words
            )

    def tiles(self) -> Iterator[Tile]:
        all_of_them, counts = self.figures.total, self.figures.counts
        requested = ngettext("of %(count)s request", "of %(count)s requests", all_of_them.calls)
        yield Tile(_("Calls placed"), figure(all_of_them.placed), requested % {"count": figure(all_of_them.calls)})
        verified = _("%(count)s verified") % {"count": figure(all_of_them.verified)}
        yield Tile(_("Verified of placed"), percent(all_of_them.share), verified)
        yield Tile(_("Median to verified"), seconds_words(self.figures.median_seconds), _("from request to right code"))
        unknown = ngettext("%(count)s call", "%(count)s calls", counts[Outcome.UNKNOWN])
        count = {"count": figure(counts[Outcome.UNKNOWN])}
        yield Tile(_("Outcome unknown"), percent(self.figures.unknown_share), unknown % count)
        yield Tile(_("Requests refused"), figure(self.figures.refused), _("before any call"))
        yield Tile(_("Numbers limited now"), figure(sum(self.standing.limited.values())), self._rules())
        yield Tile(_("Waiting in the queue now"), figure(self.standing.waiting))

    def _rules(self) -> str:
        names = {rule.value: str(name) for rule, name in RULE_NAMES.items()}
        limited = sorted(self.standing.limited.items(), key=lambda item: -item[1])
        return " · ".join(f"{figure(count)} {names.get(rule, rule)}" for rule, count in limited)

    @cached_property
    def outcomes(self) -> list[Outcome]:
        """Those that every legend has, and of the others those that there are."""
        return [each for each in Outcome if each not in RARE_OUTCOMES or self.figures.counts[each]]

    def legend(self) -> Iterator[tuple[SafeString, str, str]]:
        for outcome in self.outcomes:
            yield swatch(_class_of(outcome)), str(OUTCOME_NAMES[outcome]), figure(self.figures.counts[outcome])

    @property
    def chart_title(self) -> str:
        return _("Calls per hour") if self.figures.period is Period.DAY else _("Calls per day")

    def chart(self) -> SafeString:
        total = {"count": figure(self.figures.total.calls), "bars": figure(len(self.figures.bars))}
        parts = ", ".join(f"{count} {name}" for _swatch, name, count in self.legend())
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
        parts = ", ".join(f"{figure(count)} {OUTCOME_NAMES[outcome]}" for count, outcome in named if count)
        words = f"{self.bucket_words(bar.start)}: {parts or _('no calls')}"
        return Stack(label=self._label(bar.start), parts=counts, words=words)

    def _label(self, start: datetime) -> str:
        return date_format(timezone.localtime(start), "H:00" if self.figures.period is Period.DAY else "j M")

    def bucket_words(self, start: datetime) -> str:
        """An hour or a day, so that no two read alike: the zone tells the hour that comes twice."""
        local = timezone.localtime(start)
        if self.figures.period is not Period.DAY:
            return date_format(local, "D j M")
        ends = (timezone.localtime(moment).utcoffset() for moment in (self.figures.since, self.figures.until))
        # Not Django's "T", which leaves out the zone of just the hour that is ambiguous.
        return date_format(local, "D H:i") if len(set(ends)) == 1 else f"{date_format(local, 'D H:i')} {local:%Z}"

    def chart_rows(self) -> Iterator[tuple[str, list[str], str]]:
        for bar in self.figures.bars:
            counts = [figure(bar.counts.get(outcome, 0)) for outcome in self.outcomes]
            yield self.bucket_words(bar.start), counts, figure(bar.total)

    def outcome_names(self) -> list[str]:
        return [capfirst(str(OUTCOME_NAMES[outcome])) for outcome in self.outcomes]

    def regions(self) -> list[TableRow]:
        return [_line(group, unnamed=_("no region")) for group in self.figures.regions]

    def purposes(self) -> list[TableRow]:
        return [_line(group, unnamed=_("no purpose"), flagged=False) for group in self.figures.purposes]

    def refusals(self) -> Iterator[tuple[str, str]]:
        for refused in self.figures.refusals:
            yield _named(refused.code, REFUSAL_NAMES, OWN_REFUSAL_NAMES), figure(refused.times)

    def alerts(self) -> Iterator[tuple[str, str, str]]:
        for alerted in self.figures.alerts:
            last = moment_words(alerted.last_at, now=self.standing.now)
            yield _named(alerted.kind, ALERT_NAMES, OWN_ALERT_NAMES), figure(alerted.times), last


def _named(key: str, names: Mapping[Any, object], own_names: Mapping[Any, object]) -> str:
    """What ``key`` is called where Telroi or the site's own provider places the calls; a name of nobody's is itself."""
    return str((is_own_backend() and own_names.get(key)) or names.get(key, key))


def _class_of(outcome: Outcome) -> str:
    return outcome.value.replace("_", "-")


def _line(group: Group, *, unnamed: str, flagged: bool = True) -> TableRow:
    name = _("all others") if group.is_rest else group.name or unnamed
    return TableRow(
        name=name,
        mark=country_flag(group.name) if flagged else "",
        calls=figure(group.calls),
        placed=figure(group.placed),
        verified=figure(group.verified),
        share=percent(group.share),
        bar=share_bar(group.share),
    )
