"""JSON to and from Telroi: strict parsing, single fields, the body of a request, and texts without secrets.

Parsing follows RFC 8259, without the extensions of Python's parser. Texts are cleaned for logs, database columns and
staff.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import NoReturn, TypeAlias

from django_telroi.redaction import Secret, SecretBytes

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


# A pattern instead of a list of statuses, because Telroi may add one.
WORD = re.compile(r"[a-z][a-z_]{0,31}")
MAX_TIMESTAMP_LENGTH = 40


def read_word(value: JSON) -> str | None:
    """Return a lower-case word of up to 32 letters and underscores."""
    return value if isinstance(value, str) and WORD.fullmatch(value) else None


def read_flag(value: JSON) -> bool | None:
    """Return a boolean."""
    # Only JSON's own. With Python's truth, ``"false"`` would verify a code.
    return value if isinstance(value, bool) else None


def read_count(value: JSON) -> int | None:
    """Return an integer of 0 or more."""
    # True is an int in Python.
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def read_moment(value: JSON) -> datetime | None:
    """Return the time of an ISO 8601 timestamp, in UTC. Without an offset the time is unknown, so return None."""
    if not isinstance(value, str) or len(value) > MAX_TIMESTAMP_LENGTH:
        return None
    try:
        found = datetime.fromisoformat(value)
        return found.astimezone(UTC) if found.tzinfo else None
    except (ValueError, OverflowError):
        return None


def http_date(header: str) -> datetime | None:
    """Return the time of a header such as ``Date``, in UTC. A time without a zone is read as UTC.

    Python's parser accepts numbers of any size. It raises one of the caught errors when it converts them to a date.
    """
    try:
        found = parsedate_to_datetime(header)
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError, TypeError, IndexError):
        return None


def as_secret_text(text: str) -> Secret:
    """Return ``text`` with a masked repr.

    Raises TypeError if it is not a str: Telroi would dial and bill a text such as ``str(None)``.
    """
    if not isinstance(text, str):
        raise TypeError("The number and the code must be str.")
    return Secret(text)


def without_none(**fields: JSON) -> dict[str, JSON]:
    """Return the fields that are not None. Telroi treats null differently from a missing field."""
    return {name: value for name, value in fields.items() if value is not None}


def encode(body: object) -> SecretBytes:
    """Return the body as JSON. Raises ValueError or TypeError if JSON cannot express it."""
    return SecretBytes(json.dumps(body, allow_nan=False, separators=(",", ":")).encode())


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
PHONE_NUMBER = re.compile(r"\+?\d(?:[ ().\-\u2010-\u2015]{0,2}\d){6,}")
# Single digits with something between them, as in "4, 8, 3, 9": how a text for a voice has a code.
SPELLED_DIGITS = re.compile(r"(?<!\d)\d(?:[\W_]{1,3}\d(?!\d)){3,}")
BETWEEN_DIGITS = r"[\W_]{0,3}"
KEY = re.compile(r"(?:tlr_(?:live|test)|whsec)_\w+")


def clean_error_code(code: object, hidden: Sequence[str] = ()) -> str:
    """Return the error code as Telroi sent it, also one that is not documented. Return ``""`` if it is not a code."""
    if not isinstance(code, str) or not CODE.fullmatch(code):
        return ""
    return "" if HIDDEN in _hide(code, hidden) else code


def clean_message(message: object, hidden: Sequence[str] = ()) -> str:
    """Return one line of at most 200 printable characters. Keys, phone numbers, spelled digits and the texts in
    ``hidden`` are redacted. A number or a code in ``hidden`` is redacted also if its digits are spelled or grouped.

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
            text = _hide_one(text, secret)
    for pattern in (KEY, PHONE_NUMBER, SPELLED_DIGITS):
        text = pattern.sub(HIDDEN, text)
    return text


def _hide_one(text: str, secret: str) -> str:
    digits = secret.removeprefix("+")
    if not (digits.isascii() and digits.isdigit()):
        return text.replace(secret, HIDDEN)
    # A voice provider may repeat a code as it reads it out: digit by digit, or in groups.
    return re.sub(r"\+?" + BETWEEN_DIGITS.join(digits), HIDDEN, text)
