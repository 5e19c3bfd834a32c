"""Types of the arguments of our commands, for ``add_argument(type=…)``."""

from __future__ import annotations

from argparse import ArgumentTypeError
from collections.abc import Callable


def reason(text: str) -> str:
    """Return the reason of a staff action. Raises ArgumentTypeError if it is empty or only whitespace."""
    if not text.strip():
        raise ArgumentTypeError("a reason is required.")
    return text


def whole_number(least: int, most: int) -> Callable[[str], int]:
    """Return the type of a whole number from ``least`` to ``most``."""

    def read(text: str) -> int:
        if not (text.isascii() and text.isdigit() and least <= int(text) <= most):
            raise ArgumentTypeError(f"{text!r} is not a whole number from {least} to {most}.")
        return int(text)

    return read
