"""The periods of the statistics, their hours or days in a time zone, and the classes of the result."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta, tzinfo
from enum import StrEnum
from typing import NamedTuple

from django.db.models import Case, IntegerField, Q, Value, When
from django.db.models.expressions import Combinable

HOUR = timedelta(hours=1)

NextEdge = Callable[[datetime, tzinfo], datetime]


def next_hour(moment: datetime, zone: tzinfo) -> datetime:
    """Return the next full hour of local time. It adds elapsed time: a clock change neither skips nor merges hours."""
    wall = moment.astimezone(zone)
    past = timedelta(minutes=wall.minute, seconds=wall.second, microseconds=wall.microsecond)
    return moment.astimezone(UTC) + (HOUR - past)


def next_day(moment: datetime, zone: tzinfo) -> datetime:
    """Return the next local midnight, or the moment of the clock change if that midnight does not exist."""
    tomorrow = moment.astimezone(zone).date() + timedelta(days=1)
    return datetime.combine(tomorrow, time.min, tzinfo=zone).astimezone(UTC)


def cut(since: datetime, until: datetime, *, next_edge: NextEdge, zone: tzinfo) -> tuple[datetime, ...]:
    """Return the start of each bucket, oldest first: ``since``, and every edge before ``until``.

    The first and the last bucket are shorter, unless the period begins and ends on an edge.
    """
    starts = [since.astimezone(UTC)]  # in UTC, so that the hour that a clock change repeats has two buckets
    while (edge := next_edge(starts[-1], zone)) < until:
        starts.append(edge)
    return tuple(starts)


def bucket_of(field: str, starts: Sequence[datetime]) -> Combinable:
    """Return an expression for the index of the bucket that contains the row's moment.

    It is a binary search, so for thirty buckets a row is compared five times. It gives the same result on every
    database and in every time zone. Truncation to days would depend on the time zone data of each database.
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
    """The length of the statistics, to the second."""

    DAY = "24h"
    WEEK = "7d"
    MONTH = "30d"

    @property
    def length(self) -> timedelta:
        return {"24h": timedelta(hours=24), "7d": timedelta(days=7), "30d": timedelta(days=30)}[self.value]

    @property
    def next_edge(self) -> NextEdge:
        """Buckets are hours for a day, and days for longer periods."""
        return next_hour if self is Period.DAY else next_day


class Outcome(StrEnum):
    """The outcome of a requested call, as the overview shows it."""

    VERIFIED = "verified"
    NOT_VERIFIED = "not_verified"
    """Over without the right code: expired, too many wrong codes, canceled, replaced."""
    FAILED = "failed"
    """Certainly no phone rang."""
    UNKNOWN = "unknown"
    """It is unknown whether a phone rang, and no code settled it."""
    OPEN = "open"
    """Not over: the call is waiting to be placed, or waits for its code."""
    TEST_KEY = "test_key"
    """Placed with a test key, with any status: no phone rang, and the code 000000 verifies any number."""


@dataclass(frozen=True)
class Bar:
    """The calls requested in the hour or day that began at ``start``."""

    start: datetime
    counts: Mapping[Outcome, int]

    @property
    def total(self) -> int:
        return sum(self.counts.values())


@dataclass(frozen=True)
class Group:
    """The calls of one region, purpose or key. ``is_rest``: the combined calls of all others. ``cost``: an estimate."""

    name: str
    calls: int
    placed: int
    verified: int
    is_rest: bool = False
    cost: float | None = None

    @property
    def share(self) -> float | None:
        """The share of accepted calls that were verified, 0 to 1. None if Telroi accepted none."""
        return self.verified / self.placed if self.placed else None


class Ranking(StrEnum):
    """What the calls of a period are ranked by."""

    USERS = "user"
    ADDRESSES = "address"
    PREFIXES = "prefix"
    NUMBERS = "number"


@dataclass(frozen=True)
class Ranked:
    """The calls of one user, address, prefix or number.

    ``key``: the primary key of the user or number, the address, or the prefix. ``cost`` is an estimate, None without
    ``CALL_PRICES``. ``calls_before``: those of the period before, which has the same length.
    """

    key: str
    calls: int
    placed: int
    verified: int
    cost: float | None
    calls_before: int

    @property
    def share(self) -> float | None:
        """The share of accepted calls that were verified, 0 to 1. None if Telroi accepted none."""
        return self.verified / self.placed if self.placed else None


class RefusalCount(NamedTuple):
    """How many starts were refused with ``code``."""

    code: str
    times: int


class AlertCount(NamedTuple):
    """How many alerts of one kind there were, and when the last one was."""

    kind: str
    times: int
    last_at: datetime


@dataclass(frozen=True)
class Earlier:
    """Figures of the period of the same length before: shown beside those of the period."""

    unknown: int
    median_seconds: float | None
    regions: Mapping[str, int]
    """The calls by region."""
    purposes: Mapping[str, int]
    """The calls by purpose, for the purposes that the period names."""
    refusals: Mapping[str, int]
    """The refusals by code."""
    keys: Mapping[str, int] = field(default_factory=dict)
    """The calls by the name of the key, for the names of the period."""


@dataclass(frozen=True)
class Statistics:
    """The statistics of a period that ended when it was counted, at ``until``."""

    period: Period
    since: datetime
    until: datetime
    bars: tuple[Bar, ...]
    regions: tuple[Group, ...]
    purposes: tuple[Group, ...]
    refusals: tuple[RefusalCount, ...]
    alerts: tuple[AlertCount, ...]
    median_seconds: float | None
    before: Group
    """All calls of the period of the same length before this one."""
    earlier: Earlier
    ranked_since: datetime
    """The start of the attempts that are ranked. It is later than ``since`` if the period has very many."""
    rankings: Mapping[Ranking, tuple[Ranked, ...]]
    keys: tuple[Group, ...] = ()
    """The calls by the name of their key. Empty for a site with one key."""

    @property
    def usual_share(self) -> float | None:
        """The site's usual share of verified calls: of the period before, or of this one if there were no calls."""
        return self.total.share if self.before.share is None else self.before.share

    @property
    def total(self) -> Group:
        return sum_groups(self.regions)

    @property
    def counts(self) -> Mapping[Outcome, int]:
        return {outcome: sum(bar.counts.get(outcome, 0) for bar in self.bars) for outcome in Outcome}

    @property
    def unknown_share(self) -> float | None:
        """The share of all requested calls with an unknown outcome, 0 to 1. None without calls."""
        calls = self.total.calls
        return self.counts[Outcome.UNKNOWN] / calls if calls else None

    @property
    def unknown_share_before(self) -> float | None:
        return self.earlier.unknown / self.before.calls if self.before.calls else None

    @property
    def refused(self) -> int:
        return sum(refused.times for refused in self.refusals)


def sum_groups(groups: Iterable[Group]) -> Group:
    """Return the sum of all groups as one group without a name."""
    parts = list(groups)
    costs = [group.cost for group in parts if group.cost is not None]
    return Group(
        "",
        sum(group.calls for group in parts),
        sum(group.placed for group in parts),
        sum(group.verified for group in parts),
        cost=sum(costs) if costs else None,
    )
