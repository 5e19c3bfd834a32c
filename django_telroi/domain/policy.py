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


def used_in(calls: Sequence[datetime], *, now: datetime, window: timedelta) -> int:
    """How many calls count in the ``window`` that ends at ``now``."""
    return sum(_utc(call) > _utc(now) - window for call in calls)


def _utc(moment: datetime) -> datetime:
    return moment.astimezone(UTC)
