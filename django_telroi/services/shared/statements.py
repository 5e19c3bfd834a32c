"""The statements of calls and checks: composed once for each database, then executed with other values.

A queryset composes its SQL each time it is used. For the SELECT of an attempt with its number that takes ten times as
long as the server needs to answer. So the SELECTs, UPDATEs and INSERTs that every call and every check executes are
composed by Django once, in each process, and kept.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache, lru_cache
from typing import Any
from uuid import UUID

from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import BooleanField, CharField, Expression, Field, Model
from django.db.models.expressions import BaseExpression
from django.db.models.signals import post_save, pre_save
from django.db.models.sql import UpdateQuery
from django.db.models.sql.compiler import SQLCompiler

from django_telroi.models.sealed import SealedCharField
from django_telroi.services.shared.transactions import is_autocommit

MAX_UPDATES = 256
"""How many composed UPDATEs a process keeps. The services have fewer than fifty."""

Converter = Callable[[Any, BaseExpression, BaseDatabaseWrapper], Any]


class Parameter(Expression):
    """The place of a value in a composed statement. ``name`` finds the value when the statement is executed."""

    def __init__(self, name: str, field: Field[Any, Any]) -> None:
        super().__init__(output_field=field)
        self.name = name

    def as_sql(self, compiler: SQLCompiler, connection: BaseDatabaseWrapper) -> Any:
        return "%s", [self]

    def value_of(self, values: Mapping[str, object], connection: BaseDatabaseWrapper) -> Any:
        """Return the value as the driver of this database expects it."""
        value = values[self.name]
        return None if value is None else self.output_field.get_db_prep_save(value, connection)


@dataclass(frozen=True)
class Select:
    """A SELECT of one row. Its columns are single expressions, then the fields of each model in their order."""

    sql: str
    expressions: int
    models: tuple[tuple[type[Model], list[str]], ...]
    converters: tuple[tuple[int, Sequence[Converter], BaseExpression], ...]

    @classmethod
    def of(
        cls,
        expressions: Sequence[tuple[str, BaseExpression]],
        models: Sequence[type[Model]],
        source: str,
        *,
        using: str,
    ) -> Select:
        """Return the SELECT from ``source``, the SQL from FROM on.

        ``expressions``: the SQL of each, and the expression that knows the type of its value.
        """
        compiler = models[0]._base_manager.using(using).query.get_compiler(using)
        fields = [field for model in models for field in model._meta.concrete_fields]
        columns = [field.get_col(field.model._meta.db_table) for field in fields]
        sql = ", ".join([sql for sql, _ in expressions] + [compiler.compile(column)[0] for column in columns])
        found = compiler.get_converters([*(expression for _, expression in expressions), *columns])
        return cls(
            sql=f"SELECT {sql} {source}",
            expressions=len(expressions),
            models=tuple((model, [field.attname for field in model._meta.concrete_fields]) for model in models),
            converters=tuple((place, functions, expression) for place, (functions, expression) in found.items()),
        )

    def read(self, parameters: Sequence[Any], *, using: str) -> Iterator[Any]:
        """Yield the value of each expression, then an instance of each model, or None if the join found no row."""
        connection = connections[using]
        with connection.cursor() as cursor:
            cursor.execute(self.sql, parameters)
            row = list(cursor.fetchone())
        yield from self._values_of(row, using=using)

    def read_each(self, parameters: Sequence[Any], *, using: str) -> list[list[Any]]:
        """Return what ``read`` yields, for each row of a SELECT that returns several."""
        with connections[using].cursor() as cursor:
            cursor.execute(self.sql, parameters)
            rows = cursor.fetchall()
        return [list(self._values_of(list(row), using=using)) for row in rows]

    def _values_of(self, row: list[Any], *, using: str) -> Iterator[Any]:
        connection = connections[using]
        for place, functions, expression in self.converters:
            for convert in functions:
                row[place] = convert(row[place], expression, connection)
        yield from row[: self.expressions]
        start = self.expressions
        for model, names in self.models:
            own = row[start : start + len(names)]
            start += len(names)
            # If the join found no row, all columns are NULL, also the first one, which is the primary key.
            yield None if own[0] is None else model.from_db(using, names, own)


def update_row(model: type[Model], where: Mapping[str, Any], fields: Mapping[str, object], *, using: str) -> bool:
    """Write ``fields`` to the row that matches the look-ups ``where``. Returns whether there was one.

    It does what ``filter(**where).update(**fields)`` does. A statement is kept if its look-ups and values are plain:
    ``exact``, ``gt`` and the like, or ``in`` a list of texts. Django composes any other each time.
    """
    is_kept = fields and all(_is_plain_look_up(look_up, value) for look_up, value in where.items())
    if not is_kept or any(hasattr(value, "resolve_expression") for value in fields.values()):
        return bool(model._base_manager.using(using).filter(**where).update(**fields))
    statement, values = _update_of(model, where, fields, using=using)
    connection = connections[using]
    with transaction.mark_for_rollback_on_error(using=using), connection.cursor() as cursor:
        cursor.execute(statement.sql, statement.values_of(values, connection))
        return int(cursor.rowcount) > 0


def _update_of(
    model: type[Model], where: Mapping[str, Any], fields: Mapping[str, object], *, using: str
) -> tuple[_Update, dict[str, object]]:
    """Return the composed UPDATE, and its values by the names of its parameters."""
    # NULL and a list, tuple or set are part of the SQL.
    shape = tuple((look_up, *_literal(value)) for look_up, value in where.items())
    values = {f"where {name}": value for name, value in where.items()} | dict(fields)
    return _update(model, shape, tuple(fields), using), values


COLLECTIONS = (list, tuple, set, frozenset)
PLAIN_LOOK_UPS = frozenset({"", "exact", "gt", "gte", "lt", "lte"})


def _is_plain_look_up(look_up: str, value: object) -> bool:
    kind = look_up.partition("__")[2]
    if kind == "in":
        return bool(value) and isinstance(value, COLLECTIONS) and all(isinstance(each, str) for each in value)
    if value is None:
        return not kind
    return kind in PLAIN_LOOK_UPS and isinstance(value, str | int | UUID | datetime)


def _literal(value: Any) -> tuple[()] | tuple[tuple[Any, ...] | None]:
    if value is None:
        return (None,)
    return (tuple(sorted(value)),) if isinstance(value, COLLECTIONS) else ()


@dataclass(frozen=True)
class _Update:
    sql: str
    parameters: tuple[Any, ...]

    def values_of(self, values: Mapping[str, object], connection: BaseDatabaseWrapper) -> list[Any]:
        return [each.value_of(values, connection) if isinstance(each, Parameter) else each for each in self.parameters]


@lru_cache(maxsize=MAX_UPDATES)
def _update(model: type[Model], shape: tuple[Any, ...], names: tuple[str, ...], using: str) -> _Update:
    """Return the UPDATE. ``shape``: each look-up, with its value if that is part of the SQL."""
    where = {
        look_up: literal[0] if literal else _parameter(model, look_up, prefix="where ") for look_up, *literal in shape
    }
    query: Any = model._base_manager.using(using).filter(**where).query.chain(UpdateQuery)
    query.add_update_values({name: _parameter(model, name) for name in names})
    sql, parameters = query.get_compiler(using).as_sql()
    return _Update(sql, tuple(parameters))


def _parameter(model: type[Model], look_up: str, *, prefix: str = "") -> Parameter:
    name = look_up.split("__", maxsplit=1)[0]
    field: Any = model._meta.pk if name == "pk" else model._meta.get_field(name)
    return Parameter(prefix + look_up, field)


def insert_row(row: Model, *, using: str) -> None:
    """Insert the row, as ``save(force_insert=True)`` does, with its signals. Sets the primary key.

    Each field must have a value, except the primary key. A field with ``auto_now`` or a file is not supported.
    """
    model, connection = type(row), connections[using]
    pre_save.send(sender=model, instance=row, raw=False, using=using, update_fields=None)
    insert = _insert(model, using)
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
    connection, child_insert = connections[using], _insert(type(child), using)
    if parent._state.adding:
        insert = _insert(type(parent), using)
        sql, values = insert.sql, insert.values_of(parent, connection)
    else:
        update, named = _update_of(type(parent), where, fields, using=using)
        key = connection.ops.quote_name(str(parent._meta.pk.column))
        sql, values = f"{update.sql} RETURNING {key}", update.values_of(named, connection)
    with connection.cursor() as cursor:
        cursor.execute(
            f"WITH parent AS ({sql}) {_insert_with_link(type(child), link, using)}",
            [*values, *child_insert.values_of(child, connection, without=link)],
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
    """``fields``: the attribute of each column, and the field if its values are converted for the driver."""

    sql: str
    fields: tuple[tuple[str, Field[Any, Any] | None], ...]
    is_returning: bool

    def values_of(self, row: Model, connection: BaseDatabaseWrapper, *, without: str = "") -> list[Any]:
        values = [(getattr(row, name), field) for name, field in self.fields if name != f"{without}_id"]
        return [
            value if field is None or value is None else field.get_db_prep_save(value, connection)
            for value, field in values
        ]


@cache
def _insert(model: type[Model], using: str) -> _Insert:
    connection = connections[using]
    quote = connection.ops.quote_name
    meta, is_returning = model._meta, connection.features.can_return_columns_from_insert
    fields = [field for field in meta.concrete_fields if not field.primary_key]
    columns = ", ".join(quote(str(field.column)) for field in fields)
    sql = f"INSERT INTO {quote(meta.db_table)} ({columns}) VALUES ({', '.join(['%s'] * len(fields))})"
    if is_returning:
        sql += f" RETURNING {quote(str(meta.pk.column))}"
    return _Insert(sql, tuple((field.attname, None if _is_plain(field) else field) for field in fields), is_returning)


@cache
def _insert_with_link(model: type[Model], link: str, using: str) -> str:
    """Return the INSERT of a row whose foreign key ``link`` is the key of the row that ``parent`` returned."""
    quote, meta = connections[using].ops.quote_name, model._meta
    fields = [field for field in meta.concrete_fields if not field.primary_key]
    key, foreign_key = quote(str(meta.pk.column)), meta.get_field(link)
    parent_key = f"parent.{quote(str(foreign_key.target_field.column))}"  # type: ignore[union-attr]
    columns = ", ".join(quote(str(field.column)) for field in fields)
    values = ", ".join(parent_key if field == foreign_key else "%s" for field in fields)
    return (
        f"INSERT INTO {quote(meta.db_table)} ({columns}) SELECT {values} FROM parent"
        f" RETURNING {key}, {quote(str(foreign_key.column))}"  # type: ignore[union-attr]
    )


def _is_plain(field: Field[Any, Any]) -> bool:
    """Return whether every driver takes the field's values as they are: texts that are not encrypted, truth values."""
    return isinstance(field, CharField | BooleanField) and not isinstance(field, SealedCharField)
