"""Conversion of typed or pasted text to plain ASCII. Numbers and codes use the same rule.

Contact apps, messengers, PDFs and keyboards put non-ASCII characters around and between digits. Many of them are
invisible. They are removed or replaced here. The caller then matches the result strictly.
"""

from __future__ import annotations

import re
import unicodedata

# Default_Ignorable_Code_Point of UAX #44 (characters that are displayed as nothing), and the marks that set the text
# direction. Messengers put isolates around a number, Apple's Contacts puts U+202D, web pages put zero width spaces and
# soft hyphens, PDFs put variation selectors.
# U+202E is not removed, so the text is rejected: it displays the digits in reverse, so the person saw another number.
# U+202D is removed: it displays the digits in the order in which they are dialed. Marks, embeddings and isolates order
# whole groups of digits only, as every right-to-left paragraph does.
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202d\u2060-\u206f\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufff8\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_SIGNS = {
    "\uff0b": "+",  # full-width, as East Asian keyboards type them
    "\ufe62": "+",  # small form
    "\uff08": "(",
    "\ufe59": "(",
    "\uff09": ")",
    "\ufe5a": ")",
    "\uff0e": ".",
    "\uff0f": "/",
    "\u2212": "-",  # the minus sign, which Unicode does not class as a dash
    "\u2043": "-",  # hyphen bullet
    "\u2053": "-",  # swung dash
    "\u30fc": "-",  # the prolonged sound mark: a Japanese keyboard types it with the hyphen key
    "\uff70": "-",
}
_PLAIN_BY_CATEGORY = {"Zs": " ", "Pd": "-"}  # every space and every dash of Unicode


def clean_typed(text: str) -> str:
    """Return the text without invisible characters, with spaces, dashes, full-width signs and digits in ASCII.

    All other characters stay, including line breaks and control characters, so that the caller can reject them. ASCII
    text is returned unchanged. Digits are converted only if all of them belong to one script (UTS #39, mixed-number
    detection), because a mix may look like another number. Accepts any text and never raises. The function is
    idempotent. It takes time in proportion to the length, so limit the length first.
    """
    if text.isascii():
        return text
    signs = (
        _SIGNS.get(character) or _PLAIN_BY_CATEGORY.get(unicodedata.category(character), character)
        for character in _INVISIBLE.sub("", text)
    )
    return _plain_digits("".join(signs))


def without_invisible(text: str) -> str:
    """Return the text for display to the person who typed it, without characters that are invisible or reorder text."""
    return _INVISIBLE.sub("", text).replace("\u202e", "")


def _plain_digits(text: str) -> str:
    """Convert the digits. Not with NFKC, which also converts superscripts, circled numbers and fractions to digits."""
    digits = {character: unicodedata.decimal(character, -1) for character in set(text)}
    # The ten digits of a script have consecutive code points, so each digit shows where the zero of its script is.
    zeros = {ord(character) - digit for character, digit in digits.items() if digit >= 0}
    if len(zeros) != 1:
        return text
    return "".join(str(digits[character]) if digits[character] >= 0 else character for character in text)
