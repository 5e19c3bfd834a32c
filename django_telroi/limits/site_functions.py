"""What is known about the sender of an HTTP request: by the site's functions, and by numbers of the session.

The functions are ``BOT_CHECK``, ``RATE_KEYS`` and ``PHONE_RISK``. If one fails, no call is placed.

Calls that are reserved (``STRANGER_CALLS_PER_HOUR``) are for people who are known with the number. A session remembers
the numbers that it verified, as keyed digests. A user is known by their verified phones.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import cache, partial
from typing import Protocol

from django.contrib.auth.base_user import AbstractBaseUser
from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables

from django_telroi import conf
from django_telroi.conf.values import load_function
from django_telroi.domain.phone import Phone
from django_telroi.errors import (
    BotCheckFailed,
    Misconfigured,
    NotCallable,
    Unavailable,
    VerificationRefused,
    make_answerable,
)
from django_telroi.limits.counting import cache_digest
from django_telroi.redaction import Secret
from django_telroi.services.calls.request import has_number
from django_telroi.services.calls.site_decisions import Vetoed, is_veto_answer, veto_reason
from django_telroi.services.requester import Requester, no_keys, requester_of
from django_telroi.services.shared.arguments import owner_id
from django_telroi.services.shared.transactions import write_alias

logger = logging.getLogger("django_telroi")


TOKEN_FIELD = "bot_token"
"""The field of a form, and of the API's body, with the token of the bot check."""

MAX_TOKEN_LENGTH = 8192
"""Characters. The tokens of Turnstile, hCaptcha and reCAPTCHA have at most a few thousand."""

PASSED = "telroi_bot_check_passed"
"""The attribute of a request whose token was accepted. A token can be verified once only."""

Ask = Callable[[], None]


class BotCheck(Protocol):
    """The type of the function in ``BOT_CHECK``.

    ``token`` is ``""`` if the request has none. It returns True to allow the call, and False or None to refuse it.
    """

    def __call__(self, *, request: HttpRequest, token: str) -> bool | None: ...


class PhoneRisk(Protocol):
    """The type of the function in ``PHONE_RISK``. ``number`` is in E.164 form.

    It returns True or None to allow the call. It returns False, or the reason as a text for the log, to reject it.
    """

    def __call__(self, *, number: str, request: HttpRequest) -> str | bool | None: ...


@sensitive_variables()
def bot_check_of(request: HttpRequest, token: str | None) -> Ask | None:
    """Return the function that asks ``BOT_CHECK`` about this request, None on a site without it.

    ``token``: None to read it from the posted form.
    """
    if conf.bot_check() is None:
        return None
    return partial(_ask_once, request, Secret(request.POST.get(TOKEN_FIELD, "") if token is None else token))


@sensitive_variables()
def _ask_once(request: HttpRequest, token: str) -> None:
    """Ask ``BOT_CHECK``, unless it accepted this request before.

    Raises BotCheckFailed if it refuses, Unavailable if it fails, and Misconfigured if it cannot be imported or returns
    another type. A VerificationRefused that it raises is passed on.
    """
    if getattr(request, PASSED, False):
        return
    if len(token) > MAX_TOKEN_LENGTH:
        raise BotCheckFailed
    is_person = _result("BOT_CHECK", conf.bot_check(), request=request, token=token)
    if is_person is not True and is_person is not False and is_person is not None:
        _log_failure("BOT_CHECK", f"returned {type(is_person).__name__}")
        raise Misconfigured
    if not is_person:
        raise BotCheckFailed
    setattr(request, PASSED, True)


def phone_risk_of(request: HttpRequest) -> Callable[[Phone], None] | None:
    """Return the function that asks ``PHONE_RISK`` about a number, None on a site without it."""
    return None if conf.phone_risk() is None else partial(_ask_phone_risk, request)


@sensitive_variables()
def _ask_phone_risk(request: HttpRequest, phone: Phone) -> None:
    """Ask ``PHONE_RISK``.

    Raises NotCallable if it rejects the number, Unavailable if it fails, and Misconfigured if it cannot be imported or
    returns another type. A VerificationRefused that it raises is passed on.
    """
    answer = _result("PHONE_RISK", conf.phone_risk(), number=Secret(phone.number), request=request)
    if not is_veto_answer(answer):
        _log_failure("PHONE_RISK", f"returned {type(answer).__name__}")
        raise Misconfigured
    if (reason := veto_reason(answer=answer)) is not None:
        logger.warning("risky_number region=%s reason=%s", phone.region, reason)
        raise NotCallable from Vetoed()


def requester_with_keys(request: HttpRequest, user: AbstractBaseUser | None) -> Requester:
    """Return the requester. ``RATE_KEYS`` is called when the first rate needs one of its keys, and once at most."""
    own_keys = no_keys if conf.rate_keys() is None else cache(partial(_read_keys, request))
    return requester_of(request, user, own_keys=own_keys)


def _read_keys(request: HttpRequest) -> Mapping[str, object]:
    """Return the site's keys of this request.

    Raises Unavailable if ``RATE_KEYS`` fails, and Misconfigured if it cannot be imported or returns no dict.
    """
    keys = _result("RATE_KEYS", conf.rate_keys(), request)
    if not isinstance(keys, Mapping):
        _log_failure("RATE_KEYS", f"returned {type(keys).__name__}")
        raise Misconfigured
    return keys


@sensitive_variables()
def _result(setting: str, chosen: str | Callable[..., object] | None, *args: object, **options: object) -> object:
    """Return what the site's function in ``setting`` returns."""
    try:
        function = load_function(chosen or "")
    except Exception as error:  # noqa: BLE001 - the site's module may raise anything
        _log_failure(setting, type(error).__name__)
        raise Misconfigured from None
    try:
        return function(*args, **options)
    except VerificationRefused as refusal:
        make_answerable(refusal)
        raise
    except Exception as error:  # noqa: BLE001 - the site's own code may raise anything
        _log_failure(setting, type(error).__name__)
        raise Unavailable from None


def _log_failure(setting: str, error: str) -> None:
    logger.error("site_function_failed setting=%s error=%s", setting, error)


SESSION_KEY = "telroi_known_numbers"
MAX_NUMBERS = 10
"""The newest numbers of a session that are remembered."""


@sensitive_variables()
def remember_number(request: HttpRequest, number: str) -> None:
    """Remember in the session that it verified ``number`` (E.164). Does nothing if no calls are reserved."""
    if not conf.reserves_calls():
        return
    digests, digest = _digests_of(request), _digest(number)
    if digests is not None and digest not in digests:
        request.session[SESSION_KEY] = [*digests, digest][-MAX_NUMBERS:]


@sensitive_variables()
def is_known_to(request: HttpRequest, number: str) -> bool | None:
    """Return whether the visitor is known with ``number`` (E.164). None if no calls are reserved. Raises Unavailable.

    The user who is logged in counts, and not the user who owns the call: a page that logs in by phone asks for calls
    to accounts whose users are not logged in.
    """
    if not conf.reserves_calls():
        return None
    if _digest(number) in (_digests_of(request) or ()):
        return True
    return has_number(owner_id(getattr(request, "user", None)), number, using=write_alias())


def _digests_of(request: HttpRequest) -> list[str] | None:
    """Return the digests in the session. None without a session, or if its store does not answer."""
    if not hasattr(request, "session"):
        return None
    try:
        digests: list[str] = request.session.get(SESSION_KEY, [])
    except Exception as error:  # noqa: BLE001 - each store has its own errors, and a right code was typed already
        logger.warning("session_not_read error=%s", type(error).__name__)
        return None
    return digests


def _digest(number: str) -> str:
    return cache_digest("known", Secret(number))
