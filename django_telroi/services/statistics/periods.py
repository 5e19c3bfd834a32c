"""Cutting a period into the hours or the days of a time zone, and sorting rows into them inside the database."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta, tzinfo
from enum import StrEnum
from typing import NamedTuple

from django.db.models import Case, IntegerField, Q, Value, When
from django.db.models.expressions import Combinable

HOUR = timedelta(hours=1)

NextEdge = Callable[[datetime, tzinfo], datetime]


def next_hour(moment: datetime, zone: tzinfo) -> datetime:
    """When the clock on the wall shows the next full hour. Counted in time that passes, so no hour is lost or merged
    where clocks are changed."""
    wall = moment.astimezone(zone)
    past = timedelta(minutes=wall.minute, seconds=wall.second, microseconds=wall.microsecond)
    return moment.astimezone(UTC) + (HOUR - past)


def next_day(moment: datetime, zone: tzinfo) -> datetime:
    """The next midnight on the wall; where clocks skip it, the moment they do."""
    tomorrow = moment.astimezone(zone).date() + timedelta(days=1)
    return datetime.combine(tomorrow, time.min, tzinfo=zone).astimezone(UTC)


def cut(since: datetime, until: datetime, *, next_edge: NextEdge, zone: tzinfo) -> tuple[datetime, ...]:
    """Where each bucket begins, oldest first: ``since`` itself, and every edge before ``until``.

    The first bucket and the last are cut short unless the period happens to begin and end on an edge.
    """
    starts = [since.astimezone(UTC)]
    while (edge := next_edge(starts[-1], zone)) < until:
        starts.append(edge)
    return tuple(starts)


def bucket_of(field: str, starts: Sequence[datetime]) -> Combinable:
    """The number of the bucket that a row's moment falls into, as an expression.

    A search by halves: a row is compared five times for thirty buckets. It is the same on every database and in every
    time zone, where truncating to days would ask each database for its own idea of zones, for every row.
    """
    return _search(field, starts, 0, len(starts) - 1)


def _search(field: str, starts: Sequence[datetime], low: int, high: int) -> Combinable:
    if low == high:
        return Value(low, output_field=IntegerField())
    middle = (low + high + 1) // 2
    return Case(
        When(Q((f"{field}__lt", starts[middle])), then=_search(field, starts, low, middle - 1)),
        default=_search(field, starts, middle, high),
        output_field=IntegerField(),
    )


class Period(StrEnum):
    """How far back figures go, to the second."""

    DAY = "24h"
    WEEK = "7d"
    MONTH = "30d"

    @property
    def length(self) -> timedelta:
        return {"24h": timedelta(hours=24), "7d": timedelta(days=7), "30d": timedelta(days=30)}[self.value]

    @property
    def next_edge(self) -> NextEdge:
        """Hours of a day, days of anything longer."""
        return next_hour if self is Period.DAY else next_day


class Outcome(StrEnum):
    """What became of a request for a call, as the overview tells them apart."""

    VERIFIED = "verified"
    NOT_VERIFIED = "not_verified"
    """Over without the right code: expired, too many wrong ones, canceled, replaced."""
    FAILED = "failed"
    """For certain, nobody was rung."""
    UNKNOWN = "unknown"
    """Nobody can say whether a phone rang, and no code settled it."""
    OPEN = "open"
    """Not over yet: waiting for its call or for its code."""
    TEST_KEY = "test_key"
    """Placed with a test key, whatever became of it: no phone rang, and the code 000000 verifies any number."""


@dataclass(frozen=True)
class Bar:
    """The calls requested in one hour or day that began at ``start``."""

    start: datetime
    counts: Mapping[Outcome, int]

    @property
    def total(self) -> int:
        return sum(self.counts.values())


@dataclass(frozen=True)
class Group:
    """The calls of one region or purpose; ``is_rest`` is all those that are too many to name."""

    name: str
    calls: int
    placed: int
    verified: int
    is_rest: bool = False

    @property
    def share(self) -> float | None:
        """How many of the calls that Telroi accepted were verified, 0 to 1; None where there were none."""
        return self.verified / self.placed if self.placed else None


class RefusalCount(NamedTuple):
    """How often a start was refused with ``code``."""

    code: str
    times: int


class AlertCount(NamedTuple):
    """An alert of one kind, how often, and when last."""

    kind: str
    times: int
    last_at: datetime


@dataclass(frozen=True)
class Statistics:
    """A period that ended at ``until``, when it was counted."""

    period: Period
    since: datetime
    until: datetime
    bars: tuple[Bar, ...]
    regions: tuple[Group, ...]
    purposes: tuple[Group, ...]
    refusals: tuple[RefusalCount, ...]
    alerts: tuple[AlertCount, ...]
    median_seconds: float | None

    @property
    def total(self) -> Group:
        return summed(self.regions)

    @property
    def counts(self) -> Mapping[Outcome, int]:
        return {outcome: sum(bar.counts.get(outcome, 0) for bar in self.bars) for outcome in Outcome}

    @property
    def unknown_share(self) -> float | None:
        """Of all calls that were requested."""
        calls = self.total.calls
        return self.counts[Outcome.UNKNOWN] / calls if calls else None

    @property
    def refused(self) -> int:
        return sum(refused.times for refused in self.refusals)


def summed(groups: Iterable[Group]) -> Group:
    """All of them as one, without a name."""
    parts = [(group.calls, group.placed, group.verified) for group in groups]
    return Group("", *(sum(column) for column in zip(*parts, strict=True))) if parts else Group("", 0, 0, 0)
