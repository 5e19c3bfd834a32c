"""Merges two rows of one number.

A number has two rows only if processes with different settings of ``NUMBER_ENCRYPTION`` inserted it at the same moment,
each in its own form. "Encrypted numbers" in the documentation tells how to change the settings without that.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from django.db import transaction
from django.db.models import Q

from django_telroi import conf
from django_telroi.domain.number_cipher import SealedPart
from django_telroi.domain.policy import current_limit
from django_telroi.models import PhoneNumber, UserWrongCodes
from django_telroi.models.sealed import opened


def merge_numbers(double_pk: int, stored: str, *, using: str) -> None:
    """Give everything of the row ``double_pk`` to the other row of its number, and delete it.

    ``stored``: its number as the column has it. The row that stays has the stricter of two limits, and any block.
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
            # Before the attempts, which are locked after the wrong codes everywhere.
            _merge_wrong_codes(double.pk, kept.pk, using=using)
            for relation in PhoneNumber._meta.related_objects:
                rows = relation.related_model._base_manager.using(using)
                rows.filter(**{relation.field.name: double.pk}).update(**{relation.field.name: kept.pk})
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
    moments = tuple(sorted({*kept.moments, *double.moments}, reverse=True))
    is_held_longer = (double.held_until or kept.created_at) > (kept.held_until or double.created_at)
    held, blocked = (double if is_held_longer and double.held_until else kept), kept if kept.blocked_at else double
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
        "wrong_codes": max(kept.wrong_codes, double.wrong_codes),
        "last_wrong_code_at": _later(kept.last_wrong_code_at, double.last_wrong_code_at),
        "created_at": min(kept.created_at, double.created_at),
        "version": max(kept.version, double.version) + 1,
    }


def _later(one: datetime | None, other: datetime | None) -> datetime | None:
    return max(filter(None, (one, other)), default=None)
