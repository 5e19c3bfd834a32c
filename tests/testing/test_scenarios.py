"""Each scenario of ``django_telroi.testing`` leads to the answers that it says, and to those of Telroi on a socket."""

from __future__ import annotations

from collections.abc import Callable
from inspect import unwrap
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.contrib.auth import get_user_model
from django.test import Client

from django_telroi import services
from django_telroi.errors import VerificationRefused
from django_telroi.models import CallControl, PhoneNumber, VerificationAttempt
from django_telroi.services import CheckOutcome
from django_telroi.simulator import Simulator
from django_telroi.testing import SCENARIOS, FakeTelroi

pytestmark = pytest.mark.django_db

API = "/api/phone/verifications/"
OF_NUMBER = [name for name, scenario in SCENARIOS.items() if scenario.step == "number"]
OF_CODE = [name for name, scenario in SCENARIOS.items() if scenario.step == "code"]
GOES_ON = "unknown"


def post(url: str, **body: Any) -> Any:
    return Client().post(url, body, "application/json")


def text_of(page: Any) -> str:
    return " ".join(BeautifulSoup(page.content, "html.parser").get_text().split())


@pytest.mark.parametrize("name", OF_NUMBER)
def test_page_and_api_answer_a_number_as_the_scenario_says(name: str, telroi: FakeTelroi) -> None:
    scenario = telroi.play(name)

    reply = post(API, number=scenario.typed)

    answer = reply.json()
    if scenario.code == GOES_ON:
        assert (reply.status_code, answer["status"]) == (scenario.http_status, scenario.code)
        return
    assert (reply.status_code, answer["code"]) == (scenario.http_status, scenario.code)
    first_sentence = answer["detail"].split(".")[0]
    assert first_sentence in text_of(Client().post("/phone/", {"number": scenario.typed}, follow=True))


@pytest.mark.parametrize("name", [name for name in OF_NUMBER if SCENARIOS[name].code == GOES_ON])
def test_the_page_goes_on_to_the_code_if_it_is_unknown_whether_the_phone_rings(name: str, telroi: FakeTelroi) -> None:
    scenario = telroi.play(name)

    page = Client().post("/phone/", {"number": scenario.typed}, follow=True)

    assert page.redirect_chain[-1][0].endswith("/phone/code/")


@pytest.mark.parametrize("name", OF_CODE)
def test_page_and_api_answer_a_code_as_the_scenario_says(name: str, telroi: FakeTelroi) -> None:
    uuid = post(API, number=telroi.number).json()["id"]
    scenario = telroi.play(name)

    reply = post(f"{API}{uuid}/check/", code=scenario.typed)

    assert (reply.status_code, reply.json()["outcome"]) == (scenario.http_status, scenario.code)
    assert not services.has_verified_phone(get_user_model()(pk=1))


@pytest.mark.parametrize("name", OF_CODE)
def test_no_scenario_of_a_code_verifies_a_phone_on_the_page(name: str, telroi: FakeTelroi) -> None:
    client = Client()
    client.post("/phone/", {"number": telroi.number})
    scenario = telroi.play(name)

    page = client.post("/phone/code/", {"code": scenario.typed}, follow=True)

    assert page.status_code < 500
    assert not VerificationAttempt.objects.filter(status="verified").exists()


ON_A_SOCKET: dict[str, Callable[[Simulator], object]] = {
    "overloaded": lambda telroi: telroi.fail_always("service_unavailable"),
    "key_limited": lambda telroi: telroi.fail_always("key_limited"),
    "number_limited": lambda telroi: telroi.fail_always("rate_limited"),
    "refused_key": lambda telroi: telroi.revoke_key(telroi.api_key),
    "no_funds": lambda telroi: telroi.fail_always("insufficient_funds"),
    "number_rejected": lambda telroi: telroi.fail_always("invalid"),
    "outcome_unknown": lambda telroi: telroi.fail_always("reset"),
    "carrier_failed": lambda telroi: telroi.carrier("gateway_500"),
}

REST_OF_STATE = ("error_code", "error_detail", "status", "judge", "tries")


def state_after_call(number: str) -> dict[str, Any]:
    """Call the number. Return the columns of the attempt and of the number, and what another call would get."""
    attempt = services.start_verification(number)
    state = {name: getattr(attempt, name) for name in REST_OF_STATE}
    state |= {"calls": len(attempt.phone.calls), "hold": attempt.phone.held_reason}
    try:
        services.start_verification(number)
    except VerificationRefused as refusal:
        return state | {"next": refusal.code}
    return state | {"next": "called"}


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", [*ON_A_SOCKET, "down"])
def test_a_failure_in_memory_leaves_the_rows_of_a_failure_on_a_socket(
    name: str, request: pytest.FixtureRequest
) -> None:
    number = "+2348031234567"
    simulator: Simulator = request.getfixturevalue("telroi_simulator")
    if name == "down":
        with simulator.refusing():
            on_a_socket = state_after_call(number)
    else:
        ON_A_SOCKET[name](simulator)
        on_a_socket = state_after_call(number)
    for table in (VerificationAttempt, PhoneNumber, CallControl):
        table.objects.all().delete()

    telroi: FakeTelroi = request.getfixturevalue("telroi")
    telroi.play(name)

    assert state_after_call(number) == on_a_socket
    assert len(telroi.calls) == (name == "outcome_unknown")


def test_each_failure_on_a_socket_has_a_scenario() -> None:
    failing = {name for name in OF_NUMBER if unwrap(SCENARIOS[name].prepare).__code__.co_names.count("fail_calls")}

    assert failing - {"held"} == {*ON_A_SOCKET, "down"}


WITHOUT_SCENARIO = {"invalid_purpose"}
"""A mistake of the page or the client, which no person can make."""


def test_each_refusal_has_a_scenario() -> None:
    codes = {refusal.code for refusal in VerificationRefused.__subclasses__()}

    assert {SCENARIOS[name].code for name in OF_NUMBER} == codes - WITHOUT_SCENARIO | {GOES_ON}


def test_each_scenario_of_a_code_has_an_outcome_of_the_services() -> None:
    assert {SCENARIOS[name].code for name in OF_CODE} <= set(CheckOutcome)


def test_each_scenario_has_a_sentence_about_it() -> None:
    assert all(scenario.about.endswith(".") for scenario in SCENARIOS.values())


def test_an_unknown_scenario_names_those_that_there_are(telroi: FakeTelroi) -> None:
    with pytest.raises(ValueError, match=r"'rain' is no scenario\. The scenarios are invalid_number, premium_number"):
        telroi.play("rain")


@pytest.mark.parametrize("name", [name for name in OF_CODE if name != "no_code"])
def test_a_scenario_of_a_code_says_that_it_needs_a_call(name: str, telroi: FakeTelroi) -> None:
    with pytest.raises(LookupError, match="is played after the call"):
        telroi.play(name)


def test_wrong_codes_of_a_user_are_played_for_that_user(telroi: FakeTelroi) -> None:
    ada = get_user_model().objects.create_user("ada")
    telroi.play("too_many_wrong_codes", user=ada)
    client = Client()
    client.force_login(ada)

    assert post(API, number=telroi.number).status_code == 201
    assert client.post(API, {"number": telroi.number}, "application/json").json()["code"] == "too_many_wrong_codes"
