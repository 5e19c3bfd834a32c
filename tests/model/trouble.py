"""Faults within a step, and text that must not be logged or stored."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

from django.db import OperationalError, connection

from tests.model.ledger import CUT, NUMBERS, Step
from tests.model.telroi import CODES, Killed


class Watch(logging.Handler):
    """A log handler that passes each line to ``read``."""

    def __init__(self, read: Callable[[logging.LogRecord], None]) -> None:
        super().__init__()
        self.emit = read  # type: ignore[method-assign]


def secrets_in(text: str) -> bool:
    """Return whether the text contains a code or a full number."""
    return any(secret in text for secret in (*CODES, *(number[1:] for number in NUMBERS)))


@contextmanager
def stopped(step: Step, has_stopped: list[bool]) -> Iterator[None]:
    """Start the fault of the step at its statement. ``has_stopped`` says whether the statement was reached."""
    written = 0

    def execute(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        nonlocal written
        written += sql.startswith(("INSERT", "UPDATE", "DELETE"))
        has_stopped[0] = written >= step.at_write
        if not has_stopped[0]:
            return execute(sql, params, many, context)
        if step.trouble == CUT:
            raise OperationalError("server closed the connection unexpectedly")
        raise Killed

    with connection.execute_wrapper(execute) if step.is_stopped else nullcontext():
        yield
