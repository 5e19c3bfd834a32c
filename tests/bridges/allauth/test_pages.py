"""The journeys on django-allauth's own pages, over HTTP, with the simulator on a real socket."""

from __future__ import annotations

import logging
import re
import time
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.core.cache import cache
from django.db import connection
from django.test import Client

from django_telroi import services
from django_telroi.contrib.allauth import adapter
from django_telroi.domain.states import Judge
from django_telroi.models import PhoneNumber, VerificationAttempt, VerifiedPhone
from django_telroi.signals import phone_verified
from django_telroi.simulator import Simulator
from tests.bridges.allauth.people import (
    NUMBER,
    OTHER_NUMBER,
    PLACED,
    STOPPED,
    TOO_SOON,
    WRONG_CODE,
    ask_login_code,
    log_in,
    member,
    path_of,
    resend,
    sign_up,
    text_of,
    type_login_code,
    verify,
    wait,
)
from tests.bridges.traces import assert_no_traces
from tests.calling_site import Configure
from tests.limits import site_functions

User = get_user_model()
VERIFY, CONFIRM = "/accounts/phone/verify/", "/accounts/login/code/confirm/"

pytestmark = pytest.mark.django_db(transaction=True)


def wrong(code: str) -> str:
    return str((int(code) + 1) % 10**6).zfill(6)


def test_a_sign_up_is_called_and_the_code_verifies_the_number(client: Client, telroi: Simulator) -> None:
    page = sign_up(client)
    assert path_of(page) == VERIFY
    assert PLACED in text_of(page)
    assert not VerifiedPhone.objects.exists()

    page = verify(client, telroi.last_code_for(NUMBER))
    assert path_of(page) == "/"
    record = VerifiedPhone.objects.get()
    assert (record.user, record.number) == (User.objects.get(), NUMBER)
    assert record.attempt is not None
    assert record.attempt.judge == Judge.CALLER


def test_the_signal_is_sent_with_the_user(client: Client, telroi: Simulator) -> None:
    received = []

    def receive(attempt: VerificationAttempt, user: Any, **kwargs: Any) -> None:
        received.append((attempt.number, user))

    phone_verified.connect(receive)
    sign_up(client)
    verify(client, telroi.last_code_for(NUMBER))
    phone_verified.disconnect(receive)
    assert received == [(NUMBER, User.objects.get())]


def test_a_login_by_code_is_called(client: Client, telroi: Simulator) -> None:
    user = member(telroi)
    page = ask_login_code(client)
    assert path_of(page) == CONFIRM
    assert PLACED in text_of(page)
    page = type_login_code(client, telroi.last_code_for(NUMBER))
    assert page.wsgi_request.user == user


def test_a_login_with_number_and_password_places_no_call(client: Client, telroi: Simulator) -> None:
    user = member(telroi)
    calls = len(telroi.calls)
    services.stop_calls(reason="a test", actor="tests")
    page = log_in(client)
    assert page.wsgi_request.user == user
    assert len(telroi.calls) == calls


def test_a_wrong_code_is_a_form_error(client: Client, telroi: Simulator) -> None:
    sign_up(client)
    code = telroi.last_code_for(NUMBER)
    page = verify(client, wrong(code))
    assert path_of(page) == VERIFY
    assert WRONG_CODE in text_of(page)
    assert not VerifiedPhone.objects.exists()
    assert path_of(verify(client, code)) == "/"


def test_three_wrong_codes_end_the_sign_up(client: Client, telroi: Simulator) -> None:
    sign_up(client)
    code = telroi.last_code_for(NUMBER)
    for _ in range(3):
        page = verify(client, wrong(code))
    assert path_of(page) == "/accounts/login/"
    verify(client, code)
    assert not VerifiedPhone.objects.exists()


def test_a_sign_up_within_the_cooldown_is_a_form_error_and_makes_no_account(client: Client, telroi: Simulator) -> None:
    sign_up(Client())
    page = sign_up(client)
    assert path_of(page) == "/accounts/signup/"
    assert TOO_SOON in text_of(page)
    assert User.objects.count() == 1
    assert len(telroi.calls) == 1


@pytest.mark.parametrize("ask", [sign_up, ask_login_code])
def test_stopped_calls_are_a_form_error(client: Client, telroi: Simulator, ask: Any) -> None:
    services.stop_calls(reason="a test", actor="tests")
    assert STOPPED in text_of(ask(client))
    assert not User.objects.exists()


@pytest.mark.parametrize("number", ["+31909", "0612345678", "+319001234567"])
def test_a_number_that_is_never_called_is_a_form_error(client: Client, telroi: Simulator, number: str) -> None:
    page = sign_up(client, number)
    assert path_of(page) == "/accounts/signup/"
    assert not User.objects.exists()


def test_a_national_spelling_is_accepted_with_a_default_region(
    client: Client, telroi: Simulator, configure: Configure
) -> None:
    configure(DEFAULT_REGION="NL")
    sign_up(client, "06 12345678")
    verify(client, telroi.last_code_for(NUMBER))
    assert VerifiedPhone.objects.get().number == NUMBER


def test_a_call_that_fails_is_shown_and_can_be_repeated(client: Client, telroi: Simulator) -> None:
    telroi.fail_next("insufficient_funds")
    page = sign_up(client)
    assert path_of(page) == VERIFY
    assert "The call could not be placed." in text_of(page)
    assert PLACED not in text_of(page)

    assert PLACED in text_of(resend(client, VERIFY))
    assert path_of(verify(client, telroi.last_code_for(NUMBER))) == "/"


def test_a_call_with_an_unknown_outcome_takes_its_code(client: Client, telroi: Simulator) -> None:
    telroi.fail_next("not_json")
    sign_up(client)
    assert path_of(verify(client, telroi.last_code_for(NUMBER))) == "/"


@pytest.mark.parametrize("path", [VERIFY, CONFIRM])
def test_a_refused_repeat_keeps_the_code_that_was_heard(client: Client, telroi: Simulator, path: str) -> None:
    if path == VERIFY:
        sign_up(client)
    else:
        member(telroi)
        ask_login_code(client)
    code = telroi.last_code_for(NUMBER)
    calls = len(telroi.calls)
    page = resend(client, path)
    assert path_of(page) == path
    assert TOO_SOON in text_of(page)
    assert PLACED not in text_of(page)
    assert len(telroi.calls) == calls
    page = client.post(path, {"code": code}, follow=True)
    assert page.wsgi_request.user.is_authenticated


def test_a_new_login_gets_a_new_code(client: Client, telroi: Simulator) -> None:
    member(telroi)
    ask_login_code(client)
    first = telroi.last_code_for(NUMBER)
    for _ in range(3):
        type_login_code(client, wrong(first))
    wait(telroi)
    # ``action`` belongs to another page: here it must not bring the old code back, with its tries counted anew.
    client.post("/accounts/login/code/", {"phone": NUMBER, "action": "resend"}, follow=True)
    assert telroi.last_code_for(NUMBER) != first


def test_a_veto_is_shown_on_the_next_page(client: Client, telroi: Simulator, configure: Configure) -> None:
    configure(MAY_START="tests.bridges.allauth.vetoes.never")
    page = sign_up(client)
    assert path_of(page) == VERIFY
    assert "We cannot call this number." in text_of(page)
    assert not telroi.calls


def test_a_bot_check_is_asked_once_with_the_token_of_the_form(
    client: Client, telroi: Simulator, configure: Configure
) -> None:
    configure(BOT_CHECK="tests.limits.site_functions.takes_each_token_once")
    site_functions.asked.clear()
    site_functions.spent.clear()

    page = sign_up(client)
    assert (path_of(page), telroi.calls) == (VERIFY, [])
    assert "We could not confirm that a person sent this request." in text_of(page)
    client.post(VERIFY, {"action": "resend", "bot_token": site_functions.PERSON}, follow=True)

    assert [token for _, token in site_functions.asked] == ["", site_functions.PERSON]
    assert len(telroi.calls) == 1


WAIT = re.compile(r"another call (?:at .+?, )?in \d+ \w+\.")


class TestEnumeration:
    """A visitor does not learn which numbers have an account, and strangers are not called."""

    def same(self, known: Any, unknown: Any) -> None:
        def seen(page: Any) -> str:
            # The numbers were called one after the other, so their waits may differ by some seconds.
            return WAIT.sub("another call later.", text_of(page).replace(OTHER_NUMBER, NUMBER))

        assert path_of(known) == path_of(unknown)
        assert known.status_code == unknown.status_code
        assert seen(known) == seen(unknown)

    def test_a_login_by_code_of_an_unknown_number(self, telroi: Simulator) -> None:
        member(telroi)
        known, unknown = Client(), Client()
        self.same(ask_login_code(known), ask_login_code(unknown, OTHER_NUMBER))
        assert {call.to for call in telroi.calls} == {NUMBER}
        assert not PhoneNumber.objects.filter(number=OTHER_NUMBER).exists()

    def test_its_limits(self, telroi: Simulator, configure: Configure) -> None:
        configure(COOLDOWN_SECONDS=0, CALLS_PER_HOUR=2)
        member(telroi)
        for _ in range(2):
            telroi.advance(61)
            self.same(ask_login_code(Client()), ask_login_code(Client(), OTHER_NUMBER))
        refused = ask_login_code(Client())
        assert "within an hour" in text_of(refused)
        self.same(refused, ask_login_code(Client(), OTHER_NUMBER))

    def test_its_wrong_codes_and_repeats(self, telroi: Simulator) -> None:
        member(telroi)
        known, unknown = Client(), Client()
        ask_login_code(known)
        ask_login_code(unknown, OTHER_NUMBER)
        code = wrong(telroi.last_code_for(NUMBER))
        self.same(type_login_code(known, code), type_login_code(unknown, code))

    def test_a_sign_up_with_the_number_of_an_account(self, telroi: Simulator) -> None:
        member(telroi)
        calls = len(telroi.calls)
        taken = sign_up(Client())
        assert len(telroi.calls) == calls
        assert User.objects.count() == 1
        free = sign_up(Client(), OTHER_NUMBER)
        # The page of a new account can also change its number: allauth cannot offer that without an account.
        assert PLACED in text_of(taken)
        assert path_of(taken) == path_of(free) == VERIFY
        self.same(sign_up(Client()), sign_up(Client(), OTHER_NUMBER))

    def test_the_requester_is_limited_for_unknown_numbers_too(self, telroi: Simulator, configure: Configure) -> None:
        configure(RATES={"start": {"ip": "2/h"}})
        for number in ("+31612345601", "+31612345602"):
            assert PLACED in text_of(ask_login_code(Client(), number))
        assert "many requests from your network" in text_of(ask_login_code(Client(), "+31612345603"))

    def test_an_unknown_number_takes_as_long_as_a_call(
        self, telroi: Simulator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        slept: list[float] = []
        monkeypatch.setattr(time, "sleep", slept.append)
        member(telroi)
        took = cache.get(adapter.DURATION_KEY)
        assert took > 0
        ask_login_code(Client(), OTHER_NUMBER)
        assert slept == [took]

    def test_an_unverified_account_keeps_no_number_from_its_owner(self, telroi: Simulator) -> None:
        sign_up(Client())  # by a stranger, who hears no code
        wait(telroi)
        owner = Client()
        sign_up(owner)
        page = verify(owner, telroi.last_code_for(NUMBER))
        assert page.wsgi_request.user.is_authenticated
        assert VerifiedPhone.objects.get().user == page.wsgi_request.user


def test_only_the_first_of_two_accounts_gets_the_number(telroi: Simulator, configure: Configure) -> None:
    configure(COOLDOWN_SECONDS=0, ONE_ACCOUNT_PER_NUMBER=True)
    first, second = Client(), Client()
    sign_up(first)
    first_code = telroi.last_code_for(NUMBER)
    telroi.advance(61)
    sign_up(second)
    assert path_of(verify(second, telroi.last_code_for(NUMBER))) == "/"
    assert "already registered with this phone number" in text_of(verify(first, first_code))
    assert VerifiedPhone.objects.count() == 1


def test_a_new_number_replaces_the_old_one(client: Client, telroi: Simulator) -> None:
    user = member(telroi)
    log_in(client)
    page = client.post("/accounts/phone/change/", {"phone": OTHER_NUMBER}, follow=True)
    assert path_of(page) == VERIFY
    assert VerifiedPhone.objects.get().number == NUMBER  # until the code is typed

    verify(client, telroi.last_code_for(OTHER_NUMBER))
    record = VerifiedPhone.objects.get()
    assert (record.user, record.number) == (user, OTHER_NUMBER)
    assert not log_in(Client(), NUMBER).wsgi_request.user.is_authenticated
    assert log_in(Client(), OTHER_NUMBER).wsgi_request.user == user


def test_a_number_that_is_refused_is_not_changed(client: Client, telroi: Simulator) -> None:
    member(telroi)
    log_in(client)
    services.stop_calls(reason="a test", actor="tests")
    page = client.post("/accounts/phone/change/", {"phone": OTHER_NUMBER}, follow=True)
    assert STOPPED in text_of(page)
    assert VerifiedPhone.objects.get().number == NUMBER


def test_a_number_is_changed_before_it_is_verified(client: Client, telroi: Simulator) -> None:
    sign_up(client)
    page = client.post(VERIFY, {"action": "change", "phone": OTHER_NUMBER}, follow=True)
    assert PLACED in text_of(page)
    verify(client, telroi.last_code_for(OTHER_NUMBER))
    assert VerifiedPhone.objects.get().number == OTHER_NUMBER


def test_a_sign_up_goes_on_in_another_session(telroi: Simulator, settings: Any) -> None:
    settings.ACCOUNT_LOGIN_METHODS = {"username", "phone"}
    settings.ACCOUNT_SIGNUP_FIELDS = ["username*", "phone*", "password1*"]
    form = {"username": "kim", "phone": NUMBER, "password1": "correct horse battery"}
    Client().post("/accounts/signup/", form)
    wait(telroi)

    later = Client()
    page = later.post("/accounts/login/", {"login": "kim", "password": form["password1"]}, follow=True)
    assert path_of(page) == VERIFY
    verify(later, telroi.last_code_for(NUMBER))
    assert VerifiedPhone.objects.get().user.get_username() == "kim"


def test_a_view_in_a_transaction_calls_after_its_commit(
    client: Client, telroi: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)
    sign_up(client)
    assert path_of(verify(client, telroi.last_code_for(NUMBER))) == "/"
    assert VerifiedPhone.objects.count() == 1


def test_no_code_and_no_number_leaves_this_process_or_is_logged(
    client: Client,
    telroi: Simulator,
    configure: Configure,
    celery_app: Any,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    configure(DISPATCH="celery")
    caplog.set_level(logging.DEBUG)
    published: list[Any] = []
    monkeypatch.setattr(celery_app.Task, "apply_async", lambda *args, **kwargs: published.append((args, kwargs)))
    sign_up(client)
    verify(client, telroi.last_code_for(NUMBER))
    wait(telroi)
    ask_login_code(Client())
    assert not published
    codes = [otp.code for otp in telroi.otps]
    assert len(codes) == 2
    assert_no_traces(caplog, codes=codes, number=NUMBER)
