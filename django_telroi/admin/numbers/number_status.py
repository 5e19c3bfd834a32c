"""The status of a number in the admin: its chip, the same status as a database filter, and the chart of 24 hours.

The status is computed from the number's row and the settings of this moment, so a changed setting shows at once.
"""

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
    """A snapshot at ``now``. ``rule`` is the limit that lasts longest. ``until`` is None if it is free or blocked."""

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
        """The text of the chip."""
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
    """Return the status of ``phone`` at ``now``. It reads only the row."""
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


def with_status(
    phones: QuerySet[PhoneNumber], rules: Collection[str], *, policy: Policy, now: datetime
) -> QuerySet[PhoneNumber]:
    """Return the numbers whose ``number_status_of`` is one of ``rules``. The database computes it.

    Calls are stored as ISO 8601 in UTC, so text compares like the times. If several limits apply, ``limited_by`` of
    the row has the one that lasts longest. After a settings change it may be out of date. Then the most severe limit
    is used.
    """
    conditions = _conditions(policy, now)
    named = [When(conditions[rule] & Q(limited_by=rule), then=Value(rule.value)) for rule in Rule]
    severest_first = [When(conditions[rule], then=Value(rule.value)) for rule in reversed(Rule)]
    blocked = When(blocked_at__isnull=False, then=Value(BLOCKED))
    rule_now = Case(blocked, *named, *severest_first, default=Value(FREE), output_field=CharField())
    positions = {0, policy.per_hour - 1, policy.per_day - 1}
    calls = {f"call_{position}": _call_at(position) for position in positions}
    return phones.alias(**calls).alias(rule_now=rule_now).filter(Q(("rule_now__in", list(rules))))


def may_be_limited(rules: Collection[Rule], *, policy: Policy, now: datetime) -> Q:
    """Return a condition for all numbers that ``rules`` may limit now, and few others. It uses indexes.

    A rule applies only if the newest call is within its window. A held number always has a later ``next_call_at``.
    """
    window = {Rule.COOLDOWN: policy.cooldown, Rule.HOURLY_LIMIT: HOUR, Rule.DAILY_LIMIT: DAY}
    longest = max((window[rule] for rule in rules if rule in window), default=None)
    was_called = Q(last_call_at__gt=now - longest) if longest is not None else Q(pk__in=())
    return was_called | Q(next_call_at__gt=now) if Rule.HELD in rules else was_called


def _call_at(position: int) -> Coalesce:
    """Return one call as text, or "" if there are fewer calls. Without the cast it would be compared as JSON."""
    return Coalesce(KeyTextTransform(position, F("calls")), Value(""), output_field=TextField())


def _conditions(policy: Policy, now: datetime) -> dict[Rule, Q]:
    return {
        Rule.COOLDOWN: Q(call_0__gt=_text(now - policy.cooldown)),
        Rule.HELD: Q(held_until__gt=now),
        Rule.HOURLY_LIMIT: Q(**{f"call_{policy.per_hour - 1}__gt": _text(now - HOUR)}),
        Rule.DAILY_LIMIT: Q(**{f"call_{policy.per_day - 1}__gt": _text(now - DAY)}),
    }


def _text(moment: datetime) -> str:
    """Return ``moment`` in the format in which calls are stored."""
    phone = PhoneNumber()
    phone.moments = [moment]
    return str(phone.calls[0])


WIDTH, HEIGHT, EDGE = 960, 64, 8
HOURS_BETWEEN_MARKS = 3


@dataclass(frozen=True)
class StripMark:
    """A call that counts, and when it stops counting. ``leaves_hour`` is None if it is older than an hour."""

    at: datetime
    leaves_hour: datetime | None
    leaves_day: datetime


def strip_marks(moments: Sequence[datetime], *, now: datetime) -> list[StripMark]:
    """Return the calls of the last day, newest first, with the times at which they leave the hour and the day."""
    return [StripMark(at, at + HOUR if at + HOUR > now else None, at + DAY) for at in moments if at + DAY > now]


def strip(moments: Sequence[datetime], *, now: datetime) -> SafeString:
    """Return an SVG of the calls in the 24 hours until ``now``. Its title and description contain the same as text.

    It has no inline styles, which a strict content security policy would block.
    """
    counted = [mark.at for mark in strip_marks(moments, now=now)]
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
    """Return the five labels below the strip: four times, six hours apart, and "now"."""
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
    """Return the x coordinate of ``moment``. After the clock was set back, a moment may be later than ``now``."""
    share = min(1.0, max(0.0, 1 - (now - moment) / DAY))
    return round(EDGE + share * (WIDTH - 2 * EDGE), 1)
