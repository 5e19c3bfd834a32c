"""What support does for one person: notes, resets of wrong codes, an export, and the link that blocks calls.

The page of the link is ``web.do_not_call``.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.contrib.auth.base_user import AbstractBaseUser
from django.core import signing
from django.db import IntegrityError, transaction
from django.db.models import Model, Q
from django.urls import reverse
from django.views.decorators.debug import sensitive_variables

from django_telroi import conf
from django_telroi.domain.phone import parse_phone
from django_telroi.errors import ChangedMeanwhile
from django_telroi.models import (
    AttemptEvent,
    ConsentText,
    EventKind,
    PhoneNumber,
    SupportNote,
    UserWrongCodes,
    VerificationAttempt,
    VerifiedPhone,
)
from django_telroi.redaction import redact_arguments
from django_telroi.services.shared.arguments import known_number, storable, text_to_keep, typed_arguments
from django_telroi.services.shared.number_state import database_now
from django_telroi.services.shared.secrets import seal, unseal
from django_telroi.services.shared.transactions import (
    repeat_on_lock_error,
    savepoint_if_needed,
    unavailable_without_database,
    write_alias,
)
from django_telroi.services.shared.wrong_code_counts import ENDED, lock_attempt, reset_user, wait_end_of
from django_telroi.services.staff.staff_actions import change_number, write_event

MAX_AUTHOR_LENGTH = 150


@typed_arguments
@unavailable_without_database()
def add_note(
    phone: PhoneNumber,
    *,
    text: str,
    actor: str,
    attempt: VerificationAttempt | None = None,
    now: datetime | None = None,
) -> SupportNote:
    """Add a note to a number, or to one ``attempt`` of it. Its timeline and the page of the number show it.

    ``text`` is cut after 500 characters. ``actor`` is the name of the author. ``now`` replaces the database's clock,
    for tests. ``erase_number`` and ``purge`` delete the note.

    Returns the note. Raises UnstorableText, Unavailable, and ChangedMeanwhile if the number or the attempt was deleted.
    """
    using = write_alias()
    text = text_to_keep(text, "text", using=using)
    note = SupportNote(
        phone=phone,
        attempt=attempt,
        text=text[: SupportNote.MAX_TEXT_LENGTH],
        author=storable(actor, using=using)[:MAX_AUTHOR_LENGTH],
        created_at=now or database_now(using),
    )
    try:
        with savepoint_if_needed(using):
            note.save(using=using)
    except IntegrityError:
        raise ChangedMeanwhile from None
    return note


@redact_arguments("number")
@typed_arguments
@sensitive_variables()
@unavailable_without_database()
def reset_wrong_codes(number: str, *, reason: str, actor: str, now: datetime | None = None) -> PhoneNumber:
    """End the count of wrong codes of a number, and the wait or lock that follows from it.

    ``reason`` and ``actor`` are in the number's events. Returns the number's row. Without any wrong codes, there is no
    event. Raises InvalidNumber, UnstorableText, ChangedMeanwhile and Unavailable.
    """
    reason = text_to_keep(reason, "reason", using=write_alias())

    def reset(phone: PhoneNumber, now: datetime) -> Mapping[str, object] | None:
        return ENDED if phone.wrong_codes else None

    return change_number(number, reset, kind=EventKind.WRONG_CODES_RESET, actor=actor, detail=reason, now=now)


@typed_arguments
@unavailable_without_database()
def reset_user_wrong_codes(user: AbstractBaseUser, *, reason: str, actor: str, now: datetime | None = None) -> bool:
    """End the count of wrong codes of a user, and the wait or lock that follows from it.

    The event with ``reason`` and ``actor`` is in the timeline of the user's newest attempt. Returns whether the user
    had any wrong codes; without any, there is no event. Raises UnstorableText and Unavailable.
    """
    using = write_alias()
    reason = text_to_keep(reason, "reason", using=using)
    now = now or database_now(using)
    newest = VerificationAttempt.objects.using(using).filter(user_id=user.pk).order_by("-pk").first()

    def reset() -> bool:
        with transaction.atomic(using=using):
            # The event locks its attempt on some databases. All transactions lock the attempt before the user's count.
            if newest:
                lock_attempt(newest.pk, using=using)
            if not reset_user(user.pk, using=using):
                return False
            kind = EventKind.USER_WRONG_CODES_RESET
            write_event(kind, actor=actor, detail=reason, at=now, using=using, attempt=newest)
            return True

    return repeat_on_lock_error(reset, using=using)


def wrong_codes_of_user(user_id: Any, *, now: datetime) -> tuple[int, datetime | None]:
    """Return the consecutive wrong codes of a user, and until when new calls are refused because of them, or None."""
    row = UserWrongCodes.objects.using(write_alias()).filter(user_id=user_id).first()
    return (row.wrong_codes, wait_end_of(row, now=now)) if row else (0, None)


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
    """Return the rows of a number as plain data for ``json.dumps``. It changes nothing.

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


LINK_LIFETIME = timedelta(days=30)
"""How long a link is valid. Long enough for a mail that is read after a holiday."""

DO_NOT_CALL_SALT = "django_telroi.web.do_not_call"


@redact_arguments("number")
@typed_arguments
@sensitive_variables()
def do_not_call_path(number: str) -> str:
    """Return the path of the page on which the owner of ``number`` can block it, valid for ``LINK_LIFETIME``.

    The number in it is encrypted. A person who has the link can block the number, so send it to the owner only. Raises
    InvalidNumber.
    """
    phone = parse_phone(number, default_region=conf.default_region())
    sealed = seal(phone.number, owner="", salt=DO_NOT_CALL_SALT)
    return reverse("telroi:do-not-call", args=[signing.TimestampSigner(salt=DO_NOT_CALL_SALT).sign(sealed)])


@sensitive_variables()
def number_of_link(token: str) -> str | None:
    """Return the number of a link. None if the link was changed or is too old."""
    try:
        sealed = signing.TimestampSigner(salt=DO_NOT_CALL_SALT).unsign(token, max_age=LINK_LIFETIME)
    except signing.BadSignature:
        return None
    return unseal(sealed, owner="", salt=DO_NOT_CALL_SALT)
