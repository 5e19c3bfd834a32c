"""A repeat with the same Idempotency-Key places one call and gets the same answer, also if both are concurrent."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.db import connection

from django_telroi.models import VerificationAttempt
from django_telroi.simulator import Simulator
from django_telroi.testing import last_code_for, outbox
from tests.rest.world import NUMBER, OTHER_NUMBER, PhoneApi
from tests.services.world import let_time_pass


@pytest.mark.django_db
def test_a_repeat_returns_the_same_verification_and_places_no_call(api: PhoneApi) -> None:
    key = uuid4()

    first, second = (api.start(key=key) for _ in range(2))

    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json()["id"] == second.json()["id"] == str(key)
    assert len(outbox) == 1


@pytest.mark.django_db
@pytest.mark.parametrize("spelling", ['"{}"', "{}"])
@pytest.mark.parametrize("case", [str.upper, str.lower])
def test_a_key_is_the_same_in_any_spelling(api: PhoneApi, spelling: str, case: Any) -> None:
    key = uuid4()
    api.start(key=key)

    assert api.start(key=spelling.format(case(str(key)))).json()["id"] == str(key)


@pytest.mark.django_db
def test_a_repeat_of_a_closed_verification_shows_its_result(api: PhoneApi) -> None:
    key = uuid4()
    api.start(key=key)
    api.check(key, last_code_for(NUMBER))

    repeat = api.start(key=key)

    assert (repeat.status_code, repeat.json()["status"]) == (200, "verified")


@pytest.mark.django_db
def test_a_key_never_places_a_new_call_after_its_verification(api: PhoneApi) -> None:
    key = uuid4()
    api.start(key=key)
    let_time_pass(3600)

    repeat = api.start(key=key)

    assert (repeat.status_code, repeat.json()["status"]) == (200, "expired")
    assert len(outbox) == 1


@pytest.mark.django_db
def test_a_key_of_another_user_shows_nothing_of_theirs(api: PhoneApi, ada: User, ben: User) -> None:
    key = uuid4()
    PhoneApi(ada).start(key=key)

    replies = [PhoneApi(ben).start(key=key), api.start(key=key), PhoneApi(ben).start(OTHER_NUMBER, key=key)]

    assert {reply.status_code for reply in replies} == {409}
    assert len({reply.content for reply in replies}) == 1
    assert len(outbox) == 1


@pytest.mark.django_db
def test_without_a_key_a_repeat_is_another_request(api: PhoneApi) -> None:
    api.start()

    assert api.start().json()["code"] == "cooldown"


@pytest.mark.django_db(transaction=True)
def test_twenty_concurrent_requests_with_one_key_place_one_call(telroi: Simulator) -> None:
    key, ready = uuid4(), threading.Barrier(20)

    def ask(_: int) -> tuple[int, str]:
        try:
            ready.wait(timeout=30)
            reply = PhoneApi().start(key=key)
            return reply.status_code, reply.json()["id"]
        finally:
            connection.close()

    with ThreadPoolExecutor(20) as pool:
        answers = set(pool.map(ask, range(20)))

    assert answers <= {(201, str(key)), (202, str(key))}
    assert len(telroi.calls) == 1
    assert VerificationAttempt.objects.count() == 1
