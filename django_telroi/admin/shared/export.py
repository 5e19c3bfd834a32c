"""Streamed CSV files. Their cells are escaped so that a spreadsheet does not run them as formulas.

Nothing is masked here: the caller passes masked values.
"""

from __future__ import annotations

import csv
import unicodedata
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from datetime import datetime, tzinfo
from itertools import islice

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, StreamingHttpResponse

from django_telroi.services.requester import plain

CHUNK = 1000
"""Lines in each part of the response."""

BOM = "\N{ZERO WIDTH NO-BREAK SPACE}"
"""The byte order mark. Spreadsheets need it to detect UTF-8."""

FORMULA_STARTS = frozenset("=+-@|%\N{MINUS SIGN}")
"""Characters that may start a formula in a spreadsheet. NFKC maps full-width and small forms to them."""


class _Echo:
    """A file for ``csv.writer`` that returns each line instead of storing it."""

    def write(self, line: str) -> str:
        return line


def csv_response(
    name: str, head: Sequence[str], rows: Iterable[Sequence[object]], *, request: HttpRequest | None = None
) -> StreamingHttpResponse:
    """Return a download with the file name ``name``. Rows are read while they are sent. The response is not cached.

    Pass the ``request``: under ASGI Django reads a synchronous iterator to its end before it sends the first byte, so
    the lines are then made in a thread, ``CHUNK`` at a time.
    """
    # A part for each line would cost a system call a line. An empty part ends the iteration.
    lines = csv_lines(head, rows)
    chunks = iter(lambda: "".join(islice(lines, CHUNK)), "")
    content = _in_threads(chunks) if isinstance(request, ASGIRequest) else chunks
    response = StreamingHttpResponse(content, content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["Cache-Control"] = "no-store"
    response["X-Content-Type-Options"] = "nosniff"
    return response


def csv_lines(head: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """Yield the lines of the file, the byte order mark and the head first."""
    writer = csv.writer(_Echo(), quoting=csv.QUOTE_MINIMAL)
    yield BOM + writer.writerow(head)
    for row in rows:
        yield writer.writerow([cell(value) for value in row])


def cell(value: object) -> str | int | float:
    """Return a value for a cell: numbers unchanged, text on one line.

    A text that a spreadsheet may take for a formula gets an apostrophe in front.
    """
    if value is None:
        return ""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return value
    # The apostrophe is the usual guard (OWASP, "CSV injection"). It changes the text, so numbers and times do not get
    # one.
    text = plain(value)
    first = unicodedata.normalize("NFKC", text)[:1]
    return f"'{text}" if first and first in FORMULA_STARTS else text


async def _in_threads(chunks: Iterator[str]) -> AsyncIterator[str]:
    next_chunk = sync_to_async(lambda: next(chunks, ""))
    while chunk := await next_chunk():
        yield chunk


def iso_moment(moment: datetime | None, zone: tzinfo) -> str:
    """Return the moment in ISO 8601 and in this time zone, to the second. ``""`` for None."""
    return moment.astimezone(zone).isoformat(timespec="seconds") if moment else ""


def seconds_between(start: datetime, end: datetime | None) -> float | None:
    """Return the seconds from ``start`` to ``end`` with one decimal, None without an end."""
    return round((end - start).total_seconds(), 1) if end else None
