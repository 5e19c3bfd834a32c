"""The statements of calls and checks: composed once for each database, then executed with other values.

A queryset composes its SQL each time it is used. For the SELECT of an attempt with its number that takes ten times as
long as the server needs to answer. So the SELECTs, UPDATEs and INSERTs that every call and every check executes are
composed by Django once, in each process, and kept. ``writes`` has the INSERTs. The joins at the end are those of the
SELECT in ``number_state``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from functools import lru_cache
from typing import Any
from uuid import UUID

from django.db import connections, transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Expression, Field, Model
from django.db.models.expressions import BaseExpression
from django.db.models.sql import UpdateQuery
from django.db.models.sql.compiler import SQLCompiler

from django_telroi.domain.phone import Phone
from django_telroi.models import BlockedDestination, CallControl, PhoneNumber, UserWrongCodes

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
        models: Mapping[type[Model], str],
        source: str,
        *,
        using: str,
    ) -> Select:
        """Return the SELECT from ``source``, the SQL from FROM on.

        ``expressions``: the SQL of each, and the expression that knows the type of its value. ``models``: the alias of
        the table of each.
        """
        compiler = next(iter(models))._base_manager.using(using).query.get_compiler(using)
        columns = [field.get_col(alias) for model, alias in models.items() for field in model._meta.concrete_fields]
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
    statement, values = update_of(model, where, fields, using=using)
    connection = connections[using]
    with transaction.mark_for_rollback_on_error(using=using), connection.cursor() as cursor:
        cursor.execute(statement.sql, statement.values_of(values, connection))
        return int(cursor.rowcount) > 0


def update_of(
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


class KeyRow(StrEnum):
    """Which key's row of CallControl a SELECT reads: that of one key, of a parameter, of the attempt, or none."""

    DEFAULT = "default"
    NAMED = "named"
    OF_ATTEMPT = "of_attempt"
    NONE = "none"


NUMBER, ATTEMPT, BLOCK, CODES, EVENT = "n", "a", "b", "c", "e"
"""The aliases of the tables. They are short, because the statement has the alias before each of a hundred columns, and
psycopg keeps a parsed statement only if it has at most 4,096 characters."""

CONTROL_ROWS = {name: f"control_{index}" for index, name in enumerate(CallControl.COLUMNS)}
"""The alias of each row of CallControl in the SELECT."""


def join_controls(key_of: KeyRow, *, using: str) -> str:
    """Return the joins of the rows of CallControl: that of the switch, that of a key, and that of the day.

    With ``KeyRow.NAMED`` the name of the key is a parameter. With ``KeyRow.OF_ATTEMPT`` the attempt is joined before.
    """
    quote = connections[using].ops.quote_name
    controls, of_attempt = quote(CallControl._meta.db_table), f"{ATTEMPT}.{quote('key_name')}"
    names = {name: f"'{name}'" for name in CONTROL_ROWS}
    if key_of != KeyRow.DEFAULT:
        key_name = {KeyRow.NAMED: "%s", KeyRow.OF_ATTEMPT: of_attempt, KeyRow.NONE: "NULL"}
        names[CallControl.DEFAULT_KEY] = key_name[key_of]
    return "".join(
        f" LEFT JOIN {controls} {quote(row)} ON {quote(row)}.{quote('name')} = {names[name]}"
        for name, row in CONTROL_ROWS.items()
    )


LONG_AGO = datetime.min.replace(tzinfo=UTC)


def join_every_destination(*, using: str) -> str:
    """Return the join of all blocks, one row for each. It is for encrypted numbers: see ``longest_block``."""
    return f" LEFT JOIN {connections[using].ops.quote_name(BlockedDestination._meta.db_table)} {BLOCK} ON 1 = 1"


def longest_block(number: str, region: str, blocks: Iterable[BlockedDestination | None]) -> BlockedDestination | None:
    """Return the block of the number's region, or of one of its prefixes: the one that lasts longest, None without any.

    The database cannot compare a prefix with an encrypted number, so all of the few blocks are read.
    """
    found = [
        block
        for block in blocks
        if block and (number.startswith(block.destination) if block.is_prefix else region == block.destination)
    ]
    endless = next((block for block in found if block.until is None), None)
    return endless or max(found, key=lambda block: block.until or LONG_AGO, default=None)


def with_one_block(rows: list[list[Any]], phone: Phone | None) -> list[Any]:
    """Return the first row, with the block that applies to the number and lasts longest in the place of its block."""
    first = rows[0]
    place = next((place for place, value in enumerate(first) if isinstance(value, BlockedDestination)), None)
    if place is None:
        return first
    of = phone or next((value for value in first if isinstance(value, PhoneNumber)), None)
    first[place] = longest_block(of.number, of.region, [row[place] for row in rows]) if of else None
    return first


def join_destination(number: str, region: str, *, using: str) -> str:
    """Return the join of the block of the number's region, or of one of its prefixes: the one that lasts longest.

    The table has a few rows at most. A range by ``until`` is not needed: if the longest block is over, all are.
    """
    quote = connections[using].ops.quote_name
    blocks, destination, until = (quote(each) for each in (BlockedDestination._meta.db_table, "destination", "until"))
    is_prefix = f"each_block.{destination} = SUBSTR({number}, 1, LENGTH(each_block.{destination}))"
    longest = (
        f"SELECT each_block.{destination} FROM {blocks} each_block"
        f" WHERE each_block.{destination} = {region} OR {is_prefix}"
        f" ORDER BY CASE WHEN each_block.{until} IS NULL THEN 0 ELSE 1 END, each_block.{until} DESC LIMIT 1"
    )
    return f" LEFT JOIN {blocks} {BLOCK} ON {BLOCK}.{destination} = ({longest})"


def join_wrong_codes(user_id: str, *, using: str) -> str:
    """Return the join of the wrong codes of a user. ``user_id``: the SQL of the user's key."""
    quote = connections[using].ops.quote_name
    codes, user = (quote(each) for each in (UserWrongCodes._meta.db_table, "user_id"))
    return f" LEFT JOIN {codes} {CODES} ON {CODES}.{user} = {user_id}"
