"""Cleans Telroi's texts for logs, database columns and staff."""

from __future__ import annotations

import re
from collections.abc import Sequence

# Characters that the database column for the message has.
MAX_MESSAGE_LENGTH = 200
# The rest is dropped before the patterns run, so that a body of 64 KiB costs little.
MAX_READ_LENGTH = 2_000
# A code has at least four digits. To redact shorter texts would redact parts of ordinary words.
SHORTEST_SECRET = 4
HIDDEN = "[hidden]"

# Not "[^\u0000-\uffff]", which takes 5 ms to compile at every start.
BEYOND_THREE_BYTES = re.compile("[\U00010000-\U0010ffff]")
CODE = re.compile(r"[A-Za-z][A-Za-z0-9_.-]{0,39}")
PHONE_NUMBER = re.compile(r"\+?\d(?:[ ().-]{0,2}\d){6,}")
KEY = re.compile(r"(?:tlr_(?:live|test)|whsec)_\w+")


def clean_error_code(code: object, hidden: Sequence[str] = ()) -> str:
    """Return the error code as Telroi sent it, also one that is not documented. Return ``""`` if it is not a code."""
    if not isinstance(code, str) or not CODE.fullmatch(code):
        return ""
    return "" if HIDDEN in _hide(code, hidden) else code


def clean_message(message: object, hidden: Sequence[str] = ()) -> str:
    """Return one line of at most 200 printable characters. Keys, phone numbers and the texts in ``hidden`` are
    redacted.

    Characters above U+FFFF, such as emoji, become U+FFFD, because not every table of MariaDB and MySQL can store them.
    """
    if not isinstance(message, str):
        return ""
    printable = "".join(character if character.isprintable() else " " for character in message[:MAX_READ_LENGTH])
    printable = BEYOND_THREE_BYTES.sub("\ufffd", printable)
    # Redact before cutting. Half of a key at the end would not be recognized.
    return _hide(" ".join(printable.split()), hidden)[:MAX_MESSAGE_LENGTH]


def clean_path(path: str) -> str:
    """Return a request's path for the log: without its query, and with phone numbers redacted."""
    return PHONE_NUMBER.sub(HIDDEN, path.partition("?")[0])


def _hide(text: str, hidden: Sequence[str]) -> str:
    # The longest first: a secret that contains another one must not lose only that part.
    for secret in sorted(hidden, key=len, reverse=True):
        if len(secret) >= SHORTEST_SECRET:
            text = text.replace(secret, HIDDEN)
    return PHONE_NUMBER.sub(HIDDEN, KEY.sub(HIDDEN, text))
