"""A request as Telroi reads it, and the quirks: where Telroi differs from its documentation."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote


@dataclass(frozen=True)
class Quirks:
    """The differences between Telroi and its documentation, as measured.

    Each quirk is on by default. If a test turns it off, the simulator follows the documentation.

    * ``html_errors``: an error is a 302 to ``/login`` unless the request asks for JSON.
    * ``wrapped_errors``: code and message are at ``data.error``, ``error`` is ``true``.
    * ``created_is_200``: a created OTP is 200 instead of 201.
    * ``validation_is_400``: a bad field is 400 instead of 422.
    * ``login_redirects``: a wrong path or method is a 302 instead of 404 or 405.
    * ``hidden_waits``: a 429 has no ``Retry-After``; the seconds are in its message only.
    * ``flat_waits``: the message of the hourly limit always says 3600 s, that of the daily limit always 86400 s.
    * ``failures_count``: a call that could not be placed counts for the cooldown and the limits.
    * ``loose_numbers``: any string of at least three characters is accepted as a number.
    * ``unverifiable_test_ids``: verify rejects the ids of calls with a test key.
    * ``newest_by_number``: a verify by number uses the newest OTP in any state, not the newest open one.
    """

    html_errors: bool = True
    wrapped_errors: bool = True
    created_is_200: bool = True
    validation_is_400: bool = True
    login_redirects: bool = True
    hidden_waits: bool = True
    flat_waits: bool = True
    failures_count: bool = True
    loose_numbers: bool = True
    unverifiable_test_ids: bool = True
    newest_by_number: bool = True


Operation = Literal["send", "verify", "other"]

OPERATIONS: Mapping[str, Operation] = {"/v1/otp": "send", "/v1/otp/verify": "verify"}
# Paths that scanners for weaknesses try, such as ``/wp-admin`` and ``/.env``. ``/./`` and ``/../`` are not among them.
SCANNER = re.compile(r"\.(?:php|aspx?|jsp|cgi|env|git|sql)\b|/wp-|/\.(?!\.?/)", re.IGNORECASE)


@dataclass(frozen=True)
class Request:
    """A request. ``target`` is the raw path with its query. The names in ``headers`` are in lower case."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    keeps_alive: bool = True

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def route(self) -> str:
        """The path that Telroi looks up: percent-decoded and without one trailing slash. Dots are not resolved."""
        return unquote(self.path).removesuffix("/")

    @property
    def operation(self) -> Operation:
        return OPERATIONS.get(self.route, "other") if self.method == "POST" else "other"

    @property
    def origin(self) -> str:
        """Scheme and host as the client sent them. Forwarded headers are trusted, as Telroi does."""
        scheme = self.headers.get("x-forwarded-proto", "http")
        host = self.headers.get("x-forwarded-host") or self.headers.get("host", "localhost")
        return f"{scheme}://{host}"

    @property
    def url(self) -> str:
        return self.origin + self.target

    @property
    def wants_json(self) -> bool:
        """Whether an error is sent as JSON. Not if the client accepts HTML too, and ``*/*`` does not accept JSON."""
        accept = self.headers.get("accept", "").lower()
        if "text/html" in accept:
            return False
        # Telroi's framework knows tools of developers by their name and browsers' ``fetch`` by its mode. Other clients
        # with ``Accept: */*``, such as Python's, get HTML.
        agent = self.headers.get("user-agent", "").lower()
        is_known = "curl/" in agent or "httpie/" in agent or self.headers.get("sec-fetch-mode") == "cors"
        return is_known or "application/json" in accept

    @property
    def looks_like_a_scanner(self) -> bool:
        return SCANNER.search(self.path) is not None
