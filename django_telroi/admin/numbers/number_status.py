"""The status of a number in the admin: its chip, the same status as a database filter, and the chart of 24 hours.

The status is computed from the number's row and the settings of this moment, so a changed setting shows at once.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Case, CharField, ExpressionWrapper, F, OuterRef, Q, QuerySet, TextField, Value, When
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Coalesce
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import ngettext, pgettext, pgettext_lazy

from django_telroi import conf
from django_telroi.admin.shared.chips import chip, listed, moment_words, time_words
from django_telroi.admin.shared.marks import small
from django_telroi.domain.number_limits import DAY, HOUR, Policy, Rule, limit_at, used_in, wrong_code_wait
from django_telroi.models import BlockedDestination, PhoneNumber
from django_telroi.services.requester import plain
from django_telroi.services.shared.wrong_code_counts import wait_end_of
from django_telroi.services.staff.call_stops import blocks_active_at

FREE, BLOCKED, STOPPED, WRONG_CODES = "free", "blocked", "stopped", "wrong_codes"
TONES = {
    FREE: "good",
    BLOCKED: "quiet",
    STOPPED: "bad",
    WRONG_CODES: "bad",
    Rule.COOLDOWN: "wait",
    Rule.HELD: "info",
    Rule.HOURLY_LIMIT: "bad",
    Rule.DAILY_LIMIT: "bad",
}

STATE_NAMES = {
    FREE: pgettext_lazy("state of a number", "free"),
    BLOCKED: pgettext_lazy("state of a number", "blocked"),
    WRONG_CODES: pgettext_lazy("state of a number", "wrong codes"),
    Rule.COOLDOWN: pgettext_lazy("state of a number", "cooling down"),
    Rule.HELD: pgettext_lazy("state of a number", "held"),
    Rule.HOURLY_LIMIT: pgettext_lazy("state of a number", "hour full"),
    Rule.DAILY_LIMIT: pgettext_lazy("state of a number", "day full"),
}


@dataclass(frozen=True)
class NumberStatus:
    """A snapshot at ``now``. ``rule`` is the limit that lasts longest. ``until`` is None if it is free or blocked.

    ``is_stopped``: all calls are stopped, so a number without a limit cannot be called either. ``destination``: the
    block of its prefix or region that lasts longest, None if there is none.
    """

    rule: str
    until: datetime | None
    reason: str
    used_of_hour: int
    used_of_day: int
    policy: Policy
    now: datetime
    is_stopped: bool = False
    destination: BlockedDestination | None = None
    is_blocked_by_staff: bool = False

    @property
    def is_free(self) -> bool:
        return self.rule == FREE and not self.is_stopped and self.destination is None

    @property
    def chip(self) -> SafeString:
        """The state on one line. A reason may be long, so it is not in the chip: see ``mark``."""
        is_barred = self.rule == FREE and (self.is_stopped or self.destination is not None)
        return chip(self.words, TONES[STOPPED if is_barred else self.rule])

    @property
    def mark(self) -> SafeString:
        """The chip, and below it the reason of a block or who holds the number."""
        return format_html("{} {}", self.chip, small(self.note)) if self.note else self.chip

    @property
    def note(self) -> str:
        return pgettext("below “held”", "by the provider") if self.rule == Rule.HELD else plain(self.reason)

    @property
    def words(self) -> str:
        """The text of the chip. ``next_call`` says until when, in its own column or sentence."""
        if self.rule == FREE and self.destination:
            if self.destination.is_prefix:
                return pgettext("state of a number", "prefix blocked")
            return pgettext("state of a number", "region blocked")
        if self.rule == FREE and self.is_stopped:
            return pgettext("state of a number", "calls stopped")
        return str(STATE_NAMES[self.rule])

    @property
    def next_call(self) -> str:
        """When the next call is possible, for a column."""
        if self.rule == BLOCKED or (self.destination and self.destination.until is None):
            return ""
        if self.is_stopped:
            return pgettext("next call possible", "after calls are resumed")
        ends = [end for end in (self.until, self.destination and self.destination.until) if end]
        return moment_words(max(ends), now=self.now) if ends else _("now")


def block_of_destination(number: str, region: str, blocks: Iterable[BlockedDestination]) -> BlockedDestination | None:
    """Return the first of ``blocks`` that applies to a number (E.164) of this region, None if none does."""
    return next(
        (
            block
            for block in blocks
            if (number.startswith(block.destination) if block.is_prefix else region == block.destination)
        ),
        None,
    )


def blocks_of_row(*, now: datetime) -> QuerySet[BlockedDestination]:
    """Return the blocks that apply to the number of the outer query, the one that lasts longest first."""
    blocks = BlockedDestination.objects.alias(row=ExpressionWrapper(OuterRef("number"), CharField()))
    of_row = blocks.filter(
        blocks_active_at(now), Q(destination=OuterRef("region")) | Q(row__startswith=F("destination"))
    )
    return of_row.order_by(F("until").desc(nulls_first=True))


def number_status_of(
    phone: PhoneNumber,
    *,
    policy: Policy,
    now: datetime,
    is_stopped: bool = False,
    blocks: Iterable[BlockedDestination] = (),
) -> NumberStatus:
    """Return the status of ``phone`` at ``now``. It reads only the row.

    ``is_stopped``: all calls are stopped. ``blocks``: of prefixes and regions, those that last longest first.
    """
    # A block is shown before any limit: it lasts until staff end it. Then wrong codes, because a lock lasts a day.
    moments = phone.moments
    limit = limit_at(policy, moments, now=now, held_until=phone.held_until)
    rule, until = (str(limit.rule), limit.until) if limit else (FREE, None)
    if wait_end := wait_end_of(phone, now=now):
        rule, until = WRONG_CODES, max(wait_end, until or wait_end)
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
        is_stopped=is_stopped,
        destination=block_of_destination(phone.number, phone.region, blocks),
        is_blocked_by_staff=phone.has_staff_block,
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
    barred = When(is_barred(now), then=Value(WRONG_CODES))
    rule_now = Case(blocked, barred, *named, *severest_first, default=Value(FREE), output_field=CharField())
    # The newest call decides on the cooldown, the n-th newest on a limit of n calls.
    positions = {0, policy.per_hour - 1, policy.per_day - 1}
    # Each of these calls as text, "" for none. Without the cast it would be compared as JSON.
    calls = {
        f"call_{position}": Coalesce(KeyTextTransform(position, F("calls")), Value(""), output_field=TextField())
        for position in positions
    }
    return phones.alias(**calls).alias(rule_now=rule_now).filter(Q(("rule_now__in", list(rules))))


def is_barred(now: datetime) -> Q:
    """Return a condition for the numbers with a wait or lock because of wrong codes. It uses an index."""
    limits = conf.wrong_codes()
    # The wait of each count until it no longer grows, then the lock.
    steps = [*range(limits.wait, min(limits.wait + 7, limits.lock)), limits.lock]
    conditions = Q(pk__in=())
    for step in steps:
        since = now - wrong_code_wait(limits, step)
        conditions |= Q(wrong_codes__gte=step, last_wrong_code_at__gt=since)
    return conditions


def near_limit_condition(rules: Collection[Rule], *, policy: Policy, now: datetime) -> Q:
    """Return a condition for all numbers that ``rules`` may limit now, and few others. It uses indexes.

    A rule applies only if the newest call is within its window. A held number always has a later ``next_call_at``.
    """
    window = {Rule.COOLDOWN: policy.cooldown, Rule.HOURLY_LIMIT: HOUR, Rule.DAILY_LIMIT: DAY}
    longest = max((window[rule] for rule in rules if rule in window), default=None)
    was_called = Q(last_call_at__gt=now - longest) if longest is not None else Q(pk__in=())
    return was_called | Q(next_call_at__gt=now) if Rule.HELD in rules else was_called


def _conditions(policy: Policy, now: datetime) -> dict[Rule, Q]:
    return {
        Rule.COOLDOWN: Q(call_0__gt=_text(now - policy.cooldown)),
        Rule.HELD: Q(held_until__gt=now),
        Rule.HOURLY_LIMIT: Q(**{f"call_{policy.per_hour - 1}__gt": _text(now - HOUR)}),
        Rule.DAILY_LIMIT: Q(**{f"call_{policy.per_day - 1}__gt": _text(now - DAY)}),
    }


def _text(moment: datetime) -> str:
    """Return ``moment`` in the format in which calls are stored."""
    # By the model itself, so that the two formats cannot differ.
    phone = PhoneNumber()
    phone.moments = [moment]
    return str(phone.calls[0])


WIDTH, HEIGHT, EDGE = 960, 64, 8
MARKS = range(3, 24, 3)
"""Hours before now at which the strip has a line."""


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
            ((_x(now - timedelta(hours=hours), now),) for hours in MARKS),
        ),
        calls=format_html_join(
            "",
            '<line class="telroi-strip-call" x1="{0}" y1="6" x2="{0}" y2="58"><title>{1}</title></line>',
            ((_x(at, now), time_words(at)) for at in counted),
        ),
    )


def strip_labels(now: datetime) -> list[str]:
    """Return the five labels below the strip: four times, six hours apart, and "now"."""
    times = [now - timedelta(hours=hours) for hours in (24, 18, 12, 6)]
    return [*(time_words(at) for at in times), _("now")]


def _description(counted: Sequence[datetime]) -> str:
    if not counted:
        return _("No call counts.")
    words = ngettext("%(count)d call counts, at %(times)s.", "%(count)d calls count, at %(times)s.", len(counted))
    times = listed(time_words(at) for at in reversed(counted))
    return words % {"count": len(counted), "times": times}


def _x(moment: datetime, now: datetime) -> float:
    """Return the x coordinate of ``moment``. After the clock was set back, a moment may be later than ``now``."""
    share = min(1.0, max(0.0, 1 - (now - moment) / DAY))
    return round(EDGE + share * (WIDTH - 2 * EDGE), 1)
