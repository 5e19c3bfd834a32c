"""Everything we hold of a number, for the person who asks."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Model, Q
from django.views.decorators.debug import sensitive_variables

from django_telroi.models import AttemptEvent, PhoneNumber, VerificationAttempt, VerifiedPhone
from django_telroi.quiet import quiet_arguments
from django_telroi.services.arguments import typed_arguments
from django_telroi.services.known import known_number
from django_telroi.services.transactions import unavailable_without_database, write_alias

INNER = frozenset(
    {"version", "digest", "had_user", "is_again", "followed_by", "asked", "judging", "code_digest"} | {"try_id"}
)
"""What serves our own bookkeeping and says nothing about anybody; a digest of a code is not for hands either."""


@quiet_arguments("number")
@typed_arguments
@sensitive_variables()
@unavailable_without_database()
def export_number(number: str) -> dict[str, Any]:
    """All rows of a number as plain data that ``json.dumps`` takes: it reads, and changes nothing.

    ``{"number": row or None, "attempts": […], "events": […], "verified_phones": […]}``, oldest first; moments are ISO
    8601 in UTC, users their primary keys. ``number`` is E.164 or any spelling of it; a number that is valid no more is
    found by its rows. Raises InvalidNumber and Unavailable.

    ``requester_ip``, ``user`` and ``actor`` may tell of other people than the one who answers the number.
    """
    using = write_alias()
    phone = known_number(number, using=using)
    row = PhoneNumber.objects.using(using).filter(number=phone.number).first()
    attempts = list(VerificationAttempt.objects.using(using).filter(phone_id=row.pk).order_by("pk")) if row else []
    of_attempts = Q(attempt__in=[attempt.pk for attempt in attempts])  # by keys, of which a database finds each at once
    events = AttemptEvent.objects.using(using).filter(of_attempts | Q(phone=row) if row else of_attempts)
    accounts = VerifiedPhone.objects.using(using).filter(number=phone.number)
    return {
        "number": _plain(row) if row else None,
        "attempts": [_plain(attempt) for attempt in attempts],
        "events": [_plain(event) for event in events.order_by("pk")],
        "verified_phones": [_plain(account) for account in accounts.order_by("pk")],
    }


def _plain(row: Model) -> dict[str, Any]:
    fields: Iterable[Any] = row._meta.concrete_fields
    return {field.name: _plain_value(getattr(row, field.attname)) for field in fields if field.name not in INNER}


def _plain_value(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value
