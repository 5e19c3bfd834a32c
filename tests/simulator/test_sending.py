"""Calls, limits and costs over several requests. Each recording has only one."""

from __future__ import annotations

import time

import pytest

from django_telroi.simulator import Simulator

NUMBER = "+2348031234567"


def send_daily_quota(simulator: Simulator, telroi) -> None:
    """Return the results of twenty sends, five an hour."""
    for _ in range(4):
        for _ in range(5):
            assert telroi.send().status == 200
            simulator.advance(61)
        simulator.advance(3600)


def test_a_live_key_rings_the_phone_and_stores_the_request(simulator, telroi) -> None:
    sent = telroi.send(language="en-NG").json()

    (call,) = simulator.calls
    assert (call.id, call.to, call.language) == (sent["id"], NUMBER, "en-NG")
    assert len(call.code) == 6
    assert call.code.isdigit()


def test_a_test_key_rings_no_phone_and_has_no_limit(simulator, telroi) -> None:
    replies = [telroi.send(key=simulator.test_key) for _ in range(6)]

    assert [reply.status for reply in replies] == [200] * 6
    assert simulator.calls == []


def test_a_live_key_of_a_sandbox_workspace_has_the_same_answer_and_rings_no_phone(simulator, telroi) -> None:
    sent = telroi.send(key=simulator.sandbox_key).json()

    assert (sent["livemode"], sent["status"]) == (True, "delivered")
    assert simulator.calls == []
    assert telroi.outcome(simulator.last_code_for(NUMBER), key=simulator.sandbox_key, id=sent["id"]) == (
        "verified",
        None,
    )


@pytest.mark.parametrize(("asked", "read_out"), [(4, 4), (5, 5), (7, 6), (10, 6)])
def test_the_code_has_the_requested_length_up_to_the_operators_limit(simulator, telroi, asked, read_out) -> None:
    telroi.send(code_length=asked)

    assert len(simulator.last_code_for(NUMBER)) == read_out


def test_the_cooldown_names_the_exact_seconds_left(simulator, telroi) -> None:
    telroi.send()
    simulator.advance(10.5)

    refused = telroi.send()

    assert (refused.status, refused.error["code"]) == (429, "rate_limited")
    assert refused.error["message"] == "Too many requests for this number. Retry after 50s."
    simulator.advance(49.5)
    assert telroi.send().status == 200


def test_the_hour_is_a_sliding_window_and_names_its_whole_length(simulator, telroi) -> None:
    for _ in range(5):
        assert telroi.send().status == 200
        simulator.advance(600)

    assert telroi.send().error["message"].endswith("Retry after 3600s.")
    simulator.advance(600)
    assert telroi.send().status == 200


def test_the_day_is_a_sliding_window_and_names_its_whole_length(simulator, telroi) -> None:
    send_daily_quota(simulator, telroi)

    assert telroi.send().error["message"].endswith("Retry after 86400s.")
    simulator.advance(86400 - 4 * (5 * 61 + 3600))
    assert telroi.send().status == 200


def test_a_refused_send_does_not_count(simulator, telroi) -> None:
    telroi.send()
    simulator.advance(59)
    telroi.send()
    simulator.advance(1)

    assert telroi.send().status == 200


def test_spellings_of_a_number_are_different_numbers(telroi) -> None:
    assert [telroi.send(to).status for to in (NUMBER, NUMBER[1:], NUMBER + " ", NUMBER)] == [200, 200, 200, 429]


def test_workspaces_do_not_limit_each_other(simulator, telroi) -> None:
    assert [telroi.send().status, telroi.send(key=simulator.sandbox_key).status] == [200, 200]


@pytest.mark.parametrize(
    ("outcome", "status"),
    [
        ("no_carrier", 502),
        ("gateway_500", 502),
        ("carrier_refuses", 502),
        ("vendor_unreachable", 500),
        ("vendor_not_configured", 502),
        ("custom_vendor_500", 502),
    ],
)
def test_a_failed_call_rings_no_phone_costs_nothing_and_starts_the_cooldown(simulator, telroi, outcome, status) -> None:
    simulator.carrier(outcome)
    wallet = simulator.wallet()

    failed = telroi.send()

    assert failed.status == status
    assert simulator.calls == []
    assert simulator.wallet() == wallet
    assert telroi.send().status == 429
    assert telroi.outcome(simulator.last_code_for(NUMBER), to=NUMBER) == ("verified", None)


def test_the_workspaces_own_vendor_has_its_own_message(simulator, telroi) -> None:
    simulator.carrier("custom_vendor_500")

    failed = telroi.send()

    assert failed.error == {"code": "otp_failed", "message": "Custom vendor error 500"}


def test_a_silent_carrier_may_ring_the_phone(simulator, telroi) -> None:
    simulator.carrier("carrier_silent", after=0.2, rings=True)
    began = time.monotonic()

    failed = telroi.send()

    assert time.monotonic() - began >= 0.2
    assert (failed.status, failed.error["message"]) == (502, "The operation was aborted due to timeout")
    assert telroi.outcome(simulator.calls[0].code, to=NUMBER) == ("verified", None)


def test_a_carrier_can_fail_for_one_number_once(simulator, telroi) -> None:
    simulator.carrier("no_carrier", to="+15550001111")
    simulator.carrier("gateway_500", to="+15550002222", times=1)

    assert [telroi.send(to).status for to in (NUMBER, "+15550001111", "+15550002222")] == [200, 502, 502]
    simulator.advance(61)
    assert [telroi.send(to).status for to in (NUMBER, "+15550001111", "+15550002222")] == [200, 502, 200]


def test_the_newest_setting_of_a_carrier_applies(simulator, telroi) -> None:
    simulator.carrier("no_carrier")
    simulator.carrier("accepts")

    assert telroi.send().status == 200


def test_each_placed_call_costs_one_unit_until_the_wallet_is_empty(simulator, telroi) -> None:
    simulator.set_wallet(2)

    replies = [telroi.send(to) for to in ("+15550001111", "+15550002222", "+15550003333")]

    assert [reply.status for reply in replies] == [200, 200, 502]
    assert replies[-1].error["message"] == "insufficient_funds"
    simulator.set_wallet(1)
    assert telroi.send("+15550003333").status == 200, "an empty wallet uses up no cooldown"


def test_an_empty_wallet_does_not_matter_if_no_phone_rings(simulator, telroi) -> None:
    simulator.set_wallet(0, workspace="sandbox")

    assert telroi.send(key=simulator.sandbox_key).status == 200


def test_the_601st_request_of_a_key_in_a_minute_is_refused(simulator, telroi) -> None:
    simulator.set_policy(requests_per_minute=600)
    simulator.flood_key(simulator.test_key)
    simulator.advance(60)

    replies = [telroi.ask("GET", "/v1/agents", key=simulator.test_key).status for _ in range(601)]

    assert replies == [200] * 600 + [429]
    simulator.advance(3.2)
    assert telroi.send(key=simulator.test_key).error["message"] == "Too many requests. Try again in 57s."
    assert telroi.send().status == 200, "another key has a minute of its own"


def test_a_key_without_permission_to_list_differs_from_an_invalid_one(simulator, telroi) -> None:
    simulator.add_key("tlr_live_sendonly", scopes=["otp:write"])

    assert telroi.ask("GET", "/v1/agents", key="tlr_live_sendonly").error["message"] == "Key lacks agents:read"
    assert telroi.ask("GET", "/v1/agents", key="tlr_live_nobody").status == 401


def test_the_next_code_can_be_set(simulator, telroi) -> None:
    simulator.next_otp(code="135790", id="3f2504e0-4f89-41d3-9a0c-0305e82c3301", to=NUMBER)

    other, sent = telroi.send("+15550001111").json(), telroi.send().json()

    assert sent["id"] == "3f2504e0-4f89-41d3-9a0c-0305e82c3301" != other["id"]
    assert simulator.calls[-1].code == "135790"


def test_json_that_only_python_accepts_is_malformed(telroi) -> None:
    bodies = ('{"to":"+2348031234567","x":NaN}', "[" * 100_000, '\ufeff{"to":"+2348031234567"}')

    assert [telroi.ask_raw("POST", "/v1/otp", body).json()["message"] for body in bodies] == ["Invalid JSON body"] * 3


def test_an_integer_may_be_written_with_a_point(telroi) -> None:
    assert telroi.send(code_length=4.0).status == 200


def test_a_number_that_javascript_cannot_write_is_returned_escaped(telroi) -> None:
    assert b'"to":"abc\\ud800"' in telroi.ask_raw("POST", "/v1/otp", '{"to":"abc\\ud800"}').body


def test_a_client_that_follows_the_redirect_gets_a_page_with_200(telroi) -> None:
    refused = telroi.ask("POST", "/v1/otp", {"to": NUMBER}, key="tlr_live_nobody", headers={"Accept": "*/*"})

    landed = telroi.ask("GET", refused.headers["location"])

    assert (refused.status, landed.status, landed.headers["content-type"]) == (302, 200, "text/html;charset=utf-8")


def test_there_is_no_code_before_a_send(simulator) -> None:
    with pytest.raises(LookupError):
        simulator.last_code_for(NUMBER)


def test_no_repr_shows_a_code_a_number_or_a_key(simulator, telroi) -> None:
    telroi.send()

    (call,), (otp,) = simulator.calls, simulator.otps
    told = repr((call, otp, simulator, simulator.requests))
    assert not any(secret in told for secret in (call.code, NUMBER, simulator.api_key))
