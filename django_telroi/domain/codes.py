"""What a person types as the code they heard."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from django_telroi.domain.typed_text import clean_typed
from django_telroi.redaction import Secret

_LONGEST_INPUT = 64
_CODE = re.compile(r"[0-9]{4,10}")
_TOO_FEW_DIGITS, _TOO_MANY_DIGITS = re.compile(r"[0-9]{1,3}"), re.compile(r"[0-9]{11,}")


def clean_code(text: str) -> str | None:
    """The digits alone, or None where this cannot be a code.

    Digits of any one script are taken (``clean_typed``); spaces and dashes are how people group them. All else is
    refused here, before it costs one of the few tries: Telroi counts a stray letter as a wrong code.
    """
    digits = _without_marks(text)
    return digits if _CODE.fullmatch(digits) else None


def _without_marks(text: str) -> Secret:
    """Without spaces and dashes; empty where the text is too long to be looked at."""
    return Secret(clean_typed(text).replace(" ", "").replace("-", "")) if len(text) <= _LONGEST_INPUT else Secret("")


class LengthFit(StrEnum):
    """Whether a code can be the one that was read out, as far as its length tells."""

    FITS = "fits"
    TOO_LONG = "too_long"
    TOO_SHORT = "too_short"
    PERHAPS_TOO_SHORT = "perhaps_too_short"
    """Fewer digits than expected, and the provider may have read out fewer."""


WRONG_LENGTHS = frozenset({LengthFit.TOO_LONG, LengthFit.TOO_SHORT})
"""A code of such a length is wrong for certain."""


def misfit_of(text: str) -> LengthFit | None:
    """``TOO_SHORT`` or ``TOO_LONG`` for digits that are too few or too many for any code; None for everything else.

    For text that ``clean_code`` refused: a person who typed only digits must not be told to type only digits.
    """
    digits = _without_marks(text)
    if _TOO_FEW_DIGITS.fullmatch(digits):
        return LengthFit.TOO_SHORT
    return LengthFit.TOO_LONG if _TOO_MANY_DIGITS.fullmatch(digits) else None


@dataclass(frozen=True)
class CodeLength:
    """What is known of the length of a code that was asked for.

    ``longest``: the digits that were asked for; a provider reads out no more. ``expected``: the digits that it is
    expected to read out, never more than ``longest``. ``is_certain``: whether it reads out exactly as many as that.
    """

    longest: int
    expected: int
    is_certain: bool


def judge_length(digits: str, length: CodeLength) -> LengthFit:
    """Compare the length of a cleaned code with what is known of the one that was read out.

    ``TOO_LONG`` and ``TOO_SHORT`` are certain: such a code is wrong whoever is asked, so it needs no try.
    """
    if len(digits) > (length.expected if length.is_certain else length.longest):
        return LengthFit.TOO_LONG
    if len(digits) >= length.expected:
        return LengthFit.FITS
    return LengthFit.TOO_SHORT if length.is_certain else LengthFit.PERHAPS_TOO_SHORT
