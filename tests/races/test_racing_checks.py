"""Fifty concurrent checks."""

from __future__ import annotations

from collections import Counter
from functools import partial

import pytest
from django.contrib.auth.models import User

from django_telroi.domain.states import Status
from django_telroi.models import AttemptEvent, EventKind, VerificationAttempt, VerifiedPhone
from django_telroi.services import CheckOutcome, check_code, start_verification
from tests.races.racing import RACERS, Telroi, errors, race, values

pytestmark = pytest.mark.django_db(transaction=True)

NUMBER = "+2348031234567"
REFUSED = {CheckOutcome.IN_PROGRESS, CheckOutcome.LOCKED}


@pytest.fixture
def ada() -> User:
    return User.objects.create_user("ada")


@pytest.fixture
def placed(telroi: Telroi, ada: User) -> VerificationAttempt:
    return start_verification(NUMBER, user=ada)


def wrong_codes(right: str, *, count: int) -> list[str]:
    return [f"{(int(right) + step) % 1_000_000:06d}" for step in range(1, count + 1)]


def test_of_fifty_wrong_codes_three_are_judged(
    telroi: Telroi, placed: VerificationAttempt, ada: User, repeat: int
) -> None:
    guesses = wrong_codes(telroi.code_of(NUMBER), count=RACERS)

    finishes = race([partial(check_code, placed.uuid, guess, user=ada) for guess in guesses])

    assert errors(finishes) == []
    assert telroi.checks == 3
    results = values(finishes)
    assert sum(result.was_judged for result in results) == 3
    assert {result.outcome for result in results if not result.was_judged} <= REFUSED
    placed.refresh_from_db()
    assert placed.tries == 3
    assert check_code(placed.uuid, guesses[0], user=ada).outcome == CheckOutcome.LOCKED
    assert telroi.checks == 3
    assert not VerifiedPhone.objects.exists()


def test_fifty_right_codes_verify_once(
    telroi: Telroi, placed: VerificationAttempt, ada: User, verified: list[VerificationAttempt], repeat: int
) -> None:
    right = telroi.code_of(NUMBER)

    finishes = race([partial(check_code, placed.uuid, right, user=ada)] * RACERS)

    assert errors(finishes) == []
    assert 1 <= telroi.checks <= 3
    assert {result.outcome for result in values(finishes)} <= {CheckOutcome.VERIFIED, CheckOutcome.IN_PROGRESS}
    assert CheckOutcome.VERIFIED in {result.outcome for result in values(finishes)}
    assert [attempt.pk for attempt in verified] == [placed.pk]
    record = VerifiedPhone.objects.get()
    placed.refresh_from_db()
    assert (record.number, record.verified_at, placed.status) == (NUMBER, placed.verified_at, Status.VERIFIED)
    assert not AttemptEvent.objects.filter(kind=EventKind.CODE_REJECTED).exists()
    assert check_code(placed.uuid, right, user=ada).outcome == CheckOutcome.VERIFIED


def test_right_and_wrong_codes_at_once_end_in_one_truth(
    telroi: Telroi, placed: VerificationAttempt, ada: User, verified: list[VerificationAttempt], repeat: int
) -> None:
    right = telroi.code_of(NUMBER)
    guesses = [code for wrong in wrong_codes(right, count=RACERS // 2) for code in (right, wrong)]

    finishes = race([partial(check_code, placed.uuid, guess, user=ada) for guess in guesses])

    assert errors(finishes) == []
    assert 1 <= telroi.checks <= 3
    outcomes = Counter(result.outcome for result in values(finishes))
    others = {CheckOutcome.WRONG_CODE, CheckOutcome.ALREADY_VERIFIED, CheckOutcome.ANSWER_LOST}
    assert outcomes.keys() <= REFUSED | {CheckOutcome.VERIFIED, *others}
    right_was_judged = any(
        finish.value and finish.value.was_judged and finish.value.outcome == CheckOutcome.VERIFIED
        for finish, guess in zip(finishes, guesses, strict=True)
        if guess == right
    )
    check_code(placed.uuid, wrong_codes(right, count=99)[-1], user=ada)
    placed.refresh_from_db()
    assert placed.status == (Status.VERIFIED if right_was_judged else Status.LOCKED)
    assert len(verified) == VerifiedPhone.objects.count() == int(right_was_judged)
    assert telroi.checks <= 3


def test_codes_at_once_without_an_account_give_one_proof(telroi: Telroi, verified: list[VerificationAttempt]) -> None:
    attempt = start_verification(NUMBER)
    right = telroi.code_of(NUMBER)

    finishes = race([partial(check_code, attempt.uuid, right)] * RACERS)

    assert errors(finishes) == []
    assert len({result.proof for result in values(finishes)} - {None}) == 1
    assert len(verified) == 1
    assert not VerifiedPhone.objects.exists()
