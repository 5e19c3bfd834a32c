"""A cookie that tells, for a few minutes, what this browser asked for: for a card whose session is gone.

A session may be gone although the browser keeps other cookies: it expired, its store was emptied, or only its own
cookie is rejected. The card could then only ask for a number as if nothing had happened. With this cookie it says what
happened, and the number is in the field again. The cookie starts nothing and gives no access to the call.

The number in it is unreadable without ``SECRET_KEY``, because cookies appear in error reports. It is shown to the same
user only, so that nobody sees it after a logout.
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
from django_telroi.web.session import is_known
from django_telroi.web.tickets import hidden, new_nonce

COOKIE = "telroi_asked"
SALT = "django_telroi.web.asked"

LONGEST_NUMBER = 64
"""Characters, as the field for a number takes them."""


@dataclass(frozen=True)
class Asked:
    """``typed``: the number as it was typed. ``has_call``: whether a call was requested, or the number was rejected."""

    typed: str = field(repr=False)
    has_call: bool


def remember_asked(response: HttpResponseBase, request: HttpRequest, purpose: str, asked: Asked) -> None:
    """Set the cookie, for as long as the code of a call that is placed now is valid."""
    nonce = new_nonce()
    typed = without_invisible(asked.typed[:LONGEST_NUMBER]).encode(errors="ignore")
    number = hidden(typed, nonce, settings.SECRET_KEY).hex()
    response.set_cookie(
        COOKIE,
        signing.dumps([purpose, _owner(request), nonce, number, asked.has_call], salt=SALT),
        max_age=conf.code_ttl(),
        path=settings.SESSION_COOKIE_PATH,
        domain=settings.SESSION_COOKIE_DOMAIN,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite=settings.SESSION_COOKIE_SAMESITE,
    )


def forget_asked(response: HttpResponseBase, request: HttpRequest) -> None:
    if COOKIE in request.COOKIES:
        response.delete_cookie(COOKIE, path=settings.SESSION_COOKIE_PATH, domain=settings.SESSION_COOKIE_DOMAIN)


def lost_request(request: HttpRequest, purpose: str) -> Asked | None:
    """What this browser asked for, if its session knows nothing of it. None otherwise, and for another user."""
    return None if is_known(request, purpose) else last_asked(request, purpose)


def last_asked(request: HttpRequest, purpose: str) -> Asked | None:
    """What the cookie says. None for a cookie of another purpose, of another user, or that is too old."""
    text = request.COOKIES.get(COOKIE)
    if not text:
        return None
    try:
        fields = signing.loads(text, salt=SALT, max_age=conf.code_ttl(), fallback_keys=[])
    except signing.BadSignature:
        return None
    for_purpose, owner, nonce, number, has_call = fields
    if (for_purpose, owner) != (purpose, _owner(request)):
        return None
    typed = hidden(bytes.fromhex(number), nonce, settings.SECRET_KEY).decode()
    return Asked(typed, has_call)


def _owner(request: HttpRequest) -> str:
    user: AbstractBaseUser | None = getattr(request, "user", None)
    return str(owner_id(user) or "")
