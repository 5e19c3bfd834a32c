"""Cutting a period into the hours or the days of a time zone, and sorting rows into them inside the database."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, time, timedelta, tzinfo

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
