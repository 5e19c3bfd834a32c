"""A request that cannot be counted is refused."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from django_telroi.models import AttemptEvent, RefusalTally, VerificationAttempt
from django_telroi.services import start_verification
from django_telroi.testing import last_code_for, outbox
from tests.limits.conftest import Configure
from tests.limits.faces import FACES, Api
from tests.services.world import database_gone

pytestmark = pytest.mark.django_db

NUMBER = "+2348031234567"
CACHES = {
    "gone": "tests.limits.caches.Gone",
    "mute": "tests.limits.caches.Mute",
    "unread": "tests.limits.caches.Unread",
    "forgetful": "django.core.cache.backends.dummy.DummyCache",
    "not installed": "no.such.Cache",
}


@pytest.fixture(params=FACES.values(), ids=FACES)
def face(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture(params=CACHES.values(), ids=CACHES)
def broken(request: pytest.FixtureRequest, settings: Any) -> None:
    settings.CACHES = {"default": {"BACKEND": request.param}}


@pytest.mark.usefixtures("broken")
def test_a_start_is_refused_by_every_face(face: Any) -> None:
    answer = face().starts(NUMBER)

    assert "The call could not be placed. Try again in a few minutes." in answer.text
    assert (list(outbox), VerificationAttempt.objects.count()) == ([], 0)
    assert [(tally.code, tally.count) for tally in RefusalTally.objects.all()] == [("unavailable", 1)]


def test_another_refusal_is_shown_although_the_cache_fails(settings: Any, caplog: pytest.LogCaptureFixture) -> None:
    settings.CACHES = {"default": {"BACKEND": "tests.limits.caches.Keeping"}}
    person = Api()
    person.starts(NUMBER)

    answer = person.calls_again()

    assert (answer.status, answer.is_too_many, len(outbox)) == (429, False, 1)
    assert "cache_unavailable error=ConnectionError" in caplog.text


@pytest.mark.usefixtures("broken")
def test_a_code_is_not_judged_by_any_face(face: Any) -> None:
    attempt = start_verification(NUMBER)
    person = face()
    person.takes_over(attempt)

    answer = person.checks(last_code_for(NUMBER))

    attempt.refresh_from_db()
    assert "The code could not be checked. Type the same code again in a moment." in answer.text
    assert (attempt.status, attempt.tries) == ("placed", 0)


@pytest.mark.usefixtures("broken")
def test_the_api_answers_503() -> None:
    attempt = start_verification(NUMBER)
    verifications = "/api/phone/verifications/"

    replies = [
        Client().post(verifications, {"number": NUMBER}, "application/json"),
        Client().post(f"{verifications}{attempt.uuid}/check/", {"code": "123456"}, "application/json"),
        Client().post(f"{verifications}{attempt.uuid}/call-again/", {}, "application/json"),
    ]

    assert [(reply.status_code, reply.json()["code"]) for reply in replies] == [(503, "unavailable")] * 3


@pytest.mark.usefixtures("broken")
def test_a_site_without_limits_needs_no_cache(configure: Configure) -> None:
    configure(RATES=None)

    assert Api().starts(NUMBER).status == 201


def test_a_later_failure_of_the_cache_is_refused_too(settings: Any) -> None:
    settings.CACHES = {"default": {"BACKEND": "tests.limits.caches.Uncounting"}}

    answers = [Api().starts(number) for number in (NUMBER, "+2348029876543")]

    assert [answer.status for answer in answers] == [201, 503]
    assert len(outbox) == 1


def test_no_request_is_allowed_by_the_library_when_its_cache_fails(settings: Any) -> None:
    settings.CACHES = {"default": {"BACKEND": "tests.limits.caches.Mute"}}
    settings.RATELIMIT_FAIL_OPEN = True

    assert Api().starts(NUMBER).status == 503


def test_a_site_with_the_library_switched_off_counts_no_request(settings: Any, configure: Configure) -> None:
    settings.RATELIMIT_ENABLE = False
    configure(RATES={"start": {"ip": "1/h"}})

    assert [Api().starts(number).status for number in (NUMBER, "+2348029876543")] == [201, 201]


def test_the_cache_of_the_library_is_used(settings: Any) -> None:
    settings.CACHES = {
        "default": {"BACKEND": "tests.limits.caches.Gone"},
        "limits": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": str(uuid4())},
    }
    settings.RATELIMIT_USE_CACHE = "limits"

    assert Api().starts(NUMBER).status == 201


class TestTrustedProxiesNotSet:
    def test_raises_one_alert_an_hour(self, face: Any) -> None:
        for _ in range(3):
            face().starts(NUMBER, HTTP_X_FORWARDED_FOR="198.51.100.7")

        assert [event.detail for event in AttemptEvent.objects.filter(kind="alert")] == ["proxies_undecided"]

    @pytest.mark.parametrize("header", ["HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_X_REAL_IP"])
    def test_is_detected_by_any_forwarding_header(self, header: str) -> None:
        Api().starts(NUMBER, **{header: "198.51.100.7"})

        assert AttemptEvent.objects.filter(kind="alert", detail="proxies_undecided").count() == 1

    @pytest.mark.parametrize("proxies", [0, 1])
    def test_raises_no_alert_once_it_is_set(self, configure: Configure, proxies: int) -> None:
        configure(TRUSTED_PROXIES=proxies)

        Api().starts(NUMBER, HTTP_X_FORWARDED_FOR="198.51.100.7")

        assert AttemptEvent.objects.count() == 0

    def test_raises_no_alert_without_a_forwarding_header(self) -> None:
        Api().starts(NUMBER)

        assert AttemptEvent.objects.count() == 0


class TestWithoutADatabase:
    """The sessions are not in this database, so only our queries fail."""

    @pytest.fixture(autouse=True)
    def _sessions_in_cookies(self, settings: Any) -> None:
        settings.SESSION_ENGINE = "django.contrib.sessions.backends.signed_cookies"

    @pytest.mark.parametrize("path", ["", "check/", "call-again/", "cancel/"])
    def test_every_endpoint_is_unavailable(self, path: str) -> None:
        attempt = start_verification(NUMBER)
        address = f"/api/phone/verifications/{attempt.uuid}/{path}"

        with database_gone():
            reply = Client().post(address, {"code": "123456"}, "application/json") if path else Client().get(address)

        assert (reply.status_code, reply.json()["code"]) == (503, "unavailable")

    def test_a_start_is_unavailable(self, face: Any) -> None:
        person = face()
        with database_gone():
            answer = person.starts(NUMBER)

        assert "could not be placed" in answer.text or answer.status == 503

    @pytest.mark.parametrize("path", ["/phone/", "/phone/code/", "/phone/done/", "/phone/status/"])
    def test_every_page_is_unavailable(self, path: str) -> None:
        client = Client()
        client.post("/phone/", {"number": NUMBER})

        with database_gone():
            page = client.get(path)

        assert page.status_code == 503
        assert b"This does not work at the moment. Try again in a few minutes." in page.content

    def test_a_code_on_the_page_is_not_judged(self) -> None:
        client = Client()
        client.post("/phone/", {"number": NUMBER})

        with database_gone():
            reply = client.post("/phone/code/", {"code": last_code_for(NUMBER)})
        page = client.get(reply["Location"])

        assert b"The code could not be checked." in page.content
        assert VerificationAttempt.objects.get().tries == 0

    def test_a_page_of_the_site_works(self) -> None:
        client = Client()
        client.post("/phone/", {"number": NUMBER})

        with database_gone():
            page = client.get("/here/")

        assert page.status_code == 200
        assert b"The call could not be placed." in page.content


def test_pages_with_the_session_in_that_database_are_unavailable() -> None:
    client = Client()
    client.post("/phone/", {"number": NUMBER})

    with database_gone():
        page = client.get("/phone/code/")

    assert page.status_code == 503
