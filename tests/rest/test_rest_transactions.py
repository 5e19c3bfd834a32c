"""With ATOMIC_REQUESTS, an error rolls back no call, judgement or count."""

from __future__ import annotations

from typing import Any

import pytest
from django.db import connection, connections
from django.urls import get_resolver

from django_telroi.models import RefusalTally, VerificationAttempt
from django_telroi.simulator import Simulator
from tests.rest.world import NUMBER, PREMIUM_NUMBER, PhoneApi

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls("tests.rest.own_site")]


@pytest.fixture(autouse=True)
def atomic_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connection.settings_dict, "ATOMIC_REQUESTS", True)


def test_a_wrong_code_is_counted(api: PhoneApi, telroi: Simulator) -> None:
    started = api.started()
    wrong = f"{(int(telroi.last_code_for(NUMBER)) + 1) % 10**6:06}"

    replies = [api.check(started, wrong).json()["outcome"] for _ in range(4)]

    assert replies == ["wrong_code", "wrong_code", "locked", "locked"]
    attempt = VerificationAttempt.objects.get()
    assert (attempt.status, attempt.tries) == ("locked", 3)


def test_a_call_is_placed_before_the_answer_and_a_refusal_is_counted(api: PhoneApi, telroi: Simulator) -> None:
    assert api.start().status_code == 201
    assert api.start().status_code == 429
    assert api.start(PREMIUM_NUMBER).status_code == 400

    assert len(telroi.calls) == 1
    assert set(RefusalTally.objects.values_list("code", "count")) == {("cooldown", 1), ("not_callable", 1)}


def test_a_subclass_of_our_view_is_not_atomic_either(api: PhoneApi, telroi: Simulator) -> None:
    reply = api.client.post("/own/start/", {"number": NUMBER}, format="json")

    assert (reply.status_code, reply.json()["status"]) == (201, "placed")
    right = telroi.last_code_for(NUMBER)
    checked = api.client.post(f"/own/{reply.json()['id']}/check/", {"code": right}, format="json")
    assert checked.json()["verified"]


def every_view(patterns: Any) -> list[Any]:
    return [
        view
        for pattern in patterns
        for view in (every_view(pattern.url_patterns) if hasattr(pattern, "url_patterns") else [pattern.callback])
    ]


def test_no_endpoint_runs_in_a_transaction_on_any_database() -> None:
    views = every_view(get_resolver("django_telroi.rest.urls").url_patterns)

    assert len(views) == 6
    assert all(view._non_atomic_requests == set(connections) for view in views)
