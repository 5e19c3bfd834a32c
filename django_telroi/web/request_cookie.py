"""A cookie with the last request of this browser, for a card whose session is lost. It is valid for a few minutes.

The session may be lost while the browser keeps other cookies: it expired, its store was emptied, or the browser rejects
only its cookie. Without this cookie the card would ask for a number without an explanation. With it, the card explains
what happened and fills in the number. The cookie starts no call and gives no access to one.

The number in the cookie is encrypted with ``SECRET_KEY``, because cookies appear in error reports. It is shown only to
the same user, so it is not shown after a logout.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.core import signing
from django.http import HttpRequest, HttpResponseBase

from django_telroi import conf
from django_telroi.domain.typed_text import without_invisible
from django_telroi.services.shared.arguments import owner_id
from django_telroi.services.shared.encryption import new_nonce, xor_keystream
from django_telroi.web.session import is_known

COOKIE = "telroi_asked"
SALT = "django_telroi.web.request_cookie"

MAX_NUMBER_LENGTH = 64
"""Greatest number of characters, the same as in the form field."""


@dataclass(frozen=True)
class LastRequest:
    """``typed``: the number as it was typed. ``has_call``: True if a call was requested, False if it was rejected."""

    typed: str = field(repr=False)
    has_call: bool


def set_request_cookie(response: HttpResponseBase, request: HttpRequest, purpose: str, asked: LastRequest) -> None:
    """Set the cookie. It is valid for ``CODE_TTL_SECONDS``, as long as the code of a call that is placed now."""
    nonce = new_nonce()
    # Half of a surrogate pair cannot be encoded, so it is left out. A number has no such character.
    typed = without_invisible(asked.typed[:MAX_NUMBER_LENGTH]).encode(errors="ignore")
    number = xor_keystream(typed, nonce, settings.SECRET_KEY).hex()
    response.set_cookie(
        COOKIE,
        signing.dumps([purpose, _owner(request), nonce, number, asked.has_call], salt=SALT),
        max_age=conf.code_ttl(),
        # It stands in for the session, so it is sent to the same URLs. It has a cookie of its own, because a browser
        # may reject or lose only the session's.
        path=settings.SESSION_COOKIE_PATH,
        domain=settings.SESSION_COOKIE_DOMAIN,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite=settings.SESSION_COOKIE_SAMESITE,
    )


def delete_request_cookie(response: HttpResponseBase, request: HttpRequest) -> None:
    if COOKIE in request.COOKIES:
        response.delete_cookie(COOKIE, path=settings.SESSION_COOKIE_PATH, domain=settings.SESSION_COOKIE_DOMAIN)


def lost_request(request: HttpRequest, purpose: str) -> LastRequest | None:
    """Return the last request if the session has no flow of this purpose. None otherwise, and for another user."""
    return None if is_known(request, purpose) else read_request_cookie(request, purpose)


def read_request_cookie(request: HttpRequest, purpose: str) -> LastRequest | None:
    """Return the last request of the cookie. None if it is of another purpose or user, expired or invalid."""
    text = request.COOKIES.get(COOKIE)
    if not text:
        return None
    try:
        # Without SECRET_KEY_FALLBACKS, because the number is decrypted with SECRET_KEY only. After a change of the key
        # the person types the number again, within minutes of the change.
        fields = signing.loads(text, salt=SALT, max_age=conf.code_ttl(), fallback_keys=[])
    except signing.BadSignature:
        return None
    for_purpose, owner, nonce, number, has_call = fields
    if (for_purpose, owner) != (purpose, _owner(request)):
        return None
    typed = xor_keystream(bytes.fromhex(number), nonce, settings.SECRET_KEY).decode()
    return LastRequest(typed, has_call)


def _owner(request: HttpRequest) -> str:
    user: AbstractBaseUser | None = getattr(request, "user", None)
    return str(owner_id(user) or "")
