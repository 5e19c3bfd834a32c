"""``PHONE_RISK``: it sees the number and the request, after all limits and once for each call. It fails closed."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client, RequestFactory

from django_telroi import limits, services
from django_telroi.errors import Misconfigured, NotCallable, TooManyRequests, Unavailable, VerificationRefused
from django_telroi.models import PhoneNumber, RefusalTally, VerificationAttempt
from django_telroi.testing import outbox
from tests.limits import site_functions, vetoes
from tests.limits.conftest import Configure
from tests.limits.faces import FACES
from tests.services.world import let_time_pass

pytestmark = pytest.mark.django_db

NUMBER = "+2348031234567"
OTHER_NUMBER = "+2348029876543"
STARTS = "/api/phone/verifications/"
FUNCTIONS = "tests.limits.site_functions"


@pytest.fixture(autouse=True)
def _nothing_asked() -> None:
    site_functions.looked_up.clear()
    vetoes.asked.clear()


def starts(client: Client, number: str = NUMBER, **headers: str) -> Any:
    return client.post(STARTS, {"number": number}, "application/json", headers=headers)


def test_it_gets_the_number_and_the_request(configure: Configure, ada: User) -> None:
    configure(PHONE_RISK=f"{FUNCTIONS}.knows_no_risk")
    client = Client()
    client.force_login(ada)

    reply = starts(client, "+234 803 123 4567")
    let_time_pass(61)
    again = client.post(f"{STARTS}{reply.json()['id']}/call-again/", {}, "application/json")

    assert (reply.status_code, again.status_code, len(outbox)) == (201, 201, 2)
    assert [(number, request.user) for number, request in site_functions.looked_up] == [(NUMBER, ada)] * 2
    assert NUMBER[1:] not in repr(site_functions.looked_up[0][0])


@pytest.mark.parametrize("face", FACES.values(), ids=FACES)
def test_a_risk_looks_like_a_blocked_number(configure: Configure, face: Any, caplog: pytest.LogCaptureFixture) -> None:
    configure(PHONE_RISK=f"{FUNCTIONS}.knows_a_swap")

    with caplog.at_level("INFO", "django_telroi"):
        answer = face().starts(NUMBER)

    assert "We cannot call this number. Try another mobile or landline number." in answer.text
    assert "SIM" not in answer.text
    assert "risky_number region=NG reason=SIM card changed yesterday" in caplog.messages
    assert [(tally.code, tally.region, tally.count) for tally in RefusalTally.objects.all()] == [("vetoed", "NG", 1)]
    assert (list(outbox), VerificationAttempt.objects.count(), PhoneNumber.objects.count()) == ([], 0, 0)


@pytest.mark.parametrize(
    ("name", "refusal"),
    [
        ("risk_is_false", NotCallable),
        ("risk_asks_to_wait", TooManyRequests),
        ("risk_fails", Unavailable),
        ("risk_is_a_score", Misconfigured),
        ("not_callable", Misconfigured),
        ("no_such_name", Misconfigured),
    ],
)
def test_every_result_except_true_and_none_refuses(
    configure: Configure, caplog: pytest.LogCaptureFixture, name: str, refusal: type[VerificationRefused]
) -> None:
    configure(PHONE_RISK=f"{FUNCTIONS}.{name}")

    with caplog.at_level("DEBUG"), pytest.raises(refusal) as raised:
        limits.start_verification(RequestFactory().post("/"), NUMBER)

    assert raised.value.retry_after == (77 if name == "risk_asks_to_wait" else None)
    assert (list(outbox), VerificationAttempt.objects.count()) == ([], 0)
    assert NUMBER[1:] not in caplog.text


def test_true_allows_the_call(configure: Configure) -> None:
    configure(PHONE_RISK=f"{FUNCTIONS}.risk_is_true")

    limits.start_verification(RequestFactory().post("/"), NUMBER)

    assert len(outbox) == 1


def test_it_is_asked_only_about_calls_without_another_refusal(configure: Configure) -> None:
    """A look-up costs money."""
    configure(PHONE_RISK=f"{FUNCTIONS}.knows_no_risk", ALLOWED_REGIONS=["NG"])
    services.start_verification(NUMBER)
    services.block_number(OTHER_NUMBER, reason="fraud", actor="grace")

    for number in (NUMBER, OTHER_NUMBER, "+2347001234567", "+447400123456", "+234 803"):
        assert starts(Client(), number).status_code >= 400

    assert site_functions.looked_up == []


def test_a_veto_of_the_site_comes_first(configure: Configure) -> None:
    configure(PHONE_RISK=f"{FUNCTIONS}.knows_no_risk", MAY_START="tests.limits.vetoes.says_no")

    assert starts(Client()).json()["code"] == "not_callable"
    assert (len(vetoes.asked), site_functions.looked_up) == (1, [])


def test_a_retry_is_not_looked_up_again(configure: Configure) -> None:
    configure(PHONE_RISK=f"{FUNCTIONS}.knows_no_risk")
    key = {"Idempotency-Key": "6f0f9a3e-8d59-4c39-9a0b-1f1de4b7a001"}
    client = Client()

    first, second = starts(client, **key), starts(client, **key)

    assert first.json()["id"] == second.json()["id"]
    assert len(site_functions.looked_up) == 1


def test_code_of_yours_that_has_no_request_is_not_asked(configure: Configure) -> None:
    configure(PHONE_RISK=f"{FUNCTIONS}.knows_a_swap")

    services.start_verification(NUMBER)

    assert len(outbox) == 1
