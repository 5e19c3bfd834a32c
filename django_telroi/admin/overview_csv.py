"""The overview as a table of its own: one figure a line, with what it is of, as spreadsheets and scripts like it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from django.http import HttpRequest, StreamingHttpResponse
from django.utils import timezone

from django_telroi.admin.export import csv_response
from django_telroi.services.period import Figures, Group, Outcome
from django_telroi.services.rightnow import RightNow

HEAD = ("part", "name", "measure", "value")
REST = "(all others)"

Row = tuple[str, str, str, object]


def csv_of(figures: Figures, standing: RightNow, *, request: HttpRequest) -> StreamingHttpResponse:
    """A download named for the period and its end."""
    name = f"telroi-overview-{figures.period}-{figures.until:%Y%m%dT%H%M%SZ}.csv"
    return csv_response(name, HEAD, rows_of(figures, standing), request=request)


def rows_of(figures: Figures, standing: RightNow) -> Iterator[Row]:
    """What the page shows, in the order it shows it; shares from 0 to 1, moments in ISO 8601."""
    yield "period", figures.period, "since", _moment(figures.since)
    yield "period", figures.period, "until", _moment(figures.until)
    yield from _group("all", "", figures.total)
    yield "all", "", "median_seconds", _rounded(figures.median_seconds)
    yield "all", "", "unknown_share", _rounded(figures.unknown_share)
    yield "all", "", "refused", figures.refused
    yield from _standing(standing)
    for bar in figures.bars:
        for outcome in Outcome:
            yield "calls", _moment(bar.start), outcome, bar.counts.get(outcome, 0)
    for group in figures.regions:
        yield from _group("region", group.name, group)
    for group in figures.purposes:
        yield from _group("purpose", group.name, group)
    for refused in figures.refusals:
        yield "refusals", refused.code, "times", refused.times
    for alerted in figures.alerts:
        yield "alerts", alerted.kind, "times", alerted.times


def _standing(standing: RightNow) -> Iterator[Row]:
    for rule, count in standing.limited.items():
        yield "numbers limited now", rule, "numbers", count
    yield "waiting now", "", "requests", standing.waiting
    for pumped in standing.pumped:
        yield "pumped in the last hour", pumped.prefix, "calls", pumped.calls
        yield "pumped in the last hour", pumped.prefix, "verified", pumped.verified


def _group(part: str, name: str, group: Group) -> Iterator[Row]:
    name = REST if group.is_rest else name
    yield part, name, "requested", group.calls
    yield part, name, "placed", group.placed
    yield part, name, "verified", group.verified
    yield part, name, "verified_share", _rounded(group.share)


def _moment(moment: datetime) -> str:
    return timezone.localtime(moment).isoformat(timespec="seconds")


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
