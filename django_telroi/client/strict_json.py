"""JSON as RFC 8259 has it, and nothing that Python's reader adds or lets pass."""

from __future__ import annotations

import json
import math
from typing import NoReturn, TypeAlias

JSON: TypeAlias = "bool | int | float | str | list[JSON] | dict[str, JSON] | None"


def read_json(text: bytes) -> JSON:
    """Raises ValueError for anything but one JSON value in UTF-8.

    Also for a byte order mark, NaN and Infinity, numbers that become infinite, a key that stands twice (which one did
    the sender mean?), and nesting too deep to follow.
    """
    try:
        value: JSON = json.loads(
            text.decode(), parse_constant=_refuse, parse_float=_finite, object_pairs_hook=_unambiguous
        )
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return value


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _finite(digits: str) -> float:
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError("a number too large")
    return number


def _unambiguous(pairs: list[tuple[str, JSON]]) -> dict[str, JSON]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found
