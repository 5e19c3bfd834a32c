"""What a caller asks for, and the site's own veto on it."""

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
from django_telroi.errors import (
    InvalidPurpose,
    Misconfigured,
    NotCallable,
    Unavailable,
    VerificationRefused,
)
from django_telroi.models import VerificationAttempt
from django_telroi.services.shared.arguments import is_storable
from django_telroi.services.shared.transactions import (
    unavailable_without_database,
    write_alias,
)

logger = logging.getLogger("django_telroi")

VETOED = "vetoed"
"""How the tally of refusals calls it; the person is told what a blocked number is told."""

LONGEST_REASON = 200


@dataclass(frozen=True)
class StartFacts:
    """A call that would be placed now. ``number`` is E.164, ``user`` None for nobody who is logged in.

    ``requester_ip`` is None where a service was called without one; ``is_again`` says that another call went before it
    in the same flow.
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
    """What ``MAY_START`` names: True or None lets the call be placed; a text is the reason why not, for staff."""

    def __call__(self, facts: StartFacts, /) -> str | bool | None: ...


class Vetoed(Exception):
    """The site said no."""


def has_veto() -> bool:
    return bool(conf.may_start_path())


def ask_site(facts: StartFacts) -> None:
    """Raise NotCallable where the site says no. Where it cannot be asked, nobody is called.

    A refusal that the site raises itself goes out as it is, with its own code and wait.
    """
    may_start = _imported()
    try:
        reason: object = may_start(facts)
    except VerificationRefused:
        raise
    except Exception as error:  # noqa: BLE001 - it is the site's own code, and may fail as it likes
        logger.error("veto_failed error=%s", type(error).__name__)
        raise Unavailable from None
    if reason is None or reason is True:
        return
    if reason is False:
        reason = "none given"
    if not isinstance(reason, str):
        logger.error("veto_failed error=%s", f"returned {type(reason).__name__}")
        raise Misconfigured
    logger.warning("vetoed region=%s reason=%s", facts.region, _one_line(reason))
    raise NotCallable from Vetoed()


def _imported() -> MayStart:
    try:
        may_start: MayStart = import_string(conf.may_start_path() or "")
    except ImportError as error:
        logger.error("veto_failed error=%s", type(error).__name__)
        raise Misconfigured from None
    return may_start


def _one_line(reason: str) -> str:
    return "".join(each if each.isprintable() else " " for each in reason[:LONGEST_REASON])


LONGEST_PURPOSE = 64


@dataclass(frozen=True)
class StartRequest:
    """What somebody asked for, as they said it."""

    number: str = field(repr=False)
    user: AbstractBaseUser | None
    user_id: Any
    purpose: str
    language: str | None
    requester_ip: str | None
    attempt_uuid: UUID | None = field(repr=False)
    supersedes: VerificationAttempt | None = None


def request_of(asked_for: StartRequest, phone: Phone) -> CallRequest:
    """The wish with all that can be checked without a row. Raises InvalidPurpose."""
    if len(asked_for.purpose) > LONGEST_PURPOSE or not asked_for.purpose.isprintable():
        raise InvalidPurpose
    with unavailable_without_database():
        if not is_storable(asked_for.purpose, using=write_alias()):
            raise InvalidPurpose
    return CallRequest(
        phone=phone,
        user_id=asked_for.user_id,
        purpose=asked_for.purpose,
        language=_language(asked_for.language),
        requester_ip=_address(asked_for.requester_ip),
        attempt_uuid=asked_for.attempt_uuid,
        supersedes=asked_for.supersedes,
    )


def _language(language: str | None) -> str:
    """The tag that was asked for, or the site's, or the active one; what is no tag at all is passed over."""
    tag = language_tag(language or conf.language() or get_language() or "")
    return tag or conf.language() or ""


def _address(text: str | None) -> str | None:
    """An address that every database can store, or None; a socket file has no address, an IPv6 zone is ours alone."""
    try:
        return str(ip_address((text or "").partition("%")[0]))
    except ValueError:
        return None


@dataclass(frozen=True)
class CallRequest:
    """What somebody asked for: a call to this phone, for them, for this purpose."""

    phone: Phone
    user_id: Any
    purpose: str
    language: str
    requester_ip: str | None
    attempt_uuid: UUID | None = field(default=None, repr=False)
    supersedes: VerificationAttempt | None = None


Admit = Callable[[CallRequest], None]


def count_nothing(request: CallRequest) -> None:
    """For callers without a requester: the number's own limits are all there is."""
