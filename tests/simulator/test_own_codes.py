"""A send with the client's own code: the behavior of Telroi, and of an older Telroi."""

from __future__ import annotations

import pytest

OTHER = "+15550001111"
NUMBER = "+2348031234567"
OWN = "4839"


def test_an_own_code_is_spoken_and_the_answer_says_who_verifies_it(simulator, telroi) -> None:
    sent = telroi.send(code=OWN)

    assert sent.json() == {
        "object": "otp",
        "livemode": True,
        "id": sent.json()["id"],
        "to": NUMBER,
        "status": "delivered",
        "verification": "client",
    }
    assert [call.code for call in simulator.calls] == [simulator.last_code_for(NUMBER)] == [OWN]


@pytest.mark.parametrize("code", [OWN, "0000"])
def test_telroi_verifies_no_own_code_by_id_or_by_number(simulator, telroi, code) -> None:
    sent = telroi.send(code=OWN).json()

    for target in ({"id": sent["id"]}, {"to": NUMBER}):
        refused = telroi.verify(code, **target)
        assert (refused.status, refused.error["code"]) == (422, "not_verifiable")


def test_an_own_code_costs_the_same_and_starts_the_same_cooldown(simulator, telroi) -> None:
    before = simulator.wallet()
    telroi.send(code=OWN)

    assert simulator.wallet() == before - 1
    assert telroi.send(code="0000").status == 429


def test_a_workspace_in_sandbox_mode_confirms_an_own_code_and_places_no_call(simulator, telroi) -> None:
    assert telroi.send(code=OWN, key=simulator.sandbox_key).json()["verification"] == "client"
    assert simulator.calls == []


def test_an_older_telroi_speaks_and_verifies_its_own_code(simulator, telroi) -> None:
    simulator.set_webhook("http://127.0.0.1:9/", events=["otp.completed"])
    simulator.next_otp(code="135790")
    simulator.own_codes("ignore")

    sent = telroi.send(code=OWN).json()

    assert ("expires_at" in sent, "verification" in sent) == (True, False)
    assert [call.code for call in simulator.calls] == ["135790"]
    assert telroi.outcome(OWN, id=sent["id"]) == ("mismatch", 2)
    assert telroi.outcome("135790", id=sent["id"]) == ("verified", None)
    assert b'"client_supplied":false' in simulator.webhooks[0].body


def test_an_older_telroi_ignores_an_invalid_code_too(simulator, telroi) -> None:
    simulator.own_codes("ignore")

    assert telroi.send(code=None, code_length=4).status == 200
    assert len(simulator.calls[0].code) == 4


@pytest.mark.parametrize("status", [400, 422])
@pytest.mark.parametrize("code", [OWN, None])
def test_a_rejected_own_code_rings_no_phone_and_does_not_count(simulator, telroi, status, code) -> None:
    simulator.set_webhook("http://127.0.0.1:9/")
    simulator.own_codes("reject", status=status)
    wallet = simulator.wallet()

    refused = telroi.send(code=code)

    assert (refused.status, refused.error["code"]) == (status, "invalid")
    assert (simulator.calls, simulator.otps, simulator.webhooks, simulator.wallet()) == ([], [], [], wallet)
    assert telroi.send().status == 200, "the cooldown did not start, and a send without a code is accepted"


def test_the_key_is_checked_before_an_own_code(simulator, telroi) -> None:
    simulator.own_codes("reject")

    assert telroi.send(code=OWN, key="tlr_live_nobody").status == 401
    assert telroi.send(code=OWN, key=simulator.test_key).status == 400


def test_an_own_code_with_a_test_key_changes_nothing(simulator, telroi) -> None:
    plain = telroi.send(key=simulator.test_key).json()

    for mode in ("confirm", "ignore"):
        simulator.own_codes(mode)
        sent = telroi.send(key=simulator.test_key, code=OWN).json()
        assert {**sent, "id": ""} == {**plain, "id": ""}
    assert telroi.outcome(OWN, key=simulator.test_key, to=NUMBER) == ("mismatch", None)


def test_the_setting_can_be_for_one_number_or_for_the_next_sends(simulator, telroi) -> None:
    simulator.own_codes("reject", to=OTHER)
    simulator.own_codes("reject", times=1)

    assert [telroi.send(to, code=OWN).status for to in (NUMBER, NUMBER, OTHER)] == [400, 200, 400]


def test_a_check_does_not_use_up_the_setting(simulator, telroi) -> None:
    simulator.own_codes("reject", times=1)

    telroi.verify("0000", to=NUMBER)

    assert telroi.send(code=OWN).status == 400


@pytest.mark.parametrize("undo", ["faithful", "reset"])
def test_the_setting_can_be_reset_to_the_behavior_of_telroi(simulator, telroi, undo) -> None:
    simulator.own_codes("reject")
    getattr(simulator, undo)()

    assert telroi.send(code=OWN).json()["verification"] == "client"


def test_the_setting_stays_when_faults_are_cleared_and_can_be_changed_again(simulator, telroi) -> None:
    simulator.own_codes("reject")
    simulator.stop_failing()
    assert telroi.send(code=OWN).status == 400

    simulator.own_codes("confirm")

    assert telroi.send(code=OWN).status == 200


def test_an_unknown_mode_or_status_is_rejected(simulator) -> None:
    with pytest.raises(ValueError, match="'typo' must be one of confirm, ignore, reject"):
        simulator.own_codes("typo")
    with pytest.raises(ValueError, match="status must be 400 or 422"):
        simulator.own_codes("reject", status=500)
