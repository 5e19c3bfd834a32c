"""The table that turns each response into a value or an error: first by status, then by code.

* 4xx and 5xx: refused. The status line decides, even if the body cannot be read. With an HTML page, 400, 404 and 422
  are the answer of a proxy.
* 2xx with a body that cannot be read: the request was carried out, but its result is unknown.
* 302 to ``/login``: Telroi's response to a wrong path or method. The request was not carried out.
* Any other 3xx: the outcome is unknown.

A refusal also says how long to wait, and whether a 429 is about the number or the key.

See "A call" and "A code" in docs/explanation/how.rst. ``services/sentences.py`` lists the steps from here to a
sentence.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TypeAlias, TypeVar
from urllib.parse import urlsplit

from requests import Response

from django_telroi.client.deadline import MAX_BODY_BYTES
from django_telroi.client.json_values import JSON, clean_error_code, clean_message, http_date, read_json
from django_telroi.client.observers import RequestPurpose
from django_telroi.errors import ApiError, ApiOutcomeUnknown, ApiRefused, ApiRefusedByProxy, RateScope

Outcome: TypeAlias = "JSON | ApiError"
T = TypeVar("T")

NO_CONTENT = 204
FOUND = 302
LOGIN_PATH = "/login"
# The reason phrases of Telroi's errors. Its redirect for a wrong path has the phrase of its status, "Found".
HIDDEN_ERRORS = ("Server Error", "Bad Request")
NO_SUCH_ROUTE = "Redirected to /login: a wrong path or method."
TOO_MANY_REQUESTS = 429
ABOUT_THE_REQUEST = (400, 404, 422)
"""The statuses that say something about the number or the call, if Telroi sent them."""


@dataclass(frozen=True)
class RequestKind:
    """What is needed about a request to read its response.

    ``limited`` is the scope of a 429 whose text is unknown to us. For a call it is the number, as Telroi's docs say,
    and because that mistake costs less. If a limit of one number is taken for one of the key, the whole site stops for
    up to a day, and an attacker who reaches the limit of one number can cause that. If a limit of the key is taken for
    one of a number, one call for each number is refused until the key's window of one minute ends. Only calls have
    limits by number.

    ``hidden`` are texts that are redacted from Telroi's message. ``operation`` is for telemetry only.
    """

    limited: RateScope = "key"
    operation: RequestPurpose = RequestPurpose.OTHER
    hidden: Sequence[str] = field(default=(), repr=False)


def classify(response: Response, kind: RequestKind) -> Outcome:
    """Return the parsed JSON of the response, or the error.

    The error is returned, not raised, so that its traceback contains no frame with a key, a code or a number.
    """
    return READERS.get(response.status_code // 100, _unknown_outcome)(response, kind)


def _value(response: Response, kind: RequestKind) -> Outcome:
    if response.status_code == NO_CONTENT:
        return None
    # Not a refusal: with this status Telroi has placed the call or checked the code. A proxy may have damaged the body.
    try:
        return _body(response)
    except ValueError:
        return ApiOutcomeUnknown(f"unreadable {response.status_code}")


def _unknown_outcome(response: Response, kind: RequestKind) -> Outcome:
    return ApiOutcomeUnknown(f"status {response.status_code}")


def _refusal(response: Response, kind: RequestKind) -> Outcome:
    if response.status_code in ABOUT_THE_REQUEST and _is_page(response):
        return ApiRefusedByProxy(response.status_code)
    # The message may be None, a number or missing, because a proxy may have answered.
    error = _error_in(response)
    message = error.get("message")
    sentence = message if isinstance(message, str) else ""
    code = clean_error_code(error.get("code"), kind.hidden)
    limited = response.status_code == TOO_MANY_REQUESTS
    return ApiRefused(
        response.status_code,
        code,
        clean_message(sentence, kind.hidden),
        # Telroi sends no header, but a proxy may. Only the messages of a 429 are known to contain seconds.
        seconds_in_header(response.headers) or (seconds_in_sentence(sentence) if limited else None),
        # A 429 without a code comes from a proxy in front of Telroi, which does not know the numbers.
        scope_of(sentence, usual=kind.limited if code else "key") if limited else None,
    )


def _is_page(response: Response) -> bool:
    """Return whether the body is HTML, by its type or by its first character."""
    kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    return kind == "text/html" or response.content.lstrip().startswith(b"<")


def _redirect(response: Response, kind: RequestKind) -> Outcome:
    """Return a refusal for the redirect of a wrong path or method. Any other redirect is an unknown outcome.

    If a request does not accept JSON, Telroi sends the same redirect instead of every error, even of a 502. Our
    requests accept JSON, but a proxy may remove the ``Accept`` header. The reason phrase is then that of the hidden
    error.
    """
    leads_to_login = response.status_code == FOUND and _path_of(response.headers.get("Location", "")) == LOGIN_PATH
    if leads_to_login and response.reason not in HIDDEN_ERRORS:
        return ApiRefused(FOUND, "", NO_SUCH_ROUTE)
    return _unknown_outcome(response, kind)


def _path_of(location: str) -> str:
    # ``urlsplit`` raises for some hosts, such as "http://[".
    try:
        return urlsplit(location).path
    except ValueError:
        return ""


READERS: Mapping[int, Callable[[Response, RequestKind], Outcome]] = {
    2: _value,
    3: _redirect,
    4: _refusal,
    5: _refusal,
}


def _error_in(response: Response) -> Mapping[str, JSON]:
    """Return code and message, from where the server puts them or where Telroi's docs say. The code may be missing."""
    try:
        body = _body(response)
    except ValueError:
        return {}
    if not isinstance(body, dict):
        return {}
    # ``data`` first: there, ``error`` at the top is only true. Telroi's docs show the object at the top.
    for place in (body.get("data"), body):
        if isinstance(place, dict) and isinstance(error := place.get("error"), dict):
            return {"message": body.get("message"), **error}
    return {"message": body.get("message")}


def _body(response: Response) -> JSON:
    """Return the parsed body.

    Raises ValueError if it is too long, not strict JSON, or compressed although the request did not allow that.
    """
    # A compressed body of 194 KB can have 200 MB. We ask for an uncompressed one, and Telroi compresses nothing.
    if response.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
        raise ValueError("compressed")
    if len(response.content) > MAX_BODY_BYTES:
        raise ValueError("too long")
    return read_json(response.content)


def read_reply(response: Response | ApiError, kind: RequestKind, read: Callable[[JSON], T | ApiError]) -> T | ApiError:
    """Return the value or the error of a response. An error that came instead of a response is returned unchanged.

    Never raises: the request was sent, so an exception while reading the response means that the outcome is unknown.
    """
    if isinstance(response, ApiError):
        return response
    try:
        reply = classify(response, kind)
        return reply if isinstance(reply, ApiError) else read(reply)
    except Exception:  # noqa: BLE001 - memory may run out, and a parser of the standard library may have a bug
        return ApiOutcomeUnknown("unreadable")


# Seconds. Telroi's longest limit is one of a day. A longer wait is a mistake, and would block a number for too long.
MAX_WAIT = 86_400
# At most six digits: enough for a day. ``int`` raises ValueError for more than 4,300.
WHOLE_SECONDS = re.compile(r"[0-9]{1,6}")
# "Too many requests for this number. Retry after 60s." and "Too many requests. Try again in 56s."
RETRY_SENTENCE = re.compile(r"(?:Retry after|Try again in) ([0-9]{1,6}) ?s(?:econds?)?\b", re.IGNORECASE)
ABOUT_THE_NUMBER = "for this number"
ABOUT_THE_KEY = re.compile(r"Too many requests\. ")


def seconds_in_header(headers: Mapping[str, str]) -> int | None:
    """Return ``Retry-After`` in seconds, or None if it is missing or not from 1 second to 1 day.

    Telroi does not send it today.
    """
    value = headers.get("Retry-After", "").strip()
    if WHOLE_SECONDS.fullmatch(value):
        return _in_range(int(value))
    moment = http_date(value)
    # Relative to the response's own Date, because our clock may differ from Telroi's.
    now = http_date(headers.get("Date", "")) or datetime.now(UTC)
    return _in_range(math.ceil((moment - now).total_seconds())) if moment else None


def seconds_in_sentence(message: str) -> int | None:
    """Return the seconds in the message of a 429, or None. Today they are only there."""
    found = RETRY_SENTENCE.search(message)
    return _in_range(int(found[1])) if found else None


def scope_of(message: str, *, usual: RateScope) -> RateScope:
    """Return whether a 429 is about the number or the key. Two known messages decide; ``usual`` is for all others."""
    # Telroi has one error code for both. Only the two messages tell them apart.
    if ABOUT_THE_NUMBER in message:
        return "number"
    return "key" if ABOUT_THE_KEY.match(message) else usual


def _in_range(seconds: int) -> int | None:
    return seconds if 1 <= seconds <= MAX_WAIT else None
