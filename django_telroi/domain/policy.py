"""How often one number may be rung: arithmetic over the moments of its calls.

``calls`` are always the moments that count, newest first; every moment is aware, and what comes out is in UTC (clock
time in a zone with summer time would gain or lose an hour twice a year). Windows slide and are half-open: with a cap of
five an hour, a call may start exactly one hour after the fifth newest.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
_SECOND = timedelta(seconds=1)

SLOW_ANSWER = timedelta(seconds=1)
"""Telroi counts from its own row. After an answer as quick as this, the row is as old as our claim, to the second."""

FLAT_WAITS = (HOUR, DAY)
"""What Telroi says when its hour or its day is full, although a slot may be free a second later."""
SHORTEST_FLAT_HOLD = timedelta(minutes=1)
SPARE = timedelta(seconds=5)
"""Added to our own estimate of Telroi's next slot, because the two ledgers are some seconds apart."""


@dataclass(frozen=True)
class Policy:
    """The site's limits for one number: a pause between two calls, and caps for any hour and any day."""

    cooldown: timedelta
    per_hour: int
    per_day: int

    def __post_init__(self) -> None:
        if self.cooldown < timedelta(0) or min(self.per_hour, self.per_day) < 1:
            raise ValueError("A policy needs a cooldown of 0 or more, and caps of 1 or more.")


class Rule(StrEnum):
    """Why a number must wait, mildest first; the value is the code of the refusal."""

    COOLDOWN = "cooldown"
    HELD = "held"
    HOURLY_LIMIT = "hourly_limit"
    DAILY_LIMIT = "daily_limit"


_SEVERITY = {rule: rank for rank, rule in enumerate(Rule)}


@dataclass(frozen=True)
class Limit:
    """A call may start at ``until``, not before."""

    rule: Rule
    until: datetime


def current_limit(policy: Policy, calls: Sequence[datetime], *, held_until: datetime | None) -> Limit | None:
    """The rule that bars the number longest; None means that nothing ever barred it.

    ``until`` may lie in the past: there is no now in it, so it can be stored and searched for. Of two rules that end
    together the more severe is named.
    """
    limits = _limits(policy, calls, held_until)
    return max(limits, key=lambda limit: (limit.until, _SEVERITY[limit.rule]), default=None)


def limit_at(policy: Policy, calls: Sequence[datetime], *, now: datetime, held_until: datetime | None) -> Limit | None:
    """The limit that bars a call at ``now``; None means that the number may be rung."""
    limit = current_limit(policy, calls, held_until=held_until)
    return limit if limit and limit.until > now else None


def _limits(policy: Policy, calls: Sequence[datetime], held_until: datetime | None) -> Iterator[Limit]:
    if held_until:
        yield Limit(Rule.HELD, _utc(held_until))
    if calls:
        # Even with a cooldown of nothing: no call starts before the newest one did. That is what keeps the caps when
        # a clock steps back, for calls forgotten as a day old would be young again.
        yield Limit(Rule.COOLDOWN, _utc(calls[0]) + policy.cooldown)
    if len(calls) >= policy.per_hour:
        yield Limit(Rule.HOURLY_LIMIT, _utc(calls[policy.per_hour - 1]) + HOUR)
    if len(calls) >= policy.per_day:
        yield Limit(Rule.DAILY_LIMIT, _utc(calls[policy.per_day - 1]) + DAY)


@dataclass(frozen=True)
class Hold:
    """Telroi refused a call to the number at ``since``; the next one may start at ``until``."""

    since: datetime
    until: datetime


def hold_after(policy: Policy, calls: Sequence[datetime], *, now: datetime, wait: timedelta, last: Hold | None) -> Hold:
    """The hold that follows when Telroi refuses a call at ``now`` and asks for ``wait``.

    ``calls`` are without the refused one; ``last`` is the number's previous hold, which may be over.

    A wait of exactly an hour or a day is the length of Telroi's window and not the time until a slot is free. It is
    believed until ``calls`` leave room for a call and ``SPARE`` more, at least for a minute. While Telroi repeats it,
    the hold doubles, up to ``wait``: another system may use the same key, and then ``calls`` are not all there is.
    """
    if wait not in FLAT_WAITS:
        return Hold(now, now + wait)
    limit = current_limit(policy, calls, held_until=None)
    length = max(limit.until - now + SPARE if limit else SPARE, SHORTEST_FLAT_HOLD)
    if last and _is_repeated(last, calls, now=now, wait=wait):
        length = max(length, 2 * (last.until - last.since))
    return Hold(now, now + min(length, wait))


def _is_repeated(last: Hold, calls: Sequence[datetime], *, now: datetime, wait: timedelta) -> bool:
    """Not after a call that Telroi accepted, and not where the last hold has been over for the whole ``wait``."""
    has_rung_since = bool(calls) and _utc(calls[0]) > _utc(last.since)
    return last.since <= now < last.until + wait and not has_rung_since


def longest_wait(policy: Policy, rule: Rule) -> int | None:
    """Whole seconds that the rule can ask for at the most; None for a hold, which is as long as Telroi says."""
    windows = {Rule.COOLDOWN: policy.cooldown, Rule.HOURLY_LIMIT: HOUR, Rule.DAILY_LIMIT: DAY}
    return max(1, -(-windows[rule] // _SECOND)) if rule in windows else None


def seconds_to_wait(until: datetime, now: datetime) -> int:
    """Whole seconds, rounded up so that who waits them is not sent away again; at least 1."""
    return max(1, -((_utc(now) - _utc(until)) // _SECOND))


def with_call(calls: Sequence[datetime], moment: datetime) -> tuple[datetime, ...]:
    """The moments once a call at ``moment`` counts too.

    What is a day old counts no more and is dropped. By age only, never by number: the moments must still be there when
    a cap is raised.
    """
    oldest = _utc(moment) - DAY
    return tuple(sorted((_utc(call) for call in (moment, *calls) if _utc(call) > oldest), reverse=True))


def without_call(calls: Sequence[datetime], moment: datetime) -> tuple[datetime, ...]:
    """The moments once the call at ``moment`` turned out not to count; only one of two equal ones goes."""
    kept = [_utc(call) for call in calls]
    if _utc(moment) in kept:
        kept.remove(_utc(moment))
    return tuple(kept)


def counts_from(asked_at: datetime, answered_at: datetime) -> datetime:
    """The moment from which a call counts: its claim, or the answer if that took more than a second.

    What delays an answer may delay Telroi's own row as well, and its window ends with that row. Our window must not end
    earlier.
    """
    return answered_at if answered_at - asked_at > SLOW_ANSWER else asked_at


def with_call_moved(calls: Sequence[datetime], moment: datetime, *, to: datetime) -> tuple[datetime, ...]:
    """The moments once the call at ``moment`` counts from ``to``. A call that counts no more is not added again."""
    others = without_call(calls, moment)
    return others if len(others) == len(calls) else with_call(others, to)


def used_in(calls: Sequence[datetime], *, now: datetime, window: timedelta) -> int:
    """How many calls count in the ``window`` that ends at ``now``."""
    return sum(_utc(call) > _utc(now) - window for call in calls)


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)
