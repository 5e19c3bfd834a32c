"""The request for a call, and the site's ``MAY_START`` hook, which can veto it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any, Protocol
from uuid import UUID

from django.contrib.auth.base_user import AbstractBaseUser
from django.utils.module_loading import import_string
from django.utils.translation import get_language

from django_telroi import conf
from django_telroi.domain.languages import language_tag
from django_telroi.domain.phone import LineType, Phone
from django_telroi.errors import InvalidPurpose, Misconfigured, NotCallable, Unavailable, VerificationRefused
from django_telroi.models import VerificationAttempt
from django_telroi.services.shared.arguments import is_storable
from django_telroi.services.shared.transactions import unavailable_without_database, write_alias

logger = logging.getLogger("django_telroi")

VETOED = "vetoed"
"""The code of a veto in the statistics of refusals. The person gets the same answer as for a blocked number."""

LONGEST_REASON = 200


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
    """``MAY_START`` rejected the call. This is the ``__cause__`` of the NotCallable that is raised."""


def has_veto() -> bool:
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
    except VerificationRefused:
        raise
    except Exception as error:  # noqa: BLE001 - the site's own code may raise anything
        logger.error("veto_failed error=%s", type(error).__name__)
        raise Unavailable from None
    if reason is None or reason is True:
        return
    if reason is False:
        reason = "none given"
    if not isinstance(reason, str):
        logger.error("veto_failed error=%s", f"returned {type(reason).__name__}")
        raise Misconfigured
    one_line = "".join(each if each.isprintable() else " " for each in reason[:LONGEST_REASON])
    logger.warning("vetoed region=%s reason=%s", facts.region, one_line)
    raise NotCallable from Vetoed()


def _load_may_start() -> MayStart:
    try:
        may_start: MayStart = import_string(conf.may_start_path() or "")
    except ImportError as error:
        logger.error("veto_failed error=%s", type(error).__name__)
        raise Misconfigured from None
    return may_start


LONGEST_PURPOSE = 64


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


def request_of(raw: StartRequest, phone: Phone) -> CallRequest:
    """Return the validated request, as far as it can be validated without a row. Raises InvalidPurpose."""
    if len(raw.purpose) > LONGEST_PURPOSE or not raw.purpose.isprintable():
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
    """The validated request for a call to ``phone``, for this user and purpose."""

    phone: Phone
    user_id: Any
    purpose: str
    language: str
    requester_ip: str | None
    attempt_uuid: UUID | None = field(default=None, repr=False)
    supersedes: VerificationAttempt | None = None


Admit = Callable[[CallRequest], None]
"""Counts a request, or rejects it by raising a VerificationRefused. It is not called for a repeated request."""


def count_nothing(request: CallRequest) -> None:
    """Admit every request. For callers without a requester: only the number's own limits apply."""
