"""The timeline of an attempt, from its columns and events."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from django_telroi.admin.attempts.timeline import Entry, Neighbours, distance, timeline
from django_telroi.admin.shared.meanings import ERROR_NAMES, ERRORS, MEANINGS, error_name, meaning_of
from django_telroi.domain.states import Status
from django_telroi.models import AttemptEvent, EventKind, PhoneNumber, VerificationAttempt
from django_telroi.services.shared.outcomes import ErrorCode

START = datetime(2027, 1, 1, 12, tzinfo=UTC)


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def attempt(**fields: Any) -> VerificationAttempt:
    given = {
        "phone": PhoneNumber(number="+2348031234567"),
        "status": Status.PLACED,
        "dispatch": "inline",
        "max_tries": 3,
        "created_at": START,
        "dialed_at": START,
        "expires_at": at(300),
    }
    return VerificationAttempt(**(given | fields))


def event(kind: EventKind, seconds: float, **fields: Any) -> AttemptEvent:
    return AttemptEvent(kind=kind, at=at(seconds), **fields)


def titles(story: list[Entry]) -> list[str]:
    return [str(entry.title) for entry in story]


class TestATimeline:
    """The events, oldest first."""

    def test_of_a_success_shows_each_step_with_its_delay(self) -> None:
        row = attempt(
            status=Status.VERIFIED,
            placed_at=at(2),
            verified_at=at(31),
            closed_at=at(31),
            proof_spent_at=at(70),
            requester_ip="203.0.113.7",
            livemode=True,
            telroi_id="7d6d",
        )

        story = timeline(row, [event(EventKind.CODE_REJECTED, 20)], requester="ada")

        assert [(str(entry.title), distance(entry.after)) for entry in story] == [
            ("requested", "+0:00"),
            ("dialing", "+0:00"),
            ("accepted by the provider", "+0:02"),
            ("wrong code 1/3", "+0:20"),
            ("verified", "+0:31"),
            ("proof used", "+1:10"),
        ]
        assert (story[0].who, story[0].where, story[2].where, story[2].note) == ("ada", "203.0.113.7", "live", "7d6d")

    def test_counts_wrong_codes_and_marks_the_one_that_locks(self) -> None:
        row = attempt(status=Status.LOCKED, placed_at=at(1), closed_at=at(50), tries=3)
        wrong = [event(EventKind.CODE_REJECTED, 40), event(EventKind.CODE_REJECTED, 20)]

        assert titles(timeline(row, wrong))[3:] == ["wrong code 1/3", "wrong code 2/3", "wrong code 3/3: no more tries"]

    def test_of_a_lock_known_only_to_telroi_shows_no_wrong_code(self) -> None:
        row = attempt(status=Status.LOCKED, placed_at=at(1), closed_at=at(50), tries=1)

        assert titles(timeline(row, []))[3:] == ["no more tries"]

    @pytest.mark.parametrize("dispatch", ["celery", "tasks"])
    def test_of_a_queued_call_shows_the_queue(self, dispatch: str) -> None:
        row = attempt(status=Status.QUEUED, dispatch=dispatch, dialed_at=None)

        assert titles(timeline(row, [])) == ["requested", "queued"]

    def test_shows_telrois_text_for_a_failure(self) -> None:
        row = attempt(
            status=Status.FAILED, error_code=ErrorCode.INSUFFICIENT_FUNDS, error_detail="no money", closed_at=at(1)
        )

        last = timeline(row, [])[-1]

        assert (last.title, last.note, last.quote, last.tone) == (
            "failed",
            "account at the provider is empty",
            "no money",
            "bad",
        )

    @pytest.mark.parametrize("error", [ErrorCode.CALL_FAILED, ErrorCode.NO_REPLY, ErrorCode.LEASE_ENDED])
    @pytest.mark.parametrize("status", [Status.UNKNOWN, Status.EXPIRED, Status.VERIFIED])
    def test_shows_an_unknown_outcome_at_the_dialing(self, error: ErrorCode, status: Status) -> None:
        row = attempt(status=status, error_code=error, error_detail="Gateway returned 500")

        dialing = timeline(row, [])[1]

        assert (dialing.title, dialing.quote) == ("dialing", "Gateway returned 500")
        assert str(dialing.note) == f"outcome unknown: {error_name(error)}"

    @pytest.mark.parametrize(
        ("fields", "after"),
        [
            ({"closed_at": at(900)}, "+5:00"),
            ({"closed_at": at(40), "error_code": ErrorCode.LOST}, "+0:40"),
            ({"closed_at": at(900), "error_code": ErrorCode.DEADLINE, "dialed_at": None}, "+2:00"),
        ],
    )
    def test_of_an_expired_attempt_shows_the_expiry_and_not_its_detection(
        self, fields: dict[str, Any], after: str
    ) -> None:
        last = timeline(attempt(status=Status.EXPIRED, **fields), [])[-1]

        assert (last.title, distance(last.after)) == ("expired", after)

    def test_links_the_attempts_before_and_after_it(self) -> None:
        row = attempt(status=Status.SUPERSEDED, placed_at=at(1), closed_at=at(90))

        story = timeline(row, [], neighbours=Neighbours(before=7, after=9))

        assert (story[0].attempt_id, story[-1].attempt_id, titles(story)[-1]) == (7, 9, "replaced by a newer call")

    def test_shows_staff_actions_on_the_number_in_order(self) -> None:
        row = attempt(status=Status.EXPIRED, placed_at=at(1), closed_at=at(300))
        block = event(EventKind.NUMBER_BLOCKED, 60, actor="grace", detail="asked us to")

        story = timeline(row, [block])

        assert titles(story)[-2:] == ["number blocked", "expired"]
        assert (story[-2].who, story[-2].quote) == ("grace", "asked us to")

    def test_of_a_taken_number_spends_no_proof(self) -> None:
        row = attempt(
            status=Status.VERIFIED, error_code=ErrorCode.NUMBER_TAKEN, verified_at=at(9), proof_spent_at=at(9)
        )

        assert titles(timeline(row, []))[-1] == "right code"

    @pytest.mark.parametrize("kind", EventKind)
    @pytest.mark.parametrize("status", Status)
    def test_renders_any_event_in_any_status(self, kind: EventKind, status: Status) -> None:
        row = attempt(status=status, closed_at=at(10))

        assert all(titles(timeline(row, [event(kind, 5)])))


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "+0:00"), (0.9, "+0:00"), (31, "+0:31"), (3723, "+1:02:03"), (273_600, "+3 d 4:00:00"), (-3, "−0:03")],
)
def test_a_delay_is_shown_as_a_clock(seconds: float, words: str) -> None:
    assert distance(timedelta(seconds=seconds)) == words


class TestAMeaning:
    """The explanation of a status or an error, and what to do."""

    def test_exists_for_every_status_and_every_error(self) -> None:
        assert set(MEANINGS) == set(Status)
        assert set(ERRORS) == set(ErrorCode) == set(ERROR_NAMES)
        assert all(
            str(each.means).endswith(".") and (not each.do or str(each.do).endswith("."))
            for each in [*MEANINGS.values(), *ERRORS.values()]
        )

    @pytest.mark.parametrize("error", ErrorCode)
    def test_of_a_failed_call_is_that_of_its_error(self, error: ErrorCode) -> None:
        assert meaning_of(attempt(status=Status.FAILED, error_code=error)) == ERRORS[error]

    @pytest.mark.parametrize("status", Status)
    def test_without_a_known_error_is_that_of_the_status(self, status: Status) -> None:
        assert meaning_of(attempt(status=status)) == MEANINGS[status]
        assert meaning_of(attempt(status=status, error_code="of_tomorrow")) == MEANINGS[status]

    def test_of_a_success_ignores_an_earlier_error(self) -> None:
        row = attempt(status=Status.VERIFIED, error_code=ErrorCode.CALL_FAILED)

        assert meaning_of(row) == MEANINGS[Status.VERIFIED]

    def test_of_an_unknown_code_is_the_code(self) -> None:
        assert error_name("of_tomorrow") == "of_tomorrow"
