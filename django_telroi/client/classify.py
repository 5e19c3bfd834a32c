"""The one table that turns every answer into a value or an error: status first, code second.

A 4xx or 5xx whose body cannot be read is still a refusal: its status line was read, and that decides. A 2xx that cannot
be read has said "done" without saying what. A 302 to ``/login`` is Telroi's answer to a wrong path or method: the
request was not carried out. Any other 3xx says nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias
from urllib.parse import urlsplit

from requests import Response

from django_telroi.client.clean_text import clean_error_code, clean_message
from django_telroi.client.strict_json import JSON, read_json
from django_telroi.client.transport import LONGEST_BODY
from django_telroi.client.waits import scope_of, seconds_in_header, seconds_in_sentence
from django_telroi.errors import ApiError, ApiOutcomeUnknown, ApiRefused, RateScope

Outcome: TypeAlias = "JSON | ApiError"

NO_CONTENT = 204
FOUND = 302
LOGIN = "/login"
HIDDEN_ERRORS = ("Server Error", "Bad Request")
NO_SUCH_ROUTE = "Redirected to /login: a wrong path or method."
TOO_MANY_REQUESTS = 429


@dataclass(frozen=True)
class RequestKind:
    """What an answer must be read in the light of.

    ``limited`` is what a 429 in words not yet known is about. For a call it is the number: so the docs say, and the
    error is the smaller one. Taking a number's wait of up to a day for the key's would stop the whole site, and whoever
    can run into a limit of one number could stop it at will; taking a key's wait for the number's costs one refusal a
    number for the minute that the key's window lasts. Nothing but a call is limited by number.
    """

    limited: RateScope = "key"
    hidden: Sequence[str] = field(default=(), repr=False)


def classify(response: Response, question: RequestKind) -> Outcome:
    """What the answer amounts to. An error is returned, not raised: see ``telroi``."""
    return ANSWERS.get(response.status_code // 100, _nothing_known)(response, question)


def _value(response: Response, question: RequestKind) -> Outcome:
    if response.status_code == NO_CONTENT:
        return None
    try:
        return _body(response)
    except ValueError:
        return ApiOutcomeUnknown(f"unreadable {response.status_code}")


def _nothing_known(response: Response, question: RequestKind) -> Outcome:
    return ApiOutcomeUnknown(f"status {response.status_code}")


def _refusal(response: Response, question: RequestKind) -> Outcome:
    error = _error_in(response)
    message = error.get("message")
    sentence = message if isinstance(message, str) else ""
    code = clean_error_code(error.get("code"), question.hidden)
    limited = response.status_code == TOO_MANY_REQUESTS
    return ApiRefused(
        response.status_code,
        code,
        clean_message(sentence, question.hidden),
        seconds_in_header(response.headers) or (seconds_in_sentence(sentence) if limited else None),
        # Without a code it is not Telroi that speaks, but something in front of it that knows nothing of numbers.
        scope_of(sentence, usual=question.limited if code else "key") if limited else None,
    )


def _redirect(response: Response, question: RequestKind) -> Outcome:
    """To a client that does not ask for JSON, Telroi sends this redirect instead of an error, even of a 502.

    Ours does ask. If a proxy drops its ``Accept`` header, the reason phrase is still that of the error.
    """
    leads_to_login = response.status_code == FOUND and _path_of(response.headers.get("Location", "")) == LOGIN
    if leads_to_login and response.reason not in HIDDEN_ERRORS:
        return ApiRefused(FOUND, "", NO_SUCH_ROUTE)
    return _nothing_known(response, question)


def _path_of(location: str) -> str:
    try:
        return urlsplit(location).path
    except ValueError:
        return ""


ANSWERS: Mapping[int, Callable[[Response, RequestKind], Outcome]] = {
    2: _value,
    3: _redirect,
    4: _refusal,
    5: _refusal,
}


def _error_in(response: Response) -> Mapping[str, JSON]:
    """Code and message, where the server puts them or where the docs do; some bodies have a message only."""
    try:
        body = _body(response)
    except ValueError:
        return {}
    if not isinstance(body, dict):
        return {}
    for place in (body.get("data"), body):
        if isinstance(place, dict) and isinstance(error := place.get("error"), dict):
            return {"message": body.get("message"), **error}
    return {"message": body.get("message")}


def _body(response: Response) -> JSON:
    """Raises ValueError for a body that is too long, compressed in spite of our asking, or not strict JSON."""
    if response.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
        raise ValueError("compressed")
    if len(response.content) > LONGEST_BODY:
        raise ValueError("too long")
    return read_json(response.content)
