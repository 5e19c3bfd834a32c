"""Fifty concurrent wrong codes of many calls count exactly, and begin one lock."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import pytest
from django.contrib.auth.models import User

from django_telroi import signals
from django_telroi.models import PhoneNumber, UserWrongCodes, VerificationAttempt
from django_telroi.services import CheckOutcome, check_code, start_verification
from tests.races.racing import RACERS, Telroi, errors, race, values

pytestmark = pytest.mark.django_db(transaction=True)

NUMBER = "+2348031234567"


@pytest.fixture
def locks() -> Iterator[list[int]]:
    """The counts of all ``too_many_wrong_codes`` signals."""
    told: list[int] = []

    def receive(count: int, **_: object) -> None:
        told.append(count)

    signals.too_many_wrong_codes.connect(receive)
    yield told
    signals.too_many_wrong_codes.disconnect(receive)


def wrong_code_of(telroi: Telroi, number: str) -> str:
    return f"{(int(telroi.code_of(number)) + 1) % 1_000_000:06d}"


def test_fifty_wrong_codes_of_a_user_at_fifty_numbers_count_fifty(
    telroi: Telroi, settings: object, locks: list[int], code_maker: str, repeat: int
) -> None:
    settings.TELROI |= {"WRONG_CODES": {"warn": 1, "wait": RACERS - 1, "lock": RACERS - 1}}  # type: ignore[attr-defined]
    ada = User.objects.create_user("ada")
    numbers = [f"+23480312345{each:02}" for each in range(RACERS)]
    calls = [start_verification(number, user=ada) for number in numbers]
    codes = [wrong_code_of(telroi, number) for number in numbers]

    finishes = race([partial(check_code, call.uuid, code, user=ada) for call, code in zip(calls, codes, strict=True)])

    assert errors(finishes) == []
    assert {result.outcome for result in values(finishes)} == {CheckOutcome.WRONG_CODE}
    counted = UserWrongCodes.objects.get()
    assert (counted.wrong_codes, sum(counted.by_number.values())) == (RACERS, RACERS)
    assert locks == [RACERS - 1]
    assert sum(VerificationAttempt.objects.values_list("tries", flat=True)) == RACERS


def test_fifty_wrong_codes_of_one_call_count_its_tries(
    telroi: Telroi, settings: object, locks: list[int], code_maker: str, repeat: int
) -> None:
    settings.TELROI |= {"WRONG_CODES": {"warn": 1, "wait": 3, "lock": 3}}  # type: ignore[attr-defined]
    call = start_verification(NUMBER)
    right = int(telroi.code_of(NUMBER))
    codes = [f"{(right + each) % 1_000_000:06d}" for each in range(1, RACERS + 1)]

    finishes = race([partial(check_code, call.uuid, code) for code in codes])

    assert errors(finishes) == []
    assert PhoneNumber.objects.get().wrong_codes == 3
    assert locks == [3]
