"""Signed values in the browser: the ticket in each form, and the cookie of a browser that typed the right code.

The id of an attempt is all that is needed to type a code for it, and forms are kept in caches, histories and
screenshots. So a ticket hides the id of the attempt on show with a keyed stream, and derives the id of the next
attempt from a nonce with a key.

The first answer to a right code gives the session a new key. A browser that never received that answer still has the
old key, and so has the second request of a double click. Both send the right code, so both get the cookie. If the
session knows nothing of the verification, the cookie shows that this browser typed its code. A session that has one
takes precedence.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponseBase
from django.middleware.csrf import get_token
from django.utils.crypto import salted_hmac

from django_telroi.services.attempts.transitions import RIGHT_CODE_LIFETIME

SALT = "django_telroi.web.ticket"


@dataclass(frozen=True)
class Ticket:
    """The signed content of a form.

    ``nonce``: the id of the requested call is derived from it, so a double click requests one call.
    ``shown_attempt``: the attempt on the card. The session has it too, but after a double click the second request may
    come with a session that the first request has replaced.
    ``back``: the URL of the page of the site that includes the card, ``""`` on the pages of this app.
    ``secret``: the key that signed the ticket, from ``SECRET_KEY`` and ``SECRET_KEY_FALLBACKS``.
    ``asked_digits``: the card asked whether a code of this many digits is complete. 0 if it did not ask.
    """

    nonce: str
    shown_attempt: UUID | None = None
    purpose: str = ""
    next: str = ""
    back: str = ""
    secret: str | bytes = field(default="", repr=False)
    asked_digits: int = 0

    def new_attempt(self, number: str, user_id: object) -> UUID:
        """Return the id of the attempt for this form, ``number`` (E.164) and user.

        The same form with another number, or after a login, has another id, so it requests another call.
        """
        text = "\0".join((self.nonce, self.purpose, number, "" if user_id is None else str(user_id)))
        return UUID(bytes=_keyed_digest(text, secret=self.secret or settings.SECRET_KEY)[:16], version=4)


def new_nonce() -> str:
    return secrets.token_hex(16)


def sign_ticket(ticket: Ticket, request: HttpRequest) -> str:
    """Return the signed ticket. It is valid in this browser only."""
    attempt = ticket.shown_attempt
    encrypted = xor_keystream(attempt.bytes, ticket.nonce, settings.SECRET_KEY).hex() if attempt else ""
    fields = [ticket.nonce, encrypted, ticket.purpose, ticket.next, ticket.back, ticket.asked_digits]
    return signing.dumps(fields, salt=_salt(request), compress=True)


def read_ticket(text: str, request: HttpRequest) -> Ticket | None:
    """Return the ticket of a signed text. None if the signature is invalid or is of another browser."""
    salt = _salt(request)
    for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS):
        try:
            return _read(signing.loads(text, key=secret, salt=salt, fallback_keys=[]), secret)
        except signing.BadSignature:
            continue
    return None


def _read(fields: Sequence[Any], secret: str | bytes) -> Ticket:
    nonce, shown, purpose, next_, back, asked_digits = fields
    shown_attempt = UUID(bytes=xor_keystream(bytes.fromhex(shown), nonce, secret)) if shown else None
    return Ticket(nonce, shown_attempt, purpose, next_, back, secret, asked_digits)


def xor_keystream(data: bytes, nonce: str, secret: str | bytes) -> bytes:
    """Encrypt or decrypt ``data``: XOR with a key stream that is derived from the secret and the nonce."""
    stream = b""
    while len(stream) < len(data):
        stream += _keyed_digest(f"shown\0{nonce}" + (f"\0{len(stream)}" if stream else ""), secret=secret)
    return bytes(a ^ b for a, b in zip(data, stream, strict=False))


def _keyed_digest(text: str, *, secret: str | bytes) -> bytes:
    """Return the HMAC-SHA256 of the text, 32 bytes."""
    return salted_hmac(f"{SALT}.id", text, secret=secret, algorithm="sha256").digest()


def _salt(request: HttpRequest) -> str:
    # The salt contains the browser's CSRF secret. Without it, a page that a cache serves to two people would give both
    # access to the same attempt. The ticket is valid as long as the CSRF token in the same form.
    get_token(request)
    return f"{SALT}:{request.META['CSRF_COOKIE']}"


PROVEN_COOKIE = "telroi_proven"
PROVEN_SALT = "django_telroi.web.proven"


def remember_proven(response: HttpResponseBase, request: HttpRequest, attempt: UUID, *, purpose: str) -> None:
    """Set the cookie that shows that this browser typed the right code. It is valid as long as the proof."""
    response.set_cookie(
        PROVEN_COOKIE,
        signing.dumps([attempt.hex, purpose], salt=_proven_salt(request)),
        max_age=RIGHT_CODE_LIFETIME,
        path=settings.SESSION_COOKIE_PATH,
        domain=settings.SESSION_COOKIE_DOMAIN,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite=settings.SESSION_COOKIE_SAMESITE,
    )


def proven_attempt(request: HttpRequest, purpose: str) -> UUID | None:
    """Return the attempt of the cookie: this browser typed its right code in the last ten minutes. None without one."""
    text = request.COOKIES.get(PROVEN_COOKIE)
    if not text:
        return None
    try:
        attempt, for_purpose = signing.loads(text, salt=_proven_salt(request), max_age=RIGHT_CODE_LIFETIME)
    except signing.BadSignature:
        return None
    return UUID(attempt) if for_purpose == purpose else None


def _proven_salt(request: HttpRequest) -> str:
    """Return the salt of the cookie. It contains the browser's CSRF secret.

    It differs from the salt of a ticket, so a ticket is not accepted as a cookie.
    """
    get_token(request)
    return f"{PROVEN_SALT}:{request.META['CSRF_COOKIE']}"
