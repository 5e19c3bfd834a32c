"""Signed values that a browser carries: the ticket in each form, and the cookie that shows who typed the right code."""

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
    """``nonce`` makes the id of a call that is asked for with this form, so a double click is one call.

    ``back`` is the page that a card was dropped into, ``""`` on our own. ``shown_attempt`` is what the card was about;
    the session knows that too, unless a double click's first half has just renewed it. ``secret`` is the one of
    ``SECRET_KEY`` and ``SECRET_KEY_FALLBACKS`` that signed it. ``asked_digits``: the card asked whether a code of so
    many digits is complete, 0 if it did not ask.
    """

    nonce: str
    shown_attempt: UUID | None = None
    purpose: str = ""
    next: str = ""
    back: str = ""
    secret: str | bytes = field(default="", repr=False)
    asked_digits: int = 0

    def new_attempt(self, number: str, user_id: object) -> UUID:
        """The id of the call to ``number`` (E.164) that this form asks for, for this user and the form's purpose.

        The same form sent with another number, or after logging in, asks for another call.
        """
        asked = "\0".join((self.nonce, self.purpose, number, "" if user_id is None else str(user_id)))
        return UUID(bytes=_stream(asked, secret=self.secret or settings.SECRET_KEY)[:16], version=4)


def new_nonce() -> str:
    return secrets.token_hex(16)


def seal(ticket: Ticket, request: HttpRequest) -> str:
    """The ticket as text, good for this browser only."""
    shown = hidden(ticket.shown_attempt.bytes, ticket.nonce, settings.SECRET_KEY).hex() if ticket.shown_attempt else ""
    fields = [ticket.nonce, shown, ticket.purpose, ticket.next, ticket.back, ticket.asked_digits]
    return signing.dumps(fields, salt=_salt(request), compress=True)


def open_ticket(text: str, request: HttpRequest) -> Ticket | None:
    """None for what we did not sign, or signed for another browser."""
    salt = _salt(request)
    for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS):
        try:
            return _read(signing.loads(text, key=secret, salt=salt, fallback_keys=[]), secret)
        except signing.BadSignature:
            continue
    return None


def _read(fields: Sequence[Any], secret: str | bytes) -> Ticket:
    nonce, shown, purpose, next_, back, asked_digits = fields
    shown_attempt = UUID(bytes=hidden(bytes.fromhex(shown), nonce, secret)) if shown else None
    return Ticket(nonce, shown_attempt, purpose, next_, back, secret, asked_digits)


def hidden(data: bytes, nonce: str, secret: str | bytes) -> bytes:
    """The data combined with a keyed stream that no other nonce has. Applied twice, it is readable again."""
    stream = b""
    while len(stream) < len(data):
        stream += _stream(f"shown\0{nonce}" + (f"\0{len(stream)}" if stream else ""), secret=secret)
    return bytes(a ^ b for a, b in zip(data, stream, strict=False))


def _stream(text: str, *, secret: str | bytes) -> bytes:
    """32 bytes."""
    return salted_hmac(f"{SALT}.id", text, secret=secret, algorithm="sha256").digest()


def _salt(request: HttpRequest) -> str:
    # Bound to the browser's CSRF secret: a page that a cache hands to two people must not give both the same attempt.
    # It lives exactly as long as the token beside it in the form.
    get_token(request)
    return f"{SALT}:{request.META['CSRF_COOKIE']}"


PROVEN_COOKIE = "telroi_proven"
PROVEN_SALT = "django_telroi.web.proven"


def remember_proven(response: HttpResponseBase, request: HttpRequest, attempt: UUID, *, purpose: str) -> None:
    """Let this browser show that it typed the right code of ``attempt``, for as long as the code's proof is good."""
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
    """The attempt whose right code this browser typed within the last ten minutes, if its session does not know."""
    text = request.COOKIES.get(PROVEN_COOKIE)
    if not text:
        return None
    try:
        attempt, for_purpose = signing.loads(text, salt=_proven_salt(request), max_age=RIGHT_CODE_LIFETIME)
    except signing.BadSignature:
        return None
    return UUID(attempt) if for_purpose == purpose else None


def _proven_salt(request: HttpRequest) -> str:
    """Another salt than a form's ticket has, so that a form is no such cookie; bound to the same browser."""
    get_token(request)
    return f"{PROVEN_SALT}:{request.META['CSRF_COOKIE']}"
