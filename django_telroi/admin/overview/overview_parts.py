"""The data for the overview's template: formatted figures and the chart."""

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
    "invalid_number": gettext_lazy("invalid number"),
    "not_callable": gettext_lazy("number not callable, or blocked"),
    "vetoed": gettext_lazy("rejected by MAY_START (the log has the reasons)"),
    "region_not_allowed": gettext_lazy("region not allowed"),
    "invalid_purpose": gettext_lazy("invalid purpose"),
    "cooldown": gettext_lazy("cooldown of the number"),
    "hourly_limit": gettext_lazy("hourly limit of the number"),
    "daily_limit": gettext_lazy("daily limit of the number"),
    "held": gettext_lazy("number held by Telroi"),
    "too_many_requests": gettext_lazy("rate limit of an IP address or a user"),
    "site_limit": gettext_lazy("daily limit of the site"),
    "calls_stopped": gettext_lazy("all calls stopped"),
    "misconfigured": gettext_lazy("key rejected by Telroi"),
    "unavailable": gettext_lazy("Telroi unavailable"),
}
ALERT_NAMES = {
    "misconfigured": gettext_lazy("Telroi rejected the API key or the URL. Check API_KEY and BASE_URL."),
    "insufficient_funds": gettext_lazy("The wallet at Telroi is empty. Top it up."),
    "key_limited": gettext_lazy("The key sent more requests per minute than Telroi allows."),
    "pumping": gettext_lazy(
        "Many calls to numbers with the same prefix, but hardly any verified. Consider blocking the prefix."
    ),
    "proxies_undecided": gettext_lazy("Requests come through a proxy, but TRUSTED_PROXIES is not set."),
    "waiting": gettext_lazy("Calls wait too long in the queue. Check the workers."),
}
OWN_REFUSAL_NAMES = {
    "held": gettext_lazy("number held by the provider"),
    "misconfigured": gettext_lazy("key rejected by the provider"),
    "unavailable": gettext_lazy("provider unavailable"),
}
"""The labels that replace those of Telroi on a site with another backend."""
OWN_ALERT_NAMES = {
    "misconfigured": gettext_lazy(
        "The provider rejected the key, or the backend cannot be created. Check its settings."
    ),
    "insufficient_funds": gettext_lazy("The account at the provider is empty. Top it up."),
    "key_limited": gettext_lazy("The key sent more requests than the provider allows."),
}
OWN_PAUSE_NAMES = {PauseReason.MISCONFIGURED: gettext_lazy("the provider rejected the key")}
PAUSE_NAMES = {
    PauseReason.MISCONFIGURED: gettext_lazy("Telroi rejected the key"),
    PauseReason.KEY_LIMITED: gettext_lazy("the key is over its limit"),
}


def figure(value: float, *, decimals: int = 0) -> str:
    """Format a number. It is rounded first, because Django truncates the decimals."""
    return str(number_format(round(value, decimals), decimals, use_l10n=True, force_grouping=True))


def percent(share: float | None) -> str:
    return "–" if share is None else _("%(share)s %%") % {"share": figure(100 * share, decimals=1)}


def seconds_words(seconds: float | None) -> str:
    return "–" if seconds is None else _("%(count)s s") % {"count": figure(seconds)}


@dataclass(frozen=True)
class Tile:
    """One figure at the top of the page. ``note`` explains what it is a part of."""

    label: str
    value: str
    note: str = ""


@dataclass(frozen=True)
class TableRow:
    """A row of the table of regions or purposes."""

    name: str
    mark: str
    calls: str
    placed: str
    verified: str
    share: str
    bar: SafeString


class Page:
    """The data for the template. Each property is computed when the template uses it."""

    def __init__(self, figures: Statistics, current: CurrentCounts) -> None:
        self.figures, self.current = figures, current

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
        """The start of the period, with its time zone."""
        since = timezone.localtime(self.figures.since)
        words = {"since": date_format(since, "DATETIME_FORMAT"), "zone": f"{since:%Z}"}
        return _("Since %(since)s (%(zone)s).") % words

    @property
    def age(self) -> str:
        seconds = (self.current.now - self.figures.until).total_seconds()
        if seconds < 1:
            return _("Counted just now.")
        words = {"ago": ago_words(self.figures.until, now=self.current.now)}
        return _("Counted %(ago)s and cached for five minutes. Figures with “now” are always current.") % words

    @property
    def pause(self) -> str:
        pause = self.current.pause
        if not pause:
            return ""
        until = moment_words(pause.until, now=self.current.now)
        return _("All calls wait until %(until)s: %(why)s.") % {
            "until": until,
            "why": _named(pause.reason, PAUSE_NAMES, OWN_PAUSE_NAMES),
        }

    def pumped(self) -> Iterator[str]:
        for each in self.current.pumped:
            words = {"prefix": each.prefix, "calls": figure(each.calls), "verified": figure(each.verified)}
            yield (
                _(
                    "Numbers that begin with +%(prefix)s: %(calls)s calls in the last hour, %(verified)s of them "
                    "verified. If they are not your users, add the prefix to BLOCKED_PREFIXES."
                )
                % words
            )

    def tiles(self) -> Iterator[Tile]:
        total, counts = self.figures.total, self.figures.counts
        requested = ngettext("of %(count)s request", "of %(count)s requests", total.calls)
        yield Tile(_("Calls placed"), figure(total.placed), requested % {"count": figure(total.calls)})
        verified = _("%(count)s verified") % {"count": figure(total.verified)}
        yield Tile(_("Verified of placed"), percent(total.share), verified)
        yield Tile(_("Median to verified"), seconds_words(self.figures.median_seconds), _("from request to right code"))
        unknown = ngettext("%(count)s call", "%(count)s calls", counts[Outcome.UNKNOWN])
        count = {"count": figure(counts[Outcome.UNKNOWN])}
        yield Tile(_("Outcome unknown"), percent(self.figures.unknown_share), unknown % count)
        yield Tile(_("Requests rejected"), figure(self.figures.refused), _("before any call"))
        yield Tile(_("Numbers limited now"), figure(sum(self.current.limited.values())), self._rules())
        yield Tile(_("Waiting in the queue now"), figure(self.current.waiting))

    def _rules(self) -> str:
        names = {rule.value: str(name) for rule, name in RULE_NAMES.items()}
        limited = sorted(self.current.limited.items(), key=lambda item: -item[1])
        return " · ".join(f"{figure(count)} {names.get(rule, rule)}" for rule, count in limited)

    @cached_property
    def outcomes(self) -> list[Outcome]:
        """The outcomes in the legend. Rare outcomes are included only if there are any."""
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
        """Format the start of a bar. If the clocks changed in the period, the zone distinguishes the repeated hour."""
        local = timezone.localtime(start)
        if self.figures.period is not Period.DAY:
            return date_format(local, "D j M")
        ends = (timezone.localtime(moment).utcoffset() for moment in (self.figures.since, self.figures.until))
        # Django's "T" is not used, because it omits the zone in the ambiguous hour.
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
            last = moment_words(alerted.last_at, now=self.current.now)
            yield _named(alerted.kind, ALERT_NAMES, OWN_ALERT_NAMES), figure(alerted.times), last


def _named(key: str, names: Mapping[Any, object], own_names: Mapping[Any, object]) -> str:
    """Return the label of ``key``, from ``own_names`` on a site with another backend, or ``key`` if it is unknown."""
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
