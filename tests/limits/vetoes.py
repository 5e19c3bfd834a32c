"""Functions for ``MAY_START``, which names one by its dotted path."""

from __future__ import annotations

from typing import Any

from django_telroi.errors import TooManyRequests
from django_telroi.services import MayStart, StartFacts

asked: list[StartFacts] = []


def lets_everybody(facts: StartFacts) -> str | None:
    asked.append(facts)
    return None


def says_no(facts: StartFacts) -> str | None:
    asked.append(facts)
    return f"too new an account\nfor {facts.region}"


def says_no_without_a_reason(facts: StartFacts) -> str | None:
    return ""


def asks_to_wait(facts: StartFacts) -> str | None:
    raise TooManyRequests(77)


def fails(facts: StartFacts) -> str | None:
    raise ConnectionError(f"no answer about {facts.number}")


def says_true(facts: StartFacts) -> bool:
    return True


def says_false(facts: StartFacts) -> bool:
    return False


def says_something_else(facts: StartFacts) -> Any:
    return {"allowed": True}


not_callable = 5
typed: MayStart = lets_everybody
