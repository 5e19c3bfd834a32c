"""The request for a call: its arguments, their validation, and whether it may use the calls reserved for known users.

The calls that strangers may use are the same for every number. If only verified numbers had reserved calls, a refusal
would tell strangers which numbers have an account.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from typing import Any
from uuid import UUID

from django.contrib.auth.base_user import AbstractBaseUser
from django.utils.translation import get_language
from django.views.decorators.debug import sensitive_variables

from django_telroi import conf
from django_telroi.domain.consent import Consent
from django_telroi.domain.phone import Phone
from django_telroi.domain.request_headers import language_tag
from django_telroi.errors import InvalidPurpose
from django_telroi.models import VerificationAttempt, VerifiedPhone
from django_telroi.services.shared.arguments import is_storable
from django_telroi.services.shared.transactions import unavailable_without_database, write_alias

MAX_PURPOSE_LENGTH = 64


@dataclass(frozen=True)
class StartRequest:
    """The arguments of a service that starts a call, not validated yet."""

    number: str = field(repr=False)
    user: AbstractBaseUser | None
    user_id: Any
    purpose: str
    language: str | None
    requester_ip: str | None
    attempt_uuid: UUID | None = field(repr=False)
    supersedes: VerificationAttempt | None = None
    code: str | None = field(default=None, repr=False)
    consent: Consent | None = None


def request_of(raw: StartRequest, phone: Phone) -> CallRequest:
    """Return the validated request, as far as it can be validated without a row. Raises InvalidPurpose."""
    if len(raw.purpose) > MAX_PURPOSE_LENGTH or not raw.purpose.isprintable():
        raise InvalidPurpose
    with unavailable_without_database():
        if not is_storable(raw.purpose, using=write_alias()):
            raise InvalidPurpose
    return CallRequest(
        phone=phone,
        user_id=raw.user_id,
        purpose=raw.purpose,
        language=_language_tag(raw.language),
        requester_ip=_storable_ip(raw.requester_ip),
        attempt_uuid=raw.attempt_uuid,
        supersedes=raw.supersedes,
        code=raw.code,
        consent=raw.consent,
        key_name=None if conf.key_function() else conf.DEFAULT_KEY,
    )


def _language_tag(language: str | None) -> str:
    """Return the BCP 47 tag of the requested language, else of ``LANGUAGE``, else of the active language.

    If that is not a valid tag, return ``LANGUAGE``, or ``""``, and then no language is sent to Telroi.
    """
    tag = language_tag(language or conf.language() or get_language() or "")
    return tag or conf.language() or ""


def _storable_ip(text: str | None) -> str | None:
    """Return the IP address without its IPv6 zone. Return None for any other text, as from a Unix socket.

    A zone has a meaning on this host only, and not every database stores it.
    """
    try:
        return str(ip_address((text or "").partition("%")[0]))
    except ValueError:
        return None


@dataclass(frozen=True)
class CallRequest:
    """The validated request for a call to ``phone``, for this user and purpose.

    ``code``: the digits to read out if they are judged elsewhere, None otherwise. ``consent``: what the person agreed
    to, None if it is not recorded. ``consent_id``: the row of its text, once it is saved. ``is_known``: whether
    the requester is known with the number, None if no calls are reserved for them. ``key_name``: the name of the key
    with which the call is placed, None until it is chosen. ``silent_tries``: the ids of the calls that this "call
    again" requested before, and that certainly did not ring.
    """

    phone: Phone
    user_id: Any
    purpose: str
    language: str
    requester_ip: str | None
    attempt_uuid: UUID | None = field(default=None, repr=False)
    supersedes: VerificationAttempt | None = None
    code: str | None = field(default=None, repr=False)
    consent: Consent | None = None
    consent_id: int | None = None
    is_known: bool | None = None
    key_name: str | None = None
    silent_tries: tuple[UUID, ...] = ()

    @property
    def is_read_out(self) -> bool:
        """Whether the call reads out a code of the caller (``services.read_out``), which is judged elsewhere."""
        return self.code is not None

    @property
    def code_length(self) -> int:
        """The number of digits of the caller's code, 0 if the caller gave none."""
        return len(self.code or "")


@dataclass(frozen=True)
class Admission:
    """What is known of an admitted request.

    ``ask_risk``: called when no limit of the number rejects the call; it may reject it. ``is_known``: whether the
    requester is known with the number. None asks the verified phones of the user, except for ``read_out``.
    """

    ask_risk: Callable[[], None] | None = None
    is_known: bool | None = None


Admit = Callable[[CallRequest], Admission | None]
"""Counts a request, or rejects it by raising a VerificationRefused. It is not called for a repeated request."""


def count_nothing(request: CallRequest) -> None:
    """Admit every request. For callers without a requester: only the number's own limits apply."""


@sensitive_variables()
def with_known_requester(request: CallRequest, admission: Admission, *, using: str) -> CallRequest:
    """Return the request with the answer whether its requester is known. It is unchanged if no calls are reserved.

    Without an answer of ``admission`` they are known if the user verified the number. Not for ``read_out``: pages that
    log in by phone call it for accounts whose users are not logged in.
    """
    if not conf.reserves_calls():
        return request
    is_known = admission.is_known
    if is_known is None:
        is_known = not request.is_read_out and has_number(request.user_id, request.phone.number, using=using)
    return replace(request, is_known=is_known)


@sensitive_variables()
def has_number(user_id: Any, number: str, *, using: str) -> bool:
    """Return whether the user verified this number (E.164) for any purpose. Raises Unavailable."""
    if user_id is None:
        return False
    with unavailable_without_database():
        return VerifiedPhone.objects.using(using).filter(user_id=user_id, number=number).exists()
