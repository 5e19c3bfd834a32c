"""The site's own veto on a call: what ``MAY_START`` names is asked last, before anything is written."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Protocol

from django.contrib.auth.base_user import AbstractBaseUser
from django.utils.module_loading import import_string

from django_telroi import conf
from django_telroi.domain.phone import LineType
from django_telroi.errors import Misconfigured, NotCallable, Unavailable, VerificationRefused

VETOED = "vetoed"
"""How the tally of refusals calls it; the person is told what a blocked number is told."""

LONGEST_REASON = 200

logger = logging.getLogger("django_telroi")


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
