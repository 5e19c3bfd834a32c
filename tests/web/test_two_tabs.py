"""Two tabs of one session ask for a call to the same number at once: there is one call, and its code can be typed."""

from __future__ import annotations

from typing import Any

import pytest
from django.core.cache import caches
from django.http import HttpRequest
from django.test import Client

from django_telroi.backends.locmem import failures
from django_telroi.errors import ApiUnreachable
from django_telroi.limits import counting
from django_telroi.models import VerificationAttempt
from django_telroi.testing import last_code_for, outbox
from tests.web.visitor import NUMBER, OTHER_NUMBER, Visitor

pytestmark = pytest.mark.django_db

NEVER_CALLED = "+870773111632"


def tab(browser: Client) -> tuple[str, dict[str, str]]:
    """Return the form of a new tab."""
    return Visitor(browser).opens("/phone/").form("Call me")


@pytest.fixture(params=["db", "cache"])
def browser(site: Any, request: pytest.FixtureRequest) -> Client:
    """A browser that has a session."""
    site.SESSION_ENGINE = f"django.contrib.sessions.backends.{request.param}"
    browser = Client()
    Visitor(browser).opens("/phone/").presses("Call me", number=NEVER_CALLED)
    return browser


def same_browser(browser: Client) -> Client:
    other = Client()
    other.cookies.load({name: each.value for name, each in browser.cookies.items()})
    return other


@pytest.fixture
def other_tab(site: Any, browser: Client, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """A tab whose form is sent while the bot check of the first one runs. Its response."""
    # Here the first request cannot go on while the other one waits for it, so the other one waits this many seconds.
    monkeypatch.setattr(counting, "COUNT_TIMEOUT_SECONDS", 1)
    other, responses = same_browser(browser), []
    action, fields = tab(browser)

    def send_other(request: HttpRequest, token: str) -> bool:
        if not responses:
            responses.append(None)
            responses[0] = other.post(action, fields | {"number": NUMBER})
        return True

    site.TELROI = {**site.TELROI, "BOT_CHECK": send_other}
    return responses


def test_both_tabs_show_the_code_page_of_the_one_call(browser: Client, other_tab: list[Any]) -> None:
    action, fields = tab(browser)

    response = browser.post(action, fields | {"number": NUMBER})

    assert (response["Location"], other_tab[0]["Location"]) == ("/phone/code/", "/phone/code/")
    assert len(outbox) == 1
    Visitor(browser).opens("/phone/code/").presses("Verify", code=last_code_for(NUMBER))
    assert VerificationAttempt.objects.get().status == "verified"


def test_a_call_that_failed_in_one_tab_can_be_requested_in_another(
    browser: Client, site: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.TELROI = {**site.TELROI, "COOLDOWN_SECONDS": 0}
    action, fields = tab(browser)
    monkeypatch.setattr(failures, "call", ApiUnreachable("refused"))
    browser.post(action, fields | {"number": NUMBER})
    monkeypatch.setattr(failures, "call", None)

    action, fields = tab(browser)
    response = browser.post(action, fields | {"number": NUMBER})

    assert (response["Location"], len(outbox)) == ("/phone/code/", 1)


def test_another_number_and_another_session_have_calls_of_their_own(browser: Client, site: Any) -> None:
    site.TELROI = {**site.TELROI, "COOLDOWN_SECONDS": 0}
    clients = (browser, browser, Client())
    forms = [tab(client) for client in clients]
    for client, (action, fields), number in zip(clients, forms, (NUMBER, OTHER_NUMBER, NUMBER), strict=True):
        client.post(action, fields | {"number": number})

    assert [call.to for call in outbox] == [NUMBER, OTHER_NUMBER, NUMBER]


def test_without_the_cache_each_tab_has_an_id_of_its_own(
    browser: Client, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    action, fields = tab(browser)

    def fail(*args: Any, **kwargs: Any) -> None:
        raise ConnectionError(NUMBER)

    monkeypatch.setattr(caches["default"], "add", fail)
    browser.post(action, fields | {"number": NUMBER})

    assert "cache_unavailable error=ConnectionError" in caplog.text
    assert NUMBER not in caplog.text
