"""A login in another tab, or the end of a session, while a form is open: the form leads to where it led before."""

from __future__ import annotations

from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.http import HttpRequest
from django.middleware.csrf import CSRF_SESSION_KEY, rotate_token
from django.test import Client

from django_telroi import services
from django_telroi.models import PhoneNumber, VerificationAttempt
from django_telroi.testing import last_code_for, outbox
from django_telroi.web.pages import IN_PLACE
from tests.web.visitor import MASKED, NUMBER, OTHER_NUMBER, SPELLING, Visitor

pytestmark = pytest.mark.django_db

OUTDATED = "This form was out of date, and nothing happened. Send it again."
CODE_OUTDATED = "This form was out of date, so your code was not checked. Ask for another call."
LOGGED_OUT = "You are not logged in any more. Log in again, then ask for another call."
TOO_OLD = "This page is too old, or was opened with another login. Open it again, then ask for the call."
REASON = "The page that you opened needs a verified phone number."


def log_in_elsewhere(visitor: Visitor) -> None:
    """Log in as in another tab: Django gives the session a new key and the browser a new CSRF token."""
    request = HttpRequest()
    rotate_token(request)
    if settings.CSRF_USE_SESSIONS:
        session = visitor.client.session
        session[CSRF_SESSION_KEY] = request.META["CSRF_COOKIE"]
        session.save()
    else:
        visitor.client.cookies["csrftoken"] = request.META["CSRF_COOKIE"]


@pytest.fixture(params=["cookie", "session"])
def careful(request: pytest.FixtureRequest, site: Any) -> Visitor:
    """A browser with CSRF checks enabled. The token is in a cookie or in the session."""
    site.CSRF_USE_SESSIONS = request.param == "session"
    return Visitor(Client(enforce_csrf_checks=True))


@pytest.fixture
def ada() -> User:
    return User.objects.create_user("ada", password="a password")


class TestALoginInAnotherTab:
    def test_keeps_the_number_in_the_form(self, careful: Visitor) -> None:
        action, fields = careful.opens("/phone/").form("Call me")
        log_in_elsewhere(careful)

        careful.sends(action, {**fields, "number": SPELLING})

        assert (careful.statuses[-1], careful.note(), outbox) == (403, OUTDATED, [])
        assert careful.field("number")["value"] == SPELLING
        assert "autofocus" in careful.field("number").attrs
        assert careful.presses("Call me").heading() == "We are calling you"

    def test_asks_for_the_code_again(self, careful: Visitor) -> None:
        careful.opens("/phone/").presses("Call me", number=SPELLING)
        action, fields = careful.form("Verify")
        log_in_elsewhere(careful)

        careful.sends(action, {**fields, "code": last_code_for(NUMBER)})

        assert (careful.statuses[-1], careful.heading(), careful.note()) == (403, "We are calling you", OUTDATED)
        assert VerificationAttempt.objects.get().tries == 0
        assert "telroi-1-note" in careful.field("code")["aria-describedby"]
        assert careful.presses("Verify", code=last_code_for(NUMBER)).heading() == "Your number is verified"

    @pytest.mark.parametrize("purpose", ["", "signup"])
    @pytest.mark.urls("tests.web.site")
    def test_forgets_neither_the_reason_nor_where_the_visitor_goes(self, careful: Visitor, purpose: str) -> None:
        careful.opens(f"/phone/?next=/account/&why=none&purpose={purpose}")
        action, fields = careful.form("Call me")
        assert REASON in careful.card().text
        log_in_elsewhere(careful)

        careful.sends(action, {**fields, "number": SPELLING})
        assert (careful.statuses[-1], careful.note()) == (403, OUTDATED)
        assert REASON in careful.card().text

        careful.presses("Call me").presses("Verify", code=last_code_for(NUMBER))
        assert careful.path == "/account/"
        assert VerificationAttempt.objects.get().purpose == purpose

    @pytest.mark.urls("tests.web.site")
    def test_leads_back_to_the_page_of_the_site(self, careful: Visitor) -> None:
        action, fields = careful.opens("/here/").form("Call me")
        log_in_elsewhere(careful)

        careful.sends(action, {**fields, "number": SPELLING}).presses("Call me")

        assert (careful.path, careful.heading()) == ("/here/", "We are calling you")

    @pytest.mark.urls("tests.web.site")
    def test_leaves_the_form_of_the_script_where_it_leads(self, careful: Visitor) -> None:
        action, fields = careful.opens("/host/").form("Call me")
        log_in_elsewhere(careful)
        fields["number"] = SPELLING

        refused = careful.client.post(action, fields, headers={IN_PLACE: "1"})
        assert (refused.status_code, refused.json()["problem"], outbox) == (403, OUTDATED, [])

        # The script replaces the token only. The form has the old ticket.
        fields["csrfmiddlewaretoken"] = refused.json()["token"]
        answer = careful.client.post(action, fields, headers={IN_PLACE: "1"})
        assert answer.json() == {"location": "/host/"}
        careful.opens("/host/").presses("Verify", code=last_code_for(NUMBER))
        assert careful.path == "/account/"

    def test_gives_no_other_browser_the_call_of_the_form(self, careful: Visitor) -> None:
        careful.opens("/phone/").presses("Call me", number=SPELLING)
        _, stolen = careful.form("Verify")
        other = Visitor(Client(enforce_csrf_checks=True))
        _, own = other.opens("/phone/").form("Call me")

        other.sends("/phone/code/", {**own, "ticket": stolen["ticket"], "code": last_code_for(NUMBER)})

        assert other.heading() == "Verify your phone"
        assert VerificationAttempt.objects.get().status == "placed"

    def test_makes_no_two_calls_of_a_double_click(self, careful: Visitor) -> None:
        action, fields = careful.opens("/phone/").form("Call me")
        log_in_elsewhere(careful)
        careful.sends(action, {**fields, "number": SPELLING})
        again = careful.form("Call me")

        for _ in range(2):
            careful.sends(again[0], {**again[1], "number": SPELLING})

        assert len(outbox) == 1


@pytest.mark.urls("tests.web.stored_site")
class TestANumberOnFile:
    @pytest.fixture
    def ada(self) -> User:
        return User.objects.create_user("ada", first_name=SPELLING)

    def test_can_be_sent_again_by_the_same_user(self, careful: Visitor, ada: User) -> None:
        careful.client.force_login(ada)
        action, fields = careful.opens("/card/").form("Call me")
        log_in_elsewhere(careful)

        careful.sends(action, fields)
        assert (careful.statuses[-1], careful.note(), careful.field("number")) == (403, OUTDATED, None)
        assert MASKED in careful.card().text

        careful.presses("Call me")
        assert (careful.path, careful.heading()) == ("/card/", "We are calling you")

    def test_can_be_sent_again_by_the_script(self, careful: Visitor, ada: User) -> None:
        careful.client.force_login(ada)
        action, fields = careful.opens("/card/").form("Call me")
        log_in_elsewhere(careful)

        refused = careful.client.post(action, fields, headers={IN_PLACE: "1"}).json()
        assert refused["problem"] == OUTDATED
        again = {**fields, "csrfmiddlewaretoken": refused["token"]}
        assert careful.client.post(action, again, headers={IN_PLACE: "1"}).json() == {"location": "/card/"}
        assert [call.to for call in outbox] == [NUMBER]

    def test_of_another_user_is_not_to_be_sent_again(self, careful: Visitor, ada: User) -> None:
        careful.client.force_login(ada)
        action, fields = careful.opens("/card/").form("Call me")
        careful.client.force_login(User.objects.create_user("eve", first_name=OTHER_NUMBER))
        log_in_elsewhere(careful)

        told = [careful.client.post(action, fields, headers={IN_PLACE: "1"}).json()["problem"] for _ in range(2)]
        assert told == [TOO_OLD] * 2
        careful.sends(action, fields)
        assert (careful.statuses[-1], careful.note(), outbox) == (403, TOO_OLD, [])


class TestTheEndOfASession:
    @pytest.fixture
    def called(self, ada: User) -> Visitor:
        visitor = Visitor(Client(enforce_csrf_checks=True))
        visitor.client.force_login(ada)
        return visitor.opens("/phone/").presses("Call me", number=SPELLING)

    @pytest.mark.parametrize("button", ["Verify", "Call again"])
    def test_is_named_to_a_user_who_sends_a_form_of_the_call(self, called: Visitor, button: str) -> None:
        action, fields = called.form(button)
        Session.objects.all().delete()

        called.sends(action, {**fields, "code": last_code_for(NUMBER)})

        assert (called.heading(), called.note()) == ("Verify your phone", LOGGED_OUT)
        assert VerificationAttempt.objects.get().status == "placed"

    @pytest.mark.urls("tests.web.site")
    def test_is_named_on_a_page_of_the_site_too(self, ada: User) -> None:
        visitor = Visitor(Client())
        visitor.client.force_login(ada)
        action, fields = visitor.opens("/here/").presses("Call me", number=SPELLING).form("Verify")
        Session.objects.all().delete()

        visitor.sends(action, {**fields, "code": last_code_for(NUMBER)})

        assert (visitor.path, visitor.note()) == ("/here/", LOGGED_OUT)

    def test_and_a_new_login_of_the_same_user_keep_the_number(self, called: Visitor, ada: User) -> None:
        action, fields = called.form("Verify")
        called.client.force_login(ada)
        Session.objects.exclude(session_key=called.client.session.session_key).delete()
        called.client.session.flush()
        called.client.force_login(ada)
        log_in_elsewhere(called)

        called.sends(action, {**fields, "code": last_code_for(NUMBER)})

        assert (called.statuses[-1], called.note()) == (403, CODE_OUTDATED)
        assert called.field("number")["value"] == SPELLING

    def test_says_nothing_of_a_login_to_another_user(self, called: Visitor) -> None:
        action, fields = called.form("Verify")
        called.client.force_login(User.objects.create_user("eve"))

        called.sends(action, {**fields, "code": last_code_for(NUMBER)})

        assert LOGGED_OUT not in called.card().text


class TestTheLinkOfAnOwner:
    def test_still_blocks_the_number(self, careful: Visitor) -> None:
        path = services.do_not_call_path(NUMBER)
        log_in_elsewhere(careful.opens(path))

        token = careful.soup.find("input", attrs={"name": "csrfmiddlewaretoken"})
        careful.sends(path, {"csrfmiddlewaretoken": str(token["value"])})  # type: ignore[index]

        assert (careful.statuses[-1], careful.soup.find(attrs={"role": "alert"}).text) == (403, OUTDATED)
        assert not PhoneNumber.objects.exists()
        token = careful.soup.find("input", attrs={"name": "csrfmiddlewaretoken"})
        careful.sends(path, {"csrfmiddlewaretoken": str(token["value"])})  # type: ignore[index]
        assert PhoneNumber.objects.get().blocked_by_owner

    def test_is_read_with_the_mark_that_a_mail_program_adds(self) -> None:
        path = services.do_not_call_path(NUMBER)

        assert Client().get(f"{path[:-1]}./").status_code == 200

    def test_says_that_it_needs_a_cookie(self) -> None:
        answer = Client(enforce_csrf_checks=True).post(services.do_not_call_path(NUMBER))

        assert answer.status_code == 403
        assert b"Allow cookies for this site" in answer.content
        assert "csrftoken" in answer.cookies


def test_a_change_of_a_number_leads_to_where_its_link_says(ada: User) -> None:
    visitor = Visitor(Client())
    visitor.client.force_login(ada)
    visitor.opens("/phone/").presses("Call me", number=SPELLING).presses("Verify", code=last_code_for(NUMBER))
    visitor.opens("/phone/change/").presses("Call me", number=OTHER_NUMBER)

    visitor.opens("/phone/change/?next=/admin/")
    assert visitor.heading() == "We are calling you"

    visitor.presses("Verify", code=last_code_for(OTHER_NUMBER))
    assert visitor.path.startswith("/admin/")
