"""The limits of one number, computed from the moments of its calls and from consecutive wrong codes.

``calls`` are the moments of the calls that count, newest first. All moments are aware. Results are in UTC, because
local time gains or loses an hour when daylight saving time starts or ends. Windows slide and are half-open: with a
limit of five calls an hour, a call may start exactly one hour after the fifth newest call.

Wrong codes are counted over all calls. A warning follows, then waits that grow, then a lock. The default lock of 100 is
the limit of NIST SP 800-63B-4, section 3.2.2 "Rate Limiting (Throttling)": no more than 100 consecutive failed
attempts. The same section names a wait from a minute to an hour that grows with each failure.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
_SECOND = timedelta(seconds=1)

SLOW_ANSWER = timedelta(seconds=1)
"""Telroi counts from its own row. If the answer came within this time, the row is at most this much younger than our
claim."""

FLAT_WAITS = (HOUR, DAY)
"""The waits that Telroi sends when its hour or its day is full, even if a slot is free a second later."""
SHORTEST_FLAT_HOLD = timedelta(minutes=1)
SPARE = timedelta(seconds=5)
"""Added to our estimate of Telroi's next free slot, because the two counts differ by some seconds."""


@dataclass(frozen=True)
class Policy:
    """The site's limits for one number: a cooldown between two calls, and maximum calls in any hour and any day."""

    cooldown: timedelta
    per_hour: int
    per_day: int

    def __post_init__(self) -> None:
        if self.cooldown < timedelta(0) or min(self.per_hour, self.per_day) < 1:
            raise ValueError("A policy needs a cooldown of 0 or more, and caps of 1 or more.")


class Rule(StrEnum):
    """Why a number must wait, mildest first. The value is the code of the refusal."""

    COOLDOWN = "cooldown"
    HELD = "held"
    HOURLY_LIMIT = "hourly_limit"
    DAILY_LIMIT = "daily_limit"


_SEVERITY = {rule: rank for rank, rule in enumerate(Rule)}


@dataclass(frozen=True)
class Limit:
    """A call may start at ``until`` or later."""

    rule: Rule
    until: datetime


def current_limit(policy: Policy, calls: Sequence[datetime], *, held_until: datetime | None) -> Limit | None:
    """Return the limit that lasts longest, or None if no limit ever applied.

    ``until`` may be in the past. The result does not depend on the current time, so it can be stored and searched. If
    two limits end together, the more severe one is returned.
    """
    limits = _limits(policy, calls, held_until)
    return max(limits, key=lambda limit: (limit.until, _SEVERITY[limit.rule]), default=None)


def limit_at(policy: Policy, calls: Sequence[datetime], *, now: datetime, held_until: datetime | None) -> Limit | None:
    """Return the limit that applies at ``now``, or None if the number may be called."""
    limit = current_limit(policy, calls, held_until=held_until)
    return limit if limit and limit.until > now else None


def _limits(policy: Policy, calls: Sequence[datetime], held_until: datetime | None) -> Iterator[Limit]:
    if held_until:
        yield Limit(Rule.HELD, _utc(held_until))
    if calls:
        # Also with a cooldown of 0: no call starts before the newest one. Otherwise a clock that steps back would break
        # the limits, because calls dropped as a day old would be recent again.
        yield Limit(Rule.COOLDOWN, _utc(calls[0]) + policy.cooldown)
    if len(calls) >= policy.per_hour:
        yield Limit(Rule.HOURLY_LIMIT, _utc(calls[policy.per_hour - 1]) + HOUR)
    if len(calls) >= policy.per_day:
        yield Limit(Rule.DAILY_LIMIT, _utc(calls[policy.per_day - 1]) + DAY)


@dataclass(frozen=True)
class Hold:
    """Telroi refused a call to the number at ``since``. The next call may start at ``until``."""

    since: datetime
    until: datetime


def hold_after(policy: Policy, calls: Sequence[datetime], *, now: datetime, wait: timedelta, last: Hold | None) -> Hold:
    """Return the hold after Telroi refused a call at ``now`` and asked for ``wait``.

    ``calls`` do not include the refused call. ``last`` is the number's previous hold, which may be over.

    A wait of exactly an hour or a day is the length of Telroi's window, not the time until a slot is free. Such a hold
    ends when ``calls`` leave room for a call, plus ``SPARE``, but lasts at least a minute. If Telroi repeats the wait,
    the hold doubles, up to ``wait``: another system may use the same key, and then ``calls`` are incomplete.
    """
    if wait not in FLAT_WAITS:
        return Hold(now, now + wait)
    limit = current_limit(policy, calls, held_until=None)
    length = max(limit.until - now + SPARE if limit else SPARE, SHORTEST_FLAT_HOLD)
    # A call that Telroi accepted since the last hold shows that the estimate was right, so the next one starts anew.
    # So does a last hold that ended at least ``wait`` ago: by then Telroi's window has passed.
    has_rung_since = last and calls and _utc(calls[0]) > _utc(last.since)
    if last and last.since <= now < last.until + wait and not has_rung_since:
        length = max(length, 2 * (last.until - last.since))
    return Hold(now, now + min(length, wait))


def longest_wait(policy: Policy, rule: Rule) -> int | None:
    """Return the longest wait of this rule in whole seconds. None for a hold, because Telroi decides its length."""
    windows = {Rule.COOLDOWN: policy.cooldown, Rule.HOURLY_LIMIT: HOUR, Rule.DAILY_LIMIT: DAY}
    return max(1, -(-windows[rule] // _SECOND)) if rule in windows else None


def seconds_to_wait(until: datetime, now: datetime) -> int:
    """Return the whole seconds from ``now`` to ``until``, rounded up, at least 1.

    Rounded down, a person who waited that long would be rejected again.
    """
    return max(1, -((_utc(now) - _utc(until)) // _SECOND))


def with_call(calls: Sequence[datetime], moment: datetime) -> tuple[datetime, ...]:
    """Return the moments including a call at ``moment``.

    Moments a day old or older are dropped. They are dropped by age and not by number, because all of them are needed if
    a limit is raised.
    """
    oldest = _utc(moment) - DAY
    return tuple(sorted((_utc(call) for call in (moment, *calls) if _utc(call) > oldest), reverse=True))


def without_call(calls: Sequence[datetime], moment: datetime) -> tuple[datetime, ...]:
    """Return the moments without the call at ``moment``, which does not count. Of two equal moments, one stays."""
    moments = [_utc(call) for call in calls]
    if _utc(moment) in moments:
        moments.remove(_utc(moment))
    return tuple(moments)


def counts_from(asked_at: datetime, answered_at: datetime) -> datetime:
    """Return the moment from which a call counts: its claim, or the answer if that took more than a second.

    A delay may also delay Telroi's own row, and Telroi's window starts at that row. Our window must not end earlier.
    """
    return answered_at if answered_at - asked_at > SLOW_ANSWER else asked_at


def used_in(calls: Sequence[datetime], *, now: datetime, window: timedelta) -> int:
    """Return how many calls count in the ``window`` that ends at ``now``."""
    return sum(_utc(call) > _utc(now) - window for call in calls)


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)


SHORTEST_WAIT = timedelta(minutes=1)
MAX_WAIT = timedelta(hours=1)
LOCK_LENGTH = timedelta(hours=24)

PRESETS: Mapping[str, Mapping[str, int]] = {
    "standard": {"warn": 5, "wait": 10, "lock": 100},
    # PSD2's RTS (article 4) and many banks allow five.
    "strict": {"warn": 3, "wait": 4, "lock": 5},
}


@dataclass(frozen=True)
class WrongCodeLimits:
    """From how many consecutive wrong codes on a person is told, new calls wait, and new calls are locked."""

    warn: int
    wait: int
    lock: int

    def __post_init__(self) -> None:
        if not 1 <= self.warn <= self.wait <= self.lock:
            raise ValueError("warn, wait and lock must be 1 or more, in this order.")


def read_limits(chosen: object) -> WrongCodeLimits:
    """Return the limits of a preset's name, or of a mapping with the keys of a preset. Raises ValueError."""
    figures = PRESETS.get(chosen) if isinstance(chosen, str) else chosen
    if not isinstance(figures, Mapping) or set(figures) != {"warn", "wait", "lock"}:
        raise ValueError("it needs the keys warn, wait and lock.")
    if not all(isinstance(figure, int) and not isinstance(figure, bool) for figure in figures.values()):
        raise ValueError("each figure must be a whole number.")
    return WrongCodeLimits(**figures)


def wrong_code_wait(limits: WrongCodeLimits, count: int) -> timedelta:
    """Return how long new calls are refused after ``count`` wrong codes: 0 before the first wait.

    The wait doubles with each wrong code, up to an hour. The lock lasts 24 hours.
    """
    if count >= limits.lock:
        return LOCK_LENGTH
    if count < limits.wait:
        return timedelta(0)
    doublings = min(count - limits.wait, 6)  # 64 minutes are more than an hour
    return min(SHORTEST_WAIT * (1 << doublings), MAX_WAIT)


def wrong_code_wait_until(
    limits: WrongCodeLimits, count: int, last_at: datetime | None, *, now: datetime
) -> datetime | None:
    """Return until when new calls are refused, or None. ``last_at``: the moment of the last wrong code."""
    if last_at is None:
        return None
    until = last_at + wrong_code_wait(limits, count)
    return until if until > now else None


def codes_before_wait(limits: WrongCodeLimits, count: int) -> int | None:
    """Return how many more wrong codes lead to a wait or a lock. None below ``warn``, and from ``wait`` on."""
    return limits.wait - count if limits.warn <= count < limits.wait else None
