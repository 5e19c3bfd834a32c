"""Fifty processes of a site that use one device at once: each thread has its own connection."""

from __future__ import annotations

import pytest
from django.db import transaction

from django_telroi.contrib.otp.models import CallDevice, ChallengeRefused
from django_telroi.models import VerificationAttempt, VerifiedPhone
from django_telroi.simulator import Simulator
from tests.bridges.otp.conftest import NUMBER
from tests.races.conftest import one_race_at_a_time
from tests.races.racing import RACERS, errors, race, values

__all__ = ["one_race_at_a_time"]

pytestmark = pytest.mark.django_db(transaction=True)


def verify(device: CallDevice, code: str, *, is_locked: bool) -> bool:
    """Verify a code as django-otp does, in a transaction that locks the device, or without both."""
    if not is_locked:
        return CallDevice.objects.get(pk=device.pk).verify_token(code)
    with transaction.atomic():
        return CallDevice.objects.select_for_update().get(pk=device.pk).verify_token(code)


@pytest.mark.parametrize("is_locked", [True, False], ids=["in a transaction", "without a lock"])
def test_a_code_that_fifty_type_at_once_works_once(telroi: Simulator, device: CallDevice, is_locked: bool) -> None:
    device.generate_challenge()
    code = telroi.last_code_for(NUMBER)

    finishes = race([lambda: verify(device, code, is_locked=is_locked)] * RACERS)

    assert errors(finishes) == []
    # SQLite refuses to write in a transaction that read before another one wrote: such a code is typed again.
    again = verify(device, code, is_locked=is_locked)
    assert [*values(finishes), again].count(True) == 1
    attempt = VerificationAttempt.objects.get()
    assert (attempt.status, attempt.tries) == ("verified", 1)
    assert VerifiedPhone.objects.count() == 1


def test_a_code_works_once_also_if_another_request_uses_it_between_the_two_checks(
    telroi: Simulator, device: CallDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    device.generate_challenge()
    code = telroi.last_code_for(NUMBER)
    first, second = (CallDevice.objects.get(pk=device.pk) for _ in range(2))
    is_allowed = second.verify_is_allowed
    of_first: list[bool] = []

    def look_before_first() -> object:
        allowed = is_allowed()
        of_first.append(first.verify_token(code))
        return allowed

    monkeypatch.setattr(second, "verify_is_allowed", look_before_first)

    assert (second.verify_token(code), of_first) == (False, [True])


@pytest.mark.parametrize("is_locked", [True, False], ids=["in a transaction", "without a lock"])
def test_fifty_guesses_at_once_get_no_more_tries_than_one_call_has(
    telroi: Simulator, device: CallDevice, is_locked: bool
) -> None:
    device.generate_challenge()
    right = telroi.last_code_for(NUMBER)
    code = int(right)
    guesses = [f"{(code + by) % 10**6:06d}" for by in range(1, RACERS + 1)]

    finishes = race([lambda guess=guess: verify(device, guess, is_locked=is_locked) for guess in guesses])

    assert errors(finishes) == []
    assert True not in values(finishes)
    # SQLite refuses to write in a transaction that read before another one wrote. These guesses used up no try.
    for guess in guesses[:3]:
        assert not verify(device, guess, is_locked=is_locked)
    attempt = VerificationAttempt.objects.get()
    # The count in the cache may lock the attempt while a code that is within the tries is still compared.
    assert attempt.status == "locked"
    assert attempt.tries <= 3
    assert not verify(device, right, is_locked=is_locked)


def test_fifty_challenges_at_once_are_one_call(telroi: Simulator, device: CallDevice) -> None:
    finishes = race([lambda: CallDevice.objects.get(pk=device.pk).generate_challenge()] * RACERS)

    assert len(values(finishes)) == 1
    assert all(isinstance(error, ChallengeRefused) for error in errors(finishes))
    assert len(telroi.calls) == 1
    device.refresh_from_db()
    assert device.verify_token(telroi.last_code_for(NUMBER))
