"""Who may ask, and whose a verification is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from rest_framework.test import APIClient

from django_telroi.testing import last_code_for, outbox
from tests.rest.world import HOME, NUMBER, PhoneApi, wrong_code_for
from tests.services.world import let_time_pass

pytestmark = pytest.mark.django_db

ATTEMPTS_AT_IDS = 100


@pytest.fixture
def browser(ada: User) -> APIClient:
    """Ada's session in a browser, where somebody else's page may send requests, too."""
    client = APIClient(enforce_csrf_checks=True)
    client.login(username="ada", password="ada's")
    return client


Ask = Callable[[PhoneApi, str], Any]

ASKS: dict[str, Ask] = {
    "follow": lambda api, id_: api.follow(id_),
    "check": lambda api, id_: api.check(id_, last_code_for(NUMBER)),
    "call again": lambda api, id_: api.call_again(id_),
    "cancel": lambda api, id_: api.cancel(id_),
}


@pytest.mark.parametrize("ask", ASKS.values(), ids=ASKS)
def test_another_users_verification_is_not_there(api: PhoneApi, ada: User, ben: User, ask: Ask) -> None:
    adas = PhoneApi(ada).started()
    let_time_pass(61)

    strangers = [ask(other, adas) for other in (PhoneApi(ben), api)]
    nobodys = ask(api, str(uuid4()))

    assert {reply.status_code for reply in strangers} == {404}
    assert {reply.content for reply in strangers} == {nobodys.content}
    assert PhoneApi(ada).follow(adas).json()["status"] == "placed"
    assert len(outbox) == 1


def test_no_id_out_of_a_hundred_is_guessed(api: PhoneApi) -> None:
    api.started()

    assert {api.follow(uuid4()).status_code for _ in range(ATTEMPTS_AT_IDS)} == {404}


def test_strangers_cannot_use_up_the_tries_of_a_user(ada: User, ben: User, api: PhoneApi) -> None:
    adas = PhoneApi(ada).started()

    for _ in range(50):
        api.check(adas, wrong_code_for(NUMBER))
        PhoneApi(ben).check(adas, wrong_code_for(NUMBER))

    assert PhoneApi(ada).follow(adas).json()["tries_left"] == 3


def test_without_a_user_the_id_is_enough(api: PhoneApi, ada: User) -> None:
    started = api.started()

    assert PhoneApi().follow(started).status_code == 200
    reply = PhoneApi(ada).check(started, last_code_for(NUMBER))

    assert reply.json()["proof"]
    assert PhoneApi(ada).phones().json() == []


def test_the_number_of_a_verification_cannot_be_changed_on_the_way(api: PhoneApi) -> None:
    started = api.started()

    reply = api.post(
        f"verifications/{started}/check/", {"code": last_code_for(NUMBER), "number": "+2348029876543", "purpose": "x"}
    )

    assert reply.json()["verified"]
    assert api.follow(started).json()["number"].endswith("4567")


def test_the_numbers_of_a_user_are_no_strangers_business(api: PhoneApi) -> None:
    reply = api.phones()

    assert reply.status_code in (401, 403)
    assert reply.json()["code"] == "not_authenticated"


@pytest.mark.parametrize("path", ["verifications/", "verifications/{id}/check/", "verifications/{id}/cancel/"])
def test_another_sites_page_cannot_ask_in_the_name_of_a_session(browser: APIClient, ada: User, path: str) -> None:
    started = PhoneApi(ada).started()
    outbox.clear()

    reply = browser.post(HOME + path.format(id=started), {"number": "+2348029876543", "code": "123456"})

    assert (reply.status_code, reply.json()["code"]) == (403, "permission_denied")
    assert outbox == []
    assert PhoneApi(ada).follow(started).json()["status"] == "placed"


def test_a_session_with_its_csrf_token_may_ask(browser: APIClient) -> None:
    token = "t" * 32
    browser.cookies["csrftoken"] = token

    reply = browser.post(f"{HOME}verifications/", {"number": NUMBER}, headers={"X-CSRFToken": token})

    assert reply.status_code == 201


def test_looking_rings_nobody(api: PhoneApi) -> None:
    for method in ("get", "head", "options"):
        getattr(api.client, method)(f"{HOME}verifications/", {"number": NUMBER})

    assert outbox == []


def test_a_login_that_every_page_asks_for_is_the_projects_permissions_to_ask_here(api: PhoneApi, settings: Any) -> None:
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.contrib.auth.middleware.LoginRequiredMiddleware"]

    assert api.start().status_code == 201
    assert api.phones().json()["code"] == "not_authenticated"
