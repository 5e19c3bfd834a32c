"""The ids that a client sends: a verification's id in the URL, and a request's ``Idempotency-Key`` header."""

from __future__ import annotations

import re
from uuid import UUID

from rest_framework.request import Request

from django_telroi.rest.problems import InvalidIdempotencyKey

CANONICAL = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE | re.ASCII)
QUOTED = re.compile(r'"(.*)"')
PREDICTABLE = (UUID(int=0), UUID(int=2**128 - 1))
"""The nil UUID, the value of an uninitialised variable, and the max UUID."""


def read_uuid(text: str) -> UUID | None:
    """Return the UUID, or None if ``text`` is not in canonical form.

    ``UUID()`` alone would also accept braces, URNs and non-ASCII digits.
    """
    return UUID(text) if CANONICAL.fullmatch(text) else None


def idempotency_key(request: Request) -> UUID | None:
    """Return the header ``Idempotency-Key``, or None if it is missing. Raises InvalidIdempotencyKey.

    Double quotes around it are allowed, as in the IETF's draft. The key becomes the verification's id, which must be
    unguessable. So the nil UUID and the max UUID are rejected.
    """
    text = request.headers.get("Idempotency-Key")
    if text is None:
        return None
    quoted = QUOTED.fullmatch(text)
    key = read_uuid(quoted[1] if quoted else text)
    if key is None or key in PREDICTABLE:
        raise InvalidIdempotencyKey
    return key
