"""Telroi's responses: bodies, headers, errors, and the bytes that are sent."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from email.utils import formatdate
from functools import lru_cache
from http.client import responses
from typing import Any

from django_telroi.simulator.http_request import Quirks, Request

JSON = "application/json"
HTML = "text/html"
LOGIN_PAGE = b'<!DOCTYPE html><html><head><meta http-equiv="refresh" content="0; url=/login"></head></html>'

# The beginning of the recorded page. The rest is styles and scripts, which no client of the API reads.
SIGN_IN_PAGE = (
    '<!DOCTYPE html><html  lang="en"><head><meta charset="utf-8">\n'
    '<meta name="viewport" content="width=device-width, initial-scale=1.0">\n'
    "<title>Sign in — Telroi</title>\n</head><body><h1>Sign in</h1></body></html>"
)
# Error responses have these values. Other responses have the values in COMMON.
ERROR_HEADERS = (
    ("referrer-policy", "no-referrer"),
    ("x-frame-options", "DENY"),
    ("content-security-policy", "script-src 'none'; frame-ancestors 'none';"),
)


@dataclass(frozen=True)
class Answer:
    """A response without the headers of the connection. A header here replaces one in ``COMMON``."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes
    reason: str = ""


class Refusal(Exception):
    """An error response. Without a ``code`` its body has no ``data``.

    ``reason`` is the phrase of the status line and of ``statusMessage``. ``wait`` is the seconds of a 429.
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
    """Return the error of a crash in Telroi."""
    return Refusal(500, "", "Server Error")


def phrase(status: int) -> str:
    """Return the standard reason phrase, or ``Unknown`` for the non-standard statuses of some proxies."""
    return responses.get(status, "Unknown")


def compact(value: object) -> bytes:
    """Return JSON in the format of Telroi's successful responses. Lone surrogates are escaped, as in JavaScript."""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "backslashreplace")


def success(payload: Mapping[str, Any], *, status: int = 200) -> Answer:
    return Answer(status, (("content-type", JSON),), compact(payload))


def login_redirect() -> Answer:
    """Return the response to a wrong path or method."""
    return Answer(302, (("location", "/login"), ("content-type", HTML)), LOGIN_PAGE)


def sign_in_page() -> Answer:
    return Answer(200, (("content-type", f"{HTML};charset=utf-8"), ("x-powered-by", "Nuxt")), SIGN_IN_PAGE.encode())


def scanner_repelled() -> Answer:
    return Answer(404, (("content-type", "text/plain"),), b"Not Found")


def refused(refusal: Refusal, request: Request, quirks: Quirks) -> Answer:
    """Return the response for the refusal. Its format depends on the request and on the quirks."""
    if quirks.html_errors and not request.wants_json:
        return _as_error(_login_redirect(refusal))
    if quirks.wrapped_errors:
        answer = _as_error(_wrap_error(refusal, request))
    else:
        documented = {"error": {"code": refusal.code or "internal", "message": refusal.message}}
        headers = (("content-type", JSON),)
        answer = _as_error(Answer(refusal.status, headers, compact(documented), phrase(refusal.status)))
    if refusal.wait is not None and not quirks.hidden_waits:
        answer = replace(answer, headers=(*answer.headers, ("retry-after", str(refusal.wait))))
    return answer


def _as_error(answer: Answer) -> Answer:
    return replace(answer, headers=(*answer.headers, *ERROR_HEADERS))


def _login_redirect(refusal: Refusal) -> Answer:
    """Return the redirect that hides an error. Only the reason phrase of the error remains."""
    headers = (("cache-control", "no-cache"), ("content-type", HTML), ("location", "/login"))
    return Answer(302, headers, LOGIN_PAGE, refusal.reason)


def _wrap_error(refusal: Refusal, request: Request) -> Answer:
    body: dict[str, object] = {
        "error": True,
        "url": request.url,
        "statusCode": refusal.status,
        "statusMessage": refusal.reason,
        "message": refusal.message,
    }
    if refusal.code:
        body["data"] = {"error": {"code": refusal.code, "message": refusal.message}}
    # Telroi writes a success compactly and an error indented. The recordings are compared byte by byte.
    pretty = json.dumps(body, indent=2, ensure_ascii=False).encode("utf-8", "backslashreplace")
    return Answer(refusal.status, (("content-type", JSON), ("cache-control", "no-cache")), pretty, refusal.reason)


# As Telroi announces it. Telroi closed an idle connection after 6 s, so a client must stop using it before 5 s.
IDLE_SECONDS = 5
COMMON = {
    "x-content-type-options": "nosniff",
    "referrer-policy": "strict-origin-when-cross-origin",
    "x-frame-options": "SAMEORIGIN",
    "permissions-policy": "geolocation=(), camera=(), microphone=(self), payment=()",
    "strict-transport-security": "max-age=31536000; includeSubDomains",
}


@dataclass(frozen=True)
class Outgoing:
    """The bytes of a response, in two parts: many faults break or delay only one of them."""

    head: bytes
    body: bytes

    @property
    def data(self) -> bytes:
        return self.head + self.body


def outgoing(answer: Answer, *, now: float, keeps_alive: bool, without_body: bool) -> Outgoing:
    """Return the bytes of a response. ``without_body`` is for HEAD: Telroi then sends no length either."""
    reason = answer.reason or phrase(answer.status)
    own = {name for name, _ in answer.headers}
    # A client must accept names in any case. Telroi sends those of its framework in lower case and Node.js its own.
    common = [header for header in COMMON.items() if header[0] not in own]
    headers = "".join(f"{name}: {value}\r\n" for name, value in (*answer.headers, *common))
    lasting = f"keep-alive\r\nKeep-Alive: timeout={IDLE_SECONDS}" if keeps_alive else "close"
    length = "" if without_body else f"Content-Length: {len(answer.body)}\r\n"
    head = (
        f"HTTP/1.1 {answer.status} {reason}\r\n{headers}Date: {_date(int(now))}\r\n"
        f"Connection: {lasting}\r\n{length}\r\n"
    )
    # HTTP headers are Latin-1. A fault may set a header with other bytes than ASCII.
    return Outgoing(head.encode("latin-1"), b"" if without_body else answer.body)


# The responses of one second have the same date. The benchmarks get thousands of them.
@lru_cache(maxsize=4)
def _date(seconds: int) -> str:
    return formatdate(seconds, usegmt=True)


def invalid() -> Refusal:
    """400 for a bad field."""
    return Refusal(400, "invalid", "to (E.164 destination) is required")


def malformed() -> Refusal:
    """400 without a code, as for a body that is not JSON."""
    return Refusal(400, "", "Invalid JSON body", reason="Bad Request")


def unauthorized() -> Refusal:
    """401 for an unknown or revoked key."""
    return Refusal(401, "unauthorized", "Invalid or revoked API key")


def forbidden() -> Refusal:
    """403 for a key without the scope."""
    return Refusal(403, "forbidden", "Key lacks otp:write")


def not_found() -> Refusal:
    """404 as documented."""
    return Refusal(404, "not_found", "Not found")


def method_not_allowed() -> Refusal:
    """405 as documented."""
    return Refusal(405, "method_not_allowed", "Method not allowed")


def not_verifiable() -> Refusal:
    """422 for a verify of the client's own code."""
    return Refusal(422, "not_verifiable", "You supplied this code, so verifying it is yours to do.")


def rate_limited(*, wait: object = 60, message: str | None = None) -> Refusal:
    """429 for the number, with any ``wait`` in the message, or with any ``message``."""
    sentence = message or f"Too many requests for this number. Retry after {wait}s."
    return Refusal(429, "rate_limited", sentence, wait=wait if isinstance(wait, int) else None)


def key_limited(*, wait: object = 56) -> Refusal:
    """429 for the key, with any ``wait`` in the message."""
    sentence = f"Too many requests. Try again in {wait}s."
    return Refusal(429, "rate_limited", sentence, wait=wait if isinstance(wait, int) else None)


def server_error(*, status: int = 500) -> Refusal:
    """500 without a code, or another ``status`` with the same body."""
    failure = crash()
    return Refusal(status, failure.code, failure.message)


def otp_failed(*, message: str = "Gateway returned 500") -> Refusal:
    """502 with the operator's ``message``. Unlike a failure of the carrier, no OTP is stored."""
    return Refusal(502, "otp_failed", message)


def insufficient_funds() -> Refusal:
    """502 for an empty wallet."""
    return otp_failed(message="insufficient_funds")


def service_unavailable() -> Refusal:
    """503 while keys cannot be checked."""
    return Refusal(503, "service_unavailable", "Key verification temporarily unavailable")


REFUSALS: Mapping[str, Callable[..., Refusal]] = {
    refusal.__name__: refusal
    for refusal in (
        invalid,
        malformed,
        unauthorized,
        forbidden,
        not_found,
        method_not_allowed,
        not_verifiable,
        rate_limited,
        key_limited,
        server_error,
        otp_failed,
        insufficient_funds,
        service_unavailable,
    )
}
