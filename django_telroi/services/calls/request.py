"""The request for a call: its validation, its key, the function of the site that may reject it, and reserved calls.

The calls that strangers may use are the same for every number. If only verified numbers had reserved calls, a refusal
would tell strangers which numbers have an account.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from ipaddress import ip_address
from typing import Any, NoReturn, Protocol, TypeGuard
from uuid import UUID

from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.utils.translation import get_language
from django.views.decorators.debug import sensitive_variables

from django_telroi import conf
from django_telroi.conf import values
from django_telroi.domain.consent import Consent
from django_telroi.domain.phone import LineType, Phone
from django_telroi.domain.request_headers import language_tag
from django_telroi.errors import (
    InvalidPurpose,
    Misconfigured,
    NotCallable,
    Unavailable,
    VerificationRefused,
    make_answerable,
)
from django_telroi.models import VerificationAttempt, VerifiedPhone
from django_telroi.redaction import kind_of
from django_telroi.services.shared.arguments import is_storable
from django_telroi.services.shared.transactions import unavailable_without_database, write_alias

logger = logging.getLogger("django_telroi")


VETOED = "vetoed"
"""The code of a veto in the statistics of refusals. The person gets the same answer as for a blocked number."""

MAX_REASON_LENGTH = 200


@dataclass(frozen=True)
class StartFacts:
    """The call that ``MAY_START`` decides about.

    ``number`` is in E.164 form. ``user`` is None if the visitor is not logged in. ``requester_ip`` is None if the
    service was called without one. ``is_again`` is True if the same flow already had a call.
    """

    number: str = field(repr=False)
    region: str
    line_type: LineType
    user: AbstractBaseUser | None
    purpose: str
    language: str
    requester_ip: str | None
    is_again: bool


class MayStart(Protocol):
    """The type of the function in ``MAY_START``.

    It returns True or None to allow the call. It returns False, or the reason as a text for the log, to reject it.
    """

    def __call__(self, facts: StartFacts, /) -> str | bool | None: ...


class Vetoed(Exception):
    """``MAY_START`` or ``PHONE_RISK`` rejected the call. It is the ``__cause__`` of the NotCallable that is raised."""


def has_may_start() -> bool:
    return bool(conf.may_start_path())


def ask_site(facts: StartFacts) -> None:
    """Call ``MAY_START``.

    Raises NotCallable if it rejects the call, Unavailable if it fails, and Misconfigured if it cannot be imported or
    returns another type: without its answer no call is placed. A VerificationRefused that it raises is passed on
    unchanged, with its code and wait.
    """
    may_start = _load_may_start()
    try:
        reason: object = may_start(facts)
    except VerificationRefused as refusal:
        make_answerable(refusal)
        raise
    except Exception as error:  # noqa: BLE001 - the site's own code may raise anything
        logger.error("veto_failed error=%s", type(error).__name__)
        raise Unavailable from None
    if not is_veto_answer(reason):
        logger.error("veto_failed error=%s", f"returned {type(reason).__name__}")
        raise Misconfigured
    if (line := veto_reason(answer=reason)) is not None:
        logger.warning("vetoed region=%s reason=%s", facts.region, line)
        raise NotCallable from Vetoed()


def is_veto_answer(answer: object) -> TypeGuard[str | bool | None]:
    """Return whether a function of the site returned what it may: None, True, False or a reason."""
    return answer is None or isinstance(answer, bool | str)


def veto_reason(*, answer: str | bool | None) -> str | None:
    """Return the reason of a veto as one line for the log. None if the site's function allowed the call."""
    if answer is None or answer is True:
        return None
    reason = "none given" if answer is False else answer
    return "".join(each if each.isprintable() else " " for each in reason[:MAX_REASON_LENGTH])


def _load_may_start() -> MayStart:
    try:
        may_start: MayStart = values.load_function(conf.may_start_path() or "")
    except Exception as error:  # noqa: BLE001 - a module of the site may raise anything
        logger.error("veto_failed error=%s", type(error).__name__)
        raise Misconfigured from None
    return may_start


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


def ask_may_start(request: CallRequest, raw: StartRequest) -> None:
    """Ask ``MAY_START`` about the request. Raises like ``ask_site``."""
    ask_site(
        StartFacts(
            number=request.phone.number,
            region=request.phone.region,
            line_type=request.phone.line_type,
            user=raw.user if request.user_id is not None else None,
            purpose=request.purpose,
            language=request.language,
            requester_ip=request.requester_ip,
            is_again=request.supersedes is not None,
        )
    )


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


@dataclass(frozen=True)
class KeyFacts:
    """The call whose key is chosen.

    ``user``: None if the visitor is not logged in. ``region``: of the number, such as ``NG``. ``tenant``: the tenant
    that django-tenants set for this request (``connection.tenant``), None without django-tenants.
    """

    user: AbstractBaseUser | None
    purpose: str
    region: str
    tenant: Any = None


def current_tenant() -> Any:
    """Return the tenant of the database connection, which django-tenants sets for each request. None without it."""
    return getattr(connections[write_alias()], "tenant", None)


def choose_key(user: AbstractBaseUser | None, purpose: str, region: str) -> str:
    """Return the name of the key with which a call is placed. Calls the function in ``API_KEY``, if it is one.

    A VerificationRefused that the function raises is passed on unchanged. Raises Unavailable if it raises another
    exception, and Misconfigured if it cannot be imported or does not return a name of ``API_KEYS``. A call is never
    placed with the key of another name instead.
    """
    try:
        function = conf.key_function()
    except ImproperlyConfigured as error:
        _refuse_without_key(kind_of(error), Misconfigured())
    if function is None:
        return conf.DEFAULT_KEY
    facts = KeyFacts(user, purpose, region, current_tenant())
    try:
        choose = values.load_function(function)
    except Exception as error:  # noqa: BLE001 - a module of the site may raise anything
        _refuse_without_key(kind_of(error), Misconfigured())
    try:
        name: object = choose(facts)
        # ``str`` of a member of an Enum would be the name of the member.
        name = str.__str__(name) if isinstance(name, str) else name
        # A function in ``API_KEYS`` may return any names, and ``*`` is a row of CallControl that belongs to no key.
        is_known = isinstance(name, str) and conf.is_key_name(name) and bool(conf.keys_named(name))
    except VerificationRefused as refusal:
        make_answerable(refusal)
        raise
    except Exception as error:  # noqa: BLE001 - the site's own code may raise anything
        _refuse_without_key(kind_of(error), Unavailable())
    if not is_known:
        _refuse_without_key(
            "no such key" if isinstance(name, str) else f"returned {type(name).__name__}", Misconfigured()
        )
    return str(name)


def _refuse_without_key(reason: str, refusal: VerificationRefused) -> NoReturn:
    logger.error('key_not_chosen error="%s"', reason)
    raise refusal from None
