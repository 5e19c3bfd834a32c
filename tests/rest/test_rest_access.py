"""Permissions of the API, and the owner of a verification."""

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
    """Return Ada's session in a browser, in which other sites can send requests too."""
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
def test_another_users_verification_is_not_found(api: PhoneApi, ada: User, ben: User, ask: Ask) -> None:
    adas = PhoneApi(ada).started()
    let_time_pass(61)

    strangers = [ask(other, adas) for other in (PhoneApi(ben), api)]
    unknown = ask(api, str(uuid4()))

    assert {reply.status_code for reply in strangers} == {404}
    assert {reply.content for reply in strangers} == {unknown.content}
    assert PhoneApi(ada).follow(adas).json()["status"] == "placed"
    assert len(outbox) == 1


def test_a_hundred_guessed_ids_are_not_found(api: PhoneApi) -> None:
    api.started()

    assert {api.follow(uuid4()).status_code for _ in range(ATTEMPTS_AT_IDS)} == {404}


def test_other_users_cannot_use_the_tries_of_a_user(ada: User, ben: User, api: PhoneApi) -> None:
    adas = PhoneApi(ada).started()

    for _ in range(50):
        api.check(adas, wrong_code_for(NUMBER))
        PhoneApi(ben).check(adas, wrong_code_for(NUMBER))

    assert PhoneApi(ada).follow(adas).json()["tries_left"] == 3


def test_an_attempt_without_a_user_needs_only_the_id(api: PhoneApi, ada: User) -> None:
    started = api.started()

    assert PhoneApi().follow(started).status_code == 200
    reply = PhoneApi(ada).check(started, last_code_for(NUMBER))

    assert reply.json()["proof"]
    assert PhoneApi(ada).phones().json() == []


def test_the_number_of_a_verification_cannot_be_changed(api: PhoneApi) -> None:
    started = api.started()

    reply = api.post(
        f"verifications/{started}/check/", {"code": last_code_for(NUMBER), "number": "+2348029876543", "purpose": "x"}
    )

    assert reply.json()["verified"]
    assert api.follow(started).json()["number"].endswith("4567")


def test_the_numbers_of_a_user_are_not_shown_to_others(api: PhoneApi) -> None:
    reply = api.phones()

    assert reply.status_code in (401, 403)
    assert reply.json()["code"] == "not_authenticated"


@pytest.mark.parametrize("path", ["verifications/", "verifications/{id}/check/", "verifications/{id}/cancel/"])
def test_a_page_of_another_site_cannot_use_a_session(browser: APIClient, ada: User, path: str) -> None:
    started = PhoneApi(ada).started()
    outbox.clear()

    reply = browser.post(HOME + path.format(id=started), {"number": "+2348029876543", "code": "123456"})

    assert (reply.status_code, reply.json()["code"]) == (403, "permission_denied")
    assert outbox == []
    assert PhoneApi(ada).follow(started).json()["status"] == "placed"


def test_a_session_with_its_csrf_token_is_accepted(browser: APIClient) -> None:
    token = "t" * 32
    browser.cookies["csrftoken"] = token

    reply = browser.post(f"{HOME}verifications/", {"number": NUMBER}, headers={"X-CSRFToken": token})

    assert reply.status_code == 201


def test_a_get_places_no_call(api: PhoneApi) -> None:
    for method in ("get", "head", "options"):
        getattr(api.client, method)(f"{HOME}verifications/", {"number": NUMBER})

    assert outbox == []


def test_a_login_required_middleware_leaves_the_api_to_its_permissions(api: PhoneApi, settings: Any) -> None:
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.contrib.auth.middleware.LoginRequiredMiddleware"]

    assert api.start().status_code == 201
    assert api.phones().json()["code"] == "not_authenticated"
