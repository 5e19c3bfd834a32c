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
from django_telroi.services.codes import telroi_answer
from django_telroi.services.sentences import result_sentence, status_sentence
from django_telroi.simulator import Simulator
from tests.services.world import NUMBER, Heard, checks, let_time_pass, wrong

pytestmark = [pytest.mark.django_db, pytest.mark.codes("telroi")]

UNDECIDED = "We could not find out whether a code was right. Ask for another call."


class Killed(BaseException):
    """The process was killed."""


class MortalBackend(TelroiBackend):
    """Telroi judges the code, and the process is killed before the answer."""

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


def test_on_the_last_try_it_verifies_after_the_time_of_a_double_click(
    telroi: Simulator, attempt: VerificationAttempt, code: str, killed: Callable[[str], None]
) -> None:
    for by in (1, 2):
        services.check_code(attempt.uuid, wrong(code, by=by))
    killed(code)

    at_once = outcome(attempt, code)
    let_time_pass(5)
    later = outcome(attempt, code)

    assert (at_once, later, checks(telroi)) == ("in_progress", "verified", 4)


def test_the_code_verifies_after_three_killed_processes(
    attempt: VerificationAttempt, code: str, killed: Callable[[str], None]
) -> None:
    for _ in range(3):
        killed(code)
    let_time_pass(5)

    assert outcome(attempt, code) == "verified"


def test_a_database_outage_during_the_answer_loses_no_verification(
    attempt: VerificationAttempt, code: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object, **__: object) -> None:
        raise OperationalError("server closed the connection unexpectedly")

    with monkeypatch.context() as outage:
        outage.setattr(telroi_answer, "write_verified", gone)
        assert outcome(attempt, code) == "unavailable"

    assert outcome(attempt, code) == "verified"


def test_a_wrong_code_after_the_loss_is_told_of_it_and_changes_nothing(
    attempt: VerificationAttempt, code: str, killed: Callable[[str], None]
) -> None:
    killed(code)
    let_time_pass(60)

    slip = services.check_code(attempt.uuid, wrong(code))

    assert (slip.outcome, slip.attempt.status) == ("answer_lost", "placed")
    assert outcome(attempt, code) == "verified"


def test_one_of_two_lost_codes_does_not_verify_by_the_success_of_the_other(
    attempt: VerificationAttempt, code: str, killed: Callable[[str], None], heard: Heard
) -> None:
    killed(wrong(code))
    killed(code)
    let_time_pass(60)

    outcomes = [outcome(attempt, wrong(code)), outcome(attempt, wrong(code))]

    assert outcomes == ["closed", "closed"]
    assert "phone_verified" not in heard.names


def test_an_attempt_whose_lost_codes_cannot_be_distinguished_is_closed(
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


def test_no_code_is_in_progress_once_no_answer_can_arrive(
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
def test_a_digest_of_a_code_in_doubt_is_deleted_with_the_end_of_its_attempt(
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
