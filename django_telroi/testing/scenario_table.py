"""The table of scenarios: what each of them is called, and what a person meets in it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, Literal

from django_telroi.testing.settings_of_test import refuse_outside_of_tests

Step = Literal["number", "code"]
Prepare = Callable[[Any, str, Any], str]
"""Brings a scenario about. It gets the FakeTelroi, the number to type and the user, and returns ``typed``.

Raises RuntimeError in a process that runs no tests."""


@dataclass(frozen=True)
class Scenario:
    """One refusal or failure, of ``SCENARIOS``.

    ``about`` describes it. ``step``: ``"number"`` if the person meets it after the number, ``"code"`` after the code.
    ``code``: the stable code, which is ``code`` in the API's answer to a number and ``outcome`` in that to a code.
    ``"unknown"`` is no refusal: the person goes on to the code. ``http_status``: of the API's answer.
    ``typed``: what to type to meet it, set by ``play``.
    """

    name: str
    about: str
    step: Step
    code: str
    http_status: int
    prepare: Prepare = field(repr=False, compare=False)
    typed: str = field(default="", repr=False)


SCENARIOS: dict[str, Scenario] = {}
"""All scenarios by their names, those of a number first."""


def scenario(step: Step, code: str, http_status: int) -> Callable[[Prepare], Prepare]:
    """Return a decorator that adds a scenario. Its name and ``about`` are those of the decorated function."""

    def add(prepare: Prepare) -> Prepare:
        @wraps(prepare)
        def prepare_in_test(telroi: Any, number: str, user: Any) -> str:
            refuse_outside_of_tests()
            return prepare(telroi, number, user)

        name = prepare.__name__.strip("_")
        SCENARIOS[name] = Scenario(name, prepare.__doc__ or "", step, code, http_status, prepare_in_test)
        return prepare_in_test

    return add
