"""Each code has a sentence that says what happened and what to do, and claims nothing unknown."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pytest
from django.utils import timezone, translation

from django_telroi import services
from django_telroi.domain.states import Status
from django_telroi.errors import VerificationRefused
from django_telroi.models import VerificationAttempt
from django_telroi.services import CheckOutcome
from django_telroi.services.sentences import (
    SENTENCES,
    check_sentence,
    duration,
    go_on_sentence,
    sentence,
    status_sentence,
    wait_sentence,
)
from tests.services.world import NUMBER

CODES = [refusal.code for refusal in VerificationRefused.__subclasses__()]


@pytest.mark.parametrize("code", CODES)
def test_every_refusal_has_a_sentence(code: str) -> None:
    for wait in (None, 58):
        said = sentence(code, retry_after=wait)
        assert said.endswith(".")
        assert ("58 seconds" in said) is (wait == 58)


@pytest.mark.parametrize("outcome", CheckOutcome)
def test_every_outcome_has_a_sentence(outcome: CheckOutcome) -> None:
    for left in (0, 1, 2):
        assert check_sentence(outcome, tries_left=left).endswith(".")


@pytest.mark.django_db
@pytest.mark.parametrize("status", Status)
def test_every_status_has_a_sentence(status: Status) -> None:
    attempt = services.start_verification(NUMBER)
    VerificationAttempt.objects.update(status=status)

    assert status_sentence(services.follow(attempt.uuid)).endswith(".")


def test_no_sentence_claims_that_a_call_was_answered_or_delivered() -> None:
    everything = " ".join(str(each) for each in SENTENCES.values()).lower()

    assert re.search(r"\b(answered|delivered|received|heard)\b", everything) is None


def test_the_same_error_code_has_different_sentences_for_a_call_and_a_code() -> None:
    assert sentence("unavailable") != check_sentence(CheckOutcome.UNAVAILABLE, tries_left=3)
    assert "same code" in check_sentence(CheckOutcome.UNAVAILABLE, tries_left=3)


@pytest.mark.parametrize(("left", "words"), [(2, "2 tries left"), (1, "1 try left"), (0, "That is not the code.")])
def test_a_wrong_code_says_how_many_tries_are_left(left: int, words: str) -> None:
    assert words in check_sentence(CheckOutcome.WRONG_CODE, tries_left=left)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (1, "1 second"),
        (2, "2 seconds"),
        (59, "59 seconds"),
        (60, "1 minute"),
        (61, "2 minutes"),
        (3599, "60 minutes"),
        (3600, "1 hour"),
        (3601, "61 minutes"),
        (7199, "120 minutes"),
        (7200, "2 hours"),
        (7201, "3 hours"),
        (86400, "24 hours"),
    ],
)
def test_a_wait_is_rounded_up(seconds: int, words: str) -> None:
    assert duration(seconds) == words


def test_a_long_wait_names_the_time_in_the_persons_time_zone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(timezone, "now", lambda: datetime(2027, 3, 1, 20, 0, tzinfo=UTC))

    with timezone.override("Africa/Lagos"), translation.override("en"):
        today, tomorrow = wait_sentence(3600), wait_sentence(4 * 3600)

    assert today == "You can ask for another call at 10 p.m., in 1 hour."
    assert tomorrow == "You can ask for another call tomorrow at 1 a.m., in 4 hours."


@pytest.mark.parametrize(("seconds", "words"), [(60, "at 8:14 p.m., in 1 minute."), (3600, "at 9:13 p.m., in 1 hour.")])
def test_the_time_of_day_is_never_before_the_end_of_the_wait(
    monkeypatch: pytest.MonkeyPatch, seconds: int, words: str
) -> None:
    monkeypatch.setattr(timezone, "now", lambda: datetime(2027, 3, 1, 20, 12, 47, tzinfo=UTC))

    with timezone.override("UTC"), translation.override("en"):
        assert wait_sentence(seconds) == f"You can ask for another call {words}"
        assert go_on_sentence(seconds) == f"Try again {words}"


@pytest.mark.parametrize(
    ("hours", "zone", "words"),
    [
        (27, "UTC", "tomorrow at 11 p.m. UTC, in 27 hours."),
        (28, "UTC", "at midnight UTC on March 3, 2027."),
        (24 * 7, "UTC", "at 8 p.m. UTC on March 8, 2027."),
        (27, "Africa/Lagos", "at midnight on March 3, 2027."),
        (24 * 365, "Africa/Lagos", "at 9 p.m. on Feb. 29, 2028."),
    ],
)
def test_a_wait_of_days_names_the_date(
    monkeypatch: pytest.MonkeyPatch, hours: int, zone: str, words: str, settings: Any
) -> None:
    monkeypatch.setattr(timezone, "now", lambda: datetime(2027, 3, 1, 20, 0, tzinfo=UTC))
    settings.TIME_ZONE = "UTC"

    with timezone.override(zone), translation.override("en"):
        assert wait_sentence(hours * 3600) == f"You can ask for another call {words}"
        assert go_on_sentence(hours * 3600) == f"Try again {words}"
