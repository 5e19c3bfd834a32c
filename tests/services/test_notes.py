"""Support's notes: on a number or an attempt, deleted with them, and never changed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from django_telroi import services
from django_telroi.errors import ChangedMeanwhile, UnstorableText
from django_telroi.models import PhoneNumber, SupportNote, VerificationAttempt
from django_telroi.services import Purged
from tests.services.world import NUMBER, OTHER_NUMBER, let_time_pass, row_counts

pytestmark = pytest.mark.django_db(transaction=True)

DAY = 24 * 3600
TEXT = "The caller says that the phone was off."


@pytest.fixture
def attempt() -> VerificationAttempt:
    return services.start_verification(NUMBER)


class TestANote:
    """A note on a number or an attempt."""

    def test_has_its_text_its_author_and_its_time(self, attempt: VerificationAttempt) -> None:
        now = datetime(2027, 1, 1, 12, tzinfo=UTC)

        note = services.add_note(attempt.phone, attempt=attempt, text=TEXT, actor="grace", now=now)

        assert SupportNote.objects.values("phone", "attempt", "text", "author", "created_at").get() == {
            "phone": attempt.phone.pk,
            "attempt": attempt.pk,
            "text": TEXT,
            "author": "grace",
            "created_at": now,
        }
        assert TEXT not in f"{note!r} {note}"

    def test_is_cut_to_the_length_of_its_columns(self, attempt: VerificationAttempt) -> None:
        services.add_note(attempt.phone, text="x" * 600, actor="y" * 200)

        note = SupportNote.objects.get()
        assert (len(note.text), len(note.author)) == (500, 150)

    def test_that_cannot_be_stored_is_rejected(self, attempt: VerificationAttempt) -> None:
        with pytest.raises(UnstorableText):
            services.add_note(attempt.phone, text="nul \x00", actor="grace")

    def test_on_a_number_that_was_deleted_meanwhile_is_rejected(self) -> None:
        phone = PhoneNumber.objects.create(number=OTHER_NUMBER, last4=OTHER_NUMBER[-4:])
        services.erase_number(OTHER_NUMBER, actor="ben")

        with pytest.raises(ChangedMeanwhile):
            services.add_note(phone, text=TEXT, actor="grace")

        assert not SupportNote.objects.exists()


class TestADeletion:
    """An erasure and a purge delete the notes of the number."""

    def test_by_an_erasure_leaves_no_note_although_the_limits_stay(self, attempt: VerificationAttempt) -> None:
        other = services.start_verification(OTHER_NUMBER)
        services.add_note(other.phone, text="of another number", actor="grace")
        services.add_note(attempt.phone, text=TEXT, actor="grace")
        services.add_note(attempt.phone, attempt=attempt, text=TEXT, actor="grace")

        services.erase_number(NUMBER, actor="ben")

        assert [note.text for note in SupportNote.objects.all()] == ["of another number"]
        assert PhoneNumber.objects.filter(number=NUMBER).exists()

    def test_by_a_purge_deletes_old_notes_with_their_attempt_and_number(self, attempt: VerificationAttempt) -> None:
        services.add_note(attempt.phone, text=TEXT, actor="grace")
        services.add_note(attempt.phone, attempt=attempt, text=TEXT, actor="grace")
        let_time_pass(90 * DAY + 1)
        counted = services.purge(dry_run=True)

        purged = services.purge()

        assert purged == Purged(attempts=1, notes=2, numbers=1)
        assert counted == purged
        assert row_counts() == {}

    def test_by_a_purge_keeps_a_number_with_a_young_note(self, attempt: VerificationAttempt) -> None:
        let_time_pass(90 * DAY + 1)
        note = services.add_note(attempt.phone, text=TEXT, actor="grace")

        services.purge()

        assert SupportNote.objects.get() == note
        assert not VerificationAttempt.objects.exists()
        services.purge(now=note.created_at + timedelta(days=91))
        assert row_counts() == {}


def test_an_export_has_the_notes(attempt: VerificationAttempt) -> None:
    services.add_note(attempt.phone, text=TEXT, actor="grace")

    (exported,) = services.export_number(NUMBER)["notes"]

    assert (exported["text"], exported["author"]) == (TEXT, "grace")
