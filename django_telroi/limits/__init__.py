"""Rate limits per requester: how many calls and codes one IP address and one user may request.

The pages and the API call these functions instead of the services and pass their HTTP request. A retry of a start (same
id, number, purpose and user) returns the existing attempt and is not counted. Every other request is counted before a
call is placed or a try is used. It is rejected if it cannot be counted. Invalid numbers, numbers that are never called
and malformed codes are rejected before they are counted. See "A call" in docs/explanation/how.rst.

``astart_verification`` and the other functions with the name of another one after an ``a`` are awaited. They run in the
thread that Django uses for the database.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from uuid import UUID

from django.contrib.auth.base_user import AbstractBaseUser
from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables

from django_telroi import services
from django_telroi.domain.typed_codes import clean_code
from django_telroi.errors import AttemptNotFound
from django_telroi.limits.counted_requests import CountedCode, CountedStart, check_without_count, count_decoy_call
from django_telroi.limits.site_functions import (
    BotCheck,
    PhoneRisk,
    bot_check_of,
    is_known_to,
    remember_number,
    requester_with_keys,
)
from django_telroi.models import VerificationAttempt
from django_telroi.redaction import redact_arguments
from django_telroi.services import CheckOutcome, CheckResult, Consent
from django_telroi.services.async_services import in_thread

__all__ = [
    "BotCheck",
    "PhoneRisk",
    "acall_again",
    "acheck_code",
    "aread_out",
    "astart_verification",
    "call_again",
    "check_code",
    "check_start",
    "count_decoy",
    "read_out",
    "start_verification",
]


@redact_arguments("number", "bot_token")
@sensitive_variables()
def start_verification(
    request: HttpRequest,
    number: str,
    *,
    user: AbstractBaseUser | None = None,
    purpose: str = "",
    language: str | None = None,
    attempt_uuid: UUID | None = None,
    once_counted: Callable[[str], None] | None = None,
    consent: Consent | None = None,
    bot_token: str | None = None,
    is_known: bool | None = None,
) -> VerificationAttempt:
    """Call ``services.start_verification`` with the same arguments. It counts the request before a call is placed.

    A request that the service rejects before, such as an invalid number, is not counted.

    ``once_counted``: called with the number (E.164) when the request is counted and no call is placed yet, but not for
    a retry. A page that compares the number with one that it does not show compares it there and raises an exception
    of its own, so that each comparison takes a place in the limits.

    ``bot_token``: for ``BOT_CHECK``; None reads the field ``bot_token`` of a posted form.

    ``is_known``: whether the requester may use the reserved calls of the number (``STRANGER_CALLS_PER_HOUR``), for
    example after a password. None: if the session, or the user of ``request``, verified the number.

    Returns the attempt. Raises BotCheckFailed if ``BOT_CHECK`` refuses, TooManyRequests if a rate limit is reached,
    Unavailable if the cache fails, and the errors of the service.
    """
    counted = CountedStart(request, user, bot_token, once_counted, is_known=is_known)
    try:
        return services.start_verification(
            number,
            user=user,
            purpose=purpose,
            language=language,
            requester_ip=counted.requester.ip,
            attempt_uuid=attempt_uuid,
            consent=consent,
            admit=counted.admit,
        )
    except BaseException:
        counted.forget()
        raise


@redact_arguments("number", "code", "bot_token")
@sensitive_variables()
def read_out(
    request: HttpRequest,
    number: str,
    code: str,
    *,
    user: AbstractBaseUser | None = None,
    purpose: str = "",
    language: str | None = None,
    bot_token: str | None = None,
    is_known: bool | None = None,
) -> VerificationAttempt:
    """Call ``services.read_out`` with the same arguments. It counts the request as a start, before the call is placed.

    ``bot_token`` and ``is_known`` are as in ``start_verification``.

    Returns the attempt. Raises BotCheckFailed if ``BOT_CHECK`` refuses, TooManyRequests if a rate limit is reached,
    Unavailable if the cache fails, and the errors of the service.
    """
    counted = CountedStart(request, user, bot_token, is_known=is_known)
    return services.read_out(
        number,
        code,
        user=user,
        purpose=purpose,
        language=language,
        requester_ip=counted.requester.ip,
        admit=counted.admit,
    )


@redact_arguments("number")
@sensitive_variables()
def check_start(request: HttpRequest, number: str, *, user: AbstractBaseUser | None = None) -> None:
    """Raise the VerificationRefused that a call to ``number`` would get now. Counts nothing.

    A form that starts a call later uses it to show the refusal beside its field. ``BOT_CHECK``,
    ``MAY_START`` and ``PHONE_RISK`` are not asked, and the call itself may still be rejected.
    """
    check_without_count(number, requester_with_keys(request, user), is_known_to=partial(is_known_to, request))


@redact_arguments("number", "bot_token")
@sensitive_variables()
def count_decoy(
    request: HttpRequest, number: str, *, user: AbstractBaseUser | None = None, bot_token: str | None = None
) -> None:
    """Count a request that must look like a call, although no call is placed: see ``limits/counted_requests.py``.

    ``bot_token`` is as in ``start_verification``. Raises the VerificationRefused that the call would get.
    """
    count_decoy_call(
        number,
        requester_with_keys(request, user),
        ask=bot_check_of(request, bot_token),
        is_known_to=partial(is_known_to, request),
    )


@redact_arguments("bot_token")
@sensitive_variables()
def call_again(
    request: HttpRequest,
    attempt_uuid: UUID,
    *,
    user: AbstractBaseUser | None = None,
    bot_token: str | None = None,
    is_known: bool | None = None,
) -> VerificationAttempt:
    """Call ``services.call_again``. It counts the request as a start. A request for an unknown attempt counts too.

    ``bot_token`` and ``is_known`` are as in ``start_verification``.

    Returns the attempt. Raises BotCheckFailed if ``BOT_CHECK`` refuses, TooManyRequests if a rate limit is reached,
    Unavailable if the cache fails, and the errors of the service.
    """
    counted = CountedStart(request, user, bot_token, is_known=is_known)
    try:
        attempt = services.call_again(attempt_uuid, user=user, requester_ip=counted.requester.ip, admit=counted.admit)
    except AttemptNotFound:
        # Counted too. Otherwise ids of attempts could be guessed without a limit.
        counted.count_requester()
        raise
    except BaseException:
        counted.forget()
        raise
    if attempt.uuid == attempt_uuid:  # it is verified, so no call was requested and this is not a retry
        counted.count_requester()
    return attempt


@redact_arguments("code")
@sensitive_variables()
def check_code(
    request: HttpRequest,
    attempt_uuid: UUID,
    code: str,
    *,
    user: AbstractBaseUser | None = None,
    purpose: str | None = None,
    judge_short: bool = True,
    inside_transaction: bool = False,
) -> CheckResult:
    """Call ``services.check_code``, which counts the request before a try is used.

    A code for an unknown attempt counts too.

    Returns the result. Raises TooManyRequests if a rate limit is reached, Unavailable if the cache fails, and the
    errors of the service.
    """
    counted = CountedCode(requester_with_keys(request, user))
    try:
        result = services.check_code(
            attempt_uuid,
            code,
            user=user,
            purpose=purpose,
            admit=counted.admit,
            judge_short=judge_short,
            inside_transaction=inside_transaction,
        )
    except AttemptNotFound:
        # Counted too. Otherwise ids of attempts could be guessed without a limit.
        if clean_code(code) is not None:
            counted.admit()
        raise
    if result.outcome == CheckOutcome.VERIFIED:
        remember_number(request, result.attempt.number)
    return result


astart_verification = in_thread(start_verification)
aread_out = in_thread(read_out)
acall_again = in_thread(call_again)
acheck_code = in_thread(check_code)
