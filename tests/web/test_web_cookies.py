"""Cookies are off, or the session is gone: the card says so, and what was typed stays."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.test import Client

from django_telroi.testing import last_code_for, outbox
from django_telroi.web.pages import IN_PLACE
from tests.web.visitor import NUMBER, SPELLING, Visitor

pytestmark = pytest.mark.django_db

SAID = "Your browser did not send the cookie of this site. Allow cookies for this site, then send the form again."
LOST = "This site does not know your last call any more. Allow cookies for this site, or ask for another call."


@pytest.fixture(params=["cookie", "session"])
def careful(request: pytest.FixtureRequest, site: Any) -> Visitor:
    """A browser that is checked for its CSRF token, which a cookie or the session keeps."""
    site.CSRF_USE_SESSIONS = request.param == "session"
    return Visitor(Client(enforce_csrf_checks=True))


@pytest.mark.parametrize("checked", ["by the site's middleware", "by the page alone"])
def test_a_number_that_comes_without_the_cookie_stays_in_the_form(careful: Visitor, site: Any, checked: str) -> None:
    if checked == "by the page alone":
        site.MIDDLEWARE = [path for path in site.MIDDLEWARE if "csrf" not in path]
    action, fields = careful.opens("/phone/").form("Call me")
    careful.client.cookies.clear()

    careful.sends(action, {**fields, "number": SPELLING})

    assert (careful.statuses[-1], careful.heading()) == (403, "Verify your phone")
    assert careful.note() == SAID
    assert careful.field("number")["value"] == SPELLING
    assert outbox == []
    if not site.CSRF_USE_SESSIONS:
        assert careful.presses("Call me").heading() == "We are calling you"


@pytest.mark.parametrize("button", ["Verify", "Change number", "Call again"])
def test_a_button_that_comes_without_the_cookie_says_so(button: str) -> None:
    visitor = Visitor(Client(enforce_csrf_checks=True))
    visitor.opens("/phone/").presses("Call me", number=SPELLING)
    action, fields = visitor.form(button)
    visitor.client.cookies.clear()

    visitor.sends(action, fields)

    assert (visitor.statuses[-1], visitor.note()) == (403, SAID)


@pytest.mark.urls("tests.web.site")
def test_the_script_is_told_in_words_and_keeps_the_form() -> None:
    visitor = Visitor(Client(enforce_csrf_checks=True))
    action, fields = visitor.opens("/host/").form("Call me")
    visitor.client.cookies.clear()

    answer = visitor.client.post(action, {**fields, "number": SPELLING}, headers={IN_PLACE: "1"})

    assert (answer.status_code, answer.json()) == (403, {"problem": SAID})


def test_a_form_of_another_site_is_refused_as_ever() -> None:
    client = Client(enforce_csrf_checks=True)
    client.get("/phone/")

    answer = client.post("/phone/", {"number": NUMBER}, headers={"Origin": "https://evil.example"})

    assert answer.status_code == 403
    assert b"telroi-card" not in answer.content
    assert NUMBER not in answer.content.decode()


@pytest.mark.parametrize("token", ["", "x", "y" * 64])
def test_a_form_without_its_token_is_refused(token: str) -> None:
    client = Client(enforce_csrf_checks=True)
    client.get("/phone/")

    answer = client.post("/phone/", {"number": NUMBER, "csrfmiddlewaretoken": token})

    assert (answer.status_code, outbox) == (403, [])


def test_a_session_that_is_gone_takes_no_code_away(visitor: Visitor) -> None:
    visitor.opens("/phone/").presses("Call me", number=SPELLING)
    Session.objects.all().delete()

    visitor.presses("Verify", code=last_code_for(NUMBER))

    assert visitor.heading() == "Your number is verified"


def test_a_session_that_is_gone_is_told_of(visitor: Visitor) -> None:
    visitor.opens("/phone/").presses("Call me", number=SPELLING)
    Session.objects.all().delete()

    visitor.opens("/phone/code/")

    assert (visitor.heading(), visitor.note()) == ("Verify your phone", LOST)
    assert visitor.opens("/phone/").note() == ""
