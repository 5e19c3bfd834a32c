"""The bot checks of the recipes, against a local server that answers like the verifiers, or does not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from django_telroi.testing import outbox
from tests.project.local_services import Verifier
from tests.project.test_howto import blocks_of

pytestmark = pytest.mark.django_db

NUMBER = "+2348031234567"
STARTS = "/api/phone/verifications/"
RIGHT = {
    "turnstile": {"success": True, "hostname": "testserver", "action": "phone-call", "error-codes": []},
    "hcaptcha": {"success": True, "hostname": "testserver"},
}
FIELDS = {"turnstile": "bot_token", "hcaptcha": "h-captcha-response"}


@pytest.fixture(params=["turnstile", "hcaptcha"])
def name(request: pytest.FixtureRequest, verifier: Verifier, settings: Any) -> str:
    """The name of the service. The site uses the recipe's function with the address of the local server."""
    found: dict[str, Any] = {}
    secret = f"settings.{request.param.upper()}_SECRET"
    (source,) = [block for block in blocks_of("recipes.rst", "python") if secret in block]
    exec(source, found)
    assert found["VERIFY_URL"].startswith("https://")
    found["VERIFY_URL"] = f"http://127.0.0.1:{verifier.server_address[1]}/siteverify"
    settings.TURNSTILE_SECRET = settings.HCAPTCHA_SECRET = "secret-of-the-site"
    settings.HCAPTCHA_SITE_KEY = "site-key"
    settings.TELROI = {"BOT_CHECK": found["is_person"]}
    settings.ROOT_URLCONF = "tests.limits.site"
    outbox.clear()
    verifier.body = json.dumps(RIGHT[request.param]).encode()
    return str(request.param)


def starts(token: str = "a-token") -> Any:
    return Client().post(STARTS, {"number": NUMBER, "bot_token": token}, "application/json")


def test_a_right_token_lets_the_call_through(name: str, verifier: Verifier) -> None:
    assert (starts().status_code, len(outbox)) == (201, 1)
    (form,) = verifier.forms
    assert (form["secret"], form["response"]) == (["secret-of-the-site"], ["a-token"])


def test_the_page_sends_the_field_of_the_widget(name: str, verifier: Verifier) -> None:
    Client().post("/phone/", {"number": NUMBER, FIELDS[name]: "a-token"})

    assert ([form["response"] for form in verifier.forms], len(outbox)) == ([["a-token"]], 1)


@pytest.mark.parametrize(
    "wrong",
    [
        {"success": False, "error-codes": ["invalid-input-response"]},
        {"success": False, "error-codes": ["timeout-or-duplicate"]},
        {"hostname": "evil.example"},
        {"hostname": None},
        {"success": "true"},
        {"success": 1},
    ],
    ids=str,
)
def test_a_wrong_answer_refuses(name: str, verifier: Verifier, wrong: dict[str, Any]) -> None:
    verifier.body = json.dumps(RIGHT[name] | wrong).encode()

    assert (starts().json()["code"], len(outbox)) == ("bot_check_failed", 0)


@pytest.mark.parametrize("name", ["turnstile"], indirect=True)
def test_a_token_of_another_action_is_refused(name: str, verifier: Verifier) -> None:
    verifier.body = json.dumps(RIGHT[name] | {"action": "newsletter"}).encode()

    assert starts().json()["code"] == "bot_check_failed"


@pytest.mark.parametrize("token", ["", "x" * 8193])
def test_a_missing_or_huge_token_is_not_sent(name: str, verifier: Verifier, token: str) -> None:
    assert (starts(token).json()["code"], verifier.forms) == ("bot_check_failed", [])


@pytest.mark.parametrize(
    ("status", "body"),
    [(500, b"{}"), (302, b""), (200, b"<html>"), (200, b"[]"), (200, b"null"), (200, b"{}"), (200, b"")],
)
def test_a_verifier_that_fails_lets_nobody_through(name: str, verifier: Verifier, status: int, body: bytes) -> None:
    verifier.status, verifier.body = status, body

    assert starts().json()["code"] in ("unavailable", "bot_check_failed")
    assert (len(outbox), len(verifier.forms)) == (0, 1)


def test_a_verifier_that_does_not_answer_lets_nobody_through(
    name: str, verifier: Verifier, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    verifier.is_silent = True
    function = settings.TELROI["BOT_CHECK"]
    found, send = function.__globals__, function.__globals__["requests"].post
    assert sum(timeouts_of(found, function)) < 10

    class Requests:
        @staticmethod
        def post(url: str, **options: Any) -> Any:
            return send(url, **(options | {"timeout": (3, 0.1)}))  # the same request, and a shorter test

    monkeypatch.setitem(found, "requests", Requests)

    assert (starts().json()["code"], len(outbox)) == ("unavailable", 0)


def timeouts_of(found: dict[str, Any], function: Any) -> tuple[float, ...]:
    return next(each for each in function.__code__.co_consts if isinstance(each, tuple) and each and each[0] == 3)


def test_a_verifier_that_is_out_of_reach_lets_nobody_through(name: str, settings: Any) -> None:
    settings.TELROI["BOT_CHECK"].__globals__["VERIFY_URL"] = "http://127.0.0.1:9/siteverify"

    assert (starts().json()["code"], len(outbox)) == ("unavailable", 0)
