"""Signed values in the browser: the ticket in each form, a number on file, and the cookie of a right code.

The id of an attempt is all that is needed to type a code for it, and forms are kept in caches, histories and
screenshots. So a ticket hides the id of the attempt on show with a keyed stream, and derives the id of the next
attempt from a nonce with a key.

A ticket is valid as long as the CSRF token in the same form, which a login in another tab replaces. The place of the
card is signed a second time without the token, so that the same form still leads to where the visitor wants to go.

The first answer to a right code gives the session a new key. A browser that never received that answer still has the
old key, and so has the second request of a double click. Both send the right code, so both get the cookie. If the
session knows nothing of the verification, the cookie shows that this browser typed its code. A session that has one
takes precedence.

A number on file (``user.phone``) is encrypted, signed and bound to one user: see "A number on file" in
docs/howto/form.rst. The ticket has it, and for the pages of this app the session.

The number of a call that must wait is encrypted in the same way, with a salt of its own. It is valid until an hour
after the wait, so that the button of the card can request the call.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.core import signing
from django.core.cache import caches
from django.http import HttpRequest, HttpResponseBase
from django.middleware.csrf import get_token
from django.views.decorators.debug import sensitive_variables

from django_telroi import conf
from django_telroi.limits.counting import cache_digest
from django_telroi.redaction import Secret, kind_of
from django_telroi.services.attempts.transitions import RIGHT_CODE_LIFETIME
from django_telroi.services.shared.arguments import owner_id
from django_telroi.services.shared.secrets import keyed_digest, new_nonce, seal, unseal, xor_keystream

logger = logging.getLogger("django_telroi")

SALT = "django_telroi.web.ticket"
PLACE_SALT = "django_telroi.web.place"
NUMBER_SALT = "django_telroi.web.stored"
WAITING_SALT = "django_telroi.web.waiting"


@dataclass(frozen=True)
class Ticket:
    """The signed content of a form.

    ``nonce``: the id of the requested call is derived from it, so a double click requests one call.
    ``shown_attempt``: the attempt on the card. The session has it too, but after a double click the second request may
    come with a session that the first request has replaced.
    ``back``: the URL of the page of the site that includes the card, ``""`` on the pages of this app.
    ``secret``: the key that signed the ticket, from ``SECRET_KEY`` and ``SECRET_KEY_FALLBACKS``.
    ``asked_digits``: the card asked whether a code of this many digits is complete. 0 if it did not ask.
    ``stored``: the sealed number on file (``seal_number``), ``""`` if the person types the number.
    ``why``: the reason of the gate that sent the visitor here, a key of ``card_texts.GATE_REASONS``; ``""`` for none.
    ``consent``: the digest of the text of consent that the form shows (``Consent.digest``); ``""`` if none is recorded.
    """

    nonce: str
    shown_attempt: UUID | None = None
    purpose: str = ""
    next: str = ""
    back: str = ""
    secret: str | bytes = field(default="", repr=False)
    asked_digits: int = 0
    stored: str = field(default="", repr=False)
    why: str = ""
    consent: str = ""

    def attempt_id_for(self, number: str, user_id: object) -> UUID:
        """Return the id of the attempt for this form, ``number`` (E.164) and user.

        The same form with another number, or after a login, has another id, so it requests another call.
        """
        # NUL separates the parts, because no part can contain it. "1" + "23" and "12" + "3" must not give the same id.
        text = "\0".join((self.nonce, self.purpose, number, "" if user_id is None else str(user_id)))
        return UUID(bytes=keyed_digest(text, secret=self.secret or settings.SECRET_KEY)[:16], version=4)


def sign_ticket(ticket: Ticket, request: HttpRequest) -> str:
    """Return the signed ticket. It is valid in this browser only."""
    attempt = ticket.shown_attempt
    encrypted = xor_keystream(attempt.bytes, ticket.nonce, settings.SECRET_KEY).hex() if attempt else ""
    fields = [ticket.nonce, encrypted, ticket.purpose, ticket.next, ticket.back, ticket.asked_digits, ticket.stored]
    fields += [ticket.why, ticket.consent]
    # Without a user the number on file is bound to this browser by the CSRF secret only.
    stored = ticket.stored if ticket.stored and owner_of(request) else ""
    place = [ticket.purpose, ticket.next, ticket.back, ticket.why, ticket.consent, stored]
    own, others = (
        signing.dumps(each, salt=salt, compress=True) for each, salt in ((fields, _salt(request)), (place, PLACE_SALT))
    )
    return f"{own} {others}"


def read_ticket(text: str, request: HttpRequest) -> Ticket | None:
    """Return the ticket of a signed text. None if the signature is invalid or is of another browser."""
    text = text.partition(" ")[0]
    if not text:
        return None
    # signing.loads can try all keys itself, but it does not say which one fitted. Decryption needs that key.
    salt = _salt(request)
    for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS):
        try:
            return _read(signing.loads(text, key=secret, salt=salt, fallback_keys=[]), secret)
        except signing.BadSignature:
            continue
    return None


def ticket_of_same_place(text: str) -> Ticket | None:
    """Return a new ticket for the place of a card whose ticket is outdated. None if the signature is invalid.

    It knows no attempt and no nonce of the old one: the text may be of another browser.
    """
    try:
        fields = signing.loads(text.partition(" ")[2], salt=PLACE_SALT)
    except signing.BadSignature:
        return None
    purpose, next_, back, why, consent, stored = fields
    return Ticket(new_nonce(), purpose=purpose, next=next_, back=back, why=why, consent=consent, stored=stored)


def _read(fields: Sequence[Any], secret: str | bytes) -> Ticket:
    nonce, shown, purpose, next_, back, asked_digits, stored, *others = fields
    shown_attempt = UUID(bytes=xor_keystream(bytes.fromhex(shown), nonce, secret)) if shown else None
    return Ticket(nonce, shown_attempt, purpose, next_, back, secret, asked_digits, stored, *others)


def _salt(request: HttpRequest) -> str:
    # The salt contains the browser's CSRF secret. Without it, a page that a cache serves to two people would give both
    # access to the same attempt. The ticket is valid as long as the CSRF token in the same form.
    get_token(request)
    return f"{SALT}:{request.META['CSRF_COOKIE']}"


SHARED_FOR = 60
"""Seconds. Longer than a call is being placed. Then the session of the browser knows its call."""


@sensitive_variables()
def share_id_with_tabs(request: HttpRequest, own: UUID, number: str, *, purpose: str) -> UUID:
    """Return the id of the call to ``number`` (E.164) that a tab of this session requested first, else ``own``.

    Each tab has a form with an id of its own. Two requests at the same time would write both ids to the session, and
    only one of them has a call: the person could not type its code if the other id was written last. With one id the
    second request is a repeat. Without a session key, and if the cache fails, returns ``own``.
    """
    key = getattr(getattr(request, "session", None), "session_key", None)
    if key is None:
        return own
    # The id is encrypted: it is the only secret of an attempt without a user.
    place = cache_digest("tabs", key, purpose, number)
    try:
        cache = caches[conf.rate_limit_cache()]
        if cache.add(f"telroi:tabs:{place}", xor_keystream(own.bytes, place, settings.SECRET_KEY).hex(), SHARED_FOR):
            return own
        first = cache.get(f"telroi:tabs:{place}")
        return UUID(bytes=xor_keystream(bytes.fromhex(first), place, settings.SECRET_KEY)) if first else own
    except Exception as error:  # noqa: BLE001 - a cache raises the errors of its client library
        logger.error("cache_unavailable error=%s", kind_of(error))
        return own


PROVEN_COOKIE = "telroi_proven"
PROVEN_SALT = "django_telroi.web.proven"


def remember_proven(response: HttpResponseBase, request: HttpRequest, attempt: UUID, *, purpose: str) -> None:
    """Set the cookie that shows that this browser typed the right code. It is valid as long as the proof."""
    value = signing.dumps([attempt.hex, purpose], salt=_proven_salt(request))
    set_cookie(response, PROVEN_COOKIE, value, max_age=RIGHT_CODE_LIFETIME)


def set_cookie(response: HttpResponseBase, name: str, value: str, *, max_age: timedelta) -> None:
    """Set a cookie that stands in for the session, so it is sent to the same URLs.

    A browser may reject or lose only the session's cookie.
    """
    response.set_cookie(
        name,
        value,
        max_age=max_age,
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


def seal_number(number: str, request: HttpRequest) -> str:
    """Return the number as text that only ``open_number`` can read, in a request of the same user."""
    return seal(number, owner=owner_of(request), salt=NUMBER_SALT)


def open_number(sealed: str, request: HttpRequest) -> str | None:
    """Return the number of a sealed text. None if the text was changed, or was made for another user or no user."""
    # Bound to the user: the cookie of the CSRF secret survives a logout, so the ticket alone would let the next person
    # in this browser call the number of the last one.
    return unseal(sealed, owner=owner_of(request), salt=NUMBER_SALT)


@sensitive_variables()
def seal_waiting_number(number: str, request: HttpRequest, *, ends_at: float) -> str:
    """Return the number of a call that must wait as text that only ``open_waiting_number`` can read.

    It is valid until ``ends_at``, in seconds since the epoch, and is not accepted as a number on file.
    """
    return seal(f"{int(ends_at)} {number}", owner=owner_of(request), salt=WAITING_SALT)


@sensitive_variables()
def open_waiting_number(sealed: str, request: HttpRequest) -> str | None:
    """Return the number of a call that had to wait. None if it has expired, was changed, or is of another user."""
    opened = unseal(sealed, owner=owner_of(request), salt=WAITING_SALT)
    if opened is None:
        return None
    ends_at, number = opened.split(" ", 1)
    return Secret(number) if time.time() < int(ends_at) else None


def owner_of(request: HttpRequest) -> str:
    """Return the id of the user who is logged in, or ``""``. A cookie or field is valid for this user only."""
    user: AbstractBaseUser | None = getattr(request, "user", None)
    return str(owner_id(user) or "")
