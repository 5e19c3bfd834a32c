"""The state of a number as the admin shows it: its chip, and the strip of its last day."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Case, CharField, F, Q, QuerySet, TextField, Value, When
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Coalesce
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from django_telroi.admin.shared.chips import chip, clock_time, moment_words
from django_telroi.domain.policy import DAY, HOUR, Policy, Rule, limit_at, seconds_to_wait, used_in
from django_telroi.models import PhoneNumber

FREE, BLOCKED = "free", "blocked"
TONES = {
    FREE: "good",
    BLOCKED: "quiet",
    Rule.COOLDOWN: "wait",
    Rule.HELD: "info",
    Rule.HOURLY_LIMIT: "bad",
    Rule.DAILY_LIMIT: "bad",
}


@dataclass(frozen=True)
class NumberStatus:
    """``rule`` is what bars the number longest, ``free`` or ``blocked``; ``until`` is None for those two."""

    rule: str
    until: datetime | None
    reason: str
    used_of_hour: int
    used_of_day: int
    policy: Policy
    now: datetime

    @property
    def is_free(self) -> bool:
        return self.rule == FREE

    @property
    def chip(self) -> str:
        return chip(self.words, TONES[self.rule])

    @property
    def words(self) -> str:
        """What the chip says."""
        if self.rule == FREE:
            return _("free")
        if self.until is None:
            return _("blocked: %(reason)s") % {"reason": self.reason} if self.reason else _("blocked")
        if self.rule == Rule.COOLDOWN:
            return _("cooling down %(clock)s") % {"clock": clock_time(seconds_to_wait(self.until, self.now))}
        return self._sentences()[self.rule] % {"when": moment_words(self.until, now=self.now)}

    @staticmethod
    def _sentences() -> dict[str, str]:
        return {
            Rule.HELD: _("held by Telroi until %(when)s"),
            Rule.HOURLY_LIMIT: _("hour full until %(when)s"),
            Rule.DAILY_LIMIT: _("day full until %(when)s"),
        }


def number_status_of(phone: PhoneNumber, *, policy: Policy, now: datetime) -> NumberStatus:
    moments = phone.moments
    limit = limit_at(policy, moments, now=now, held_until=phone.held_until)
    rule, until = (limit.rule, limit.until) if limit else (FREE, None)
    if phone.blocked_at:
        rule, until = BLOCKED, None
    return NumberStatus(
        rule=rule,
        until=until,
        reason=phone.blocked_reason,
        used_of_hour=used_in(moments, now=now, window=HOUR),
        used_of_day=used_in(moments, now=now, window=DAY),
        policy=policy,
        now=now,
    )


def barred_by(
    phones: QuerySet[PhoneNumber], rules: Collection[str], *, policy: Policy, now: datetime
) -> QuerySet[PhoneNumber]:
    """The numbers of which ``standing_of`` says one of ``rules``, found by the database.

    The calls are ISO 8601 in UTC, so that text compares as the moments do. Where several rules bar a number, the one
    that bars it longest is what the row keeps; only if a setting was changed since may it be the most severe instead.
    """
    bars = _bars(policy, now)
    named = [When(bars[rule] & Q(limited_by=rule), then=Value(rule.value)) for rule in Rule]
    severest_first = [When(bars[rule], then=Value(rule.value)) for rule in reversed(Rule)]
    blocked = When(blocked_at__isnull=False, then=Value(BLOCKED))
    rule_now = Case(blocked, *named, *severest_first, default=Value(FREE), output_field=CharField())
    positions = {0, policy.per_hour - 1, policy.per_day - 1}
    calls = {f"call_{position}": _call_at(position) for position in positions}
    return phones.alias(**calls).alias(rule_now=rule_now).filter(Q(("rule_now__in", list(rules))))


def may_be_limited(rules: Collection[Rule], *, policy: Policy, now: datetime) -> Q:
    """By indexes, all the numbers that one of ``rules`` may bar now, and no more others than must be.

    The newest call decides how far back a rule can reach; no number is held for longer than it must wait.
    """
    reach = {Rule.COOLDOWN: policy.cooldown, Rule.HOURLY_LIMIT: HOUR, Rule.DAILY_LIMIT: DAY}
    farthest = max((reach[rule] for rule in rules if rule in reach), default=None)
    was_called = Q(last_call_at__gt=now - farthest) if farthest is not None else Q(pk__in=())
    return was_called | Q(next_call_at__gt=now) if Rule.HELD in rules else was_called


def _call_at(position: int) -> Coalesce:
    """One of the calls as text; "" where there are fewer. Bare, it would be compared as JSON."""
    return Coalesce(KeyTextTransform(position, F("calls")), Value(""), output_field=TextField())


def _bars(policy: Policy, now: datetime) -> dict[Rule, Q]:
    return {
        Rule.COOLDOWN: Q(call_0__gt=_text(now - policy.cooldown)),
        Rule.HELD: Q(held_until__gt=now),
        Rule.HOURLY_LIMIT: Q(**{f"call_{policy.per_hour - 1}__gt": _text(now - HOUR)}),
        Rule.DAILY_LIMIT: Q(**{f"call_{policy.per_day - 1}__gt": _text(now - DAY)}),
    }


def _text(moment: datetime) -> str:
    phone = PhoneNumber()
    phone.moments = [moment]
    return str(phone.calls[0])


WIDTH, HEIGHT, EDGE = 960, 64, 8
HOURS_BETWEEN_MARKS = 3


@dataclass(frozen=True)
class StripMark:
    """A call that counts. ``leaves_hour`` is None once it is older than an hour."""

    at: datetime
    leaves_hour: datetime | None
    leaves_day: datetime


def strip_marks(moments: Sequence[datetime], *, now: datetime) -> list[StripMark]:
    """The calls of the last day, newest first, and when each frees its place in the hour and in the day."""
    return [StripMark(at, at + HOUR if at + HOUR > now else None, at + DAY) for at in moments if at + DAY > now]


def strip(moments: Sequence[datetime], *, now: datetime) -> SafeString:
    """A strip of 24 hours that ends now, in SVG: its title and description say in words what it shows.

    Nothing in it has a style of its own, so that a strict content security policy holds.
    """
    counted = [slot.at for slot in strip_marks(moments, now=now)]
    return format_html(
        '<svg class="telroi-strip" viewBox="0 0 {width} {height}" role="img" aria-labelledby="telroi-strip-title '
        'telroi-strip-desc" focusable="false"><title id="telroi-strip-title">{title}</title>'
        '<desc id="telroi-strip-desc">{description}</desc>'
        '<rect class="telroi-strip-day" x="{edge}" y="12" width="{inner}" height="40" rx="6"/>'
        '<rect class="telroi-strip-hour" x="{hour}" y="12" width="{hour_width}" height="40" rx="6"/>'
        "{marks}{calls}</svg>",
        width=WIDTH,
        height=HEIGHT,
        title=_("Calls that count, last 24 hours"),
        description=_description(counted),
        edge=EDGE,
        inner=WIDTH - 2 * EDGE,
        hour=_x(now - HOUR, now),
        hour_width=round(WIDTH - EDGE - _x(now - HOUR, now), 1),
        marks=format_html_join(
            "",
            '<line class="telroi-strip-mark" x1="{0}" y1="12" x2="{0}" y2="52"/>',
            ((_x(at, now),) for at in _marks(now)),
        ),
        calls=format_html_join(
            "",
            '<line class="telroi-strip-call" x1="{0}" y1="6" x2="{0}" y2="58"><title>{1}</title></line>',
            ((_x(at, now), date_format(timezone.localtime(at), "TIME_FORMAT")) for at in counted),
        ),
    )


def strip_labels(now: datetime) -> list[str]:
    """What stands below the strip: the time of its beginning, three between, and now."""
    times = [now - timedelta(hours=hours) for hours in (24, 18, 12, 6)]
    return [*(date_format(timezone.localtime(at), "TIME_FORMAT") for at in times), _("now")]


def _description(counted: Sequence[datetime]) -> str:
    if not counted:
        return _("No call counts.")
    words = ngettext("%(count)d call counts, at %(times)s.", "%(count)d calls count, at %(times)s.", len(counted))
    times = ", ".join(date_format(timezone.localtime(at), "TIME_FORMAT") for at in reversed(counted))
    return words % {"count": len(counted), "times": times}


def _marks(now: datetime) -> Iterator[datetime]:
    return (now - timedelta(hours=hours) for hours in range(HOURS_BETWEEN_MARKS, 24, HOURS_BETWEEN_MARKS))


def _x(moment: datetime, now: datetime) -> float:
    """Where a moment of the last day is; what a clock that stepped back put ahead of now is at the end."""
    share = min(1.0, max(0.0, 1 - (now - moment) / DAY))
    return round(EDGE + share * (WIDTH - 2 * EDGE), 1)
