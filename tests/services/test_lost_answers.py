"""A right code survives every lost answer: its digest is written before the code is judged."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar

import pytest
from django.db import OperationalError

from django_telroi import services
from django_telroi.backends.telroi import TelroiBackend
from django_telroi.client import OtpCheck
from django_telroi.models import VerificationAttempt
from django_telroi.services.codes import judge
from django_telroi.services.sentences import result_sentence, status_sentence
from django_telroi.simulator import Simulator
from tests.services.world import NUMBER, Heard, checks, let_time_pass, wrong

pytestmark = pytest.mark.django_db

UNDECIDED = "We could not find out whether a code was right. Ask for another call."


class Killed(BaseException):
    """The process is gone."""


class MortalBackend(TelroiBackend):
    """Telroi judges the code, and the process that asked does not live to hear it."""

    is_doomed: ClassVar[bool] = False

    def check_code(self, code: str, *, call_id: str | None, to: str) -> OtpCheck:
        check = super().check_code(code, call_id=call_id, to=to)
        if MortalBackend.is_doomed:
            raise Killed
        return check


@pytest.fixture
def attempt(telroi: Simulator, configure: Any) -> VerificationAttempt:
    configure(BACKEND=f"{__name__}.MortalBackend")
    return services.start_verification(NUMBER)


@pytest.fixture
def code(telroi: Simulator, attempt: VerificationAttempt) -> str:
    return telroi.last_code_for(NUMBER)


@pytest.fixture
def killed(attempt: VerificationAttempt, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    def check_and_die(code: str) -> None:
        monkeypatch.setattr(MortalBackend, "is_doomed", True)
        with pytest.raises(Killed):
            services.check_code(attempt.uuid, code)
        monkeypatch.setattr(MortalBackend, "is_doomed", False)

    return check_and_die


def outcome(attempt: VerificationAttempt, code: str) -> str:
    return str(services.check_code(attempt.uuid, code).outcome)


def test_the_code_verifies_when_it_is_sent_again(
    attempt: VerificationAttempt, code: str, killed: Callable[[str], None], heard: Heard
) -> None:
    killed(code)

    result = services.check_code(attempt.uuid, code)

    assert (result.outcome, bool(result.proof)) == ("verified", True)
    assert heard.names.count("phone_verified") == 1


def test_it_does_on_the_last_try_as_soon_as_no_double_click_can_be_meant(
    telroi: Simulator, attempt: VerificationAttempt, code: str, killed: Callable[[str], None]
) -> None:
    for by in (1, 2):
        services.check_code(attempt.uuid, wrong(code, by=by))
    killed(code)

    at_once = outcome(attempt, code)
    let_time_pass(5)
    later = outcome(attempt, code)

    assert (at_once, later, checks(telroi)) == ("in_progress", "verified", 4)


def test_after_three_kills_the_code_still_verifies(
    attempt: VerificationAttempt, code: str, killed: Callable[[str], None]
) -> None:
    for _ in range(3):
        killed(code)
    let_time_pass(5)

    assert outcome(attempt, code) == "verified"


def test_a_database_that_is_gone_when_the_answer_comes_loses_nothing(
    attempt: VerificationAttempt, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object, **__: object) -> None:
        raise OperationalError("server closed the connection unexpectedly")

    with monkeypatch.context() as outage:
        outage.setattr(judge, "_write_verified", gone)
        assert outcome(attempt, code) == "unavailable"

    assert outcome(attempt, code) == "verified"


def test_a_slip_after_the_loss_is_told_what_happened_and_takes_nothing_away(
    attempt: VerificationAttempt, code: str, killed: Callable[[str], None]
) -> None:
    killed(code)
    let_time_pass(60)

    slip = services.check_code(attempt.uuid, wrong(code))

    assert (slip.outcome, slip.attempt.status) == ("answer_lost", "placed")
    assert outcome(attempt, code) == "verified"


def test_of_two_codes_that_were_lost_neither_verifies_by_another_ones_success(
    attempt: VerificationAttempt, code: str, killed: Callable[[str], None], heard: Heard
) -> None:
    killed(wrong(code))
    killed(code)
    let_time_pass(60)

    outcomes = [outcome(attempt, wrong(code)), outcome(attempt, wrong(code))]

    assert outcomes == ["closed", "closed"]
    assert "phone_verified" not in heard.names


def test_a_call_whose_lost_codes_cannot_be_told_apart_says_so(
    attempt: VerificationAttempt, code: str, killed: Callable[[str], None]
) -> None:
    killed(wrong(code))
    killed(code)
    let_time_pass(60)

    results = [services.check_code(attempt.uuid, typed) for typed in (code, code, wrong(code))]

    assert [(result.outcome, result.attempt.status) for result in results] == [("closed", "locked")] * 3
    assert {result_sentence(result) for result in results} == {UNDECIDED}
    assert status_sentence(services.follow(attempt.uuid)) == UNDECIDED


def test_no_wrong_code_verifies_after_the_loss_of_the_right_one(
    attempt: VerificationAttempt, code: str, killed: Callable[[str], None], heard: Heard
) -> None:
    killed(code)
    let_time_pass(60)

    outcomes = [outcome(attempt, wrong(code, by=by)) for by in (1, 2, 3)]

    assert outcomes == ["answer_lost"] * 3
    assert "phone_verified" not in heard.names
    assert outcome(attempt, code) == "verified"


def test_nothing_is_said_to_be_checked_once_no_answer_can_come(
    attempt: VerificationAttempt, code: str, killed: Callable[[str], None]
) -> None:
    for by in (1, 2):
        services.check_code(attempt.uuid, wrong(code, by=by))
    killed(code)

    while_it_may = outcome(attempt, wrong(code, by=3))
    let_time_pass(52)
    afterwards = outcome(attempt, wrong(code, by=3))

    assert (while_it_may, afterwards) == ("in_progress", "answer_lost")


@pytest.mark.parametrize("status", ["verified", "locked", "expired", "canceled"])
def test_no_digest_of_a_code_in_doubt_outlives_its_attempt(
    attempt: VerificationAttempt, code: str, killed: Callable[[str], None], telroi: Simulator, status: str
) -> None:
    killed(wrong(code))
    if status == "verified":
        services.check_code(attempt.uuid, code)
    elif status == "locked":
        telroi.fail_next("fields", on="verify", change={"status": "locked", "verified": False})
        services.check_code(attempt.uuid, code)
    elif status == "expired":
        services.sweep(now=attempt.expires_at)
    else:
        services.cancel_verification(attempt.uuid)

    attempt.refresh_from_db()

    assert (attempt.status, attempt.judging) == (status, {})
