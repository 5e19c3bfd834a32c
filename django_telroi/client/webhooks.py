"""Telroi's webhooks: who signed a body, and what it says.

::

    event = read_webhook(body, headers, secrets=["whsec_…"])  # raises SignatureRejected
    event.name, event.id

``body`` is the raw one, byte for byte: Telroi's keys come in an order of their own, so JSON that was read and written
again has another signature.
"""

from __future__ import annotations

import hmac
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from hashlib import sha256

from django_telroi.client.clean_text import clean_message
from django_telroi.client.json_fields import read_flag, read_moment, read_word
from django_telroi.client.replies import USABLE_ID
from django_telroi.client.strict_json import JSON, read_json
from django_telroi.errors import SignatureRejected
from django_telroi.redaction import Secret

SIGNATURE_HEADERS = ("telroi-signature", "x-telroi-signature")
"""What Telroi sends, and what its OpenAPI document says it sends."""

SIGNATURE = re.compile(r"[0-9a-f]{64}")
EVENT_NAME = re.compile(r"[a-z][a-z0-9_]{0,19}(?:\.[a-z0-9_]{1,20}){0,2}")
E164 = re.compile(r"\+[1-9][0-9]{6,14}")


@dataclass(frozen=True)
class WebhookEvent:
    """What Telroi reports. Whatever could not be read is ``""`` or None: who signs, is heard.

    ``created_at`` is when it happened, the same in every repetition; ``id`` and ``to`` are the call's. ``verified``
    belongs to ``otp.verified``, which comes **for wrong codes too**; ``reason`` to ``otp.failed``; ``client_supplied``,
    whether the caller chose the code, to ``otp.completed``. ``digest`` names the body: an event has no id of its own.
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


def read_webhook(body: bytes, headers: Mapping[str, str], *, secrets: Sequence[str]) -> WebhookEvent:
    """The event in a body that one of the ``secrets`` signed. Raises SignatureRejected."""
    check_signature(body, signatures_in(headers), secrets)
    return read_event(body)


def signatures_in(headers: Mapping[str, str]) -> list[str]:
    """What stands in either of the two headers, in whatever case."""
    return [value for name, value in headers.items() if name.lower() in SIGNATURE_HEADERS]


def check_signature(body: bytes, signatures: Iterable[str], secrets: Sequence[str]) -> None:
    """Raise SignatureRejected, with the reason, unless one of the secrets signed exactly this body.

    Without a signature as well: Telroi sends none where it cannot read its own secret.
    """
    if not any(secrets):
        raise SignatureRejected("no_secret")
    well_formed = [each.encode() for each in signatures if SIGNATURE.fullmatch(each)]
    if not well_formed:
        raise SignatureRejected("unsigned")
    # Every pair is compared: how long it takes tells nobody which secret it was.
    matches = [
        hmac.compare_digest(each, sign(body, secret).encode()) for secret in secrets if secret for each in well_formed
    ]
    if not any(matches):
        raise SignatureRejected("wrong_signature")


def sign(body: bytes, secret: str) -> str:
    """HMAC-SHA256 over the raw body in lower-case hex. The key is the whole secret, ``whsec_`` and all."""
    return hmac.new(secret.encode("utf-8", "surrogatepass"), body, sha256).hexdigest()


def read_event(body: bytes) -> WebhookEvent:
    """Read either published shape: ``{event, created_at, data}`` or ``{event, tenantId, firedAt, data}``.

    Never raises: its signature was right, so there is nobody to send it back to.
    """
    try:
        read = read_json(body)
    except ValueError:
        read = None
    envelope = _object(read)
    told = _object(envelope.get("data"))
    to = _text(told.get("to"), E164)
    return WebhookEvent(
        name=_text(envelope.get("event"), EVENT_NAME) or "",
        created_at=read_moment(envelope.get("created_at")) or read_moment(envelope.get("firedAt")),
        id=_text(told.get("id"), USABLE_ID),
        to=Secret(to) if to else None,
        status=read_word(told.get("status")),
        verified=read_flag(told.get("verified")),
        reason=clean_message(told.get("reason"), [to] if to else []),
        digest=sha256(body).hexdigest(),
        client_supplied=read_flag(told.get("client_supplied")),
    )


def _object(value: JSON) -> dict[str, JSON]:
    return value if isinstance(value, dict) else {}


def _text(value: JSON, pattern: re.Pattern[str]) -> str | None:
    return value if isinstance(value, str) and pattern.fullmatch(value) else None
