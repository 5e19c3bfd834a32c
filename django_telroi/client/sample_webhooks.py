"""Sends a sample webhook in Telroi's format, to test a deployment. It is about a call that does not exist."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from uuid import uuid4

from django_telroi.client.webhooks import SIGNATURE_HEADERS, sign

if TYPE_CHECKING:
    import requests

SAMPLE_NUMBER = "+9990000000"
"""In E.164 format, but in a country that does not exist, so no row in the database can match it."""

SAMPLES: Mapping[str, Mapping[str, object]] = {
    "otp.completed": {"status": "delivered", "client_supplied": False},
    "otp.failed": {"reason": "A sample, to try the endpoint", "status": "failed"},
    "otp.verified": {"verified": False},
}
TIMEOUT_SECONDS = 8
"""The same timeout as Telroi's."""


@dataclass(frozen=True)
class Delivery:
    """The result: the HTTP status, or ``error`` if there was no response. ``location`` is the target of a redirect."""

    status: int | None
    location: str = ""
    error: str = ""

    @property
    def arrived(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


def sample_body(event: str) -> bytes:
    """Return a new body. Each is different, because a body that arrives twice is recorded once."""
    created_at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    data = {"id": str(uuid4()), "to": SAMPLE_NUMBER, **SAMPLES[event]}
    envelope = {"event": event, "created_at": created_at, "data": data}
    return json.dumps(envelope, separators=(",", ":")).encode()


def post_sample(url: str, body: bytes, *, secret: str, proxy_url: str | None = None) -> Delivery:
    """Send the signed body once. Never raises for a network error.

    A redirect is not followed, but reported: Telroi would follow it with a GET and lose the event.
    """
    import requests  # not above: the command's help needs no package

    headers = {
        "Content-Type": "application/json",
        "User-Agent": "Telroi-Webhooks/1",
        "Accept": "*/*",
        SIGNATURE_HEADERS[0]: sign(body, secret),
    }
    with requests.Session() as session:
        # With ``.netrc`` or a proxy of the environment, the test would not match Telroi's request.
        session.trust_env = False
        session.proxies = {"http": proxy_url, "https": proxy_url} if proxy_url else {}
        try:
            # ``stream``: the status is enough. A receiver that sends a body without end must not hold the command.
            reply = session.post(
                url, body, headers=headers, timeout=TIMEOUT_SECONDS, allow_redirects=False, stream=True
            )
        except requests.RequestException as error:
            return Delivery(None, error=_kind_of(error))
        with reply:
            return Delivery(reply.status_code, location=reply.headers.get("Location", ""))


def _kind_of(error: requests.RequestException) -> str:
    """Return one word for the error. Its text would contain addresses, and sometimes what was sent."""
    import requests

    # Subclasses first: for requests, an SSLError and a ProxyError are ConnectionErrors.
    kinds: tuple[tuple[type[requests.RequestException], str], ...] = (
        (requests.exceptions.SSLError, "tls"),
        (requests.exceptions.ProxyError, "proxy"),
        (requests.Timeout, "timeout"),
        (requests.ConnectionError, "connection"),
    )
    return next((word for kind, word in kinds if isinstance(error, kind)), "url")
