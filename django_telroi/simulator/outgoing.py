"""An answer as bytes, with the headers that every answer of Telroi's has."""

from __future__ import annotations

from dataclasses import dataclass
from email.utils import formatdate
from functools import lru_cache

from django_telroi.simulator.answers import Answer, phrase

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
    head: bytes
    body: bytes

    @property
    def data(self) -> bytes:
        return self.head + self.body


def outgoing(answer: Answer, *, now: float, keeps_alive: bool, without_body: bool) -> Outgoing:
    """``without_body`` is for HEAD, whose answer has no length either."""
    reason = answer.reason or phrase(answer.status)
    own = {name for name, _ in answer.headers}
    common = [header for header in COMMON.items() if header[0] not in own]
    headers = "".join(f"{name}: {value}\r\n" for name, value in (*answer.headers, *common))
    lasting = f"keep-alive\r\nKeep-Alive: timeout={IDLE_SECONDS}" if keeps_alive else "close"
    length = "" if without_body else f"Content-Length: {len(answer.body)}\r\n"
    head = (
        f"HTTP/1.1 {answer.status} {reason}\r\n{headers}Date: {_date(int(now))}\r\n"
        f"Connection: {lasting}\r\n{length}\r\n"
    )
    return Outgoing(head.encode("latin-1"), b"" if without_body else answer.body)


@lru_cache(maxsize=4)
def _date(seconds: int) -> str:
    return formatdate(seconds, usegmt=True)
