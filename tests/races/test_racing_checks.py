"""Fifty concurrent checks."""

from __future__ import annotations

import random
from collections import Counter
from functools import partial
from typing import Any

import pytest
from django.contrib.auth.models import User

from django_telroi.domain.states import Judge, Status
from django_telroi.models import AttemptEvent, EventKind, UserWrongCodes, VerificationAttempt, VerifiedPhone
from django_telroi.services import CheckOutcome, check_code, record_event, start_verification
from tests.races.racing import RACERS, Telroi, errors, race, values
from tests.webhooks.telroi import event_of

pytestmark = pytest.mark.django_db(transaction=True)

NUMBER = "+2348031234567"
OTHER_NUMBER = "+2348031234568"
REFUSED = {CheckOutcome.IN_PROGRESS, CheckOutcome.LOCKED}


@pytest.fixture
def ada() -> User:
    return User.objects.create_user("ada")


@pytest.fixture
def placed(telroi: Telroi, ada: User) -> VerificationAttempt:
    return start_verification(NUMBER, user=ada)


def requests_for(code_maker: str) -> range:
    """Return how many requests may be sent for codes with three tries, one of which is judged at least."""
    return range(1) if code_maker == "site" else range(1, 4)


def wrong_codes(right: str, *, count: int) -> list[str]:
    return [f"{(int(right) + step) % 1_000_000:06d}" for step in range(1, count + 1)]


def test_of_fifty_wrong_codes_three_are_judged(
    telroi: Telroi, placed: VerificationAttempt, ada: User, code_maker: str, repeat: int
) -> None:
    guesses = wrong_codes(telroi.code_of(NUMBER), count=RACERS)

    finishes = race([partial(check_code, placed.uuid, guess, user=ada) for guess in guesses])

    assert errors(finishes) == []
    assert telroi.checks == (0 if code_maker == "site" else 3)
    results = values(finishes)
    assert sum(result.was_judged for result in results) == 3
    assert {result.outcome for result in results if not result.was_judged} <= REFUSED
    placed.refresh_from_db()
    assert placed.tries == 3
    assert check_code(placed.uuid, guesses[0], user=ada).outcome == CheckOutcome.LOCKED
    assert telroi.checks == (0 if code_maker == "site" else 3)
    assert not VerifiedPhone.objects.exists()


def test_fifty_right_codes_verify_once(
    telroi: Telroi,
    placed: VerificationAttempt,
    ada: User,
    verified: list[VerificationAttempt],
    code_maker: str,
    repeat: int,
) -> None:
    right = telroi.code_of(NUMBER)

    finishes = race([partial(check_code, placed.uuid, right, user=ada)] * RACERS)

    assert errors(finishes) == []
    assert telroi.checks in requests_for(code_maker)
    assert {result.outcome for result in values(finishes)} <= {CheckOutcome.VERIFIED, CheckOutcome.IN_PROGRESS}
    assert CheckOutcome.VERIFIED in {result.outcome for result in values(finishes)}
    assert [attempt.pk for attempt in verified] == [placed.pk]
    record = VerifiedPhone.objects.get()
    placed.refresh_from_db()
    assert (record.number, record.verified_at, placed.status) == (NUMBER, placed.verified_at, Status.VERIFIED)
    assert not AttemptEvent.objects.filter(kind=EventKind.CODE_REJECTED).exists()
    assert check_code(placed.uuid, right, user=ada).outcome == CheckOutcome.VERIFIED


def test_right_and_wrong_codes_at_once_have_consistent_results(
    telroi: Telroi,
    placed: VerificationAttempt,
    ada: User,
    verified: list[VerificationAttempt],
    code_maker: str,
    repeat: int,
) -> None:
    right = telroi.code_of(NUMBER)
    guesses = [code for wrong in wrong_codes(right, count=RACERS // 2) for code in (right, wrong)]

    finishes = race([partial(check_code, placed.uuid, guess, user=ada) for guess in guesses])

    assert errors(finishes) == []
    assert telroi.checks in requests_for(code_maker)
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


@pytest.mark.parametrize("earlier", [0, 1])
def test_wrong_codes_of_one_user_for_two_calls_are_all_counted(
    telroi: Telroi, placed: VerificationAttempt, ada: User, code_maker: str, repeat: int, earlier: int
) -> None:
    """Both calls count in one row, which the first wrong code of the user inserts."""
    other = start_verification(OTHER_NUMBER, user=ada)
    wrong = {
        attempt.uuid: wrong_codes(telroi.code_of(number), count=RACERS // 2)
        for attempt, number in ((placed, NUMBER), (other, OTHER_NUMBER))
    }
    for guess in wrong[other.uuid][:earlier]:
        check_code(other.uuid, guess, user=ada)

    finishes = race(
        [
            partial(check_code, attempt.uuid, guesses[place], user=ada)
            for place in range(earlier, RACERS // 2)
            for attempt, guesses in ((placed, wrong[placed.uuid]), (other, wrong[other.uuid]))
        ]
    )

    assert errors(finishes) == []
    assert sum(result.was_judged for result in values(finishes)) == 6 - earlier
    count = UserWrongCodes.objects.get(user=ada)
    assert (count.wrong_codes, sorted(count.by_number.values())) == (6, [3, 3])


def test_a_right_code_beside_wrong_ones_for_another_call_ends_only_its_own_count(
    telroi: Telroi, placed: VerificationAttempt, ada: User, code_maker: str, repeat: int
) -> None:
    """The right code deletes the row that the wrong codes for the other call insert again."""
    other = start_verification(OTHER_NUMBER, user=ada)
    right, wrong = telroi.code_of(NUMBER), wrong_codes(telroi.code_of(OTHER_NUMBER), count=RACERS // 2)
    check_code(placed.uuid, wrong_codes(right, count=1)[0], user=ada)

    finishes = race(
        [
            check
            for guess in wrong
            for check in (
                partial(check_code, placed.uuid, right, user=ada),
                partial(check_code, other.uuid, guess, user=ada),
            )
        ]
    )

    assert errors(finishes) == []
    placed.refresh_from_db()
    assert placed.status == Status.VERIFIED
    count = UserWrongCodes.objects.get(user=ada)
    assert (count.wrong_codes, count.by_number) == (3, {str(other.phone_id): 3})


def test_concurrent_right_codes_without_an_account_give_one_proof(
    telroi: Telroi, verified: list[VerificationAttempt]
) -> None:
    attempt = start_verification(NUMBER)
    right = telroi.code_of(NUMBER)

    finishes = race([partial(check_code, attempt.uuid, right)] * RACERS)

    assert errors(finishes) == []
    assert len({result.proof for result in values(finishes)} - {None}) == 1
    assert len(verified) == 1
    assert not VerifiedPhone.objects.exists()


@pytest.mark.codes("site")
class TestALostAnswer:
    """It is not known whose code the call reads out. The site compares first, then Telroi is asked."""

    @pytest.fixture
    def lost(self, telroi: Telroi, ada: User) -> VerificationAttempt:
        telroi.throw("fail_next", fault="reset")
        lost = start_verification(NUMBER, user=ada)
        assert (lost.status, lost.judge) == (Status.UNKNOWN, Judge.UNDECIDED)
        return lost

    def test_fifty_right_codes_verify_once_without_a_request(
        self, telroi: Telroi, lost: VerificationAttempt, ada: User, verified: list[VerificationAttempt], repeat: int
    ) -> None:
        finishes = race([partial(check_code, lost.uuid, telroi.code_of(NUMBER), user=ada)] * RACERS)

        assert errors(finishes) == []
        # Each try is reserved before it is compared, so a request without a try may come before the success is written.
        outcomes = {result.outcome for result in values(finishes)}
        assert CheckOutcome.VERIFIED in outcomes
        assert outcomes <= {CheckOutcome.VERIFIED, CheckOutcome.IN_PROGRESS}
        assert [attempt.pk for attempt in verified] == [lost.pk]
        assert (VerifiedPhone.objects.count(), telroi.checks) == (1, 0)

    def test_fifty_wrong_codes_use_three_tries(
        self, telroi: Telroi, lost: VerificationAttempt, ada: User, repeat: int
    ) -> None:
        guesses = wrong_codes(telroi.code_of(NUMBER), count=RACERS)

        finishes = race([partial(check_code, lost.uuid, guess, user=ada) for guess in guesses])

        assert errors(finishes) == []
        assert telroi.checks == 3
        lost.refresh_from_db()
        assert (lost.tries, lost.verified_at) == (3, None)
        assert check_code(lost.uuid, telroi.code_of(NUMBER), user=ada).outcome == CheckOutcome.LOCKED

    def test_wrong_codes_and_the_webhook_at_once_use_three_tries(
        self, telroi: Telroi, lost: VerificationAttempt, ada: User, repeat: int
    ) -> None:
        guesses = wrong_codes(telroi.code_of(NUMBER), count=RACERS - 1)
        event = event_of("otp.completed", id=telroi.id_of(NUMBER), client_supplied=True)
        acts: list[Any] = [partial(check_code, lost.uuid, guess, user=ada) for guess in guesses]

        finishes = race(random.Random(repeat).sample([*acts, partial(record_event, event)], RACERS))

        assert errors(finishes) == []
        lost.refresh_from_db()
        assert (lost.tries, lost.verified_at) == (3, None)
        assert lost.judge in (Judge.SITE, Judge.UNDECIDED)  # the last try may come before the webhook
        assert sum(getattr(result, "was_judged", False) for result in values(finishes)) == 3
        assert check_code(lost.uuid, telroi.code_of(NUMBER), user=ada).outcome == CheckOutcome.LOCKED
