"""Functions for ``BOT_CHECK``, ``RATE_KEYS`` and ``PHONE_RISK``, which name one by its dotted path."""

from __future__ import annotations

import threading
from typing import Any

from django.http import HttpRequest

from django_telroi.errors import TooManyRequests
from django_telroi.limits import BotCheck, PhoneRisk

PERSON = "token-of-a-person"

asked: list[tuple[HttpRequest, str]] = []
spent: set[str] = set()
lock = threading.Lock()


def knows_persons(*, request: HttpRequest, token: str) -> bool:
    asked.append((request, token))
    return token == PERSON


def takes_each_token_once(*, request: HttpRequest, token: str) -> bool:
    """Answer like Turnstile and hCaptcha, which verify a token once."""
    with lock:
        is_new = token not in spent
        spent.add(token)
        asked.append((request, token))
        return is_new and token.startswith(PERSON)


def says_none(*, request: HttpRequest, token: str) -> None:
    asked.append((request, token))


def says_something_else(*, request: HttpRequest, token: str) -> Any:
    return {"success": True}


def fails(*, request: HttpRequest, token: str) -> bool:
    raise ConnectionError(f"no answer about {token}")


def asks_to_wait(*, request: HttpRequest, token: str) -> bool:
    raise TooManyRequests(77)


not_callable = 5
typed: BotCheck = knows_persons


looked_up: list[tuple[str, HttpRequest]] = []


def knows_no_risk(*, number: str, request: HttpRequest) -> None:
    looked_up.append((number, request))


def knows_a_swap(*, number: str, request: HttpRequest) -> str:
    looked_up.append((number, request))
    return "SIM card changed\nyesterday"


def risk_is_true(*, number: str, request: HttpRequest) -> bool:
    return True


def risk_is_false(*, number: str, request: HttpRequest) -> bool:
    return False


def risk_is_a_score(*, number: str, request: HttpRequest) -> Any:
    return 7


def risk_fails(*, number: str, request: HttpRequest) -> None:
    raise ConnectionError(f"no answer about {number}")


def risk_asks_to_wait(*, number: str, request: HttpRequest) -> None:
    raise TooManyRequests(77)


typed_risk: PhoneRisk = knows_no_risk


def keys_of_headers(request: HttpRequest) -> dict[str, Any]:
    """Return the headers of a test as keys. A site would read a signed cookie or its tenant."""
    asked.append((request, ""))
    names = ("Device", "Tenant", "Ip", "User")
    return {name.lower(): request.headers[f"X-{name}"] for name in names if f"X-{name}" in request.headers}


def keys_fail(request: HttpRequest) -> dict[str, str]:
    asked.append((request, ""))
    raise KeyError("device-of-ada")


def keys_are_half_a_pair(request: HttpRequest) -> dict[str, str]:
    return {"device": "d\ud800"}


def keys_are_numbers(request: HttpRequest) -> dict[str, Any]:
    return {"device": 5}


def keys_are_a_list(request: HttpRequest) -> Any:
    return ["device"]
