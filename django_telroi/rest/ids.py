"""The ids that a client sends: of a verification in the address, and of a request in its header."""

from __future__ import annotations

import re
from uuid import UUID

from rest_framework.request import Request

from django_telroi.rest.problems import InvalidIdempotencyKey

CANONICAL = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)


def read_uuid(text: str) -> UUID | None:
    """None for anything but the usual spelling: ``UUID()`` takes braces, URNs and foreign digits as well."""
    return UUID(text) if CANONICAL.fullmatch(text) else None


def idempotency_key(request: Request) -> UUID | None:
    """The header ``Idempotency-Key``, or None where there is none. Raises InvalidIdempotencyKey.

    It may stand in double quotes, as the IETF's draft has it. The key becomes the verification's id, which must be
    unguessable: the nil UUID, what an uninitialised variable holds, is refused.
    """
    text = request.headers.get("Idempotency-Key")
    if text is None:
        return None
    key = read_uuid(text.removeprefix('"').removesuffix('"'))
    if key is None or not key.int:
        raise InvalidIdempotencyKey
    return key
