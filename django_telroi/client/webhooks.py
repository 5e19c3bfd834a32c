"""Checks the signature of Telroi's webhooks, reads their events, and sends a sample to test a deployment.

::

    event = read_webhook(body, headers, secrets=["whsec_…"])  # raises SignatureRejected
    event.name, event.id

``body`` must be the raw body, byte for byte. If you parse the JSON and write it again, the order of its keys may
change, and the signature does not match.
"""

from __future__ import annotations

import hmac
import json
import re
import socket
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256
from typing import TYPE_CHECKING
from uuid import uuid4

from django_telroi.client.json_values import JSON, clean_message, read_flag, read_json, read_moment, read_word
from django_telroi.client.replies import USABLE_ID
from django_telroi.errors import SignatureRejected
from django_telroi.redaction import Secret

if TYPE_CHECKING:
    import requests


SIGNATURE_HEADERS = ("telroi-signature", "x-telroi-signature")
"""The header that Telroi sends, and the one in its OpenAPI document."""

SIGNATURE = re.compile(r"[0-9a-f]{64}")
EVENT_NAME = re.compile(r"[a-z][a-z0-9_]{0,19}(?:\.[a-z0-9_]{1,20}){0,2}")
E164 = re.compile(r"\+[1-9][0-9]{6,14}")


@dataclass(frozen=True)
class WebhookEvent:
    """An event from Telroi. A field that cannot be read is ``""`` or None.

    * ``name``: for example ``otp.completed``.
    * ``created_at``: when the event happened, the same in every retry.
    * ``id``, ``to``: id and number of the call.
    * ``status``: Telroi's status of the call.
    * ``verified``: only in ``otp.verified``, which Telroi sends **for wrong codes too**.
    * ``reason``: only in ``otp.failed``.
    * ``client_supplied``: only in ``otp.completed``. Whether you chose the code.
    * ``livemode``: False for a call with a test key. Telroi sends no webhook for such a call today.
    * ``digest``: SHA-256 of the body. It identifies the event, which has no id.
    """

    name: str
    created_at: datetime | None
    id: str | None
    to: str | None = field(repr=False)
    status: str | None
    verified: bool | None
    reason: str
    digest: str
    client_supplied: bool | None = None
    livemode: bool | None = None


def read_webhook(body: bytes, headers: Mapping[str, str], *, secrets: Sequence[str]) -> WebhookEvent:
    """Return the event in ``body``, which must be signed with one of ``secrets``. Raises SignatureRejected.

    ``headers`` are the headers of the request. Their names may be in any case.
    """
    check_signature(body, signatures_in(headers), secrets)
    return read_event(body)


def signatures_in(headers: Mapping[str, str]) -> list[str]:
    """Return the values of both signature headers. Their names may be in any case."""
    return [value for name, value in headers.items() if name.lower() in SIGNATURE_HEADERS]


def check_signature(body: bytes, signatures: Iterable[str], secrets: Sequence[str]) -> None:
    """Raise SignatureRejected, with the reason, unless one of the secrets signed exactly this body.

    A body without a signature is rejected too. Telroi sends one if it cannot read its own secret.
    """
    signing_secrets(body, signatures, secrets)


def signing_secrets(body: bytes, signatures: Iterable[str], secrets: Sequence[str]) -> list[str]:
    """Return the secrets that signed exactly this body, at least one. Raises like ``check_signature``."""
    if not any(secrets):
        raise SignatureRejected("no_secret")
    well_formed = [each.encode() for each in signatures if SIGNATURE.fullmatch(each)]
    if not well_formed:
        raise SignatureRejected("unsigned")
    # Compare all pairs, so that the time does not show which secret matched.
    matches = [
        (hmac.compare_digest(each, sign(body, secret).encode()), secret)
        for secret in secrets
        if secret
        for each in well_formed
    ]
    signing = [secret for is_match, secret in matches if is_match]
    if not signing:
        raise SignatureRejected("wrong_signature")
    return signing


def sign(body: bytes, secret: str) -> str:
    """Return HMAC-SHA256 of the raw body in lower-case hex. The key is the whole secret, including ``whsec_``."""
    # ``surrogatepass``: a secret from the environment may contain bytes that are not UTF-8, which Python decodes to
    # surrogates. That must not be an exception in a view.
    return hmac.new(secret.encode("utf-8", "surrogatepass"), body, sha256).hexdigest()


def read_event(body: bytes) -> WebhookEvent:
    """Return the event. Both documented formats are read: with ``created_at``, or with ``tenantId`` and ``firedAt``.

    Never raises. The signature was valid, so rejecting the event would only make Telroi send it again.
    """
    try:
        parsed = read_json(body)
    except ValueError:
        parsed = None
    envelope = _object(parsed)
    data = _object(envelope.get("data"))
    to = _text(data.get("to"), E164)
    return WebhookEvent(
        name=_text(envelope.get("event"), EVENT_NAME) or "",
        created_at=read_moment(envelope.get("created_at")) or read_moment(envelope.get("firedAt")),
        id=_text(data.get("id"), USABLE_ID),
        # Masked, because a view of the site may fail with this event in one of its frames.
        to=Secret(to) if to else None,
        status=read_word(data.get("status")),
        verified=read_flag(data.get("verified")),
        reason=clean_message(data.get("reason"), [to] if to else []),
        digest=sha256(body).hexdigest(),
        client_supplied=read_flag(data.get("client_supplied")),
        livemode=read_flag(data.get("livemode", envelope.get("livemode"))),
    )


def _object(value: JSON) -> dict[str, JSON]:
    return value if isinstance(value, dict) else {}


def _text(value: JSON, pattern: re.Pattern[str]) -> str | None:
    return value if isinstance(value, str) and pattern.fullmatch(value) else None


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
    )
    if isinstance(error, requests.ConnectionError) and not isinstance(error, tuple(kind for kind, _ in kinds)):
        return "name" if _is_name_unknown(error) else "connection"
    return next((word for kind, word in kinds if isinstance(error, kind)), "url")


def _is_name_unknown(error: BaseException) -> bool:
    """Return whether one of the causes of the error is that DNS does not know the host."""
    cause: BaseException | None = error
    while cause is not None and not isinstance(cause, socket.gaierror):
        cause = cause.__cause__ or cause.__context__
    return cause is not None
