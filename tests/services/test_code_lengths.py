"""A code that is too long or too short uses no try, with every backend."""

from __future__ import annotations

import re
from collections.abc import Callable
from io import StringIO
from uuid import uuid4

import pytest
from django.core.management import call_command
from django.db import transaction
from rest_framework.test import APIClient

from django_telroi import services
from django_telroi.domain.typed_codes import LengthFit
from django_telroi.models import VerificationAttempt
from django_telroi.services import CheckOutcome
from django_telroi.simulator import Simulator
from django_telroi.testing import last_code_for
from tests.calling_site import Configure
from tests.services.world import NUMBER, OTHER_NUMBER, checks

pytestmark = [pytest.mark.django_db, pytest.mark.codes("telroi")]

TOO_LONG = "The code has six digits at most. Type the digits that you hear."


def check(attempt: VerificationAttempt, code: str) -> tuple[CheckOutcome, LengthFit | None, int]:
    result = services.check_code(attempt.uuid, code)
    return result.outcome, result.length_fit, result.tries_left


def test_a_code_that_is_too_long_is_not_sent_to_telroi(telroi: Simulator) -> None:
    attempt = services.start_verification(NUMBER)
    right = telroi.last_code_for(NUMBER)

    too_long = [check(attempt, right + more) for more in ("0", "00", "0000")]

    assert too_long == [(CheckOutcome.INVALID_CODE, LengthFit.TOO_LONG, 3)] * 3
    assert checks(telroi) == 0
    assert check(attempt, right) == (CheckOutcome.VERIFIED, None, 0)


def test_a_shorter_code_is_judged_because_telroi_may_have_spoken_fewer_digits(telroi: Simulator) -> None:
    telroi.set_policy(code_length=5)
    attempt = services.start_verification(NUMBER)

    assert check(attempt, "1234") == (CheckOutcome.WRONG_CODE, None, 2)
    assert check(attempt, telroi.last_code_for(NUMBER))[0] == CheckOutcome.VERIFIED


def test_the_requested_length_decides_and_not_the_length_telroi_usually_speaks(
    telroi: Simulator, configure: Configure
) -> None:
    configure(CODE_LENGTH=8)
    telroi.set_policy(code_length=8)
    attempt = services.start_verification(NUMBER)
    right = telroi.last_code_for(NUMBER)

    assert len(right) == 8
    assert check(attempt, right + "1")[:2] == (CheckOutcome.INVALID_CODE, LengthFit.TOO_LONG)
    assert check(attempt, right)[0] == CheckOutcome.VERIFIED


def test_a_closed_attempt_has_the_same_outcome_for_a_code_of_any_length(telroi: Simulator) -> None:
    attempt = services.start_verification(NUMBER)
    services.cancel_verification(attempt.uuid)

    assert check(attempt, "1234567") == (CheckOutcome.CLOSED, None, 0)


def test_a_code_of_the_wrong_length_uses_no_try_of_a_verified_attempt(telroi: Simulator) -> None:
    attempt = services.start_verification(NUMBER)
    right = telroi.last_code_for(NUMBER)
    services.check_code(attempt.uuid, right)

    outcomes = [check(attempt, right + "1")[0] for _ in range(5)]

    assert outcomes == [CheckOutcome.INVALID_CODE] * 5
    assert check(attempt, right)[0] == CheckOutcome.VERIFIED


def test_the_api_names_the_length_error(telroi: Simulator) -> None:
    client = APIClient()
    started = client.post("/api/phone/verifications/", {"number": NUMBER}, "json").json()["id"]

    reply = client.post(f"/api/phone/verifications/{started}/check/", {"code": "1234567"}, "json")

    body = reply.json()
    assert (reply.status_code, body["outcome"], body["tries_left"], body["detail"]) == (
        400,
        "invalid_code",
        3,
        TOO_LONG,
    )


def test_the_command_names_the_length_error_and_asks_again(telroi: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    typed = iter(["1234567", lambda: telroi.last_code_for(NUMBER)])
    monkeypatch.setattr("builtins.input", lambda _: code() if callable(code := next(typed)) else code)
    out = StringIO()

    call_command("telroi_call", NUMBER, stdout=out)

    assert TOO_LONG in out.getvalue()
    assert "Your number is verified." in out.getvalue()


class TestWithoutTelroi:
    """The console and outbox backends make a code of exactly the requested length."""

    @pytest.fixture(autouse=True)
    def _outbox(self, configure: Configure) -> None:
        configure(BACKEND="django_telroi.backends.locmem.LocmemBackend")

    @pytest.mark.parametrize(("slip", "fit"), [("12345", LengthFit.TOO_SHORT), ("1234567", LengthFit.TOO_LONG)])
    def test_every_other_length_is_certainly_wrong(self, slip: str, fit: LengthFit) -> None:
        attempt = services.start_verification(NUMBER)

        assert [check(attempt, slip) for _ in range(4)] == [(CheckOutcome.INVALID_CODE, fit, 3)] * 4
        assert check(attempt, last_code_for(NUMBER))[0] == CheckOutcome.VERIFIED


BACKENDS = ["locmem.LocmemBackend", "console.ConsoleBackend", "telroi.TelroiBackend"]


class TestCodeLengthChangedDuringACall:
    """A code is compared with the length that was requested for its call."""

    @pytest.fixture(params=BACKENDS)
    def right(
        self,
        request: pytest.FixtureRequest,
        telroi: Simulator,
        configure: Configure,
        capsys: pytest.CaptureFixture[str],
    ) -> Callable[[], str]:
        """Return a function that reads the code of the last call."""
        telroi.set_policy(code_length=10)
        configure(BACKEND=f"django_telroi.backends.{request.param}")
        if request.param.startswith("telroi"):
            return lambda: telroi.last_code_for(NUMBER)
        if request.param.startswith("locmem"):
            return lambda: last_code_for(NUMBER)
        return lambda: re.findall(r"code is (\d+)", capsys.readouterr().out)[-1]

    @pytest.mark.parametrize("now", [4, 5, 7, 10])
    def test_the_right_code_is_accepted_and_a_wrong_length_uses_no_try(
        self, right: Callable[[], str], configure: Configure, now: int
    ) -> None:
        attempt = services.start_verification(NUMBER)
        code = right()

        configure(CODE_LENGTH=now)

        assert len(code) == 6
        assert check(attempt, code + "0") == (CheckOutcome.INVALID_CODE, LengthFit.TOO_LONG, 3)
        assert check(attempt, code)[0] == CheckOutcome.VERIFIED
        assert check(attempt, code)[0] == CheckOutcome.VERIFIED

    def test_the_next_call_uses_the_new_length(self, right: Callable[[], str], configure: Configure) -> None:
        services.start_verification(NUMBER)
        right()
        configure(CODE_LENGTH=8)

        attempt = services.start_verification(OTHER_NUMBER)

        assert attempt.code_length == 8

    def test_a_wrong_length_does_not_count_for_the_hourly_check_limit(
        self, right: Callable[[], str], configure: Configure
    ) -> None:
        configure(RATES={"check": {"ip": "1/h"}})
        client = APIClient()
        started = client.post("/api/phone/verifications/", {"number": NUMBER}, "json").json()["id"]
        configure(CODE_LENGTH=8)
        code, address = right(), f"/api/phone/verifications/{started}/check/"

        slips = [client.post(address, {"code": code + "0"}, "json").json() for _ in range(3)]
        answer = client.post(address, {"code": code}, "json").json()

        assert {(slip["outcome"], slip["tries_left"]) for slip in slips} == {("invalid_code", 3)}
        assert all("six digits" in slip["detail"] for slip in slips)
        assert answer["verified"] is True


def test_a_queued_call_requests_the_length_that_was_set_at_its_request(telroi: Simulator, configure: Configure) -> None:
    telroi.set_policy(code_length=10)
    with transaction.atomic():
        attempt = services.start_verification(NUMBER)
        configure(CODE_LENGTH=8)

    services.place_call(attempt.pk)

    assert len(telroi.last_code_for(NUMBER)) == 6


def test_a_code_for_an_unknown_attempt_is_counted(telroi: Simulator, configure: Configure) -> None:
    configure(RATES={"check": {"ip": "1/h"}})
    address = f"/api/phone/verifications/{uuid4()}/check/"

    statuses = [APIClient().post(address, {"code": code}, "json").status_code for code in ("x", "123456", "123456")]

    assert statuses == [404, 404, 429]
