"""The list of attempts as CSV: as it is filtered, masked, newest first, a chunk of rows at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, tzinfo

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.db.models import Q, QuerySet
from django.http import HttpRequest, StreamingHttpResponse
from django.utils import timezone

from django_telroi.admin.attempt_numbers import take_number
from django_telroi.admin.export import CHUNK, csv_response
from django_telroi.admin.meanings import error_name
from django_telroi.admin.search import FOUND
from django_telroi.models import VerificationAttempt
from django_telroi.services.names import masked_within, plain, user_name
from django_telroi.services.overdue import show_as_it_stands

MOST_ROWS = 100_000
"""A page server ends what takes minutes, and a file that ends early looks whole: beyond this it says so."""

COLUMNS = (
    *("id", "requested", "number", "region", "user", "purpose", "status", "error", "error_code", "telroi_said"),
    *("dispatch", "livemode", "telroi_id", "language", "tries", "max_tries"),
    *("dialed", "placed", "verified", "closed", "seconds_to_placed", "seconds_to_verified"),
)


def export_attempts(request: HttpRequest, attempts: QuerySet[VerificationAttempt]) -> StreamingHttpResponse:
    """A download of these rows, which are read ``with_numbers``; the admin log says who took it, and of what."""
    _log(request)
    name = f"attempts-{timezone.localtime():%Y-%m-%d-%H%M}.csv"
    return csv_response(name, COLUMNS, _table(attempts, zone=timezone.get_current_timezone()), request=request)


def _log(request: HttpRequest) -> None:
    """The filters as they stood; a purpose may be any text."""
    chosen = [masked_within(f"{key}={plain(value)}") for key, value in request.GET.items() if key != FOUND]
    chosen += ["a search"] if request.GET.get(FOUND) else []
    LogEntry.objects.create(
        user_id=str(request.user.pk),
        content_type_id=ContentType.objects.get_for_model(VerificationAttempt).pk,
        object_repr="CSV",
        action_flag=CHANGE,
        change_message=f"Exported attempts as CSV: {', '.join(chosen) or 'all'}."[:1000],
    )


def _table(attempts: QuerySet[VerificationAttempt], *, zone: tzinfo) -> Iterator[Sequence[object]]:
    now = timezone.now()
    for written, attempt in enumerate(_newest_first(attempts)):
        if written == MOST_ROWS:
            yield (f"There are more than {MOST_ROWS} rows: choose a shorter time, and export again.",)
            return
        yield _row(show_as_it_stands(take_number(attempt), now=now), zone)


def _newest_first(attempts: QuerySet[VerificationAttempt]) -> Iterator[VerificationAttempt]:
    """Each chunk is a query that begins where the last one ended.

    No cursor stays open, and none of MySQL's, which holds all rows at once. What is requested meanwhile is not in it.
    """
    rows = attempts.order_by("-created_at", "-id")
    chunk = list(rows[:CHUNK])
    while chunk:
        yield from chunk
        moment, pk = chunk[-1].created_at, chunk[-1].pk
        older = Q(created_at__lt=moment) | Q(created_at=moment, pk__lt=pk)
        chunk = list(rows.filter(older, created_at__lte=moment)[:CHUNK]) if len(chunk) == CHUNK else []


_MODES = {True: "live", False: "test", None: ""}


def _row(attempt: VerificationAttempt, zone: tzinfo) -> Sequence[object]:
    moments = (attempt.dialed_at, attempt.placed_at, attempt.verified_at, attempt.closed_at)
    return (
        attempt.pk,
        _iso(attempt.created_at, zone),
        attempt.masked_number,
        attempt.region,
        user_name(attempt.user, number=attempt.number),
        attempt.purpose,
        attempt.status,
        error_name(attempt.error_code),
        attempt.error_code,
        attempt.error_detail,
        attempt.dispatch,
        _MODES[attempt.livemode],
        attempt.telroi_id,
        attempt.language,
        attempt.tries,
        attempt.max_tries,
        *(_iso(moment, zone) for moment in moments),
        _seconds(attempt.created_at, attempt.placed_at),
        _seconds(attempt.created_at, attempt.verified_at),
    )


def _iso(moment: datetime | None, zone: tzinfo) -> str:
    return moment.astimezone(zone).isoformat(timespec="seconds") if moment else ""


def _seconds(start: datetime, end: datetime | None) -> float | None:
    return round((end - start).total_seconds(), 1) if end else None
