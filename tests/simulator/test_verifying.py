"""The judgement of codes over several requests. Each recording has only one."""

from __future__ import annotations

import pytest

NUMBER = "+2348031234567"
WRONG = "0000"


def test_after_three_wrong_codes_the_right_one_is_locked(simulator, telroi) -> None:
    sent = telroi.send().json()

    outcomes = [telroi.outcome(WRONG, id=sent["id"]) for _ in range(4)]

    assert outcomes == [("mismatch", 2), ("mismatch", 1), ("locked", 0), ("locked", None)]
    assert telroi.outcome(simulator.calls[0].code, id=sent["id"]) == ("locked", None)


def test_after_a_resend_the_first_code_is_wrong_by_number_and_right_by_its_id(simulator, telroi) -> None:
    first = telroi.send().json()
    simulator.advance(61)
    simulator.next_otp(code="555555")
    telroi.send()
    first_code = simulator.calls[0].code

    assert telroi.outcome(first_code, to=NUMBER) == ("mismatch", 2)
    assert telroi.outcome(first_code, id=first["id"]) == ("verified", None)
    assert telroi.outcome("555555", to=NUMBER) == ("verified", None)


def test_each_id_has_its_own_tries(simulator, telroi) -> None:
    first = telroi.send().json()
    for _ in range(3):
        telroi.verify(WRONG, id=first["id"])
    simulator.advance(61)
    second = telroi.send().json()

    assert telroi.outcome(WRONG, id=first["id"]) == ("locked", None)
    assert telroi.outcome(WRONG, id=second["id"]) == ("mismatch", 2)


def test_an_id_is_case_insensitive(simulator, telroi) -> None:
    sent = telroi.send().json()

    assert telroi.outcome(simulator.calls[0].code, id=sent["id"].upper()) == ("verified", None)


def test_a_code_expires(simulator, telroi) -> None:
    sent = telroi.send().json()
    simulator.advance(299)
    assert telroi.outcome(WRONG, id=sent["id"]) == ("mismatch", 2)

    simulator.advance(1)

    assert telroi.outcome(simulator.calls[0].code, id=sent["id"]) == ("expired", None)


def test_a_verified_otp_stays_verified_after_its_expiry(simulator, telroi) -> None:
    sent = telroi.send().json()
    telroi.verify(simulator.calls[0].code, id=sent["id"])
    simulator.advance(301)

    assert telroi.outcome(simulator.calls[0].code, id=sent["id"]) == ("already_verified", None)


def test_another_workspace_finds_no_otp(simulator, telroi) -> None:
    sent = telroi.send().json()
    code = simulator.calls[0].code

    assert telroi.outcome(code, id=sent["id"], key=simulator.sandbox_key) == ("not_found", None)
    assert telroi.outcome(code, to=NUMBER, key=simulator.sandbox_key) == ("not_found", None)


def test_a_test_key_approves_a_live_otp_and_does_not_change_it(simulator, telroi) -> None:
    sent = telroi.send().json()

    assert telroi.outcome("000000", id=sent["id"], key=simulator.test_key) == ("verified", None)
    assert telroi.outcome(simulator.calls[0].code, id=sent["id"]) == ("verified", None)


def test_a_send_whose_answer_was_lost_verifies_by_number(simulator, telroi) -> None:
    simulator.fail_next("close")
    with pytest.raises(ConnectionError):
        telroi.send()

    assert telroi.outcome(simulator.calls[0].code, to=NUMBER) == ("verified", None)
