"""Fixed codes: whether one is too easy to guess. A code that is the same at every login can be guessed over months."""

from __future__ import annotations

import re
from itertools import pairwise

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
