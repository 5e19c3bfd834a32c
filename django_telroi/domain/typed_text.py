"""What a person typed or pasted, in plain ASCII: the same rule for numbers and for codes.

Contact apps, messengers, PDFs and keyboards put other characters than ASCII around and between digits, many of them
invisible. They are removed or written in ASCII here. A strict match of the result decides afterwards what is accepted.
"""

from __future__ import annotations

import re
import unicodedata

# Default_Ignorable_Code_Point of UAX #44: what is displayed as nothing, and the marks that direct text. Messengers put
# isolates around a number, Apple's Contacts U+202D, web pages zero width spaces and soft hyphens, PDFs variation
# selectors.
# U+202E is left in, so that it is refused: it shows the digits of a number in reverse, so the number is not the one
# that its owner saw. U+202D is taken out: it shows them in the order in which they are dialled. Marks, embeddings and
# isolates order whole groups of digits only, as every right-to-left paragraph does.
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
    "\u2212": "-",  # the minus sign, which is no dash to Unicode
    "\u2043": "-",  # hyphen bullet
    "\u2053": "-",  # swung dash
    "\u30fc": "-",  # the prolonged sound mark: what a Japanese keyboard types with the key of the hyphen
    "\uff70": "-",
}
_PLAIN_BY_CATEGORY = {"Zs": " ", "Pd": "-"}  # every space and every dash of Unicode


def clean_typed(text: str) -> str:
    """The text without invisible characters, its spaces, dashes, full-width signs and digits in ASCII.

    Everything else stays as it is, for the caller to refuse: line breaks and other control characters too, and ASCII
    text is returned unchanged. Digits become ASCII only if all of them belong to one
    script (UTS #39, mixed-number detection): a mix may read as another number than it is. Takes any text, raises
    nothing, and what it returns it would return unchanged. It costs time in proportion to the text: cap the length
    before.
    """
    if text.isascii():
        return text
    return _plain_digits("".join(map(_plain_sign, _INVISIBLE.sub("", text))))


def without_invisible(text: str) -> str:
    """The text as it may be shown again to the person who typed it: nothing in it hides, or reorders what is shown."""
    return _INVISIBLE.sub("", text).replace("\u202e", "")


def _plain_sign(character: str) -> str:
    return _SIGNS.get(character) or _PLAIN_BY_CATEGORY.get(unicodedata.category(character), character)


def _plain_digits(text: str) -> str:
    """Not NFKC: it would also make digits of superscripts, circled numbers and fractions."""
    digits = {character: unicodedata.decimal(character, -1) for character in set(text)}
    # The ten digits of a script follow each other, so each of them tells where its script's zero is.
    zeros = {ord(character) - digit for character, digit in digits.items() if digit >= 0}
    if len(zeros) != 1:
        return text
    return "".join(str(digits[character]) if digits[character] >= 0 else character for character in text)
