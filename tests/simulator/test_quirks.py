"""Each quirk can be removed for all requests, for one number or for one request. Then the docs apply."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import fields

import pytest

from django_telroi.simulator.http_request import Quirks

NUMBER = "+2348031234567"


def hidden_error(simulator, telroi) -> object:
    return telroi.ask("POST", "/v1/otp", {}, headers={"Accept": "*/*"}).status


def error_body(simulator, telroi) -> object:
    return telroi.ask("POST", "/v1/otp", {}).json()["error"]


def created(simulator, telroi) -> object:
    return telroi.send().status


def bad_field(simulator, telroi) -> object:
    return telroi.send(code_length=3).status


def wrong_method_and_path(simulator, telroi) -> object:
    return telroi.ask("GET", "/v1/otp").status, telroi.ask("GET", "/v1/nope").status


def wait_in_a_header(simulator, telroi) -> object:
    telroi.send()
    return telroi.send().headers.get("retry-after")


def wait_for_the_hour(simulator, telroi) -> object:
    for _ in range(5):
        telroi.send()
        simulator.advance(600)
    return telroi.send().error["message"].rpartition(" ")[2]


def send_after_a_failed_one(simulator, telroi) -> object:
    simulator.carrier("no_carrier", times=1)
    telroi.send()
    return telroi.send().status


def odd_number(simulator, telroi) -> object:
    return telroi.send("abc").status


def verify_by_a_test_id(simulator, telroi) -> object:
    sent = telroi.send(key=simulator.test_key).json()
    return telroi.verify("000000", id=sent["id"], key=simulator.test_key).status


def by_number_after_the_newest_is_locked(simulator, telroi) -> object:
    telroi.send()
    simulator.advance(61)
    newest = telroi.send().json()["id"]
    for _ in range(3):
        telroi.verify("0000", id=newest)
    return telroi.outcome(simulator.calls[0].code, to=NUMBER)[0]


INVALID = {"code": "invalid", "message": "to (E.164 destination) is required"}
SHOWN: Mapping[str, tuple[Callable[..., object], object, object]] = {
    "html_errors": (hidden_error, 302, 400),
    "wrapped_errors": (error_body, True, INVALID),
    "created_is_200": (created, 200, 201),
    "validation_is_400": (bad_field, 400, 422),
    "login_redirects": (wrong_method_and_path, (302, 302), (405, 404)),
    "hidden_waits": (wait_in_a_header, None, "60"),
    "flat_waits": (wait_for_the_hour, "3600s.", "600s."),
    "failures_count": (send_after_a_failed_one, 429, 200),
    "loose_numbers": (odd_number, 200, 400),
    "unverifiable_test_ids": (verify_by_a_test_id, 400, 200),
    "newest_by_number": (by_number_after_the_newest_is_locked, "locked", "verified"),
}


@pytest.mark.parametrize("quirk", SHOWN)
def test_a_quirk_is_active_until_it_is_removed(simulator, telroi, quirk) -> None:
    show, as_measured, as_documented = SHOWN[quirk]
    assert show(simulator, telroi) == as_measured

    simulator.reset()
    simulator.freeze()
    simulator.without_quirk(quirk)

    assert show(simulator, telroi) == as_documented
    simulator.faithful()
    simulator.advance(90_000)
    assert show(simulator, telroi) == as_measured


def test_every_quirk_is_tested() -> None:
    assert [each.name for each in fields(Quirks)] == list(SHOWN)


def test_a_quirk_can_be_removed_for_a_number_or_a_request(simulator, telroi) -> None:
    simulator.without_quirk("created_is_200", to=NUMBER)
    simulator.without_quirk("created_is_200", times=1)

    statuses = [telroi.send(to).status for to in ("+15550001111", "+15550002222", NUMBER)]

    assert statuses == [201, 200, 201]


def test_an_unknown_quirk_is_rejected_by_name(simulator) -> None:
    with pytest.raises(ValueError, match=r"'typo' must be one of .*html_errors"):
        simulator.without_quirk("typo")
