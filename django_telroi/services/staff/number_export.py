"""The export of all rows of a number, for a person who asks for their data."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db.models import Model, Q
from django.views.decorators.debug import sensitive_variables

from django_telroi.models import AttemptEvent, ConsentText, PhoneNumber, SupportNote, VerificationAttempt, VerifiedPhone
from django_telroi.redaction import redact_arguments
from django_telroi.services.shared.arguments import known_number, typed_arguments
from django_telroi.services.shared.transactions import unavailable_without_database, write_alias

NOT_EXPORTED = frozenset(
    {"version", "digest", "sha256", "had_user", "is_again", "followed_by"}
    | {"asked", "judging", "code_digest", "try_id"}
)
"""Internal columns, which say nothing about a person. The digest of a code must not leave the database either."""


@redact_arguments("number")
@typed_arguments
@sensitive_variables()
@unavailable_without_database()
def export_number(number: str) -> dict[str, Any]:
    """Return all rows of a number as plain data for ``json.dumps``. It changes nothing.

    ``{"number": row or None, "attempts": […], "events": […], "notes": […], "verified_phones": […],
    "consents": […]}``, oldest first. ``consents`` are the texts that the attempts refer to.
    Moments are ISO 8601 in UTC, users are primary keys. ``number`` is E.164 or any other spelling; a number that is not
    valid any more is found by its rows. Raises InvalidNumber and Unavailable.

    ``requester_ip``, ``user``, ``actor`` and ``author`` may be about other people than the owner of the number.
    """
    using = write_alias()
    phone = known_number(number, using=using)
    row = PhoneNumber.objects.using(using).filter(number=phone.number).first()
    attempts = list(VerificationAttempt.objects.using(using).filter(phone_id=row.pk).order_by("pk")) if row else []
    of_attempts = Q(attempt__in=[attempt.pk for attempt in attempts])  # by primary keys, so that the index is used
    events = AttemptEvent.objects.using(using).filter(of_attempts | Q(phone=row) if row else of_attempts)
    notes = SupportNote.objects.using(using).filter(phone=row) if row else SupportNote.objects.none()
    accounts = VerifiedPhone.objects.using(using).filter(number=phone.number)
    texts = ConsentText.objects.using(using).filter(pk__in={each.consent_id for each in attempts if each.consent_id})
    return {
        "number": _plain(row) if row else None,
        "attempts": [_plain(attempt) for attempt in attempts],
        "events": [_plain(event) for event in events.order_by("pk")],
        "notes": [_plain(note) for note in notes.order_by("pk")],
        "verified_phones": [_plain(account) for account in accounts.order_by("pk")],
        "consents": [_plain(text) for text in texts.order_by("pk")],
    }


def _plain(row: Model) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    for field in row._meta.concrete_fields:
        if field.name in NOT_EXPORTED:
            continue
        value = getattr(row, field.attname)  # of a foreign key the stored value, so that no other row is read
        if isinstance(value, datetime):
            value = value.isoformat()
        plain[field.name] = str(value) if isinstance(value, UUID) else value
    return plain
