"""The journeys over django-allauth's headless API, as an app and as a single-page application."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from django_telroi import services
from django_telroi.models import VerifiedPhone
from django_telroi.simulator import Simulator
from tests.bridges.allauth.people import NUMBER, OTHER_NUMBER, PASSWORD, STOPPED, TOO_SOON, member, wait

User = get_user_model()

pytestmark = pytest.mark.django_db(transaction=True)


class Api:
    """A client of the API. An app sends its session as a header, a browser as a cookie."""

    def __init__(self, kind: str) -> None:
        self.kind, self.client, self.token = kind, Client(), ""

    def __call__(self, method: str, path: str, **body: Any) -> Any:
        headers = {"X-Session-Token": self.token} if self.token else {}
        url = f"/_allauth/{self.kind}/v1/{path}"
        answer = self.client.generic(
            method, url, data=body and json.dumps(body), content_type="application/json", headers=headers
        )
        self.token = answer.json().get("meta", {}).get("session_token", self.token) if self.kind == "app" else ""
        return answer

    def post(self, path: str, **body: Any) -> Any:
        return self("POST", path, **body)

    def sign_up(self) -> Any:
        return self.post("auth/signup", phone=NUMBER, password=PASSWORD)


@pytest.fixture(params=["app", "browser"])
def api(request: pytest.FixtureRequest) -> Api:
    return Api(request.param)


def pending(answer: Any) -> list[str]:
    return [flow["id"] for flow in answer.json()["data"]["flows"] if flow.get("is_pending")]


def error(answer: Any) -> dict[str, str]:
    assert answer.status_code == 400
    (only,) = answer.json()["errors"]
    return dict(only)


def test_a_sign_up_and_its_code(api: Api, telroi: Simulator) -> None:
    answer = api.sign_up()
    assert answer.status_code == 401
    assert pending(answer) == ["verify_phone"]

    assert error(api.post("auth/phone/verify", code="000000"))["code"] == "incorrect_code"
    answer = api.post("auth/phone/verify", code=telroi.last_code_for(NUMBER))
    assert answer.status_code == 200
    assert VerifiedPhone.objects.get().user == User.objects.get()


def test_a_login_by_code(api: Api, telroi: Simulator) -> None:
    user = member(telroi)
    answer = api.post("auth/code/request", phone=NUMBER)
    assert answer.status_code == 401
    assert pending(answer) == ["login_by_code"]
    answer = api.post("auth/code/confirm", code=telroi.last_code_for(NUMBER))
    assert answer.status_code == 200
    assert answer.json()["data"]["user"]["id"] == user.pk


def test_a_login_with_a_password_while_calls_are_stopped(api: Api, telroi: Simulator) -> None:
    member(telroi)
    services.stop_calls(reason="a test", actor="tests")
    assert api.post("auth/login", phone=NUMBER, password=PASSWORD).status_code == 200


def test_a_refused_sign_up_makes_no_account(api: Api, telroi: Simulator) -> None:
    services.stop_calls(reason="a test", actor="tests")
    assert error(api.sign_up()) == {"message": STOPPED, "code": "calls_stopped", "param": "phone"}
    assert not User.objects.exists()


def test_a_refused_login_by_code_is_the_same_for_an_unknown_number(api: Api, telroi: Simulator) -> None:
    member(telroi)
    answers = []
    for number in (NUMBER, OTHER_NUMBER):
        Api(api.kind).post("auth/code/request", phone=number)
        answers.append(error(api.post("auth/code/request", phone=number)))
    assert answers[0] == answers[1]
    assert answers[0]["code"] == "cooldown"
    assert answers[0]["param"] == "phone"


def test_a_refused_repeat_is_an_error_and_keeps_the_code(api: Api, telroi: Simulator) -> None:
    api.sign_up()
    refused = error(api.post("auth/phone/verify/resend"))
    assert refused["code"] == "cooldown"
    assert refused["message"].startswith(TOO_SOON)
    assert api.post("auth/phone/verify", code=telroi.last_code_for(NUMBER)).status_code == 200


def test_a_failed_call_of_a_sign_up_is_repeated(api: Api, telroi: Simulator) -> None:
    telroi.fail_next("insufficient_funds")
    assert pending(api.sign_up()) == ["verify_phone"]
    telroi.fail_next("insufficient_funds")
    assert error(api.post("auth/phone/verify/resend"))["code"] == "unavailable"
    assert api.post("auth/phone/verify/resend").status_code == 200
    assert api.post("auth/phone/verify", code=telroi.last_code_for(NUMBER)).status_code == 200


def test_a_failed_call_of_a_login_is_an_error(api: Api, telroi: Simulator) -> None:
    member(telroi)
    telroi.fail_next("insufficient_funds")
    assert error(api.post("auth/code/request", phone=NUMBER))["code"] == "unavailable"
    assert api.post("auth/code/request", phone=NUMBER).status_code == 401
    assert api.post("auth/code/confirm", code=telroi.last_code_for(NUMBER)).status_code == 200


def test_a_number_is_changed(api: Api, telroi: Simulator) -> None:
    member(telroi)
    api.post("auth/login", phone=NUMBER, password=PASSWORD)
    assert api("GET", "account/phone").json()["data"] == [{"phone": NUMBER, "verified": True}]
    assert api.post("account/phone", phone=OTHER_NUMBER).status_code == 202
    assert VerifiedPhone.objects.get().number == NUMBER
    answer = api.post("auth/phone/verify", code=telroi.last_code_for(OTHER_NUMBER))
    assert answer.status_code == 200
    assert api("GET", "account/phone").json()["data"] == [{"phone": OTHER_NUMBER, "verified": True}]
    assert VerifiedPhone.objects.get().number == OTHER_NUMBER


def test_a_changed_number_that_cannot_be_called_is_an_error(api: Api, telroi: Simulator) -> None:
    member(telroi)
    api.post("auth/login", phone=NUMBER, password=PASSWORD)
    telroi.fail_next("insufficient_funds")
    assert error(api.post("account/phone", phone=OTHER_NUMBER))["code"] == "unavailable"
    wait(telroi, OTHER_NUMBER)
    assert api.post("account/phone", phone=OTHER_NUMBER).status_code == 202
