"""Validation of the code that a person typed, and of a fixed code that is chosen once.

A fixed code is the same at every login, so it can be guessed over months and must not be easy to guess.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from django_telroi.domain.typed_text import clean_typed
from django_telroi.redaction import Secret

_MAX_INPUT_LENGTH = 64
_MARKS_AROUND = ".,;:!#\"'()"
_CODE = re.compile(r"[0-9]{4,10}")
_TOO_FEW_DIGITS, _TOO_MANY_DIGITS = re.compile(r"[0-9]{1,3}"), re.compile(r"[0-9]{11,}")


def clean_code(text: str) -> str | None:
    """Return the digits of the code, or None if the text is not a code of 4 to 10 digits.

    Digits of any one script, spaces and dashes are accepted (``clean_typed``), and a mark before or after the digits,
    as in a pasted sentence. Other text is rejected here, because Telroi counts a code with a letter as a wrong code,
    and the attempt would lose a try.
    """
    digits = _without_marks(text)
    return digits if _CODE.fullmatch(digits) else None


def _without_marks(text: str) -> Secret:
    """Return the text without spaces, dashes and marks around it. Empty for more than 64 characters."""
    if len(text) > _MAX_INPUT_LENGTH:
        return Secret("")
    return Secret(clean_typed(text).replace(" ", "").replace("-", "").strip(_MARKS_AROUND))


class LengthFit(StrEnum):
    """Whether the length of a code fits the code that was read out."""

    FITS = "fits"
    TOO_LONG = "too_long"
    TOO_SHORT = "too_short"
    PERHAPS_TOO_SHORT = "perhaps_too_short"
    """Fewer digits than expected, but the provider may have read out fewer."""

    MISSING = "missing"
    """No code was typed."""


WRONG_LENGTHS = frozenset({LengthFit.TOO_LONG, LengthFit.TOO_SHORT})
"""A code of such a length is certainly wrong."""


def misfit_of(text: str) -> LengthFit | None:
    """Return ``MISSING`` for an empty text, ``TOO_SHORT`` or ``TOO_LONG`` for too few or too many digits, else None.

    It is used for text that ``clean_code`` rejected. A person who typed only digits must not be told to type only
    digits.
    """
    if not clean_typed(text[:_MAX_INPUT_LENGTH]).strip():
        return LengthFit.MISSING
    digits = _without_marks(text[:_MAX_INPUT_LENGTH])
    if _TOO_FEW_DIGITS.fullmatch(digits):
        return LengthFit.TOO_SHORT
    return LengthFit.TOO_LONG if _TOO_MANY_DIGITS.fullmatch(digits) else None


@dataclass(frozen=True)
class CodeLength:
    """The length of a code that was requested, in digits.

    ``longest``: the requested length. A provider reads out no more digits. ``expected``: the length that the provider
    is expected to read out, at most ``longest``. ``is_certain``: the provider reads out exactly ``expected`` digits.
    """

    longest: int
    expected: int
    is_certain: bool


def judge_length(digits: str, length: CodeLength) -> LengthFit:
    """Compare the length of a cleaned code with the length of the code that was read out.

    ``TOO_LONG`` and ``TOO_SHORT`` are certain: the code is wrong, so it is rejected without using a try.
    """
    if len(digits) > (length.expected if length.is_certain else length.longest):
        return LengthFit.TOO_LONG
    if len(digits) >= length.expected:
        return LengthFit.FITS
    return LengthFit.TOO_SHORT if length.is_certain else LengthFit.PERHAPS_TOO_SHORT


LEAST_DIGITS, MOST_DIGITS = 8, 10
"""Six digits would be guessed with a probability of 2 % a year: a number allows 20 calls a day with three tries each.
The field for a code takes ten digits."""

LEAST_DIFFERENT_DIGITS = 5
LONGEST_ROW = 3
"""Digits in a row with equal steps, such as 123, 864 or 000. Four of them are easy to guess."""

_FIXED_CODE = re.compile(r"[0-9]{8,10}")


def is_strong_code(code: str) -> bool:
    """Return whether ``code`` may be the same at every login.

    It has 8 to 10 ASCII digits, five of them different, no four in a row with equal steps, and no repeated half.
    """
    if not _FIXED_CODE.fullmatch(code) or len(set(code)) < LEAST_DIFFERENT_DIGITS:
        return False
    half = len(code) // 2
    return code[:half] != code[-half:] and not _has_long_row(code)


def _has_long_row(code: str) -> bool:
    digits = [int(digit) for digit in code]
    steps = [(after - before) % 10 for before, after in pairwise(digits)]
    rows = (steps[place : place + LONGEST_ROW] for place in range(len(steps) - LONGEST_ROW + 1))
    return any(len(set(row)) == 1 for row in rows)
