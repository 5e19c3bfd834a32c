"""What somebody asks for when they ask for a call, as they said it and as it is written down."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Any
from uuid import UUID

from django.contrib.auth.base_user import AbstractBaseUser
from django.utils.translation import get_language

from django_telroi import conf
from django_telroi.domain.languages import language_tag
from django_telroi.domain.phone import Phone
from django_telroi.errors import InvalidPurpose
from django_telroi.models import VerificationAttempt
from django_telroi.services.claims import Request
from django_telroi.services.texts import is_storable
from django_telroi.services.transactions import unavailable_without_database, write_alias

LONGEST_PURPOSE = 64


@dataclass(frozen=True)
class Wish:
    """What somebody asked for, as they said it."""

    number: str = field(repr=False)
    user: AbstractBaseUser | None
    user_id: Any
    purpose: str
    language: str | None
    requester_ip: str | None
    attempt_uuid: UUID | None = field(repr=False)
    supersedes: VerificationAttempt | None = None


def request_of(wish: Wish, phone: Phone) -> Request:
    """The wish with all that can be checked without a row. Raises InvalidPurpose."""
    if len(wish.purpose) > LONGEST_PURPOSE or not wish.purpose.isprintable():
        raise InvalidPurpose
    with unavailable_without_database():
        if not is_storable(wish.purpose, using=write_alias()):
            raise InvalidPurpose
    return Request(
        phone=phone,
        user_id=wish.user_id,
        purpose=wish.purpose,
        language=_language(wish.language),
        requester_ip=_address(wish.requester_ip),
        attempt_uuid=wish.attempt_uuid,
        supersedes=wish.supersedes,
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
