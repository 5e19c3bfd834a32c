"""Writes of calls and checks: their INSERTs, composed once, and the conditional UPDATE of a number's state.

An INSERT is composed once for each set of empty columns, see ``statements``.

For a number's state ``select_for_update`` would be simpler, but SQLite ignores it. The version works on every database,
and no lock is held between read and write. See "Transactions and locks" in docs/explanation/how.rst.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache, lru_cache
from typing import Any

from django.db import IntegrityError, connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import BooleanField, CharField, Field, Model
from django.db.models.signals import post_save, pre_save

from django_telroi import conf
from django_telroi.domain.number_limits import current_limit
from django_telroi.models import PhoneNumber
from django_telroi.models.sealed import SealedCharField
from django_telroi.services.shared.statements import update_of, update_row
from django_telroi.services.shared.transactions import is_autocommit

MAX_INSERTS = 256
"""How many composed INSERTs a process keeps. There are few sets of empty columns."""


def insert_row(row: Model, *, using: str) -> None:
    """Insert the row, as ``save(force_insert=True)`` does, with its signals. Sets the primary key.

    Each field must have a value, except the primary key. A field with ``auto_now`` or a file is not supported.
    """
    model, connection = type(row), connections[using]
    pre_save.send(sender=model, instance=row, raw=False, using=using, update_fields=None)
    insert = _insert(model, _empty_columns(row), using)
    with transaction.mark_for_rollback_on_error(using=using), connection.cursor() as cursor:
        cursor.execute(insert.sql, insert.values_of(row, connection))
        # ``fetchall``, because SQLite ends a statement only after its last row was read.
        returned = cursor.fetchall() if insert.is_returning else ()
        row.pk = returned[0][0] if returned else cursor.lastrowid
    row._state.db, row._state.adding = using, False
    post_save.send(sender=model, instance=row, created=True, raw=False, using=using, update_fields=None)


def can_write_together(parent: type[Model], child: type[Model], *, using: str) -> bool:
    """Return whether ``insert_with_parent`` can write two rows of these models.

    Only PostgreSQL can change two tables in one statement. The statement must be a transaction of its own, and the
    site must have no signals that expect to run between the two writes.
    """
    is_able = connections[using].vendor == "postgresql" and is_autocommit(using)
    return is_able and not any(
        signal.has_listeners(model) for signal in (pre_save, post_save) for model in (parent, child)
    )


def insert_with_parent(
    child: Model, parent: Model, link: str, *, where: Mapping[str, Any], fields: Mapping[str, object], using: str
) -> bool:
    """Write a parent row, and insert a child row that points to it, in one statement: one round trip instead of four.

    ``child``, ``parent``: instances, which get their primary keys. ``link``: the foreign key of the child. A parent
    that was read from the database gets ``fields`` if its row still matches ``where``; a new parent is inserted.
    Returns whether the rows were written. Call ``can_write_together`` before.
    """
    connection = connections[using]
    child_insert = _insert_with_link(type(child), _empty_columns(child), link, using)
    if parent._state.adding:
        insert = _insert(type(parent), _empty_columns(parent), using)
        sql, values = insert.sql, insert.values_of(parent, connection)
    else:
        update, named = update_of(type(parent), where, fields, using=using)
        key = connection.ops.quote_name(str(parent._meta.pk.column))
        sql, values = f"{update.sql} RETURNING {key}", update.values_of(named, connection)
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH parent AS ({sql}) {child_insert.sql}",
            [*values, *child_insert.values_of(child, connection)],
        )
        keys = cursor.fetchone()
    if keys is None:
        return False
    child.pk, parent.pk = keys
    setattr(child, link, parent)
    for row in (child, parent):
        row._state.db, row._state.adding = using, False
    return True


@dataclass(frozen=True)
class _Insert:
    """``fields``: the attribute of each parameter, and the field if its values are converted for the driver."""

    sql: str
    fields: tuple[tuple[str, Field[Any, Any] | None], ...]
    is_returning: bool

    def values_of(self, row: Model, connection: BaseDatabaseWrapper) -> list[Any]:
        values = [(getattr(row, name), field) for name, field in self.fields]
        return [
            value if field is None or value is None else field.get_db_prep_save(value, connection)
            for value, field in values
        ]


def _empty_columns(row: Model) -> str:
    """Return which columns of the row are empty, in their order: a letter for each of them.

    ``N``: NULL. ``T``: an empty text. ``-``: any other value. The first two are part of the INSERT. A new attempt has
    twenty of them, and psycopg keeps a statement only if it has at most fifty parameters.
    """
    return "".join(
        "N" if value is None else "T" if isinstance(value, str) and len(value) == 0 else "-"
        for value in (getattr(row, name) for name in _columns_of(type(row)))
    )


@cache
def _columns_of(model: type[Model]) -> tuple[str, ...]:
    return tuple(field.attname for field in model._meta.concrete_fields if not field.primary_key)


LITERALS = {"N": "NULL", "T": "''", "-": "%s"}


@lru_cache(maxsize=MAX_INSERTS)
def _insert(model: type[Model], empty: str, using: str) -> _Insert:
    connection = connections[using]
    quote = connection.ops.quote_name
    meta, is_returning = model._meta, connection.features.can_return_columns_from_insert
    columns, values, fields = _insert_parts(model, empty, using)
    sql = f"INSERT INTO {quote(meta.db_table)} ({columns}) VALUES ({', '.join(values)})"
    if is_returning:
        sql += f" RETURNING {quote(str(meta.pk.column))}"
    return _Insert(sql, tuple(fields.values()), is_returning)


@lru_cache(maxsize=MAX_INSERTS)
def _insert_with_link(model: type[Model], empty: str, link: str, using: str) -> _Insert:
    """Return the INSERT of a row whose foreign key ``link`` is the key of the row that ``parent`` returned."""
    quote, meta = connections[using].ops.quote_name, model._meta
    key, foreign_key = quote(str(meta.pk.column)), meta.get_field(link)
    columns, values, fields = _insert_parts(model, empty, using)
    place = _columns_of(model).index(foreign_key.attname)  # type: ignore[union-attr]
    values[place] = f"parent.{quote(str(foreign_key.target_field.column))}"  # type: ignore[union-attr]
    fields.pop(place, None)
    return _Insert(
        f"INSERT INTO {quote(meta.db_table)} ({columns}) SELECT {', '.join(values)} FROM parent"
        f" RETURNING {key}, {quote(str(foreign_key.column))}",  # type: ignore[union-attr]
        tuple(fields.values()),
        is_returning=True,
    )


def _insert_parts(
    model: type[Model], empty: str, using: str
) -> tuple[str, list[str], dict[int, tuple[str, Field[Any, Any] | None]]]:
    """Return the SQL of the columns, that of each value, and the parameters by the place of their column."""
    quote = connections[using].ops.quote_name
    fields = [field for field in model._meta.concrete_fields if not field.primary_key]
    columns = ", ".join(quote(str(field.column)) for field in fields)
    parameters = {
        place: (field.attname, None if _is_plain(field) else field)
        for place, (field, letter) in enumerate(zip(fields, empty, strict=True))
        if letter == "-"
    }
    return columns, [LITERALS[letter] for letter in empty], parameters


def _is_plain(field: Field[Any, Any]) -> bool:
    """Return whether every driver takes the field's values as they are: texts that are not encrypted, truth values."""
    return isinstance(field, CharField | BooleanField) and not isinstance(field, SealedCharField)


class VersionConflict(Exception):
    """Another process changed the row since it was read. Nothing was written."""


@dataclass(frozen=True)
class NumberChange:
    """A new state of a number. ``row``: the object with the new state. ``fields`` are written where ``where`` matches.

    Both are empty for a number without a row, which is inserted.
    """

    row: PhoneNumber
    where: Mapping[str, object] = field(default_factory=dict)
    fields: Mapping[str, object] = field(default_factory=dict)

    def write(self, *, using: str) -> PhoneNumber:
        """Write the change, and return the row. Raises VersionConflict if another process changed or inserted it."""
        if self.row._state.adding:
            try:
                insert_row(self.row, using=using)
            except IntegrityError:
                raise VersionConflict from None
        elif not update_row(PhoneNumber, self.where, self.fields, using=using):
            raise VersionConflict
        return self.row


def change_moments(
    phone: PhoneNumber,
    moments: Sequence[datetime],
    *,
    last_call_at: datetime | None,
    held_until: datetime | None,
    held_at: datetime | None = None,
    held_reason: str | None = None,
) -> NumberChange:
    """Return the change of a number whose row still has the version of ``phone``.

    ``moments``: the times of the counted calls. ``held_at`` and ``held_reason`` belong to a new hold; None keeps the
    values of the row.
    """
    limit = current_limit(conf.policy(), moments, held_until=held_until)
    # ``phone`` stays as it was read: if the transaction is retried after a lock error, its version is compared again.
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
    for name, value in fields.items():
        setattr(row, name, value)
    return NumberChange(row, {"pk": phone.pk, "version": phone.version}, fields)
