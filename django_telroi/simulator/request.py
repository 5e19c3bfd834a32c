"""A request as Telroi reads it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote

Operation = Literal["send", "verify", "other"]

OPERATIONS: Mapping[str, Operation] = {"/v1/otp": "send", "/v1/otp/verify": "verify"}
SCANNER = re.compile(r"\.(?:php|aspx?|jsp|cgi|env|git|sql)\b|/wp-|/\.(?!\.?/)", re.IGNORECASE)


@dataclass(frozen=True)
class Request:
    """``target`` is the path as it came, with its query; the names of ``headers`` are in lower case."""

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
        """The path as Telroi looks it up: percent signs decoded, and without one trailing slash. Dots stay."""
        return unquote(self.path).removesuffix("/")

    @property
    def operation(self) -> Operation:
        return OPERATIONS.get(self.route, "other") if self.method == "POST" else "other"

    @property
    def origin(self) -> str:
        """Scheme and host as the client names them; a forwarded host is trusted, as Telroi does."""
        scheme = self.headers.get("x-forwarded-proto", "http")
        host = self.headers.get("x-forwarded-host") or self.headers.get("host", "localhost")
        return f"{scheme}://{host}"

    @property
    def url(self) -> str:
        return self.origin + self.target

    @property
    def wants_json(self) -> bool:
        """Whether an error may be JSON. Asking for HTML as well loses; ``*/*`` is not asking."""
        accept = self.headers.get("accept", "").lower()
        if "text/html" in accept:
            return False
        return "application/json" in accept or self._is_known_tool or self.headers.get("sec-fetch-mode") == "cors"

    @property
    def looks_like_a_scanner(self) -> bool:
        return SCANNER.search(self.path) is not None

    @property
    def _is_known_tool(self) -> bool:
        agent = self.headers.get("user-agent", "").lower()
        return "curl/" in agent or "httpie/" in agent
