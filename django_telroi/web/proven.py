"""A right code whose answer did not arrive, on a page without a login.

The first answer to it gives the session a new key. A browser that never got that answer still has the old key, and so
has the second half of a double click. Both send the right code, so both get this cookie. Where the session knows
nothing of the verification, the cookie says that this browser typed its code; a session that has one goes before it.
"""

from __future__ import annotations

from uuid import UUID

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponseBase
from django.middleware.csrf import get_token

from django_telroi.services.overdue import RIGHT_CODE_LIFETIME

COOKIE = "telroi_proven"
SALT = "django_telroi.web.proven"


def remember_proven(response: HttpResponseBase, request: HttpRequest, attempt: UUID, *, purpose: str) -> None:
    """Let this browser show that it typed the right code of ``attempt``, for as long as the code's proof is good."""
    response.set_cookie(
        COOKIE,
        signing.dumps([attempt.hex, purpose], salt=_salt(request)),
        max_age=RIGHT_CODE_LIFETIME,
        path=settings.SESSION_COOKIE_PATH,
        domain=settings.SESSION_COOKIE_DOMAIN,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite=settings.SESSION_COOKIE_SAMESITE,
    )


def proven_attempt(request: HttpRequest, purpose: str) -> UUID | None:
    """The attempt whose right code this browser typed within the last ten minutes, if its session does not know."""
    text = request.COOKIES.get(COOKIE)
    if not text:
        return None
    try:
        attempt, for_purpose = signing.loads(text, salt=_salt(request), max_age=RIGHT_CODE_LIFETIME)
    except signing.BadSignature:
        return None
    return UUID(attempt) if for_purpose == purpose else None


def _salt(request: HttpRequest) -> str:
    """Another salt than a form's ticket has, so that a form is no such cookie; bound to the same browser."""
    get_token(request)
    return f"{SALT}:{request.META['CSRF_COOKIE']}"
