"""Answers as values, and the shapes that Telroi's errors take."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from http.client import responses
from typing import Any

from django_telroi.simulator.quirks import Quirks
from django_telroi.simulator.request import Request

JSON = "application/json"
HTML = "text/html"
LOGIN_PAGE = b'<!DOCTYPE html><html><head><meta http-equiv="refresh" content="0; url=/login"></head></html>'

SIGN_IN_PAGE = (
    '<!DOCTYPE html><html  lang="en"><head><meta charset="utf-8">\n'
    '<meta name="viewport" content="width=device-width, initial-scale=1.0">\n'
    "<title>Sign in — Telroi</title>\n</head><body><h1>Sign in</h1></body></html>"
)
# Where an answer that is no error has the site's own values.
ERROR_HEADERS = (
    ("referrer-policy", "no-referrer"),
    ("x-frame-options", "DENY"),
    ("content-security-policy", "script-src 'none'; frame-ancestors 'none';"),
)


@dataclass(frozen=True)
class Answer:
    """What goes back, before the connection adds its own headers. A header here wins over a common one."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    reason: str = ""


class Refusal(Exception):
    """Telroi says no. Without a ``code`` the error's body has no ``data``.

    ``reason`` is the phrase of the status line and of ``statusMessage``; ``wait`` is the seconds of a 429.
    """

    def __init__(
        self, status: int, code: str, message: str, *, reason: str = "Server Error", wait: int | None = None
    ) -> None:
        super().__init__(status, code, message)
        self.status = status
        self.code = code
        self.message = message
        self.reason = reason
        self.wait = wait


def crash() -> Refusal:
    """An unexpected failure."""
    return Refusal(500, "", "Server Error")


def phrase(status: int) -> str:
    """The usual words for a status; proxies use some that have none."""
    return responses.get(status, "Unknown")


def compact(value: object) -> bytes:
    """JSON as Telroi writes a success. A lone surrogate is escaped, as JavaScript does."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "backslashreplace")


def success(payload: Mapping[str, Any], *, status: int = 200) -> Answer:
    return Answer(status, (("content-type", JSON),), compact(payload))


def login_redirect() -> Answer:
    """What a wrong path or method gets."""
    return Answer(302, (("location", "/login"), ("content-type", HTML)), LOGIN_PAGE)


def sign_in_page() -> Answer:
    return Answer(200, (("content-type", f"{HTML};charset=utf-8"), ("x-powered-by", "Nuxt")), SIGN_IN_PAGE.encode())


def scanner_repelled() -> Answer:
    return Answer(404, (("content-type", "text/plain"),), b"Not Found")


def refused(refusal: Refusal, request: Request, quirks: Quirks) -> Answer:
    """The refusal in the form that this request gets."""
    if quirks.html_errors and not request.wants_json:
        return _as_error(_hidden(refusal))
    answer = _as_error(_wrapped(refusal, request) if quirks.wrapped_errors else _documented(refusal))
    if refusal.wait is not None and not quirks.hidden_waits:
        answer = replace(answer, headers=(*answer.headers, ("retry-after", str(refusal.wait))))
    return answer


def _as_error(answer: Answer) -> Answer:
    return replace(answer, headers=(*answer.headers, *ERROR_HEADERS))


def _hidden(refusal: Refusal) -> Answer:
    """Nothing of the refusal survives but its reason phrase."""
    headers = (("cache-control", "no-cache"), ("content-type", HTML), ("location", "/login"))
    return Answer(302, headers, LOGIN_PAGE, refusal.reason)


def _wrapped(refusal: Refusal, request: Request) -> Answer:
    body: dict[str, object] = {
        "error": True,
        "url": request.url,
        "statusCode": refusal.status,
        "statusMessage": refusal.reason,
        "message": refusal.message,
    }
    if refusal.code:
        body["data"] = {"error": {"code": refusal.code, "message": refusal.message}}
    pretty = json.dumps(body, indent=2, ensure_ascii=False).encode("utf-8", "backslashreplace")
    return Answer(refusal.status, (("content-type", JSON), ("cache-control", "no-cache")), pretty, refusal.reason)


def _documented(refusal: Refusal) -> Answer:
    body = {"error": {"code": refusal.code or "internal", "message": refusal.message}}
    return Answer(refusal.status, (("content-type", JSON),), compact(body), phrase(refusal.status))
