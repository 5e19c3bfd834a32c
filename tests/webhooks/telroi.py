"""Composes webhook requests like those of Telroi."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django_telroi.client.webhooks import WebhookEvent, read_event, sign

SECRET = "whsec_64643ac3b7fb686d9923df10f812c7605b723bbe6ec7c74e"
CALL_ID = "9cde2aed-a046-4861-b5b5-68c3260627e9"
NUMBER = "+2348031234567"
DATA: Mapping[str, Mapping[str, Any]] = {
    "otp.completed": {"status": "delivered", "client_supplied": False},
    "otp.failed": {"reason": "Trunk is congested", "status": "failed"},
    "otp.verified": {"verified": True},
}


def iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def body_of(name: str, *, at: datetime | None = None, id: str | None = CALL_ID, to: str = NUMBER, **data: Any) -> bytes:  # noqa: A002 - the wire's word
    told = {"id": id, "to": to, **DATA.get(name, {}), **data}
    envelope = {"event": name, "created_at": iso(at or datetime.now(UTC)), "data": told}
    return json.dumps(envelope, separators=(",", ":")).encode()


def event_of(name: str, **options: Any) -> WebhookEvent:
    return read_event(body_of(name, **options))


def signed(body: bytes, secret: str = SECRET) -> dict[str, str]:
    return {"telroi-signature": sign(body, secret)}
