"""A cookie that shows which numbers this browser typed, so that its cards show them whole while their calls are open.

A wrong digit is seen only in a whole number. The session alone does not show it, because another person may have its
key in another browser. The cookie has no number, only keyed digests. It gets a digest only after the request was
counted by the rate limits, so a masked number cannot be found by typing many.
"""

from __future__ import annotations

from datetime import timedelta

from django.conf import settings
from django.contrib.auth.base_user import AbstractBaseUser
from django.core import signing
from django.http import HttpRequest, HttpResponseBase
from django.utils.crypto import salted_hmac
from django.views.decorators.debug import sensitive_variables

from django_telroi import conf
from django_telroi.redaction import Secret
from django_telroi.services.shared.arguments import owner_id

COOKIE = "telroi_typed"
SALT = "django_telroi.web.typed_cookie"

MAX_NUMBERS = 3
"""The newest ones. "Change number" leads back to the number before, so the cookie keeps more than one."""


@sensitive_variables()
def remember_typed(response: HttpResponseBase, request: HttpRequest, purpose: str, number: str) -> None:
    """Add the ``number`` (E.164) to the cookie. It expires when the code of a call that is requested now has expired.

    A call may wait in the queue before its code becomes valid.
    """
    digest = _digest(purpose, number)
    _set(response, request, [digest, *(each for each in _typed(request) if each != digest)][:MAX_NUMBERS])


def renew_typed(response: HttpResponseBase, request: HttpRequest) -> None:
    """Let the cookie expire as late as after a call that is requested now. Does nothing without a cookie."""
    if typed := _typed(request):
        _set(response, request, typed)


def forget_typed(response: HttpResponseBase, request: HttpRequest) -> None:
    if COOKIE in request.COOKIES:
        response.delete_cookie(COOKIE, path=settings.SESSION_COOKIE_PATH, domain=settings.SESSION_COOKIE_DOMAIN)


@sensitive_variables()
def was_typed_here(request: HttpRequest, purpose: str, number: str) -> bool:
    """Return whether this browser typed the ``number`` (E.164) for the purpose, for the same user."""
    return _digest(purpose, number) in _typed(request)


def _set(response: HttpResponseBase, request: HttpRequest, digests: list[str]) -> None:
    response.set_cookie(
        COOKIE,
        signing.dumps([_owner(request), digests], salt=SALT),
        max_age=_lifetime(),
        path=settings.SESSION_COOKIE_PATH,
        domain=settings.SESSION_COOKIE_DOMAIN,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite=settings.SESSION_COOKIE_SAMESITE,
    )


def _typed(request: HttpRequest) -> list[str]:
    """Return the digests of the cookie, none if it is expired, invalid or of another user."""
    try:
        owner, digests = signing.loads(request.COOKIES.get(COOKIE, ""), salt=SALT, max_age=_lifetime())
    except signing.BadSignature:
        return []
    return list(digests) if owner == _owner(request) else []


def _lifetime() -> timedelta:
    return conf.queue_deadline() + conf.code_ttl()


@sensitive_variables()
def _digest(purpose: str, number: str) -> str:
    return salted_hmac(SALT, Secret(f"{purpose}\0{number}"), algorithm="sha256").hexdigest()[:32]


def _owner(request: HttpRequest) -> str:
    user: AbstractBaseUser | None = getattr(request, "user", None)
    return str(owner_id(user) or "")
