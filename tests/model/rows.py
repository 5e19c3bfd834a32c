"""The rows of the app as values: saved, restored, and compared independently of the time."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection, models

from django_telroi.models import (
    AttemptEvent,
    CallControl,
    PhoneNumber,
    RefusalTally,
    VerificationAttempt,
    VerifiedPhone,
)

MODELS: tuple[type[models.Model], ...] = (PhoneNumber, VerificationAttempt, AttemptEvent, VerifiedPhone, CallControl)
"""In an order in which they can be inserted."""

NUMBERS = {("PhoneNumber", "number"), ("VerifiedPhone", "number")}
"""The columns that may contain a full number."""

DIGEST = re.compile(r"\b[0-9a-f]{64}\b")
"""A digest has 64 random digits, so it contains some code by chance."""

Rows = tuple[tuple[tuple[Any, ...], ...], ...]


def read() -> Rows:
    """Return all rows of all models, as SQLite stores them."""
    return tuple(tuple(_execute(_SELECT[model])) for model in MODELS)


def write(rows: Rows) -> None:
    """Replace all rows by these."""
    raw = connection.connection
    raw.execute("BEGIN")
    for model in (RefusalTally, *reversed(MODELS)):
        raw.execute(f"DELETE FROM {model._meta.db_table}")
    for model, values in zip(MODELS, rows, strict=True):
        if values:
            raw.executemany(_INSERT[model], values)
    raw.execute("DELETE FROM sqlite_sequence WHERE name LIKE 'django_telroi_%'")
    raw.execute("COMMIT")


def uuids() -> list[str]:
    """Return the public ids of the attempts, oldest first."""
    return [uuid for uuid, _ in numbers_by_uuid()]


def numbers_by_uuid() -> list[tuple[str, str]]:
    """Return the public id and the number of each attempt, oldest first."""
    attempts, phones = VerificationAttempt._meta.db_table, PhoneNumber._meta.db_table
    joined = f"{attempts} JOIN {phones} ON {phones}.id = {attempts}.phone_id"
    rows = _execute(f"SELECT {attempts}.uuid, {phones}.number FROM {joined} ORDER BY {attempts}.id")
    return [(dashed(uuid), number) for uuid, number in rows]


def attempt(uuid: str) -> dict[str, Any]:
    """Return the attempt with this public id. Read without the ORM, which would take a seventh of the search's time."""
    (row,) = _execute(_SELECT_ATTEMPT, (uuid.replace("-", ""),))
    return {**dict(zip(COLUMNS[VerificationAttempt], row, strict=True)), "uuid": uuid}


def dialing(number: str) -> list[str]:
    """Return the public ids of the number's attempts in status dialing, newest first."""
    table, phones = VerificationAttempt._meta.db_table, PhoneNumber._meta.db_table
    phone = f"SELECT id FROM {phones} WHERE number = ?"
    sql = f"SELECT uuid FROM {table} WHERE status = 'dialing' AND phone_id = ({phone}) ORDER BY id DESC"
    return [dashed(uuid) for (uuid,) in _execute(sql, (number,))]


def moment(text: str) -> datetime:
    """Return a time that SQLite has stored."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def dashed(text: str) -> str:
    """Return a public id in Python's format."""
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def of(model: type[models.Model], rows: Rows) -> list[dict[str, Any]]:
    return [dict(zip(COLUMNS[model], row, strict=True)) for row in rows[MODELS.index(model)]]


def attempts(rows: Rows) -> list[dict[str, Any]]:
    """Return the attempts, oldest first."""
    return [{**row, "uuid": dashed(row["uuid"])} for row in of(VerificationAttempt, rows)]


def words_in(rows: Rows) -> Iterable[tuple[str, str]]:
    """Return every text of the columns that may not contain a full number, without digests, with the column's name."""
    for model, values in zip(MODELS, rows, strict=True):
        name = model.__name__
        for row in values:
            for column, value in zip(COLUMNS[model], row, strict=True):
                if isinstance(value, str) and (name, column) not in NUMBERS:
                    yield f"{name}.{column}", DIGEST.sub("", value)


def shape(rows: Rows, *, now: datetime) -> tuple[Any, ...]:
    """Return the data that affect later steps: times as seconds from now, without versions and ids of events."""
    return tuple(
        tuple(sorted((_shape_of(model, row, now) for row in values), key=repr))
        for model, values in zip(MODELS, rows, strict=True)
    )


def _shape_of(model: type[models.Model], row: tuple[Any, ...], now: datetime) -> tuple[Any, ...]:
    left_out = {"version", "created_at"} if model is PhoneNumber else {"id", "at"} if model is AttemptEvent else set()
    return tuple(
        _relative(column, value, now)
        for column, value in zip(COLUMNS[model], row, strict=True)
        if column not in left_out
    )


def _relative(column: str, value: Any, now: datetime) -> Any:
    if column == "calls":
        return tuple(_seconds(datetime.fromisoformat(moment) - now) for moment in json.loads(value))
    if column in MOMENTS and value is not None:
        return _seconds(moment(value) - now)
    return value


def _seconds(span: timedelta) -> int:
    """Round to whole seconds. The milliseconds only distinguish claims, like the order of the rows."""
    return round(span.total_seconds())


def _execute(sql: str, values: tuple[Any, ...] = ()) -> Iterable[tuple[Any, ...]]:
    """Return the times as the text that SQLite stores. Django's connection reads them as naive datetimes."""
    for row in connection.connection.execute(sql, values):
        yield tuple(str(value) if isinstance(value, datetime) else value for value in row)


COLUMNS = {model: [field.column for field in model._meta.concrete_fields] for model in MODELS}
MOMENTS = frozenset(
    field.column for model in MODELS for field in model._meta.concrete_fields if isinstance(field, models.DateTimeField)
)
_SELECT = {
    model: f"SELECT {', '.join(COLUMNS[model])} FROM {model._meta.db_table} ORDER BY {model._meta.pk.column}"
    for model in MODELS
}
_SELECT_ATTEMPT = (
    f"SELECT {', '.join(COLUMNS[VerificationAttempt])} FROM {VerificationAttempt._meta.db_table} WHERE uuid = ?"
)
_INSERT = {
    model: f"INSERT INTO {model._meta.db_table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
    for model, columns in COLUMNS.items()
}
