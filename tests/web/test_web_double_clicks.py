"""Double clicks, repeated requests and forms of old pages: one call, one answer."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.backends.db import SessionStore
from django.test import Client

from django_telroi.models import VerificationAttempt
from django_telroi.testing import last_code_for, outbox
from tests.services.world import Elsewhere, let_time_pass
from tests.web.visitor import NUMBER, OTHER_NUMBER, SPELLING, Visitor


def cookies_of(visitor: Visitor) -> dict[str, str]:
    return {name: morsel.value for name, morsel in visitor.client.cookies.items()}


def with_cookies(cookies: dict[str, str]) -> Visitor:
    """Return a browser with these earlier cookies."""
    visitor = Visitor(Client())
    for name, value in cookies.items():
        visitor.client.cookies[name] = value
    return visitor


def test_a_number_sent_twice_places_one_call_with_one_answer(visitor: Visitor) -> None:
    action, fields = visitor.opens("/phone/").form("Call me")
    fields["number"] = SPELLING

    first = visitor.client.post(action, fields)
    second = visitor.client.post(action, fields)

    assert (first["Location"], second["Location"]) == ("/phone/code/", "/phone/code/")
    assert len(outbox) == 1


def test_a_double_click_without_a_session_places_one_call(visitor: Visitor) -> None:
    action, fields = visitor.opens("/phone/").form("Call me")
    fields["number"] = SPELLING
    before = cookies_of(visitor)

    visitor.client.post(action, fields)
    again = with_cookies(before).sends(action, fields)

    assert again.heading() == "We are calling you"
    assert again.presses("Verify", code=last_code_for(NUMBER)).heading() == "Your number is verified"
    assert len(outbox) == 1


@pytest.mark.django_db(transaction=True)
def test_concurrent_clicks_place_one_call_with_one_answer() -> None:
    visitor = Visitor(Client())
    action, fields = visitor.opens("/phone/").form("Call me")
    fields["number"] = SPELLING
    cookies = cookies_of(visitor)

    clicks = [Elsewhere(lambda: with_cookies(cookies).sends(action, fields).heading()) for _ in range(5)]

    # A page that is loaded while the call is being placed says so.
    assert {click.result() for click in clicks} <= {"We are calling you", "Calling…"}
    assert len(outbox) == 1


def test_call_again_twice_places_one_call(visitor: Visitor) -> None:
    visitor.sends("/phone/", {"number": NUMBER})
    let_time_pass(61)
    action, fields = visitor.opens("/phone/code/").form("Call again")

    visitor.sends(action, fields)
    visitor.sends(action, fields)

    assert (visitor.heading(), visitor.note()) == ("We are calling you", "")
    assert len(outbox) == 2


def test_call_again_by_two_requests_with_the_old_session_places_one_call(visitor: Visitor) -> None:
    visitor.sends("/phone/", {"number": NUMBER})
    let_time_pass(61)
    action, fields = visitor.opens("/phone/code/").form("Call again")
    before = visitor.client.session["telroi"]
    visitor.sends(action, fields)
    session = visitor.client.session
    session["telroi"] = before
    session.save()

    visitor.sends(action, fields)

    assert (visitor.heading(), visitor.note()) == ("We are calling you", "")
    assert len(outbox) == 2


def test_a_code_sent_twice_is_verified_twice(visitor: Visitor) -> None:
    visitor.sends("/phone/", {"number": NUMBER})
    action, fields = visitor.form("Verify")
    fields["code"] = last_code_for(NUMBER)
    visitor.sends(action, fields)

    visitor.sends(action, fields)

    assert visitor.heading() == "Your number is verified"


def test_the_second_click_on_verify_can_have_the_session_that_the_first_has_replaced(visitor: Visitor) -> None:
    visitor.sends("/phone/", {"number": NUMBER})
    action, fields = visitor.form("Verify")
    fields["code"] = last_code_for(NUMBER)
    before = cookies_of(visitor)
    visitor.sends(action, fields)

    late = Client()
    late.cookies.load(before)
    reply = late.post(action, fields)

    # The browser keeps the cookie of the first answer. It determines the page after this redirect.
    assert (reply.status_code, reply["Location"]) == (302, "/phone/done/")
    assert "sessionid" not in reply.cookies
    assert visitor.opens(reply["Location"]).heading() == "Your number is verified"


@pytest.mark.django_db
@pytest.mark.parametrize("store", ["db", "cache", "signed_cookies"])
def test_the_second_click_on_verify_passes_the_csrf_check_if_the_token_is_in_the_session(
    settings: Any, store: str
) -> None:
    settings.CSRF_USE_SESSIONS = True
    settings.SESSION_ENGINE = f"django.contrib.sessions.backends.{store}"
    visitor = Visitor(Client(enforce_csrf_checks=True))
    visitor.opens("/phone/").presses("Call me", number=NUMBER)
    action, fields = visitor.form("Verify")
    fields["code"] = last_code_for(NUMBER)
    before = cookies_of(visitor)
    visitor.sends(action, fields)

    late = Client(enforce_csrf_checks=True)
    late.cookies.load(before)
    reply = late.post(action, fields)

    assert (reply.status_code, reply["Location"]) == (302, "/phone/done/")
    # An old signed cookie has the whole session, so there the second request is a success of its own.
    assert store == "signed_cookies" or "sessionid" not in reply.cookies
    assert visitor.opens(reply["Location"]).heading() == "Your number is verified"


def test_a_form_of_the_old_session_does_not_change_a_new_session(visitor: Visitor) -> None:
    """An attacker who fixed the session id sends a form of the old page after the verification."""
    visitor.sends("/phone/", {"number": NUMBER})
    action, fields = visitor.form("Verify")
    before = cookies_of(visitor)
    visitor.sends(action, {**fields, "code": last_code_for(NUMBER)})

    attacker = Client()
    attacker.cookies.load(before)
    attacker.post(action, {**fields, "code": "000000"})

    assert attacker.get("/phone/done/")["Location"] == "/phone/"


def test_a_used_form_with_another_number_places_another_call(visitor: Visitor) -> None:
    """As after a click on the browser's back button."""
    action, fields = visitor.opens("/phone/").form("Call me")
    visitor.sends(action, {**fields, "number": NUMBER})

    visitor.sends(action, {**fields, "number": OTHER_NUMBER})

    assert visitor.heading() == "We are calling you"
    assert [call.to for call in outbox] == [NUMBER, OTHER_NUMBER]


@pytest.mark.parametrize("status", ["expired", "locked", "canceled", "verified"])
def test_a_used_form_of_a_closed_call_places_another_call(visitor: Visitor, status: str) -> None:
    action, fields = visitor.opens("/phone/").form("Call me")
    visitor.sends(action, {**fields, "number": NUMBER})
    VerificationAttempt.objects.update(status=status)
    let_time_pass(61)

    visitor.sends(action, {**fields, "number": NUMBER})

    assert visitor.heading() == "We are calling you"
    assert len(outbox) == 2


def test_a_form_of_another_visitor_never_shows_their_attempt(visitor: Visitor) -> None:
    """As in a page that a cache gave to two people."""
    action, fields = visitor.opens("/phone/").form("Call me")
    visitor.sends(action, {**fields, "number": NUMBER})
    visitor.presses("Verify", code=last_code_for(NUMBER))
    stranger = Visitor(Client()).opens("/phone/")
    _, own = stranger.form("Call me")
    let_time_pass(61)

    stranger.sends(action, {**own, "ticket": fields["ticket"], "number": NUMBER})

    assert stranger.heading() == "We are calling you"
    assert len(outbox) == 2


def test_a_code_form_of_another_visitor_is_ignored(visitor: Visitor) -> None:
    visitor.sends("/phone/", {"number": NUMBER})
    action, fields = visitor.form("Verify")
    stranger = Visitor(Client()).opens("/phone/")

    stranger.sends(action, {"ticket": fields["ticket"], "code": last_code_for(NUMBER)})

    assert stranger.heading() == "Verify your phone"
    assert VerificationAttempt.objects.get().status == "placed"


def test_the_call_of_a_logged_out_user_does_not_belong_to_the_next_user(visitor: Visitor) -> None:
    visitor.client.force_login(User.objects.create_user("ada"))
    visitor.sends("/phone/", {"number": NUMBER})
    flow = visitor.client.session["telroi"]
    visitor.client.force_login(User.objects.create_user("ben"))
    session = visitor.client.session
    session["telroi"] = flow
    session.save()

    visitor.opens("/phone/code/")

    assert visitor.heading() == "Verify your phone"


def test_a_session_that_ends_during_a_start_places_no_call(visitor: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after a logout in another tab."""
    visitor.client.force_login(User.objects.create_user("ada"))
    action, fields = visitor.opens("/phone/").form("Call me")
    load = SessionStore.load

    def load_and_end(store: SessionStore) -> dict[str, Any]:
        loaded = load(store)
        SessionStore(store.session_key).delete()
        return loaded

    monkeypatch.setattr(SessionStore, "load", load_and_end)
    answer = visitor.client.post(action, {**fields, "number": NUMBER})

    assert (answer.status_code, len(outbox)) == (400, 0)
