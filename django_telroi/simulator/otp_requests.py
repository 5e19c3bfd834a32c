"""Reads and validates request bodies in the same way as Telroi.

``null`` is not the same as a missing field, a number is never a string, and all errors of an endpoint have the same
message.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, NoReturn
from urllib.parse import parse_qsl

from django_telroi.simulator.http_request import Quirks, Request
from django_telroi.simulator.responses import Refusal


def _key(name: str) -> str:
    """Return a pattern for a key of a JSON object. Each letter may be written as an escape."""
    letters = (rf"(?:{letter}|\\u(?i:{ord(letter):04x}))" for letter in name)
    return rf'"{"".join(letters)}"\s*:'


# Telroi's parser searches the text for these keys, at any place and with any value, before it parses: a protection
# against "prototype pollution" in JavaScript. So the search is done in the text here too.
PROTOTYPE_KEY = re.compile(f"{_key('__proto__')}|{_key('constructor')}")
# ASCII digits only. ``\d`` would also match Arabic digits, which Telroi rejects.
OWN_CODE = re.compile(r"[0-9]{4,10}")
UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
INVALID_SEND = "to (E.164 destination) is required"
# Only without the quirk ``loose_numbers``.
E164 = re.compile(r"\+[1-9][0-9]{6,14}")


OwnCodesMode = Literal["confirm", "ignore", "reject"]


@dataclass(frozen=True)
class OwnCodes:
    """What a send with the client's own ``code`` does.

    * ``confirm``: the call reads it out, and the response has ``"verification": "client"``. This is Telroi today.
    * ``ignore``: ``code`` is an unknown field. Telroi creates the code and verifies it, as it did before it
      supported ``code``.
    * ``reject``: an error with this ``status``. Nothing is stored, so the cooldown does not start.
    """

    mode: OwnCodesMode = "confirm"
    status: int = 400


@dataclass(frozen=True)
class OtpRequest:
    """The body of a send. ``code`` is the client's own code, or None if Telroi creates it."""

    to: str
    code_length: int | None
    language: str | None
    code: str | None


@dataclass(frozen=True)
class CheckRequest:
    """The body of a verify. With an ``id``, ``to`` is ignored."""

    code: str
    id: str | None
    to: str | None


def read_otp_request(request: Request, quirks: Quirks, own_codes: OwnCodes) -> OtpRequest:
    """Return the body of a send. Raises Refusal."""
    fields = _fields(request)
    if "code" in fields and own_codes.mode == "reject":
        # Telroi has one message per endpoint for all invalid fields, so this looks like an invalid number.
        raise Refusal(own_codes.status, "invalid", INVALID_SEND)
    if own_codes.mode == "ignore":
        # Removed before it is validated: Telroi accepts any value in a field that it does not know.
        fields = {name: value for name, value in fields.items() if name != "code"}
    to = fields.get("to")
    fits = (
        isinstance(to, str)
        and (utf16_length(to) >= 3 if quirks.loose_numbers else E164.fullmatch(to) is not None)
        and is_absent_or(fields, "code_length", _is_length)
        and is_absent_or(fields, "language", is_text)
        and is_absent_or(fields, "code", _is_own_code)
    )
    if not fits:
        raise _invalid(INVALID_SEND, quirks)
    # The length may be a float here: ``6.0`` is a whole number in JavaScript.
    length = fields.get("code_length")
    return OtpRequest(fields["to"], None if length is None else int(length), fields.get("language"), fields.get("code"))


def read_check_request(request: Request, quirks: Quirks) -> CheckRequest:
    """Return the body of a verify. Raises Refusal."""
    fields = _fields(request)
    code = fields.get("code")
    # Any characters, and not trimmed: a code with a trailing space is a wrong code that uses a try, not an error. The
    # ids of test keys are no UUIDs, so they are an error even if there is a number, too.
    fits = (
        isinstance(code, str)
        and 4 <= utf16_length(code) <= 10
        and is_absent_or(fields, "id", _is_uuid if quirks.unverifiable_test_ids else _is_uuid_or_test_id)
        and is_absent_or(fields, "to", is_text)
        and ("id" in fields or fields.get("to"))
    )
    if not fits:
        raise _invalid("code and one of id|to are required", quirks)
    # The ids of the store are in lower case, and Telroi accepts any case.
    return CheckRequest(fields["code"], fields["id"].lower() if "id" in fields else None, fields.get("to"))


def text_field(request: Request, name: str) -> str | None:
    """Return one field, or None if it is missing or not a text. Never raises."""
    try:
        value = _fields(request).get(name)
    except Refusal:
        return None
    return value if isinstance(value, str) else None


def _fields(request: Request) -> Mapping[str, Any]:
    # A body that is no object has no fields, so it gets the same 400 as an empty object.
    body = read_body(request)
    return body if isinstance(body, dict) else {}


def read_body(request: Request) -> object:
    """Return the body: a text for ``text/…``, strings for a form, JSON for every other type. Raises Refusal."""
    kind = request.headers.get("content-type", "").lower()
    # Telroi runs on Node.js, where invalid UTF-8 is no error but becomes U+FFFD.
    text = request.body.decode("utf-8", "replace")
    if not text or kind.startswith("text/"):
        return text
    if kind.startswith("application/x-www-form-urlencoded"):
        return dict(parse_qsl(text, keep_blank_values=True))
    return _parse_json(text)


def _parse_json(text: str) -> object:
    malformed = Refusal(400, "", "Invalid JSON body", reason="Bad Request")
    if PROTOTYPE_KEY.search(text):
        raise malformed
    try:
        return json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise malformed from None


def _no_constant(name: str) -> NoReturn:
    """Raise ValueError for NaN and Infinity, which Python's parser accepts although they are not JSON."""
    raise ValueError(name)


def _invalid(message: str, quirks: Quirks) -> Refusal:
    return Refusal(400 if quirks.validation_is_400 else 422, "invalid", message)


def is_absent_or(fields: Mapping[str, Any], name: str, fits: Callable[[Any], bool]) -> bool:
    return name not in fields or fits(fields[name])


def is_text(value: Any) -> bool:
    return isinstance(value, str)


def _is_length(value: Any) -> bool:
    """Whether it is a whole number from 4 to 10. ``6.0`` is one in JavaScript."""
    # True and False are ints in Python, but not numbers in JSON.
    return isinstance(value, int | float) and not isinstance(value, bool) and value in range(4, 11)


def _is_own_code(value: Any) -> bool:
    return isinstance(value, str) and OWN_CODE.fullmatch(value) is not None


def utf16_length(text: str) -> int:
    """Return the length in UTF-16 units, as in JavaScript: an emoji counts as two."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _is_uuid(value: Any) -> bool:
    return isinstance(value, str) and UUID.fullmatch(value) is not None


def _is_uuid_or_test_id(value: Any) -> bool:
    return _is_uuid(value) or (isinstance(value, str) and value.startswith("otp_test_"))
