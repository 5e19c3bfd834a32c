"""Two cookies of a browser: its last request, for a card whose session is lost, and the numbers that it typed.

The session may be lost while the browser keeps other cookies: it expired, its store was emptied, or the browser rejects
only its cookie. Without the last request the card would ask for a number without an explanation. With it, the card
explains what happened and fills in the number. The cookie starts no call and gives no access to one. Its number is
encrypted with ``SECRET_KEY``, because cookies appear in error reports. It is shown only to the same user, so it is not
shown after a logout.

The second cookie lets cards show a number whole while its call is open, because a wrong digit is seen only in a whole
number. The session alone does not show who typed it, because another person may have its key in another browser. The
cookie has no number, only keyed digests. It gets a digest only after the request was counted by the rate limits, so a
masked number cannot be found by typing many.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponseBase
from django.utils.crypto import salted_hmac
from django.views.decorators.debug import sensitive_variables

from django_telroi import conf
from django_telroi.domain.typed_text import without_invisible
from django_telroi.redaction import Secret
from django_telroi.services.shared.secrets import new_nonce, xor_keystream
from django_telroi.web.session import has_flow
from django_telroi.web.tickets import owner_of, set_cookie

REQUEST_COOKIE, TYPED_COOKIE = "telroi_asked", "telroi_typed"
REQUEST_SALT, TYPED_SALT = "django_telroi.web.cookies.request", "django_telroi.web.cookies.typed"

MAX_NUMBER_LENGTH = 64
"""Greatest number of characters, the same as in the form field."""

MAX_NUMBERS = 3
"""The newest ones. "Change number" leads back to the number before, so the cookie keeps more than one."""


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
    value = signing.dumps([purpose, owner_of(request), nonce, number, asked.has_call], salt=REQUEST_SALT)
    set_cookie(response, REQUEST_COOKIE, value, max_age=conf.code_ttl())


def delete_request_cookie(response: HttpResponseBase, request: HttpRequest) -> None:
    _delete_cookie(response, request, REQUEST_COOKIE)


def lost_request(request: HttpRequest, purpose: str) -> LastRequest | None:
    """Return the last request if the session has no flow of this purpose. None otherwise, and for another user."""
    return None if has_flow(request, purpose) else read_request_cookie(request, purpose)


def read_request_cookie(request: HttpRequest, purpose: str) -> LastRequest | None:
    """Return the last request of the cookie. None if it is of another purpose or user, expired or invalid."""
    text = request.COOKIES.get(REQUEST_COOKIE)
    if not text:
        return None
    try:
        # Without SECRET_KEY_FALLBACKS, because the number is decrypted with SECRET_KEY only. After a change of the key
        # the person types the number again, within minutes of the change.
        fields = signing.loads(text, salt=REQUEST_SALT, max_age=conf.code_ttl(), fallback_keys=[])
    except signing.BadSignature:
        return None
    for_purpose, owner, nonce, number, has_call = fields
    if (for_purpose, owner) != (purpose, owner_of(request)):
        return None
    typed = xor_keystream(bytes.fromhex(number), nonce, settings.SECRET_KEY).decode()
    return LastRequest(typed, has_call)


@sensitive_variables()
def remember_typed(response: HttpResponseBase, request: HttpRequest, purpose: str, number: str) -> None:
    """Add the ``number`` (E.164) to the cookie. It expires when the code of a call that is requested now has expired.

    A call may wait in the queue before its code becomes valid.
    """
    digest = _digest(purpose, number)
    _set_typed_cookie(
        response, request, [digest, *(each for each in _typed_digests(request) if each != digest)][:MAX_NUMBERS]
    )


def renew_typed(response: HttpResponseBase, request: HttpRequest) -> None:
    """Let the cookie expire as late as after a call that is requested now. Does nothing without a cookie."""
    if typed := _typed_digests(request):
        _set_typed_cookie(response, request, typed)


def forget_typed(response: HttpResponseBase, request: HttpRequest) -> None:
    _delete_cookie(response, request, TYPED_COOKIE)


@sensitive_variables()
def was_typed_here(request: HttpRequest, purpose: str, number: str) -> bool:
    """Return whether this browser typed the ``number`` (E.164) for the purpose, for the same user."""
    return _digest(purpose, number) in _typed_digests(request)


def _set_typed_cookie(response: HttpResponseBase, request: HttpRequest, digests: list[str]) -> None:
    value = signing.dumps([owner_of(request), digests], salt=TYPED_SALT)
    set_cookie(response, TYPED_COOKIE, value, max_age=_lifetime())


def _typed_digests(request: HttpRequest) -> list[str]:
    """Return the digests of the cookie, none if it is expired, invalid or of another user."""
    try:
        owner, digests = signing.loads(request.COOKIES.get(TYPED_COOKIE, ""), salt=TYPED_SALT, max_age=_lifetime())
    except signing.BadSignature:
        return []
    return list(digests) if owner == owner_of(request) else []


def _lifetime() -> timedelta:
    return conf.queue_deadline() + conf.code_ttl()


@sensitive_variables()
def _digest(purpose: str, number: str) -> str:
    return salted_hmac(TYPED_SALT, Secret(f"{purpose}\0{number}"), algorithm="sha256").hexdigest()[:32]


def _delete_cookie(response: HttpResponseBase, request: HttpRequest, name: str) -> None:
    if name in request.COOKIES:
        response.delete_cookie(name, path=settings.SESSION_COOKIE_PATH, domain=settings.SESSION_COOKIE_DOMAIN)
