"""The functions of the site that decide about a call: ``MAY_START`` may reject it, and ``API_KEY`` chooses its key.

A function that fails places no call: neither is a call allowed without its answer, nor placed with another key.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import Any, NoReturn, Protocol, TypeGuard

from django.contrib.auth.base_user import AbstractBaseUser
from django.core.exceptions import ImproperlyConfigured
from django.db import connections

from django_telroi import conf
from django_telroi.conf import values
from django_telroi.domain.phone import LineType
from django_telroi.errors import Misconfigured, NotCallable, Unavailable, VerificationRefused, make_answerable
from django_telroi.redaction import kind_of
from django_telroi.services.calls.request import CallRequest, StartRequest
from django_telroi.services.shared.transactions import write_alias

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
