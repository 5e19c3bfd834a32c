"""A site that encrypts numbers without a key, and whose checks did not run, answers 503 and stores nothing."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.contrib.auth.models import User
from django.core.checks import run_checks
from django.test import Client

from django_telroi import services
from django_telroi.errors import Misconfigured, Unavailable
from django_telroi.models import PhoneNumber, VerificationAttempt, VerifiedPhone
from django_telroi.testing import outbox

pytestmark = [pytest.mark.django_db, pytest.mark.clear_numbers]

NUMBER = "+2348031234567"
API = "/api/phone/verifications/"
KEY = "a key of at least 32 characters, for tests"
SENTENCE = "Calls do not work at the moment"


@pytest.fixture(params=["on", "migrate", "prepare"])
def without_key(request: pytest.FixtureRequest, settings: Any) -> Any:
    settings.TELROI = {"NUMBER_ENCRYPTION": request.param, "NUMBER_KEYS": [""]}
    outbox.clear()
    return settings


def assert_nothing_is_stored() -> None:
    settings_of_rows = [model.objects.count() for model in (PhoneNumber, VerificationAttempt, VerifiedPhone)]
    assert (settings_of_rows, outbox) == ([0, 0, 0], [])


def test_a_start_over_the_api_is_misconfigured(without_key: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR, logger="django_telroi"):
        reply = Client().post(API, {"number": NUMBER}, "application/json")

    assert (reply.status_code, reply.json()["code"]) == (503, "misconfigured")
    assert "misconfigured reason=number_keys" in caplog.text
    assert_nothing_is_stored()


def test_the_page_says_that_calls_do_not_work(without_key: Any) -> None:
    client = Client()

    page = client.post("/phone/", {"number": NUMBER}, follow=True)

    assert page.status_code == 503
    assert SENTENCE in BeautifulSoup(page.content, "html.parser").get_text()
    assert NUMBER[1:] not in str(dict(client.session))
    assert_nothing_is_stored()


def test_a_service_refuses(without_key: Any) -> None:
    with pytest.raises(Misconfigured):
        services.start_verification(NUMBER)
    with pytest.raises(Misconfigured):
        services.read_out(NUMBER, "482913")

    assert_nothing_is_stored()


def test_the_check_is_as_before(without_key: Any) -> None:
    assert "telroi.E030" in {message.id for message in run_checks()}


@pytest.mark.parametrize("keys", [[], ["another key of at least 32 characters"], ["too short"], "no list"])
def test_a_call_of_the_time_before_the_key_was_lost_is_unavailable(keys: Any, settings: Any) -> None:
    settings.TELROI = {"NUMBER_ENCRYPTION": "on", "NUMBER_KEYS": [KEY]}
    client, ada = Client(), User.objects.create_user("ada")
    client.post("/phone/", {"number": NUMBER})
    attempt = VerificationAttempt.objects.get()
    services.record_verification(ada, "+2348029876543")
    settings.TELROI = {"NUMBER_ENCRYPTION": "on", "NUMBER_KEYS": keys}

    reply = Client().post(f"{API}{attempt.uuid}/check/", {"code": outbox[-1].code}, "application/json")
    page = client.get("/phone/code/")

    assert (reply.status_code, reply.json()["code"]) == (503, "unavailable")
    assert page.status_code == 503
    with pytest.raises(Unavailable):
        services.phone_record(ada)


@pytest.mark.parametrize(
    "page",
    [
        "phonenumber/",
        "phonenumber/{phone}/change/",
        "phonenumber/{phone}/block/",
        "verificationattempt/",
        "verificationattempt/{attempt}/change/",
        "verifiedphone/",
        "verifiedphone/{record}/change/",
    ],
)
def test_the_admin_says_that_the_key_is_missing(page: str, settings: Any, caplog: pytest.LogCaptureFixture) -> None:
    settings.TELROI = {"NUMBER_ENCRYPTION": "on", "NUMBER_KEYS": [KEY]}
    attempt = services.start_verification(NUMBER)
    record = services.record_verification(User.objects.create_user("ada"), "+2348029876543")
    staff = Client()
    staff.force_login(User.objects.create_superuser("grace"))
    path = "/admin/django_telroi/" + page.format(phone=attempt.phone_id, attempt=attempt.pk, record=record.pk)
    assert staff.get(path).status_code == 200
    settings.TELROI = {"NUMBER_ENCRYPTION": "on", "NUMBER_KEYS": ["another key of at least 32 characters"]}

    with caplog.at_level(logging.ERROR, logger="django_telroi"):
        reply = staff.get(path)

    assert (reply.status_code, BeautifulSoup(reply.content, "html.parser").get_text()) == (
        503,
        "A phone number cannot be read: the site does not have the key that encrypted it.",
    )
    assert "misconfigured reason=number_keys" in caplog.text


def test_a_missing_package_is_misconfigured(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from django_telroi.models import sealed

    def missing(key: str) -> None:
        raise ImportError

    settings.TELROI = {"NUMBER_ENCRYPTION": "on", "NUMBER_KEYS": [KEY]}
    monkeypatch.setattr(sealed, "cipher_of", missing)

    assert Client().post(API, {"number": NUMBER}, "application/json").json()["code"] == "misconfigured"
