"""Protection against other sites, robots, caches and wrong configurations."""

from __future__ import annotations

import logging
import sys
from io import BytesIO
from typing import Any
from urllib.parse import urlencode

import pytest
from django.contrib.sessions.backends.base import SessionBase
from django.core.signals import got_request_exception
from django.db import connection
from django.http import HttpRequest
from django.test import Client
from django.views.debug import ExceptionReporter

from django_telroi.models import VerificationAttempt
from django_telroi.simulator import Simulator
from django_telroi.testing import last_code_for, outbox
from django_telroi.web.views import StartView
from tests.services.world import let_time_pass, wrong
from tests.web.own_site import CarefulStart
from tests.web.visitor import NUMBER, OTHER_NUMBER, PREMIUM, SPELLING, Visitor

FORMS = ("/phone/", "/phone/code/", "/phone/call-again/", "/phone/change-number/", "/phone/add-number/")
PAGES = (*FORMS, "/phone/status/", "/phone/done/")


@pytest.mark.parametrize("address", FORMS)
def test_a_form_from_another_site_is_rejected(db: None, address: str) -> None:
    answer = Client(enforce_csrf_checks=True).post(address, {"number": NUMBER, "code": "123456"})

    assert (answer.status_code, len(outbox)) == (403, 0)


@pytest.mark.parametrize("address", FORMS)
def test_a_form_from_another_site_is_rejected_without_the_csrf_middleware(db: None, site: Any, address: str) -> None:
    site.MIDDLEWARE = [name for name in site.MIDDLEWARE if "Csrf" not in name]

    answer = Client(enforce_csrf_checks=True).post(address, {"number": NUMBER, "code": "123456"})

    assert (answer.status_code, len(outbox)) == (403, 0)


def test_a_form_that_did_not_arrive_completely_calls_no_number(visitor: Visitor) -> None:
    """A server passes on what had arrived when the connection broke. The rest may be another number."""
    action, fields = visitor.opens("/phone/").form("Call me")
    body = urlencode({**fields, "number": NUMBER})

    answer = visitor.client.generic(
        "POST",
        action,
        body,
        content_type="application/x-www-form-urlencoded",
        CONTENT_LENGTH=str(len(body)),
        **{"wsgi.input": BytesIO(body[:-2].encode())},
    )

    assert (answer.status_code, len(outbox)) == (400, 0)


def test_our_forms_contain_the_csrf_token(visitor: Visitor) -> None:
    strict = Visitor(Client(enforce_csrf_checks=True))

    strict.opens("/phone/").presses("Call me", number=SPELLING).presses("Verify", code=last_code_for(NUMBER))

    assert strict.heading() == "Your number is verified"


@pytest.mark.parametrize("method", ["get", "head", "options"])
@pytest.mark.parametrize("address", PAGES)
def test_a_get_changes_nothing_and_places_no_call(visitor: Visitor, address: str, method: str) -> None:
    visitor.sends("/phone/", {"number": NUMBER})
    let_time_pass(61)
    before = list(VerificationAttempt.objects.values())

    getattr(visitor.client, method)(address, {"number": OTHER_NUMBER, "code": last_code_for(NUMBER)})

    assert len(outbox) == 1
    assert list(VerificationAttempt.objects.values()) == before


@pytest.mark.parametrize("address", ["/phone/call-again/", "/phone/change-number/", "/phone/add-number/"])
def test_a_get_of_a_buttons_url_redirects_back(visitor: Visitor, address: str) -> None:
    visitor.opens(address)

    assert visitor.statuses == [405]
    assert visitor.heading() == "Nothing happened"
    assert visitor.card().find("a")["href"] == "/phone/code/"


@pytest.mark.parametrize("address", PAGES)
def test_no_response_may_be_cached(visitor: Visitor, address: str) -> None:
    visitor.sends("/phone/", {"number": NUMBER})

    assert "no-store" in visitor.client.get(address)["Cache-Control"]


ELSEWHERE = [
    "https://evil.example/",
    "http://evil.example/",
    "//evil.example/",
    "///evil.example/",
    "////evil.example",
    "/\\evil.example/",
    "\\\\evil.example/",
    "/\t/evil.example/",
    "https:evil.example",
    "https:///evil.example",
    "http:\\\\evil.example",
    "javascript:alert(1)",
    "JavaScript:alert(1)",
    "data:text/html,hello",
    "ftp://testserver/",
    " //evil.example",
    "//testserver@evil.example/",
    "https://testserver.evil.example/",
    "https://testserver\\@evil.example/",
    "\x00//evil.example",
    "/" + "a" * 3000,
]


@pytest.mark.parametrize("next_", ELSEWHERE)
def test_success_never_redirects_to_another_site(visitor: Visitor, next_: str) -> None:
    action, fields = visitor.opens("/phone/").form("Call me")
    visitor.client.post(action, {"number": NUMBER, "next": next_, "csrfmiddlewaretoken": fields["csrfmiddlewaretoken"]})

    answer = visitor.client.post("/phone/code/", {"code": last_code_for(NUMBER), "next": next_})

    assert answer["Location"] == "/phone/done/"
    assert "evil" not in visitor.client.get("/phone/done/").content.decode()


@pytest.mark.parametrize("next_", ["/account/", "/account/?tab=phone#top", "http://testserver/account/", "account/"])
def test_success_redirects_to_a_next_on_this_site(visitor: Visitor, next_: str) -> None:
    visitor.client.post("/phone/", {"number": NUMBER, "next": next_})

    answer = visitor.client.post("/phone/code/", {"code": last_code_for(NUMBER)})

    assert answer["Location"] == next_


def test_over_https_next_stays_on_https(visitor: Visitor) -> None:
    visitor.client.post("/phone/", {"number": NUMBER, "next": "http://testserver/account/"}, secure=True)

    answer = visitor.client.post("/phone/code/", {"code": last_code_for(NUMBER)}, secure=True)

    assert answer["Location"] == "/phone/done/"


def test_a_line_break_in_next_adds_no_header(visitor: Visitor) -> None:
    visitor.client.post("/phone/", {"number": NUMBER, "next": "/account/\r\nSet-Cookie: a=b"})

    answer = visitor.client.post("/phone/code/", {"code": last_code_for(NUMBER)})

    assert "\n" not in answer["Location"]
    assert "a" not in answer.cookies


def test_success_rotates_the_key_of_the_session(visitor: Visitor) -> None:
    visitor.sends("/phone/", {"number": NUMBER})
    planted = visitor.client.session.session_key
    visitor.presses("Verify", code=last_code_for(NUMBER))

    thief = Visitor(Client())
    thief.client.cookies["sessionid"] = planted
    thief.opens("/phone/done/")

    assert visitor.client.session.session_key != planted
    assert thief.heading() == "Verify your phone"


def test_the_number_cannot_be_changed_after_its_call(visitor: Visitor) -> None:
    visitor.sends("/phone/", {"number": NUMBER})
    _, fields = visitor.form("Verify")

    visitor.sends("/phone/code/", {**fields, "code": last_code_for(NUMBER), "number": OTHER_NUMBER})

    assert VerificationAttempt.objects.get(status="verified").number == NUMBER


def test_an_invalid_ticket_is_ignored(visitor: Visitor) -> None:
    action, fields = visitor.opens("/phone/").form("Call me")

    visitor.sends(action, {**fields, "number": NUMBER, "ticket": fields["ticket"][:-2] + "xx"})

    assert visitor.heading() == "We are calling you"


def test_no_url_and_no_header_contains_the_number_the_code_or_the_attempt(visitor: Visitor) -> None:
    visitor.opens("/phone/?next=/account/").presses("Call me", number=PREMIUM).presses("Call me", number=SPELLING)
    code = last_code_for(NUMBER)
    visitor.presses("Verify", code=wrong(code)).presses("Verify", code=code)
    attempt = VerificationAttempt.objects.get()

    said = " ".join(f"{name}: {value}" for answer in visitor.trail for name, value in answer.items())
    said += " ".join(str(answer.cookies) for answer in visitor.trail)
    for secret in (NUMBER, NUMBER[1:], PREMIUM, SPELLING, "803+123", code, str(attempt.uuid), attempt.uuid.hex):
        assert secret not in said


def test_the_full_number_is_on_no_page_after_its_call(visitor: Visitor) -> None:
    visitor.opens("/phone/").presses("Call me", number=SPELLING).presses("Verify", code=last_code_for(NUMBER))

    assert visitor.heading() == "Your number is verified"
    visitor.opens("/phone/").opens("/phone/code/")
    pages = [answer for answer in visitor.trail if b"We are calling you" not in answer.content]
    for answer in pages[1:]:
        for spelling in (NUMBER, SPELLING, NUMBER[1:]):
            assert spelling not in answer.content.decode()


def test_no_code_is_stored_in_the_session(visitor: Visitor) -> None:
    visitor.sends("/phone/", {"number": NUMBER})

    visitor.client.post("/phone/code/", {"code": "135790"})
    visitor.client.post("/phone/code/", {"code": "13579o"})

    assert "13579" not in str(dict(visitor.client.session))


def test_neither_number_nor_code_is_logged(visitor: Visitor, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)

    visitor.opens("/phone/").presses("Call me", number=PREMIUM).presses("Call me", number=SPELLING)
    visitor.presses("Verify", code="135790").presses("Verify", code=last_code_for(NUMBER))

    ours = "\n".join(record.getMessage() for record in caplog.records if record.name.startswith("django_telroi"))
    assert ours
    for secret in (PREMIUM, NUMBER, SPELLING, "135790", last_code_for(NUMBER)):
        assert secret not in ours


def test_an_error_report_hides_typed_values(visitor: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    reports = []

    def report(sender: object, request: HttpRequest, **told: object) -> None:
        reports.append(ExceptionReporter(request, *sys.exc_info()).get_traceback_html())

    def breaks(request: HttpRequest, session: SessionBase) -> None:
        raise RuntimeError("the sessions' store is down")

    monkeypatch.setattr("django_telroi.web.start_page.save_session", breaks)
    visitor.client.raise_request_exception = False
    got_request_exception.connect(report)
    visitor.client.post("/phone/", {"number": NUMBER})
    got_request_exception.disconnect(report)

    (told,) = reports
    assert "the sessions&#x27; store is down" in told
    assert "in start" in told
    assert NUMBER not in told


@pytest.mark.parametrize("view", [StartView.as_view(), CarefulStart.as_view()])
def test_no_view_runs_in_a_transaction(view: Any) -> None:
    assert "default" in view._non_atomic_requests


@pytest.mark.django_db(transaction=True)
def test_a_wrong_code_is_counted_with_atomic_requests(telroi: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    visitor = Visitor(Client())

    visitor.sends("/phone/", {"number": NUMBER})
    code = telroi.calls[-1].code
    visitor.presses("Verify", code=wrong(code))

    assert visitor.note() == "That is not the code. 2 tries left for this call."
    assert VerificationAttempt.objects.get().tries == 1
    assert visitor.presses("Verify", code=code).heading() == "Your number is verified"


def test_a_page_that_requires_a_login_redirects_to_it(visitor: Visitor, site: Any) -> None:
    site.MIDDLEWARE = [*site.MIDDLEWARE, "django.contrib.auth.middleware.LoginRequiredMiddleware"]
    site.LOGIN_URL = "/login/"

    answer = visitor.client.post("/phone/", {"number": NUMBER})

    assert (answer["Location"], len(outbox)) == ("/login/?next=/phone/", 0)


@pytest.fixture
def members_only(site: Any) -> Any:
    """A site with views that require a login, except the sign-up."""
    site.MIDDLEWARE = [*site.MIDDLEWARE, "django.contrib.auth.middleware.LoginRequiredMiddleware"]
    site.LOGIN_URL = "/login/"
    site.TELROI = {**site.TELROI, "ANONYMOUS_PURPOSES": ["signup"]}
    return site


def test_a_site_with_required_logins_opens_the_pages_of_an_anonymous_purpose(
    visitor: Visitor, members_only: Any
) -> None:
    visitor.opens("/phone/?purpose=signup").presses("Call me", number=NUMBER)
    assert visitor.heading() == "We are calling you"
    assert visitor.client.get("/phone/status/?purpose=signup").json()["step"] == "code"

    visitor.presses("Verify", code=last_code_for(NUMBER))

    assert (visitor.path, visitor.heading()) == ("/phone/done/?purpose=signup", "Your number is verified")


@pytest.mark.parametrize("path", ["", "code/", "call-again/", "change-number/", "add-number/", "status/", "done/"])
def test_every_page_of_another_purpose_still_requires_a_login(visitor: Visitor, members_only: Any, path: str) -> None:
    for answer in (visitor.client.get(f"/phone/{path}"), visitor.client.post(f"/phone/{path}", {"number": NUMBER})):
        assert (answer.status_code, answer["Location"]) == (302, f"/login/?next=/phone/{path}")

    assert outbox == []


def test_a_form_of_an_anonymous_purpose_opens_no_other_purpose(visitor: Visitor, members_only: Any) -> None:
    action, fields = visitor.opens("/phone/?purpose=signup").form("Call me")

    answer = visitor.client.post("/phone/", {**fields, "ticket": "", "purpose": "", "number": NUMBER})

    assert (action, answer["Location"], outbox) == ("/phone/?purpose=signup", "/login/?next=/phone/", [])


def test_a_logged_in_user_can_use_the_pages_of_every_purpose(
    visitor: Visitor, members_only: Any, django_user_model: Any
) -> None:
    visitor.client.force_login(django_user_model.objects.create_user("ada"))

    assert visitor.opens("/phone/").presses("Call me", number=NUMBER).heading() == "We are calling you"


@pytest.mark.urls("tests.web.open_site")
def test_a_page_that_the_site_made_public_stays_public(visitor: Visitor, members_only: Any) -> None:
    members_only.TELROI = {}

    assert visitor.opens("/phone/").heading() == "Verify your phone"


UNKNOWN = "This is not a phone number we know. Check the digits and the country code."
EXTENSION = "We cannot call an extension. Type the number without it."
TYPED = [
    ("", "Type your phone number first."),
    (" ", "Type your phone number first."),
    ("call me", UNKNOWN),
    ("+1 800 FLOWERS", UNKNOWN),
    ("+2348031234567;ext=12", EXTENSION),
    ("+2348031234567 x12", EXTENSION),
    ("tel:+2348031234567;ext=12", EXTENSION),
    ("+234803123\u0664\u0665\u0666\u0667", UNKNOWN),
    ("+2348031234567\n", UNKNOWN),
    ("+2348031\x00234567", UNKNOWN),
    ("\u202e+2348031234567\u202c", UNKNOWN),
    ("+999 123 456", UNKNOWN),
    ("112", "This number is too short. Type all its digits, with the area code."),
    ("9" * 10**6, UNKNOWN),
    ("+234 803 123 4567" + " " * 10**5, UNKNOWN),
    ("<script>alert(1)</script>", UNKNOWN),
]


@pytest.mark.parametrize(("typed", "error"), TYPED, ids=range(len(TYPED)))
def test_an_invalid_number_shows_an_error_and_counts_nothing(visitor: Visitor, typed: str, error: str) -> None:
    visitor.sends("/phone/", {"number": typed})

    assert visitor.error() == error
    assert visitor.statuses == [302, 200]
    assert (len(outbox), VerificationAttempt.objects.count()) == (0, 0)


GUESSES = [
    "",
    " ",
    "\u202e483920",
    "483\u0669\u0662\u0660",
    "12345a",
    "123456\n",
    "12\x0034",
    "9" * 10**6,
]


@pytest.mark.parametrize("guess", GUESSES, ids=range(len(GUESSES)))
def test_an_invalid_code_shows_an_error_and_uses_no_try(visitor: Visitor, guess: str) -> None:
    visitor.sends("/phone/", {"number": NUMBER})

    visitor.presses("Verify", code=guess)

    error = "A code has only digits. Type the digits that you hear."
    if not guess.strip():
        error = "Type the code first."
    elif set(guess) == {"9"}:
        error = "The code has six digits. Type the digits that you hear."
    assert visitor.note() == error
    assert VerificationAttempt.objects.get().tries == 0
