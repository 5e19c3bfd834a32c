"""Cookies are off, or the session is lost: the card says so, and the typed values stay."""

from __future__ import annotations

import time
from base64 import urlsafe_b64decode
from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.test import Client

from django_telroi.testing import last_code_for, outbox
from django_telroi.web.pages import IN_PLACE
from tests.services.world import let_time_pass
from tests.web.visitor import NUMBER, PREMIUM, SPELLING, Visitor

pytestmark = pytest.mark.django_db

SAID = "Your browser did not send the cookie of this site. Allow cookies for this site, then send the form again."
LOST_ANSWER = "We lost what you typed. Allow cookies, then send the form again."
LOST = "We lost track of your last call. Allow cookies for this site, or ask for another call."


@pytest.fixture(params=["cookie", "session"])
def careful(request: pytest.FixtureRequest, site: Any) -> Visitor:
    """A browser with CSRF checks enabled. The token is in a cookie or in the session."""
    site.CSRF_USE_SESSIONS = request.param == "session"
    return Visitor(Client(enforce_csrf_checks=True))


@pytest.mark.parametrize("checked", ["by the site's middleware", "by the page alone"])
def test_a_number_that_is_sent_without_the_cookie_stays_in_the_form(careful: Visitor, site: Any, checked: str) -> None:
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
def test_a_button_that_is_sent_without_the_cookie_shows_an_error(button: str) -> None:
    visitor = Visitor(Client(enforce_csrf_checks=True))
    visitor.opens("/phone/").presses("Call me", number=SPELLING)
    action, fields = visitor.form(button)
    visitor.client.cookies.clear()

    visitor.sends(action, fields)

    assert (visitor.statuses[-1], visitor.note()) == (403, SAID)


def assert_rejected_once(visitor: Visitor, action: str, fields: dict[str, str], *, problem: str) -> None:
    """Send the form as the script does. It is rejected with ``problem``, and accepted with the new token."""
    answer = visitor.client.post(action, fields, headers={IN_PLACE: "1"})
    assert (answer.status_code, answer.json()["problem"], outbox) == (403, problem, [])

    # The form stays on the page.
    again = {**fields, "csrfmiddlewaretoken": answer.json()["token"]}
    assert visitor.client.post(action, again, headers={IN_PLACE: "1"}).status_code == 200
    assert len(outbox) == 1


@pytest.mark.urls("tests.web.site")
def test_the_script_gets_a_message_and_keeps_the_form() -> None:
    visitor = Visitor(Client(enforce_csrf_checks=True))
    action, fields = visitor.opens("/host/").form("Call me")
    visitor.client.cookies.clear()

    assert_rejected_once(visitor, action, {**fields, "number": SPELLING}, problem=SAID)


def test_a_form_of_another_site_is_rejected() -> None:
    client = Client(enforce_csrf_checks=True)
    client.get("/phone/")

    answer = client.post("/phone/", {"number": NUMBER}, headers={"Origin": "https://evil.example"})

    assert answer.status_code == 403
    assert b"telroi-card" not in answer.content
    assert NUMBER not in answer.content.decode()


@pytest.mark.parametrize("token", ["", "x", "y" * 64])
def test_a_form_without_its_token_is_rejected(token: str) -> None:
    client = Client(enforce_csrf_checks=True)
    client.get("/phone/")

    answer = client.post("/phone/", {"number": NUMBER, "csrfmiddlewaretoken": token})

    assert (answer.status_code, outbox) == (403, [])


def test_a_lost_session_does_not_remove_the_code_form(visitor: Visitor) -> None:
    visitor.opens("/phone/").presses("Call me", number=SPELLING)
    Session.objects.all().delete()

    visitor.presses("Verify", code=last_code_for(NUMBER))

    assert visitor.heading() == "Your number is verified"


def test_a_call_is_shown_although_all_cookies_are_lost(visitor: Visitor) -> None:
    visitor.opens("/phone/").presses("Call me", number=SPELLING)
    visitor.client.cookies.clear()

    visitor.opens("/phone/code/")

    assert (visitor.heading(), visitor.note()) == ("Verify your phone", LOST)
    assert visitor.opens("/phone/").note() == ""


def lose_cookie(visitor: Visitor) -> None:
    del visitor.client.cookies["sessionid"]


def lose_rows(visitor: Visitor) -> None:
    Session.objects.all().delete()


def expire(visitor: Visitor) -> None:
    Session.objects.update(expire_date=datetime(2020, 1, 1, tzinfo=UTC))


LOSSES = [lose_cookie, lose_rows, expire]


@pytest.mark.urls("tests.web.site")
@pytest.mark.parametrize("path", ["/phone/", "/here/", "/host/"])
class TestALostSession:
    """Only the session cookie is lost. The page and the drop-in report it."""

    @pytest.mark.parametrize("lose", LOSSES)
    def test_is_reported_and_the_number_stays(self, visitor: Visitor, path: str, lose: Any) -> None:
        visitor.opens(path).presses("Call me", number=SPELLING)
        lose(visitor)

        visitor.opens(path)

        assert (visitor.heading(), visitor.note()) == ("Verify your phone", LOST)
        assert visitor.field("number")["value"] == SPELLING
        assert "aria-invalid" not in visitor.field("number").attrs

    @pytest.mark.parametrize("lose", LOSSES)
    def test_keeps_the_number_that_is_sent_afterwards(self, visitor: Visitor, path: str, lose: Any) -> None:
        visitor.opens(path).presses("Call me", number=PREMIUM)
        action, fields = visitor.form("Call me")
        lose(visitor)

        visitor.sends(action, {**fields, "number": SPELLING})

        assert visitor.heading() == "We are calling you"

    def test_is_reported_if_its_cookie_is_never_sent(self, visitor: Visitor, path: str) -> None:
        without_session(visitor.client)

        visitor.opens(path).presses("Call me", number=SPELLING)
        assert (visitor.note(), visitor.field("number")["value"]) == (LOST, SPELLING)
        visitor.presses("Call me", number=PREMIUM)
        assert (visitor.note(), visitor.field("number")["value"]) == (LOST_ANSWER, PREMIUM)

    def test_is_reported_after_call_again(self, visitor: Visitor, path: str) -> None:
        visitor.opens(path).presses("Call me", number=SPELLING)
        let_time_pass(61)
        visitor.opens(path).presses("Call again")
        lose_rows(visitor)

        assert visitor.opens(path).note() == LOST
        assert visitor.field("number")["value"] == SPELLING

    @pytest.mark.parametrize("end", ["success", "another number"])
    def test_is_not_reported_once_the_call_is_closed(self, visitor: Visitor, path: str, end: str) -> None:
        visitor.opens(path).presses("Call me", number=SPELLING)
        if end == "success":
            visitor.presses("Verify", code=last_code_for(NUMBER))
        else:
            visitor.presses("Change number")
        lose_rows(visitor)

        visitor.opens(path)

        assert (visitor.note(), "value" in visitor.field("number").attrs) == ("", False)

    @pytest.mark.parametrize("after", ["logout", "another user", "another key"])
    def test_is_not_reported_to_another_user(
        self, visitor: Visitor, path: str, after: str, django_user_model: Any, site: Any
    ) -> None:
        ada, ben = (django_user_model.objects.create_user(name) for name in ("ada", "ben"))
        visitor.client.force_login(ada)
        visitor.opens(path).presses("Call me", number=SPELLING)
        lose_cookie(visitor)
        if after == "another user":
            visitor.client.force_login(ben)
        elif after == "another key":
            site.SECRET_KEY, site.SECRET_KEY_FALLBACKS = "new", [site.SECRET_KEY]
            visitor.client.force_login(ada)

        visitor.opens(path)

        assert visitor.note() == ""
        assert SPELLING not in visitor.card().decode()

    def test_is_forgotten_when_the_code_expires(
        self, visitor: Visitor, path: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        long_ago = time.time() - 301
        with monkeypatch.context() as earlier:
            earlier.setattr("django.core.signing.time.time", lambda: long_ago)
            visitor.opens(path).presses("Call me", number=SPELLING)
        lose_rows(visitor)

        assert visitor.opens(path).note() == ""
        assert SPELLING not in visitor.card().decode()

    def test_leaves_no_readable_number(self, visitor: Visitor, path: str) -> None:
        visitor.opens(path).presses("Call me", number=SPELLING)

        cookie = visitor.client.cookies["telroi_asked"]

        payload = urlsafe_b64decode(cookie.value.split(":")[0] + "==").decode()
        for secret in (SPELLING, NUMBER, SPELLING.encode().hex(), NUMBER.encode().hex()):
            assert secret not in payload
        assert (cookie["httponly"], cookie["max-age"], cookie["samesite"]) == (True, 300, "Lax")


@pytest.mark.urls("tests.web.site")
def test_a_card_for_another_purpose_shows_no_message(visitor: Visitor) -> None:
    visitor.opens("/twice/").presses("Call me", number=SPELLING, card="telroi-2")
    lose_rows(visitor)

    visitor.opens("/twice/")

    assert [visitor.note(card) for card in ("telroi-1", "telroi-2")] == ["", LOST]


@pytest.mark.urls("tests.web.site")
@pytest.mark.parametrize("value", ["", "x", "x:y:z", "W10:1:2"])
def test_a_cookie_with_an_invalid_signature_is_ignored(visitor: Visitor, value: str) -> None:
    visitor.client.cookies["telroi_asked"] = value

    assert visitor.opens("/here/").note() == visitor.opens("/phone/").note() == ""


def without_session(client: Client) -> None:
    """Let a browser reject the session's cookie and keep all others."""
    request = client.request

    def answered(**asked: Any) -> Any:
        client.cookies.pop("sessionid", None)
        return request(**asked)

    client.request = answered  # type: ignore[method-assign]
