"""The device's contract with django-otp: what is allowed when, and that no transaction gives a guess for free."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.utils import timezone
from django_otp import devices_for_user, match_token, verify_token
from django_otp.models import GenerateNotAllowed, VerifyNotAllowed

from django_telroi import services
from django_telroi.contrib.otp.models import CallDevice, ChallengeRefused
from django_telroi.errors import CooldownActive, HourlyLimitReached
from django_telroi.models import VerificationAttempt
from django_telroi.services.codes import check
from django_telroi.services.shared.secrets import matches
from django_telroi.simulator import Simulator
from tests.bridges.otp.conftest import NUMBER
from tests.calling_site import Configure

pytestmark = pytest.mark.django_db(transaction=True)


def wrong(code: str, *, by: int = 1) -> str:
    return f"{(int(code) + by) % 10 ** len(code):0{len(code)}d}"


def rolled_back(device: CallDevice, code: str) -> bool:
    """Verify the code as a view does whose transaction is rolled back."""
    with transaction.atomic():
        accepted = CallDevice.objects.select_for_update().get(pk=device.pk).verify_token(code)
        transaction.set_rollback(True)
    return accepted


def test_a_hundred_guesses_in_transactions_that_are_rolled_back_are_three_comparisons(
    telroi: Simulator, device: CallDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    device.generate_challenge()
    code = telroi.last_code_for(NUMBER)
    compared: list[str] = []

    def spy(attempt: VerificationAttempt, digits: str, digest: str) -> bool:
        compared.append(digits)
        return matches(attempt, digits, digest)

    monkeypatch.setattr(check, "matches", spy)
    guesses = [wrong(code, by=by) for by in range(1, 101)]

    accepted = [rolled_back(device, guess) for guess in guesses]

    assert accepted == [False] * 100
    assert compared == guesses[:3]
    assert VerificationAttempt.objects.get().tries == 0
    assert (rolled_back(device, code), len(compared)) == (False, 3)


def test_a_device_is_interactive_and_masked(device: CallDevice) -> None:
    assert device.is_interactive()
    assert (str(device), repr(device)) == ("phone (+234 803 ••• 4567)", "<CallDevice: phone (+234 803 ••• 4567)>")
    assert list(devices_for_user(device.user)) == [device]


def test_outside_of_a_transaction_the_call_is_placed_at_once(telroi: Simulator, device: CallDevice) -> None:
    assert device.generate_challenge() == "Answer your phone and type the code you hear. It is read twice."
    assert verify_token(device.user, device.persistent_id, telroi.last_code_for(NUMBER)) == device


def test_match_token_of_django_otp_works_too(telroi: Simulator, device: CallDevice) -> None:
    device.generate_challenge()

    assert match_token(device.user, telroi.last_code_for(NUMBER)) == device


def test_a_token_that_a_form_made_a_number_is_compared(telroi: Simulator, device: CallDevice) -> None:
    device.generate_challenge()
    code = telroi.last_code_for(NUMBER)

    assert device.verify_token(int(code)) is (not code.startswith("0"))  # type: ignore[arg-type]


def test_a_refusal_is_an_exception_with_the_sentence(telroi: Simulator, device: CallDevice) -> None:
    device.generate_challenge()

    with pytest.raises(ChallengeRefused, match="We called this number a moment ago") as refused:
        device.generate_challenge()

    assert isinstance(refused.value.refusal, CooldownActive)
    is_allowed, facts = device.generate_is_allowed()
    assert (is_allowed, facts["reason"]) == (False, GenerateNotAllowed.COOLDOWN_DURATION_PENDING)


def test_a_call_that_certainly_failed_is_a_refusal(telroi: Simulator, device: CallDevice) -> None:
    with telroi.refusing(), pytest.raises(ChallengeRefused, match="The call could not be placed"):
        device.generate_challenge()


def test_a_rolled_back_challenge_calls_nobody(telroi: Simulator, device: CallDevice) -> None:
    with transaction.atomic():
        device.generate_challenge()
        transaction.set_rollback(True)

    assert telroi.calls == []
    assert not VerificationAttempt.objects.exists()


def test_wrong_codes_throttle_as_django_otp_expects(telroi: Simulator, device: CallDevice, settings: Any) -> None:
    settings.OTP_TELROI_THROTTLE_FACTOR = 1
    device.generate_challenge()
    code = telroi.last_code_for(NUMBER)
    device.verify_token(wrong(code))

    is_allowed, facts = device.verify_is_allowed()
    assert (is_allowed, facts and facts["reason"]) == (False, VerifyNotAllowed.N_FAILED_ATTEMPTS)
    assert (device.verify_token(code), VerificationAttempt.objects.get().tries) == (False, 1)

    device = CallDevice.objects.get()
    device.throttling_failure_timestamp = timezone.now() - timedelta(seconds=2)
    assert device.verify_is_allowed() == (True, None)
    assert device.verify_token(code) is True
    assert CallDevice.objects.get().throttling_failure_count == 0


def test_a_lost_cache_is_no_wrong_code(telroi: Simulator, device: CallDevice, monkeypatch: pytest.MonkeyPatch) -> None:
    device.generate_challenge()
    monkeypatch.setattr("django.core.cache.backends.locmem.LocMemCache.incr", lambda *args: 1 / 0)

    with transaction.atomic():
        assert device.verify_token(telroi.last_code_for(NUMBER)) is False

    device.refresh_from_db()
    assert (device.throttling_failure_count, VerificationAttempt.objects.get().tries) == (0, 0)
    assert device.verify_token(telroi.last_code_for(NUMBER)) is True


def test_two_requests_with_the_right_code_are_one_login(telroi: Simulator, device: CallDevice) -> None:
    device.generate_challenge()
    code = telroi.last_code_for(NUMBER)
    both_read = threading.Barrier(2)
    accepted: list[bool] = []

    def log_in() -> None:
        try:
            same = CallDevice.objects.get(pk=device.pk)
            both_read.wait(30)
            accepted.append(same.verify_token(code))
        finally:
            connection.close()

    threads = [threading.Thread(target=log_in) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(accepted) == [False, True]


def test_the_used_code_works_neither_on_a_device_that_was_read_before(telroi: Simulator, device: CallDevice) -> None:
    device.generate_challenge()
    stale = CallDevice.objects.get()

    assert device.verify_token(telroi.last_code_for(NUMBER)) is True
    assert stale.verify_token(telroi.last_code_for(NUMBER)) is False
    assert stale.verify_is_allowed() == (False, {"error_message": "This code was used already. Ask for another call."})


def test_the_attempt_of_an_erased_number_takes_no_code(telroi: Simulator, device: CallDevice) -> None:
    device.generate_challenge()
    services.erase_number(NUMBER, actor="staff")

    assert device.verify_token(telroi.last_code_for(NUMBER)) is False
    assert "is not there any more" in (device.verify_is_allowed()[1] or {})["error_message"]


def test_strangers_leave_the_reserved_call_to_a_confirmed_device(
    telroi: Simulator, device: CallDevice, configure: Configure
) -> None:
    configure(COOLDOWN_SECONDS=0, STRANGER_CALLS_PER_HOUR=1)
    services.start_verification(NUMBER)
    telroi.advance(61)
    with pytest.raises(HourlyLimitReached):
        services.start_verification(NUMBER)

    device.generate_challenge()

    assert [call.to for call in telroi.calls] == [NUMBER, NUMBER]
