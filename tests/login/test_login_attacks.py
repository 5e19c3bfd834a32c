"""Attacks on the login: accounts are guessed, sessions are planted, codes are guessed and used twice."""

from __future__ import annotations

import re
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in
from django.db import connection, connections
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext

from django_telroi import services, signals
from django_telroi.errors import ProofRejected
from django_telroi.models import VerificationAttempt
from django_telroi.testing import last_code_for, outbox
from tests.login.conftest import Configure, account
from tests.services.world import wrong
from tests.web.visitor import NUMBER, OTHER_NUMBER, Visitor, last

API = "/api/log-in/"
# Values that are different in each answer, also for the same number.
RANDOM = re.compile(
    r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}|name=\"(?:csrfmiddlewaretoken|ticket|sealed)\" value=\"[^\"]*\""
    r"|\d{4}-\d\d-\d\dT[\d:]+(?:Z|\+00:00)|(?:csrftoken|sessionid|telroi_\w+)=[^;]*|expires=[^;]*"
)
# The date of the response, and the length of the random values.
OF_TIME = ("Expires", "Content-Length")
DIGITS = re.compile(r"\d{4}\b|\d \d+ \d+|\+[\d •]+")


def shape(response: Any) -> tuple[int, list[tuple[str, str]], list[str], str]:
    """Return all that a requester sees of a response, without random values and digits of the number."""

    def plain(text: str) -> str:
        return DIGITS.sub("#", RANDOM.sub("#", text))

    headers = sorted((name, plain(value)) for name, value in response.headers.items() if name not in OF_TIME)
    cookies = sorted(plain(cookie.OutputString()) for cookie in response.cookies.values())
    return response.status_code, headers, cookies, plain(response.content.decode())


def statements(action: Any) -> list[str]:
    with CaptureQueriesContext(connection) as captured:
        action()
    return [re.sub(r"'[^']*'|\d+", "#", query["sql"])[:60] for query in captured]


class TestAccountsAreNotGuessed:
    """``NUMBER`` has an account and ``OTHER_NUMBER`` has none. A requester cannot tell them apart."""

    def test_over_the_pages(self, ada: User, site_clock: Any) -> None:
        both = [self._pages(number) for number in (NUMBER, OTHER_NUMBER)]

        assert both[0] == both[1]
        assert [call.to for call in outbox] == [NUMBER, OTHER_NUMBER]

    def _pages(self, number: str) -> list[Any]:
        visitor = Visitor(Client())
        visitor.opens("/log-in/?next=/home/").presses("Call me", number=number)
        code = str(last_code_for(number))
        for by in (1, 2):
            visitor.presses("Log in", code=wrong(code, by=by))
        visitor.presses("Call again")
        visitor.opens("/log-in/status/")
        visitor.opens("/log-in/code/").presses("Log in", code=wrong(code, by=3))
        visitor.opens("/log-in/code/")
        again = Visitor(Client()).opens("/log-in/").presses("Call me", number=number)
        return [shape(response) for response in (*visitor.trail, *again.trail)]

    def test_over_the_api(self, ada: User, site_clock: Any) -> None:
        both = [self._api(number) for number in (NUMBER, OTHER_NUMBER)]

        assert both[0] == both[1]

    def _api(self, number: str) -> list[Any]:
        client = Client()
        started = post(client, API, number=number)
        url = f"{API}{started.json()['id']}/"
        code = str(last_code_for(number))
        replies = [started, client.get(url), post(client, API, number=number)]
        replies += [post(client, f"{url}check/", code=wrong(code, by=by)) for by in (1, 2, 3, 4)]
        replies += [post(client, f"{url}call-again/"), post(client, f"{url}cancel/"), client.get(url)]
        return [shape(reply) for reply in replies]

    @pytest.mark.django_db(transaction=True)
    def test_by_the_statements_that_take_the_time(self) -> None:
        account("ada", NUMBER)
        services.forget_phone(account("bob", OTHER_NUMBER), OTHER_NUMBER)  # both numbers have a row of their limits
        told: list[str] = []

        def tell(sender: type, number: str, **kwargs: Any) -> None:
            told.append(number)

        signals.number_of_other_user.connect(tell)
        try:
            both = [self._statements(number) for number in (NUMBER, OTHER_NUMBER)]
        finally:
            signals.number_of_other_user.disconnect(tell)

        assert both[0] == both[1]
        assert told == []

    def _statements(self, number: str) -> list[list[str]]:
        client = Client()
        start = statements(lambda: post(client, API, number=number))
        attempt = VerificationAttempt.objects.get(phone__number=number)
        code = wrong(str(last_code_for(number)))
        return [start, statements(lambda: post(client, f"{API}{attempt.uuid}/check/", code=code))]

    def test_by_a_call_that_fails(self, ada: User, telroi: Any) -> None:
        telroi.set_wallet(0)

        both = [shape(post(Client(), API, number=number)) for number in (NUMBER, OTHER_NUMBER)]

        assert both[0] == both[1]
        assert both[0][0] == 503


class TestSessionsAreNotPlanted:
    def test_the_login_gives_the_session_a_new_key(self, ada: User) -> None:
        planted = Client()
        visitor = Visitor(planted)
        visitor.opens("/log-in/").presses("Call me", number=NUMBER)
        key = planted.session.session_key

        visitor.presses("Log in", code=str(last_code_for(NUMBER)))

        attacker = Client()
        attacker.cookies["sessionid"] = key
        assert planted.session.session_key != key
        assert attacker.get("/home/").status_code == 302
        assert "_auth_user_id" not in attacker.session

    def test_the_session_has_a_new_key_also_without_an_account(self, db: None) -> None:
        visitor = Visitor(Client())
        visitor.opens("/log-in/").presses("Call me", number=NUMBER)
        key = visitor.client.session.session_key

        visitor.presses("Log in", code=str(last_code_for(NUMBER)))

        attacker = Visitor(Client())
        attacker.client.cookies["sessionid"] = key
        assert visitor.client.session.session_key != key
        assert attacker.opens("/log-in/done/").heading() != "No account has this number"

    def test_a_form_of_another_site_is_rejected(self, ada: User) -> None:
        """Such a form would log the visitor in to the attacker's account."""
        reply = post(Client(), API, number=NUMBER)
        code = str(last_code_for(NUMBER))
        victim, url = Client(enforce_csrf_checks=True), f"{API}{reply.json()['id']}/check/"

        as_form = victim.post(url, {"code": code})
        as_json = post(victim, url, code=code)
        page = victim.post("/log-in/code/", {"code": code})

        assert [each.status_code for each in (as_form, as_json, page)] == [403, 403, 403]
        assert victim.session.get("_auth_user_id") is None
        assert VerificationAttempt.objects.get().tries == 0

    def test_the_api_takes_no_forms(self, ada: User, configure: Configure) -> None:
        configure(LOGIN_RESPONSE="tests.login.site.token_of")

        reply = Client().post(API, {"number": NUMBER})

        assert (reply.status_code, reply.json()["code"]) == (415, "unsupported_media_type")

    @pytest.mark.parametrize(
        "goal", ["https://evil.example/", "//evil.example/", "javascript:alert(1)", "/\\evil.example"]
    )
    def test_next_leads_to_no_other_site(self, ada: User, goal: str) -> None:
        visitor = Visitor(Client())
        visitor.opens(f"/log-in/?next={goal}").presses("Call me", number=NUMBER)

        visitor.presses("Log in", code=str(last_code_for(NUMBER)))

        assert visitor.path == "/home/"

    def test_next_leads_back(self, ada: User) -> None:
        visitor = Visitor(Client())
        visitor.opens("/log-in/?next=/home/%3Fa%3Db").presses("Call me", number=NUMBER)

        visitor.presses("Log in", code=str(last_code_for(NUMBER)))

        assert visitor.path == "/home/?a=b"


class TestCodesAreUsedOnce:
    def test_the_right_code_again_does_not_log_in_again(self, ada: User) -> None:
        client = Client()
        url = f"{API}{post(client, API, number=NUMBER).json()['id']}/check/"
        code = str(last_code_for(NUMBER))

        replies = [post(each, url, code=code) for each in (client, client, Client())]

        assert [(each.status_code, each.json().get("code")) for each in replies] == [
            (200, None),
            (409, "code_used"),
            (409, "code_used"),
        ]

    def test_a_code_that_is_used_meanwhile_does_not_log_in(self, ada: User, configure: Configure) -> None:
        url = f"{API}{post(Client(), API, number=NUMBER).json()['id']}/check/"
        code, replies = str(last_code_for(NUMBER)), []

        def let_another_request_win(request: Any, user: User) -> bool:
            if not replies:
                replies.append(None)
                replies.append(post(Client(), url, code=code))
            return True

        configure(MAY_LOG_IN=let_another_request_win)
        slower = Client()

        reply = post(slower, url, code=code)

        assert (replies[1].status_code, reply.status_code, reply.json()["code"]) == (200, 409, "code_used")
        assert "_auth_user_id" not in slower.session

    def test_the_second_click_shows_that_the_visitor_is_logged_in(self, ada: User) -> None:
        visitor = Visitor(Client())
        visitor.opens("/log-in/").presses("Call me", number=NUMBER)
        action, fields = visitor.form("Log in")
        old, code = visitor.client.cookies["sessionid"].value, str(last_code_for(NUMBER))
        visitor.sends(action, {**fields, "code": code})

        slower = Client()
        slower.cookies["csrftoken"] = visitor.client.cookies["csrftoken"].value
        slower.cookies["sessionid"] = old
        reply = slower.post(action, {**fields, "code": code})

        assert "_auth_user_id" not in slower.session
        assert reply.status_code == 302
        assert visitor.opens("/log-in/done/").heading() == "You are logged in"

    @pytest.mark.django_db(transaction=True)
    @pytest.mark.parametrize("face", ["api", "page"])
    def test_two_requests_with_the_same_code_log_in_once(self, face: str) -> None:
        account("ada", NUMBER)
        logins: list[User] = []

        def see(sender: type, user: User, **kwargs: Any) -> None:
            logins.append(user)

        user_logged_in.connect(see)
        send = self._by_api() if face == "api" else self._by_page()
        ready = threading.Barrier(4)

        def race(_place: int) -> Any:
            try:
                ready.wait()
                return send()
            finally:
                connections.close_all()

        try:
            with ThreadPoolExecutor(4) as pool:
                replies = list(pool.map(race, range(4)))
        finally:
            user_logged_in.disconnect(see)

        assert len(logins) == 1
        if face == "api":
            assert Counter(reply.status_code for reply in replies) == {200: 1, 409: 3}
        assert sum("_auth_user_id" in reply.wsgi_request.session for reply in replies) == 1

    def _by_api(self) -> Any:
        url = f"{API}{post(Client(), API, number=NUMBER).json()['id']}/check/"
        code = str(last_code_for(NUMBER))
        return lambda: post(Client(), url, code=code)

    def _by_page(self) -> Any:
        visitor = Visitor(Client())
        visitor.opens("/log-in/").presses("Call me", number=NUMBER)
        action, fields = visitor.form("Log in")
        cookies = {name: morsel.value for name, morsel in visitor.client.cookies.items()}
        code = str(last_code_for(NUMBER))

        def send() -> HttpResponse:
            client = Client()
            for name, value in cookies.items():
                client.cookies[name] = value
            return client.post(action, {**fields, "code": code})

        return send

    def test_the_code_of_a_call_for_something_else_does_not_log_in(self, ada: User) -> None:
        started = post(Client(), "/api/phone/verifications/", number=NUMBER)
        code = str(last_code_for(NUMBER))

        reply = post(Client(), f"{API}{started.json()['id']}/check/", code=code)

        assert (reply.status_code, reply.json()["code"]) == (404, "not_found")
        assert "_auth_user_id" not in reply.wsgi_request.session

    def test_the_proof_of_a_verification_does_not_log_in(self, ada: User) -> None:
        services.forget_phone(ada, NUMBER)
        started = post(Client(), API, number=NUMBER)
        checked = post(Client(), f"{API}{started.json()['id']}/check/", code=str(last_code_for(NUMBER)))

        with pytest.raises(ProofRejected):
            services.read_proof(checked.json()["proof"], purpose="")
        assert services.read_proof(checked.json()["proof"], purpose="login") == NUMBER


class TestCodesAreNotGuessed:
    def test_twenty_wrong_codes_over_several_calls_make_the_next_call_wait(
        self, ada: User, configure: Configure
    ) -> None:
        configure(COOLDOWN_SECONDS=0, CALLS_PER_HOUR=100, CALLS_PER_DAY=100, RATES=None)
        outcomes = []
        while len(outcomes) < 20:
            reply = post(Client(), API, number=NUMBER)
            if reply.status_code == 429:
                break
            url, code = f"{API}{reply.json()['id']}/check/", str(last_code_for(NUMBER))
            for by in (1, 2, 3):
                outcomes.append(post(Client(), url, code=wrong(code, by=by)).json()["outcome"])

        assert outcomes == ["wrong_code", "wrong_code", "locked"] * 4
        assert (reply.json()["code"], reply.status_code) == ("too_many_wrong_codes", 429)
        # The same for a number without an account, so the wait shows nothing.
        assert post(Client(), API, number=OTHER_NUMBER).status_code == 201

    def test_the_rate_limits_of_the_address_apply(self, ada: User, configure: Configure) -> None:
        configure(RATES={"start": {"ip": "1/h"}, "check": {"ip": "1/h"}})
        url = f"{API}{post(Client(), API, number=NUMBER).json()['id']}/check/"
        code = str(last_code_for(NUMBER))
        post(Client(), url, code=wrong(code))

        replies = [post(Client(), API, number=OTHER_NUMBER), post(Client(), url, code=code)]
        page = Visitor(Client()).opens("/log-in/").presses("Call me", number=OTHER_NUMBER)

        assert [(each.status_code, each.json()["code"]) for each in replies] == [(429, "too_many_requests")] * 2
        assert page.heading() == "Enough calls for now"
        assert last(page).status_code == 200


def post(client: Client, path: str, **body: str) -> Any:
    return client.post(path, body, content_type="application/json")
