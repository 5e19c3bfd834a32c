"""What strangers, robots, caches and careless sites can do: nothing."""

from __future__ import annotations

import logging
import sys
from typing import Any

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
def test_a_form_from_elsewhere_is_refused(db: None, address: str) -> None:
    answer = Client(enforce_csrf_checks=True).post(address, {"number": NUMBER, "code": "123456"})

    assert (answer.status_code, len(outbox)) == (403, 0)


@pytest.mark.parametrize("address", FORMS)
def test_a_form_from_elsewhere_is_refused_without_the_site_s_middleware_too(db: None, site: Any, address: str) -> None:
    site.MIDDLEWARE = [name for name in site.MIDDLEWARE if "Csrf" not in name]

    answer = Client(enforce_csrf_checks=True).post(address, {"number": NUMBER, "code": "123456"})

    assert (answer.status_code, len(outbox)) == (403, 0)


def test_our_own_forms_carry_their_token(visitor: Visitor) -> None:
    strict = Visitor(Client(enforce_csrf_checks=True))

    strict.opens("/phone/").presses("Call me", number=SPELLING).presses("Verify", code=last_code_for(NUMBER))

    assert strict.heading() == "Your number is verified"


@pytest.mark.parametrize("method", ["get", "head", "options"])
@pytest.mark.parametrize("address", PAGES)
def test_looking_changes_nothing_and_calls_nobody(visitor: Visitor, address: str, method: str) -> None:
    visitor.sends("/phone/", {"number": NUMBER})
    let_time_pass(61)
    before = list(VerificationAttempt.objects.values())

    getattr(visitor.client, method)(address, {"number": OTHER_NUMBER, "code": last_code_for(NUMBER)})

    assert len(outbox) == 1
    assert list(VerificationAttempt.objects.values()) == before


@pytest.mark.parametrize("address", ["/phone/call-again/", "/phone/change-number/", "/phone/add-number/"])
def test_who_follows_the_address_of_a_button_is_shown_the_way_back(visitor: Visitor, address: str) -> None:
    visitor.opens(address)

    assert visitor.statuses == [405]
    assert visitor.heading() == "Nothing happened"
    assert visitor.card().find("a")["href"] == "/phone/code/"


@pytest.mark.parametrize("address", PAGES)
def test_nothing_is_ever_cached(visitor: Visitor, address: str) -> None:
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
def test_success_never_leaves_the_site(visitor: Visitor, next_: str) -> None:
    action, fields = visitor.opens("/phone/").form("Call me")
    visitor.client.post(action, {"number": NUMBER, "next": next_, "csrfmiddlewaretoken": fields["csrfmiddlewaretoken"]})

    answer = visitor.client.post("/phone/code/", {"code": last_code_for(NUMBER), "next": next_})

    assert answer["Location"] == "/phone/done/"
    assert "evil" not in visitor.client.get("/phone/done/").content.decode()


@pytest.mark.parametrize("next_", ["/account/", "/account/?tab=phone#top", "http://testserver/account/", "account/"])
def test_success_leads_to_a_next_on_this_site(visitor: Visitor, next_: str) -> None:
    visitor.client.post("/phone/", {"number": NUMBER, "next": next_})

    answer = visitor.client.post("/phone/code/", {"code": last_code_for(NUMBER)})

    assert answer["Location"] == next_


def test_over_https_next_stays_on_https(visitor: Visitor) -> None:
    visitor.client.post("/phone/", {"number": NUMBER, "next": "http://testserver/account/"}, secure=True)

    answer = visitor.client.post("/phone/code/", {"code": last_code_for(NUMBER)}, secure=True)

    assert answer["Location"] == "/phone/done/"


def test_a_line_break_in_next_splits_no_header(visitor: Visitor) -> None:
    visitor.client.post("/phone/", {"number": NUMBER, "next": "/account/\r\nSet-Cookie: a=b"})

    answer = visitor.client.post("/phone/code/", {"code": last_code_for(NUMBER)})

    assert "\n" not in answer["Location"]
    assert "a" not in answer.cookies


def test_success_changes_the_key_of_the_session(visitor: Visitor) -> None:
    visitor.sends("/phone/", {"number": NUMBER})
    planted = visitor.client.session.session_key
    visitor.presses("Verify", code=last_code_for(NUMBER))

    thief = Visitor(Client())
    thief.client.cookies["sessionid"] = planted
    thief.opens("/phone/done/")

    assert visitor.client.session.session_key != planted
    assert thief.heading() == "Verify your phone"


def test_the_number_is_fixed_when_it_is_called(visitor: Visitor) -> None:
    visitor.sends("/phone/", {"number": NUMBER})
    _, fields = visitor.form("Verify")

    visitor.sends("/phone/code/", {**fields, "code": last_code_for(NUMBER), "number": OTHER_NUMBER})

    assert VerificationAttempt.objects.get(status="verified").number == NUMBER


def test_a_form_that_was_written_by_hand_counts_as_none(visitor: Visitor) -> None:
    action, fields = visitor.opens("/phone/").form("Call me")

    visitor.sends(action, {**fields, "number": NUMBER, "ticket": fields["ticket"][:-2] + "xx"})

    assert visitor.heading() == "We are calling you"


def test_neither_number_nor_code_nor_attempt_is_in_any_address_or_header(visitor: Visitor) -> None:
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

    for answer in visitor.trail[1:]:
        for spelling in (NUMBER, SPELLING, NUMBER[1:]):
            assert spelling not in answer.content.decode()


def test_no_code_is_kept_in_the_session(visitor: Visitor) -> None:
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


def test_an_error_report_hides_what_was_typed(visitor: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    reports = []

    def report(sender: object, request: HttpRequest, **told: object) -> None:
        reports.append(ExceptionReporter(request, *sys.exc_info()).get_traceback_html())

    def breaks(request: HttpRequest, session: SessionBase) -> None:
        raise RuntimeError("the sessions' store is down")

    monkeypatch.setattr("django_telroi.web.views.save_session", breaks)
    visitor.client.raise_request_exception = False
    got_request_exception.connect(report)
    visitor.client.post("/phone/", {"number": NUMBER})
    got_request_exception.disconnect(report)

    (told,) = reports
    assert "the sessions&#x27; store is down" in told
    assert "in start" in told
    assert NUMBER not in told


@pytest.mark.parametrize("view", [StartView.as_view(), CarefulStart.as_view()])
def test_no_view_runs_in_a_transaction_of_its_own(view: Any) -> None:
    assert "default" in view._non_atomic_requests


@pytest.mark.django_db(transaction=True)
def test_a_wrong_guess_is_counted_even_under_atomic_requests(
    telroi: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    visitor = Visitor(Client())

    visitor.sends("/phone/", {"number": NUMBER})
    code = telroi.calls[-1].code
    visitor.presses("Verify", code=wrong(code))

    assert visitor.note() == "That is not the code. 2 tries left for this call."
    assert VerificationAttempt.objects.get().tries == 1
    assert visitor.presses("Verify", code=code).heading() == "Your number is verified"


def test_who_must_be_logged_in_is_sent_to_log_in(visitor: Visitor, site: Any) -> None:
    site.MIDDLEWARE = [*site.MIDDLEWARE, "django.contrib.auth.middleware.LoginRequiredMiddleware"]
    site.LOGIN_URL = "/login/"

    answer = visitor.client.post("/phone/", {"number": NUMBER})

    assert (answer["Location"], len(outbox)) == ("/login/?next=/phone/", 0)


@pytest.fixture
def members_only(site: Any) -> Any:
    """A site whose views require a login, except for signing up."""
    site.MIDDLEWARE = [*site.MIDDLEWARE, "django.contrib.auth.middleware.LoginRequiredMiddleware"]
    site.LOGIN_URL = "/login/"
    site.TELROI = {**site.TELROI, "ANONYMOUS_PURPOSES": ["signup"]}
    return site


def test_a_site_that_requires_a_login_opens_the_pages_of_a_purpose(visitor: Visitor, members_only: Any) -> None:
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


def test_a_form_of_an_open_purpose_opens_no_other(visitor: Visitor, members_only: Any) -> None:
    action, fields = visitor.opens("/phone/?purpose=signup").form("Call me")

    answer = visitor.client.post("/phone/", {**fields, "ticket": "", "purpose": "", "number": NUMBER})

    assert (action, answer["Location"], outbox) == ("/phone/?purpose=signup", "/login/?next=/phone/", [])


def test_who_is_logged_in_uses_the_pages_of_every_purpose(
    visitor: Visitor, members_only: Any, django_user_model: Any
) -> None:
    visitor.client.force_login(django_user_model.objects.create_user("ada"))

    assert visitor.opens("/phone/").presses("Call me", number=NUMBER).heading() == "We are calling you"


@pytest.mark.urls("tests.web.open_site")
def test_a_page_that_the_site_itself_opened_stays_open(visitor: Visitor, members_only: Any) -> None:
    members_only.TELROI = {}

    assert visitor.opens("/phone/").heading() == "Verify your phone"


TYPED = [
    "",
    " ",
    "call me",
    "+1 800 FLOWERS",
    "+2348031234567;ext=12",
    "+2348031234567 x12",
    "tel:+2348031234567;ext=12",
    "+234803123\u0664\u0665\u0666\u0667",
    "+2348031234567\n",
    "+2348031\x00234567",
    "\u202e+2348031234567\u202c",
    "+999 123 456",
    "112",
    "9" * 10**6,
    "+234 803 123 4567" + " " * 10**5,
    "<script>alert(1)</script>",
]


@pytest.mark.parametrize("typed", TYPED, ids=range(len(TYPED)))
def test_what_is_no_number_gets_a_clear_refusal_and_costs_nothing(visitor: Visitor, typed: str) -> None:
    visitor.sends("/phone/", {"number": typed})

    assert visitor.error() == "This is not a phone number we know. Check the digits and the country code."
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
def test_what_is_no_code_gets_a_clear_refusal_and_costs_no_try(visitor: Visitor, guess: str) -> None:
    visitor.sends("/phone/", {"number": NUMBER})

    visitor.presses("Verify", code=guess)

    assert visitor.note() == "A code has only digits. Type the digits that you hear."
    assert VerificationAttempt.objects.get().tries == 0
