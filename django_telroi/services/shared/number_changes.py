"""Changes of a phone number: a new state, written by a conditional UPDATE.

``select_for_update`` would be simpler, but SQLite ignores it. The version works on every database, and no lock is held
between read and write. See "Transactions and locks" in docs/explanation/how.rst.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from datetime import datetime

from django.db import IntegrityError

from django_telroi import conf
from django_telroi.domain.policy import current_limit
from django_telroi.models import PhoneNumber
from django_telroi.services.shared.inserts import insert_row
from django_telroi.services.shared.statements import update_row


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
