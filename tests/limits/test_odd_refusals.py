"""A refusal of the site's own functions has a response and a card, whatever its code and its wait are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.sessions.backends.db import SessionStore
from django.contrib.sessions.models import Session
from django.test import Client

from django_telroi.errors import VerificationRefused
from tests.limits.conftest import Configure
from tests.limits.odd_refusals import CODES, WAITS
from tests.web.visitor import NUMBER, Visitor

pytestmark = pytest.mark.django_db

STARTS = "/api/phone/verifications/"
RATES = {"start": {"device": "5/h"}}
HOOKS: dict[str, dict[str, Any]] = {"BOT_CHECK": {}, "PHONE_RISK": {}, "RATE_KEYS": {"RATES": RATES}, "MAY_START": {}}

raised: list[Callable[[], VerificationRefused]] = []


def refuses(*args: object, **options: object) -> Any:
    raise raised[-1]()


def use(configure: Configure, hook: str, made: Callable[[], VerificationRefused]) -> None:
    raised.append(made)
    configure(**HOOKS[hook], **{hook: f"{__name__}.refuses"})


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize(("made", "told"), CODES.values(), ids=CODES)
def test_the_api_answers_with_the_code(configure: Configure, hook: str, made: Any, told: tuple[int, str]) -> None:
    use(configure, hook, made)

    reply = Client().post(STARTS, {"number": NUMBER}, "application/json")

    assert (reply.status_code, reply.json()["code"]) == told
    assert reply.json()["detail"].startswith("The call could not be placed.")


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize(("made", "wait"), WAITS.values(), ids=WAITS)
def test_the_api_answers_with_whole_seconds(configure: Configure, hook: str, made: Any, wait: int | None) -> None:
    use(configure, hook, made)

    reply = Client().post(STARTS, {"number": NUMBER}, "application/json")

    assert (reply.status_code, reply.json()["retry_after"]) == (429, wait)
    assert reply.headers.get("Retry-After") == (None if wait is None else str(wait))


@pytest.mark.parametrize("hook", HOOKS)
@pytest.mark.parametrize("made", [made for made, _ in (*CODES.values(), *WAITS.values())], ids=[*CODES, *WAITS])
@pytest.mark.parametrize("page", ["/phone/", "/here/"])
def test_the_pages_show_it(configure: Configure, hook: str, made: Any, page: str) -> None:
    use(configure, hook, made)
    visitor = Visitor(Client()).opens(page).presses("Call me", number=NUMBER)

    for _ in range(2):
        visitor.opens(page)
        assert visitor.heading()


@pytest.mark.parametrize(
    "notice",
    [
        {"about": "call", "code": "own_code", "over_at": 2e12},
        {"about": "call", "code": "own_code", "over_at": float("nan")},
        {"about": "call", "code": "own_code", "over_at": "soon"},
        {"about": "call", "code": "own_code"},
        {"about": "call", "code": 5},
        {"about": "code", "code": "own_code"},
    ],
    ids=str,
)
@pytest.mark.parametrize("start", [False, True])
def test_a_notice_that_is_in_the_session_already_breaks_no_page(notice: dict[str, Any], start: bool) -> None:
    client = Client()
    visitor = Visitor(client).opens("/phone/")
    visitor.presses("Call me", number=NUMBER if start else "12")
    session = SessionStore(Session.objects.get().session_key)
    (purpose,) = session["telroi"]
    session["telroi"] = {purpose: session["telroi"][purpose] | {"notice": notice}}
    session.save()

    for page in ("/here/", "/phone/code/" if start else "/phone/"):
        assert visitor.opens(page).heading()
