"""The state of a phone number: read in one SELECT, written by a conditional UPDATE."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from copy import copy
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, TypeVar
from uuid import UUID

from django.db import connections
from django.db.models import Model
from django.db.models.expressions import BaseExpression

from django_telroi import conf
from django_telroi.domain.policy import current_limit
from django_telroi.models import CallControl, DbNow, PhoneNumber, VerificationAttempt

M = TypeVar("M", bound=Model)


@dataclass(frozen=True)
class State:
    """The row of a number, the site's CallControl and the time of the database, read in one SELECT.

    ``phone`` is None if the number has no row yet. ``control`` is an unsaved, empty row if no call was ever stopped,
    paused or counted. ``attempt`` is the requested attempt, or None. ``read_at`` is the monotonic clock in seconds.
    """

    now: datetime
    phone: PhoneNumber | None
    control: CallControl
    attempt: VerificationAttempt | None = None
    read_at: float = field(default_factory=time.monotonic)

    def now_by(self) -> datetime:
        """Return the current time of the database, calculated without another query."""
        return later(self.now, since=self.read_at)

    def with_current_time(self) -> State:
        """Return the same state with the current time. The claim detects changes of the rows by their version."""
        return replace(self, now=self.now_by(), read_at=time.monotonic())


def later(now: datetime, *, since: float) -> datetime:
    """Return ``now`` plus the time since ``since``, which is a value of the monotonic clock in seconds."""
    return now + timedelta(seconds=time.monotonic() - since)


def database_now(using: str) -> datetime:
    """Return the time of the database, which is the same for all processes and hosts of a site."""
    return read_state("", using=using).now


def read_state(number: str, *, using: str, now: datetime | None = None, attempt_uuid: UUID | None = None) -> State:
    """Return the state of ``number`` (E.164), with the attempt of ``attempt_uuid``, which may be for another number.

    ``now`` replaces the database's clock.
    """
    if attempt_uuid is None:
        db_now, control, phone = _read(_select(using), [number], using=using)
        return State(now=now or db_now, phone=phone, control=control or CallControl())
    column = VerificationAttempt._meta.get_field("uuid")
    parameters = [column.get_db_prep_value(attempt_uuid, connections[using]), number]
    db_now, control, phone, attempt = _read(_select(using, attempt_by="uuid"), parameters, using=using)
    return State(now=now or db_now, phone=phone, control=control or CallControl(), attempt=_with_phone(attempt, phone))


def read_attempt(
    attempt_id: int, *, using: str, now: datetime | None = None
) -> tuple[VerificationAttempt | None, State]:
    """Return the attempt with this primary key, and the state of its number, read in one SELECT."""
    db_now, control, phone, attempt = _read(_select(using, attempt_by="id"), [attempt_id], using=using)
    return _with_phone(attempt, phone), State(now=now or db_now, phone=phone, control=control or CallControl())


def read_number(phone_id: int, *, using: str) -> PhoneNumber | None:
    """Return the row of a number by its primary key, or None if it was erased."""
    return PhoneNumber.objects.using(using).filter(pk=phone_id).first()


def _with_phone(attempt: VerificationAttempt | None, phone: PhoneNumber | None) -> VerificationAttempt | None:
    """Set ``attempt.phone`` if ``phone`` is its number, to save a query. Return the attempt."""
    if attempt and phone and attempt.phone_id == phone.pk:
        attempt.phone = phone
    return attempt


@dataclass(frozen=True)
class _Select:
    """A SELECT. Its columns are the time of the database, then the fields of each model."""

    sql: str
    models: tuple[type[Model], ...]
    columns: tuple[BaseExpression, ...]


@lru_cache
def _select(using: str, *, attempt_by: str = "") -> _Select:
    """Return the SELECT. It runs before every call, so it is composed only once for each database.

    ``attempt_by``: the column by which an attempt is read, ``""`` for no attempt. With ``id``, the number is the
    number of the attempt. With ``uuid``, the number is a second parameter, because a caller may send the uuid of an
    attempt of another number.

    It is SQL because it must also return a row for a number without a row. A queryset cannot select a constant and
    join tables to it.
    """
    models = (CallControl, PhoneNumber, *([VerificationAttempt] if attempt_by else []))
    fields = [field for model in models for field in model._meta.concrete_fields]
    columns = (DbNow(), *(field.get_col(field.model._meta.db_table) for field in fields))
    compiler = PhoneNumber.objects.using(using).query.get_compiler(using)
    quote = connections[using].ops.quote_name
    controls, phones, attempts = (
        quote(model._meta.db_table) for model in (CallControl, PhoneNumber, VerificationAttempt)
    )
    phone, value = ("id", f"{attempts}.{quote('phone_id')}") if attempt_by == "id" else ("number", "%s")
    sql = (
        f"SELECT {', '.join(compiler.compile(column)[0] for column in columns)} FROM (SELECT 1 AS one) AS always"
        f" LEFT JOIN {controls} ON {controls}.{quote('id')} = {CallControl.ONLY}"
        + (f" LEFT JOIN {attempts} ON {attempts}.{quote(attempt_by)} = %s" if attempt_by else "")
        + f" LEFT JOIN {phones} ON {phones}.{quote(phone)} = {value}"
    )
    return _Select(sql, models, columns)


def _read(select: _Select, parameters: Sequence[int | str], *, using: str) -> Iterator[Any]:
    """Yield the time of the database, then the instance of each model, or None if it has no row."""
    with connections[using].cursor() as cursor:
        cursor.execute(select.sql, parameters)
        row = cursor.fetchone()
    compiler = PhoneNumber.objects.using(using).query.get_compiler(using)
    (db_now, *values), *_ = compiler.apply_converters([row], compiler.get_converters(select.columns))
    yield db_now
    for model in select.models:
        width = len(model._meta.concrete_fields)
        yield _instance(model, values[:width], using=using)
        values = values[width:]


def _instance(model: type[M], values: Sequence[object], *, using: str) -> M | None:
    """Return the instance, or None if the join found no row: then the first column, the primary key, is NULL."""
    if values[0] is None:
        return None
    return model.from_db(using, [field.attname for field in model._meta.concrete_fields], values)


class VersionConflict(Exception):
    """Another process changed the row since it was read. Nothing was written."""


def write_moments(
    phone: PhoneNumber,
    moments: Sequence[datetime],
    *,
    last_call_at: datetime | None,
    held_until: datetime | None,
    using: str,
    held_at: datetime | None = None,
    held_reason: str | None = None,
) -> PhoneNumber:
    """Write the new state of a number, if its row still has the version of ``phone``. Return the changed row.

    ``moments``: the times of the counted calls. ``held_at`` and ``held_reason`` belong to a new hold; None keeps the
    values of the row. Raises VersionConflict if another process changed the row.
    """
    limit = current_limit(conf.policy(), moments, held_until=held_until)
    row = copy(phone)
    row.moments = moments
    fields = {
        "calls": row.calls,
        "last_call_at": last_call_at,
        "next_call_at": limit.until if limit else None,
        "limited_by": limit.rule if limit else "",
        "held_at": phone.held_at if held_at is None else held_at,
        "held_until": held_until,
        "held_reason": phone.held_reason if held_reason is None else held_reason,
        "version": phone.version + 1,
    }
    if not PhoneNumber.objects.using(using).filter(pk=phone.pk, version=phone.version).update(**fields):
        raise VersionConflict
    for name, value in fields.items():
        setattr(row, name, value)
    return row
