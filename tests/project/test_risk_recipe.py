"""The look-up of a SIM swap in the recipes, against a local server that answers like a vendor, or does not."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from django_telroi.testing import outbox
from tests.project.local_services import Verifier
from tests.project.test_howto import blocks_of

pytestmark = pytest.mark.django_db

NUMBER = "+2348031234567"
HARMLESS = {"sim_changed_days": 400, "line_type": "mobile", "is_forwarded": False}


@pytest.fixture(autouse=True)
def _site(verifier: Verifier, settings: Any) -> None:
    found: dict[str, Any] = {}
    (source,) = [block for block in blocks_of("recipes.rst", "python") if "settings.RISK_KEY" in block]
    exec(source, found)
    settings.RISK_URL = f"http://127.0.0.1:{verifier.server_address[1]}/v1/numbers"
    settings.RISK_KEY = "key-of-the-site"
    settings.TELROI = {"PHONE_RISK": found["phone_risk"]}
    settings.ROOT_URLCONF = "tests.limits.site"
    outbox.clear()
    verifier.body = json.dumps(HARMLESS).encode()


def starts(*, logged_in: bool = True) -> str:
    """Return the code of the refusal, or "called"."""
    client = Client()
    if logged_in:
        client.force_login(User.objects.get_or_create(username="ada")[0])
    reply = client.post("/api/phone/verifications/", {"number": NUMBER}, "application/json")
    assert bool(outbox) == (reply.status_code == 201)
    return "called" if outbox else str(reply.json()["code"])


def test_a_harmless_number_is_called_and_stays_out_of_the_url(verifier: Verifier) -> None:
    assert starts() == "called"
    assert [json.loads(body) for body in verifier.bodies] == [{"number": NUMBER}]
    assert verifier.paths == ["/v1/numbers"]


@pytest.mark.parametrize(
    ("found", "outcome"),
    [
        ({"sim_changed_days": 0}, "not_callable"),
        ({"sim_changed_days": 2}, "not_callable"),
        ({"sim_changed_days": 3}, "called"),
        ({"sim_changed_days": None}, "called"),
        ({"is_forwarded": True}, "not_callable"),
        ({"is_forwarded": None}, "called"),
        ({"line_type": "voip"}, "not_callable"),
    ],
    ids=str,
)
def test_a_risk_is_not_called(verifier: Verifier, found: dict[str, Any], outcome: str) -> None:
    verifier.body = json.dumps(HARMLESS | found).encode()

    assert starts() == outcome


@pytest.mark.parametrize(
    ("status", "body"), [(500, b"{}"), (302, b""), (200, b"<html>"), (200, b"[]"), (200, b"null"), (200, b"{}")]
)
def test_without_an_answer_no_call_is_placed(verifier: Verifier, status: int, body: bytes) -> None:
    verifier.status, verifier.body = status, body

    assert starts() == "unavailable"
    assert len(verifier.bodies) == 1


def test_a_visitor_is_not_looked_up(verifier: Verifier) -> None:
    assert (starts(logged_in=False), verifier.bodies) == ("called", [])
