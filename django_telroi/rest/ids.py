"""The ids that a client sends: a verification's id in the URL, and a request's ``Idempotency-Key`` header."""

from __future__ import annotations

import re
from uuid import UUID

from rest_framework.request import Request

from django_telroi.rest.problems import InvalidIdempotencyKey

CANONICAL = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)


def read_uuid(text: str) -> UUID | None:
    """Return the UUID, or None if ``text`` is not in canonical form.

    ``UUID()`` alone would also accept braces, URNs and non-ASCII digits.
    """
    return UUID(text) if CANONICAL.fullmatch(text) else None


def idempotency_key(request: Request) -> UUID | None:
    """Return the header ``Idempotency-Key``, or None if it is missing. Raises InvalidIdempotencyKey.

    Double quotes around it are allowed, as in the IETF's draft. The key becomes the verification's id, which must be
    unguessable. So the nil UUID, the value of an uninitialised variable, is rejected.
    """
    text = request.headers.get("Idempotency-Key")
    if text is None:
        return None
    key = read_uuid(text.removeprefix('"').removesuffix('"'))
    if key is None or not key.int:
        raise InvalidIdempotencyKey
    return key
