"""The settings about codes: who makes them, their length and validity, and what follows from wrong ones."""

from __future__ import annotations

from datetime import timedelta

from django_telroi.conf import values
from django_telroi.domain.states import CodeMaker
from django_telroi.domain.wrong_code_limits import WrongCodeLimits, read_limits

STANDARD_WRONG_CODES = read_limits("standard")


def codes() -> CodeMaker:
    """Return who makes the codes: this site, or Telroi."""
    try:
        return CodeMaker(values.text("CODES") or "")
    except ValueError:
        raise values.invalid_setting("CODES", "one of " + ", ".join(f'"{maker}"' for maker in CodeMaker)) from None


def code_length() -> int:
    """Return the number of digits in a code, 4 to 10."""
    length = values.integer("CODE_LENGTH", least=4)
    if length > 10:
        # Telroi answers 400 to any other length.
        raise values.invalid_setting("CODE_LENGTH", "a whole number from 4 to 10")
    return length


def code_tries() -> int:
    """Return the number of codes that may be tried for one call."""
    return values.integer("CODE_TRIES")


def wrong_codes() -> WrongCodeLimits:
    """Return from how many consecutive wrong codes on a person is told, new calls wait, and new calls are locked."""
    chosen = values.read("WRONG_CODES")
    try:
        return STANDARD_WRONG_CODES if chosen == "standard" else read_limits(chosen)
    except ValueError as error:
        wanted = f'"standard", "strict", or a dict such as {{"warn": 5, "wait": 10, "lock": 100}}: {error}'
        raise values.invalid_setting("WRONG_CODES", wanted.rstrip(".")) from None


def code_ttl() -> timedelta:
    """Return how long a code is valid."""
    return timedelta(seconds=values.seconds("CODE_TTL_SECONDS"))
