"""A webhook as Telroi posts it, made by hand to try a deployment: about a call that does not exist."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import uuid4

import requests

from django_telroi.client.webhooks import SIGNATURE_HEADERS, sign

NOBODYS_NUMBER = "+9990000000"
"""E.164 in form, of a country that does not exist, so that no row of anybody's can be meant."""

SAMPLES: Mapping[str, Mapping[str, object]] = {
    "otp.completed": {"status": "delivered", "client_supplied": False},
    "otp.failed": {"reason": "A sample, to try the endpoint", "status": "failed"},
    "otp.verified": {"verified": False},
}
PATIENCE_SECONDS = 8
"""Telroi's own."""


@dataclass(frozen=True)
class Delivery:
    """What came of it: a status, or what kept it from getting one. ``location`` is where a redirect leads."""

    status: int | None
    location: str = ""
    error: str = ""

    @property
    def arrived(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


def sample_body(event: str) -> bytes:
    """A body of its own each time, for the same one counts once."""
    created_at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    data = {"id": str(uuid4()), "to": NOBODYS_NUMBER, **SAMPLES[event]}
    envelope = {"event": event, "created_at": created_at, "data": data}
    return json.dumps(envelope, separators=(",", ":")).encode()


def post_sample(url: str, body: bytes, *, secret: str, proxy_url: str | None = None) -> Delivery:
    """Post it once, signed. A redirect is not followed: Telroi would follow it, and lose the event."""
    headers = {
        "Content-Type": "application/json",
        "User-Agent": "Telroi-Webhooks/1",
        "Accept": "*/*",
        SIGNATURE_HEADERS[0]: sign(body, secret),
    }
    with requests.Session() as session:
        session.trust_env = False  # a .netrc or a proxy of the environment would try something else than the endpoint
        session.proxies = {"http": proxy_url, "https": proxy_url} if proxy_url else {}
        try:
            reply = session.post(
                url, body, headers=headers, timeout=PATIENCE_SECONDS, allow_redirects=False, stream=True
            )
        except requests.RequestException as error:
            return Delivery(None, error=_kind_of(error))
        with reply:
            return Delivery(reply.status_code, location=reply.headers.get("Location", ""))


def _kind_of(error: requests.RequestException) -> str:
    """In a word: the error itself names addresses, and at times what was sent."""
    kinds: tuple[tuple[type[requests.RequestException], str], ...] = (
        (requests.exceptions.SSLError, "tls"),
        (requests.exceptions.ProxyError, "proxy"),
        (requests.Timeout, "timeout"),
        (requests.ConnectionError, "connection"),
    )
    return next((word for kind, word in kinds if isinstance(error, kind)), "url")
