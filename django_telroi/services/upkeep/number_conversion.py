"""Converts the numbers of all rows to the form that the settings write: encrypts, decrypts, or rotates the key.

Two rows of one number are merged. They exist only if processes with different settings of ``NUMBER_ENCRYPTION``
inserted the number at the same moment, each in its own form. "Encrypted numbers" in the documentation tells how to
change the settings without that.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.apps import apps
from django.db import IntegrityError, connections, transaction
from django.db.models import Model, Q

from django_telroi import conf
from django_telroi.domain.number_cipher import SealedPart
from django_telroi.domain.number_limits import current_limit
from django_telroi.models import PhoneNumber, UserWrongCodes, VerifiedPhone
from django_telroi.models.sealed import SealedCharField, has_written_form, opened, stored_form
from django_telroi.services.shared.arguments import typed_arguments
from django_telroi.services.shared.transactions import (
    refuse_callers_transaction,
    repeat_on_lock_error,
    unavailable_without_database,
    write_alias,
)

logger = logging.getLogger("django_telroi")


BATCH = 2000
"""Rows. A batch is one transaction, and its locks must last less than a second."""
LARGEST_BATCH_OF_NUMBERS = 10_000
NEVER = datetime.min.replace(tzinfo=UTC)
MAX_PASSES = 5
"""How often the tables are read at most, so that a process with the former settings cannot keep the run going."""


@dataclass(frozen=True)
class Converted:
    """How many rows were read, how many of them had another form, and how many were doubles of a number.

    A double is a second row of one number, in another form. It can only come from a process with other settings.
    """

    rows: int = 0
    changed: int = 0
    merged: int = 0

    def __add__(self, more: Converted) -> Converted:
        return Converted(self.rows + more.rows, self.changed + more.changed, self.merged + more.merged)


@typed_arguments
@unavailable_without_database(also_without_key=False)
def convert_numbers(
    *, batch_size: int = BATCH, dry_run: bool = False, progress: Callable[[Converted], None] | None = None
) -> Converted:
    """Write all numbers, last digits and prefixes in the form that ``NUMBER_ENCRYPTION`` and ``NUMBER_KEYS`` say.

    Rows that have this form are only read, so a run that was killed is continued by the next one. The tables are read
    again until nothing is left to convert: another process may write the former form meanwhile. ``batch_size`` is at
    most 10,000 rows. ``progress`` is called after each batch with the totals so far. ``dry_run`` only counts.

    Returns the number of rows. Raises InsideTransaction inside a caller's transaction, and ImproperlyConfigured if a
    row is encrypted with a key that the settings do not have. Raises Unavailable if the database fails.
    """
    using = write_alias()
    refuse_callers_transaction(using)
    size = max(1, min(batch_size, LARGEST_BATCH_OF_NUMBERS))
    total = Converted()
    for _ in range(MAX_PASSES):
        before = total
        for model, fields in sealed_columns():
            for batch in _batches(model, fields, size=size, dry_run=dry_run, using=using):
                total += batch
                if progress:
                    progress(total)
        if dry_run or total.changed == before.changed:
            break
    if not dry_run:
        logger.info("numbers_converted rows=%d changed=%d merged=%d", total.rows, total.changed, total.merged)
    return total


def has_rows_in_other_form(*, using: str) -> bool:
    """Return whether a number is stored in a form that the settings do not write. Uses two look-ups by an index.

    All numbers in clear sort before all encrypted ones, and those of one key stand together. So a number in another
    form is the first or the last one.
    """
    return any(
        stored and not has_written_form(stored)
        for model in (PhoneNumber, VerifiedPhone)
        for stored in _first_and_last(model, using=using)
    )


def _first_and_last(model: type[Model], *, using: str) -> Sequence[str | None]:
    quote = connections[using].ops.quote_name
    column, table = quote("number"), quote(model._meta.db_table)
    # Not a queryset: it would decrypt the values, and the key may be missing.
    with connections[using].cursor() as cursor:
        cursor.execute(f"SELECT MIN({column}), MAX({column}) FROM {table}")
        return list(cursor.fetchone())


def sealed_columns() -> Iterator[tuple[type[Model], list[SealedCharField]]]:
    """Yield each model that has encrypted columns, with these columns, including models of bridges and of the site."""
    for model in apps.get_models():
        fields = [field for field in model._meta.local_concrete_fields if isinstance(field, SealedCharField)]
        if fields and model._meta.managed and not model._meta.proxy:
            yield model, fields


def _batches(
    model: type[Model], fields: Sequence[SealedCharField], *, size: int, dry_run: bool, using: str
) -> Iterator[Converted]:
    """Convert the rows in the order of their primary keys, and yield the counts of each batch."""
    quote, key = connections[using].ops.quote_name, model._meta.pk
    table, pk = quote(model._meta.db_table), quote(str(key.column))
    columns = [quote(str(field.column)) for field in fields]
    # Not a queryset: its rows would be opened already, and each form must be seen.
    select = f"SELECT {pk}, {', '.join(columns)} FROM {table}"
    last: Any = None
    while True:
        with connections[using].cursor() as cursor:
            after, parameters = ("", []) if last is None else (f" WHERE {pk} > %s", [last])
            cursor.execute(f"{select}{after} ORDER BY {pk} LIMIT {size}", parameters)
            rows = cursor.fetchall()
        if not rows:
            return
        last = rows[-1][0]
        changes = [change for row in rows if (change := _change_of(row, fields))]
        merged = 0 if dry_run or not changes else _write_changes(model, columns, changes, using=using)
        yield Converted(len(rows), len(changes), merged)


@dataclass(frozen=True)
class _RowChange:
    pk: Any
    before: tuple[str, ...]
    after: tuple[str, ...]


def _change_of(row: Sequence[Any], fields: Sequence[SealedCharField]) -> _RowChange | None:
    """Return the new values of a row, None if it has them."""
    pk, *before = row
    after = tuple(_written(value, field) for value, field in zip(before, fields, strict=True))
    return None if after == tuple(before) else _RowChange(pk, tuple(before), after)


def _written(stored: str, field: SealedCharField) -> str:
    if not stored or has_written_form(stored):
        return stored
    return stored_form(opened(stored, field.part), field.part)


def _write_changes(model: type[Model], columns: Sequence[str], changes: Sequence[_RowChange], *, using: str) -> int:
    """Write a batch. Returns how many doubles were merged."""
    connection = connections[using]
    quote = connection.ops.quote_name
    # The old values are compared: another run may have converted the row, or the site may have changed it.
    where = " AND ".join(f"{column} = %s" for column in columns)
    sql = (
        f"UPDATE {quote(model._meta.db_table)} SET {', '.join(f'{column} = %s' for column in columns)}"
        f" WHERE {quote(str(model._meta.pk.column))} = %s AND {where}"
    )

    def write(some: Sequence[_RowChange]) -> None:
        with transaction.atomic(using=using), connection.cursor() as cursor:
            cursor.executemany(sql, [(*each.after, each.pk, *each.before) for each in some])

    try:
        repeat_on_lock_error(lambda: write(changes), using=using)
    except IntegrityError:
        merged = 0
        for each in changes:
            try:
                repeat_on_lock_error(lambda each=each: write([each]), using=using)  # type: ignore[misc]
            except IntegrityError:
                merged += _merge(model, each, using=using)
        return merged
    return 0


def _merge(model: type[Model], change: _RowChange, *, using: str) -> int:
    """Merge the row into the other row that has its number in the new form. Returns 1.

    Raises the IntegrityError that is being handled for any other model: it has an index that is not ours.
    """
    if model is PhoneNumber:
        repeat_on_lock_error(lambda: merge_numbers(change.pk, change.before[0], using=using), using=using)
        return 1
    if model is VerifiedPhone:
        repeat_on_lock_error(lambda: _merge_records(change.pk, using=using), using=using)
        return 1
    raise  # noqa: PLE0704 - the IntegrityError of the caller


def _merge_records(pk: int, *, using: str) -> None:
    """Delete the older of two records of one user, number and purpose."""
    with transaction.atomic(using=using):
        records = VerifiedPhone.objects.using(using).select_for_update()
        double = records.filter(pk=pk).first()
        if double is None:
            return
        is_same = Q(user_id=double.user_id, number=double.number, purpose=double.purpose)
        same = records.filter(is_same | Q(pk=pk))  # with "on", a row in clear is not found by its number
        newest = max(same, key=lambda record: (record.verified_at, record.pk))
        VerifiedPhone.objects.using(using).filter(pk__in=[each.pk for each in same if each.pk != newest.pk]).delete()
        newest.save(using=using, update_fields=["number"])


def merge_numbers(double_pk: int, stored: str, *, using: str) -> None:
    """Merge the rows of one number into the one with the lowest primary key, and delete the others.

    ``double_pk``: a row whose number could not be written, because another row has it in the new form. ``stored``: that
    row's number as the column has it. The row that stays has the stricter of two limits, and any block.
    """
    with transaction.atomic(using=using):
        number = opened(stored, SealedPart.NUMBER)
        # Both rows are locked in the order of their keys. The first one stays, because more rows refer to it.
        # By the key too: with "on", a row in clear is not found by its number.
        same = PhoneNumber.objects.using(using).filter(Q(number=number) | Q(pk=double_pk))
        both = list(same.select_for_update().order_by("pk"))
        if len(both) < 2 or double_pk not in [row.pk for row in both]:
            return
        kept, *doubles = both
        for double in doubles:
            for relation in PhoneNumber._meta.related_objects:
                rows = relation.related_model._base_manager.using(using)
                rows.filter(**{relation.field.name: double.pk}).update(**{relation.field.name: kept.pk})
            # After the attempts: all transactions lock the attempt before the user's count.
            _merge_wrong_codes(double.pk, kept.pk, using=using)
            fields = _merged(kept, double)
            PhoneNumber.objects.using(using).filter(pk=double.pk).delete()
            for name, value in fields.items():
                setattr(kept, name, value)
            # All columns, so that the number is written in the form of the settings.
            kept.save(using=using)


def _merge_wrong_codes(double_pk: int, kept_pk: int, *, using: str) -> None:
    """Count the wrong codes that users typed for the double for the row that stays."""
    rows = UserWrongCodes.objects.using(using).filter(by_number__has_key=str(double_pk))
    for row in rows.select_for_update().order_by("pk"):
        by_number = dict(row.by_number)
        of_double = by_number.pop(str(double_pk))
        row.by_number = by_number | {str(kept_pk): by_number.get(str(kept_pk), 0) + of_double}
        row.version += 1
        row.save(using=using, update_fields=["by_number", "version"])


def _merged(kept: PhoneNumber, double: PhoneNumber) -> Mapping[str, object]:
    """Return the columns of one row with the stricter of the limits and holds of two."""
    moments = tuple(sorted({*kept.moments, *double.moments}, reverse=True))
    held = max(kept, double, key=lambda row: row.held_until or NEVER)
    # The block of staff has the name and the reason that are shown.
    blocked = min(kept, double, key=lambda row: (not row.has_staff_block, row.blocked_at is None))
    limit = current_limit(conf.policy(), moments, held_until=held.held_until)
    return {
        "calls": [moment.isoformat() for moment in moments],
        "last_call_at": _later(kept.last_call_at, double.last_call_at),
        "next_call_at": limit.until if limit else None,
        "limited_by": limit.rule if limit else "",
        "held_at": held.held_at,
        "held_until": held.held_until,
        "held_reason": held.held_reason,
        "blocked_at": blocked.blocked_at,
        "blocked_by": blocked.blocked_by,
        "blocked_reason": blocked.blocked_reason,
        "blocked_by_owner": kept.blocked_by_owner or double.blocked_by_owner,
        "blocked_by_staff": blocked.has_staff_block,
        "wrong_codes": max(kept.wrong_codes, double.wrong_codes),
        "last_wrong_code_at": _later(kept.last_wrong_code_at, double.last_wrong_code_at),
        "created_at": min(kept.created_at, double.created_at),
        "version": max(kept.version, double.version) + 1,
    }


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    return max(filter(None, (one, other)), default=None)
