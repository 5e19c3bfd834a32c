"""Parses JSON strictly by RFC 8259, without the extensions of Python's parser."""

from __future__ import annotations

import json
import math
from typing import NoReturn, TypeAlias

JSON: TypeAlias = "bool | int | float | str | list[JSON] | dict[str, JSON] | None"


def read_json(text: bytes) -> JSON:
    """Return the parsed value. Raises ValueError unless ``text`` is exactly one JSON value in UTF-8.

    A byte order mark, NaN, Infinity and a number that becomes infinite are rejected. So are nesting that is too deep
    and a repeated key, because it is unclear which of its values is meant.
    """
    try:
        value: JSON = json.loads(
            text.decode(), parse_constant=_refuse, parse_float=_finite, object_pairs_hook=_unambiguous
        )
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return value


# Python's parser calls this for NaN and Infinity only, which are not JSON.
def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


def _finite(digits: str) -> float:
    # ``1e999`` is valid JSON, but becomes infinite.
    number = float(digits)
    if not math.isfinite(number):
        raise ValueError("a number is too large")
    return number


def _unambiguous(pairs: list[tuple[str, JSON]]) -> dict[str, JSON]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is repeated")
    return found
