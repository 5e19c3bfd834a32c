"""Rows as a CSV file that grows while it is sent, and that no spreadsheet takes for a program."""

from __future__ import annotations

import csv
import unicodedata
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from itertools import islice

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.http import HttpRequest, StreamingHttpResponse

from django_telroi.services.requester import plain

CHUNK = 1000
"""Lines that are made at a time."""

BOM = "\N{ZERO WIDTH NO-BREAK SPACE}"
"""By which spreadsheets know that it is UTF-8."""

FORMULA_STARTS = frozenset("=+-@|%\N{MINUS SIGN}")
"""What a spreadsheet may take for the start of a formula, in its full-width and small forms too (by NFKC)."""


class _Echo:
    """A file that hands back each line instead of keeping it."""

    def write(self, line: str) -> str:
        return line


def csv_response(
    name: str, head: Sequence[str], rows: Iterable[Sequence[object]], *, request: HttpRequest | None = None
) -> StreamingHttpResponse:
    """A download called ``name``. Rows are read as they are sent; nothing of it is kept by browsers or proxies.

    Under ASGI a plain iterator would be read to its end before the first byte leaves: with the ``request`` given, the
    lines are made in a thread, some at a time.
    """
    chunks = _in_chunks(csv_lines(head, rows))
    content = _in_threads(chunks) if isinstance(request, ASGIRequest) else chunks
    response = StreamingHttpResponse(content, content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["Cache-Control"] = "no-store"
    response["X-Content-Type-Options"] = "nosniff"
    return response


def csv_lines(head: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    writer = csv.writer(_Echo(), quoting=csv.QUOTE_MINIMAL)
    yield BOM + writer.writerow(head)
    for row in rows:
        yield writer.writerow([cell(value) for value in row])


def cell(value: object) -> str | int | float:
    """A value as a cell: figures as they are, text as one line of text and nothing else.

    A text that a spreadsheet could take for a formula begins with an apostrophe.
    """
    if value is None:
        return ""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return value
    text = plain(value)
    first = unicodedata.normalize("NFKC", text)[:1]
    return f"'{text}" if first and first in FORMULA_STARTS else text


def _in_chunks(lines: Iterator[str]) -> Iterator[str]:
    while chunk := "".join(islice(lines, CHUNK)):
        yield chunk


async def _in_threads(chunks: Iterator[str]) -> AsyncIterator[str]:
    next_chunk = sync_to_async(lambda: next(chunks, ""))
    while chunk := await next_chunk():
        yield chunk
