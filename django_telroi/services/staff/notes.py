"""Support's notes on numbers and attempts."""

from __future__ import annotations

from datetime import datetime

from django.db import IntegrityError

from django_telroi.errors import ChangedMeanwhile
from django_telroi.models import PhoneNumber, SupportNote, VerificationAttempt
from django_telroi.services.shared.arguments import refuse_unstorable, storable, typed_arguments
from django_telroi.services.shared.number_state import database_now
from django_telroi.services.shared.transactions import savepoint_if_needed, unavailable_without_database, write_alias

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
    refuse_unstorable(text, "text", using=using)
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
