"""What is known of a period once it is counted: values, and the shares that follow from them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple

from django_telroi.services.buckets import NextEdge, next_day, next_hour


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


class Refused(NamedTuple):
    """How often a start was refused with ``code``."""

    code: str
    times: int


class Alerted(NamedTuple):
    """An alert of one kind, how often, and when last."""

    kind: str
    times: int
    last_at: datetime


@dataclass(frozen=True)
class Figures:
    """A period that ended at ``until``, when it was counted."""

    period: Period
    since: datetime
    until: datetime
    bars: tuple[Bar, ...]
    regions: tuple[Group, ...]
    purposes: tuple[Group, ...]
    refusals: tuple[Refused, ...]
    alerts: tuple[Alerted, ...]
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
