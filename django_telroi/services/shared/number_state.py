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
    """A number, the site's control and the database's now, as one SELECT saw them together.

    ``phone`` is None for a number never seen; ``control`` is an unsaved blank one while nothing was ever stopped,
    paused or counted. ``attempt`` is the one whose uuid was asked for, None if there is none.
    """

    now: datetime
    phone: PhoneNumber | None
    control: CallControl
    attempt: VerificationAttempt | None = None
    read_at: float = field(default_factory=time.monotonic)

    def now_by(self) -> datetime:
        """The database's clock as it must stand by this moment, without asking it again."""
        return later(self.now, since=self.read_at)

    def moved_on(self) -> State:
        """The same state with the clock of this moment. What else changed since, the row's version will tell."""
        return replace(self, now=self.now_by(), read_at=time.monotonic())


def later(now: datetime, *, since: float) -> datetime:
    """``now`` moved on by what has passed on the monotonic clock since it read ``since``."""
    return now + timedelta(seconds=time.monotonic() - since)


def database_now(using: str) -> datetime:
    """The database's clock: the one that every process and host of a site shares."""
    return read_state("", using=using).now


def read_state(number: str, *, using: str, now: datetime | None = None, attempt_uuid: UUID | None = None) -> State:
    """Read the state of ``number`` (E.164), and the attempt that has ``attempt_uuid``, whatever its number.

    ``now`` stands in for the database's clock.
    """
    if attempt_uuid is None:
        db_now, control, phone = _read(_question(using), [number], using=using)
        return State(now=now or db_now, phone=phone, control=control or CallControl())
    column = VerificationAttempt._meta.get_field("uuid")
    parameters = [column.get_db_prep_value(attempt_uuid, connections[using]), number]
    db_now, control, phone, attempt = _read(_question(using, attempt_by="uuid"), parameters, using=using)
    return State(now=now or db_now, phone=phone, control=control or CallControl(), attempt=_of_number(attempt, phone))


def read_attempt(
    attempt_id: int, *, using: str, now: datetime | None = None
) -> tuple[VerificationAttempt | None, State]:
    """The attempt with this primary key, and the state of its number as the same SELECT saw it."""
    db_now, control, phone, attempt = _read(_question(using, attempt_by="id"), [attempt_id], using=using)
    return _of_number(attempt, phone), State(now=now or db_now, phone=phone, control=control or CallControl())


def read_number(phone_id: int, *, using: str) -> PhoneNumber | None:
    """The row of a number by its primary key, None if it was erased."""
    return PhoneNumber.objects.using(using).filter(pk=phone_id).first()


def _of_number(attempt: VerificationAttempt | None, phone: PhoneNumber | None) -> VerificationAttempt | None:
    """The attempt, with its number's row if that is the one that was read."""
    if attempt and phone and attempt.phone_id == phone.pk:
        attempt.phone = phone
    return attempt


@dataclass(frozen=True)
class _Question:
    """A SELECT whose row begins with the database's now and goes on with a row of each model."""

    sql: str
    models: tuple[type[Model], ...]
    columns: tuple[BaseExpression, ...]


@lru_cache
def _question(using: str, *, attempt_by: str = "") -> _Question:
    """The SELECT, composed once for each database: it is asked before every call.

    ``attempt_by``: the column that an attempt is looked up by, ``""`` for none. By its ``id``, the number is the
    attempt's own; by its ``uuid``, the number is a second parameter, because the uuid is a caller's.

    Written in SQL because a row must come back for a number that nobody has rung yet: a queryset has no way to select
    from nothing and join what there is.
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
    return _Question(sql, models, columns)


def _read(question: _Question, parameters: Sequence[int | str], *, using: str) -> Iterator[Any]:
    """The database's now and a row of each model, None where there is none."""
    with connections[using].cursor() as cursor:
        cursor.execute(question.sql, parameters)
        row = cursor.fetchone()
    compiler = PhoneNumber.objects.using(using).query.get_compiler(using)
    (db_now, *values), *_ = compiler.apply_converters([row], compiler.get_converters(question.columns))
    yield db_now
    for model in question.models:
        width = len(model._meta.concrete_fields)
        yield _instance(model, values[:width], using=using)
        values = values[width:]


def _instance(model: type[M], values: Sequence[object], *, using: str) -> M | None:
    """The row, or None where the join found none: then every column is NULL, the first one too, which is the key."""
    if values[0] is None:
        return None
    return model.from_db(using, [field.attname for field in model._meta.concrete_fields], values)


class VersionConflict(Exception):
    """Somebody else changed the number's row first."""


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
    """Write a number's new state from the version that was read, and return the row as it is then.

    Raises VersionConflict.

    ``held_at`` and ``held_reason`` belong to a new hold; None keeps those of the row.
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
