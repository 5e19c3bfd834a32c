"""Calling the backend, and sleeping for a short time if the key's budget has no slot.

The site may have its own backend. The functions here return a valid reply, or raise an ApiError whose fields have the
right types. So a bug in a backend never causes a server error.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from threading import BoundedSemaphore

from django.views.decorators.debug import sensitive_variables

from django_telroi.backends import Backend
from django_telroi.backends.base import log_failure
from django_telroi.client import OtpCall, OtpCheck
from django_telroi.client.json_values import clean_error_code, clean_message
from django_telroi.errors import ApiError, ApiOutcomeUnknown, ApiRefused, ApiRefusedByProxy
from django_telroi.models import VerificationAttempt

MAX_SLEEP = timedelta(seconds=6)
"""The longest total sleep of one request or task: two windows of a key's default budget."""

REQUESTS_THAT_SLEEP = 2
"""At most this many requests of a process sleep at the same time. A server has few threads. Without this limit,
requests that wait for the budget would occupy all of them. Further requests are rejected, with the seconds to wait."""

_sleep_slots = BoundedSemaphore(REQUESTS_THAT_SLEEP)


class SlotWait:
    """The total sleep of one request, or of one task of a worker, which is limited to ``longest``.

    ``is_request``: True in a web request. Then ``REQUESTS_THAT_SLEEP`` applies too. A worker is not limited by it,
    because a sleeping worker blocks no visitor.
    """

    def __init__(self, *, is_request: bool, longest: timedelta = MAX_SLEEP) -> None:
        self._left = longest
        self._is_request = is_request
        self.slept = timedelta(0)

    def sleep(self, seconds: int | None) -> bool:
        """Sleep ``seconds`` and return True. Return False at once if ``seconds`` is None or exceeds what is left of the
        limit, or if ``REQUESTS_THAT_SLEEP`` requests of this process are asleep."""
        if seconds is None or timedelta(seconds=seconds) > self._left:
            return False
        if self._is_request and not _sleep_slots.acquire(blocking=False):
            return False
        try:
            time.sleep(seconds)
        finally:
            if self._is_request:
                _sleep_slots.release()
        self._left -= timedelta(seconds=seconds)
        self.slept += timedelta(seconds=seconds)
        return True


def wait_for_slot(take: Callable[[], None]) -> None:
    """Call ``take`` until the key's budget has a slot, and sleep in between. Raises ApiRefused after the limit."""
    wait = SlotWait(is_request=True)
    while True:
        try:
            return take()
        except ApiRefused as refused:
            if not wait.sleep(refused.retry_after):
                raise


MAX_ID_LENGTH = 200
"""Characters. The length of the column ``telroi_id``, and of an event's detail, which may hold an id."""

MAX_PROVIDER_WAIT = 86_400
"""Seconds. A longer wait in a provider's answer is ignored, because it is useless to a waiting person."""


def take_call_slot(backend: Backend) -> None:
    """Take a slot for one call from the backend. Raises ApiRefused, also for other exceptions."""
    _admit(backend.admit_call)


def return_call_slot(backend: Backend) -> None:
    """Return the slot of a call. Raises nothing, because it runs while another exception is handled."""
    try:
        backend.return_call()
    except Exception as error:  # noqa: BLE001 - a site's own backend may raise anything
        log_failure(error)


def take_check_slot(backend: Backend) -> None:
    """Take a slot for one check from the backend. Raises ApiRefused: the code was not judged."""
    _admit(backend.admit_check)


@sensitive_variables()
def request_call(backend: Backend, attempt: VerificationAttempt, code: str | None) -> OtpCall:
    """Let the backend place the call, once. Raises an ApiError; other exceptions become ApiOutcomeUnknown.

    ``code``: the digits to read out, or None for a code of the provider.
    """
    language = attempt.language or None
    try:
        call = backend.place_call(attempt.number, code_length=attempt.code_length, language=language, code=code)
        return _usable_call(call)
    except ApiError as error:
        raise _clean(error, attempt.number, *([code] if code else [])) from None
    except Exception as error:  # noqa: BLE001 - after any exception the phone may ring
        log_failure(error, attempt=attempt.pk)
        raise ApiOutcomeUnknown from None


def request_check(backend: Backend, code: str, *, call_id: str | None, attempt: VerificationAttempt) -> OtpCheck:
    """Let the backend judge the code, once. Raises an ApiError; other exceptions become ApiOutcomeUnknown."""
    try:
        return _usable_check(backend.check_code(code, call_id=call_id, to=attempt.number))
    except ApiError as error:
        raise _clean(error, code, attempt.number) from None
    except Exception as error:  # noqa: BLE001 - after any exception the code may have been judged
        log_failure(error, attempt=attempt.pk)
        raise ApiOutcomeUnknown from None


def judgeable_id(backend: Backend, attempt: VerificationAttempt) -> str | None:
    """Return the id by which the backend can judge this attempt's code. None: the code is judged by the number."""
    call_id: str | None = attempt.telroi_id
    if not call_id:
        return None
    try:
        return call_id if backend.judges_by_id(call_id) else None
    except Exception as error:  # noqa: BLE001 - most backends judge by the id, so that is the fallback
        log_failure(error, attempt=attempt.pk)
        return call_id


def _admit(admit: Callable[[], None]) -> None:
    try:
        admit()
    except ApiRefused as refused:
        cleaned = _clean(refused)
        raise (cleaned if isinstance(cleaned, ApiRefused) else _no_slot()) from None
    except Exception as error:  # noqa: BLE001 - a site's own backend may raise anything
        log_failure(error)
        raise _no_slot() from None


def _no_slot() -> ApiRefused:
    return ApiRefused(503, "service_unavailable")


def _usable_call(call: object) -> OtpCall:
    """Return the call with valid fields. Raises TypeError for another object, ValueError for an invalid id."""
    if not isinstance(call, OtpCall) or not isinstance(call.id, str):
        raise TypeError("not a call")
    if not is_usable_id(call.id):
        raise ValueError("no usable id")
    livemode: object = call.livemode
    expires_at: object = call.expires_at
    verification: object = call.verification
    is_moment = isinstance(expires_at, datetime) and expires_at.utcoffset() is not None
    return replace(
        call,
        livemode=call.livemode if isinstance(livemode, bool) else None,
        expires_at=call.expires_at if is_moment else None,
        verification=call.verification if isinstance(verification, str) else None,
    )


def is_usable_id(call_id: str) -> bool:
    """Return whether every database can store the id. MariaDB may be limited to characters of three bytes."""
    return 1 <= len(call_id) <= MAX_ID_LENGTH and call_id.isprintable() and max(call_id) <= "\uffff"


def _usable_check(check: object) -> OtpCheck:
    """Return the check with valid fields. Raises TypeError for another object, or for fields of another type."""
    if not isinstance(check, OtpCheck):
        raise TypeError("not a check")
    types = ((check.verified, bool), (check.status, str), (check.livemode, bool | None))
    if not all(isinstance(value, type_) for value, type_ in types):
        raise TypeError("fields of another type")
    left = check.tries_left
    is_count = isinstance(left, int) and not isinstance(left, bool) and left >= 0
    return check if is_count else replace(check, tries_left=None)


def _clean(error: ApiError, *hidden: str) -> ApiError:
    """Return the same error with fields of the right types. A refusal without a status becomes ApiOutcomeUnknown."""
    if not isinstance(error, ApiRefused):
        return error.with_traceback(None)
    status, scope = getattr(error, "status", None), getattr(error, "scope", None)
    if not isinstance(status, int):
        return ApiOutcomeUnknown("no status")
    kind = ApiRefusedByProxy if isinstance(error, ApiRefusedByProxy) else ApiRefused
    return kind(
        status,
        clean_error_code(getattr(error, "code", ""), hidden),
        clean_message(getattr(error, "message", ""), hidden),
        _seconds(getattr(error, "retry_after", None)),
        scope if scope in ("number", "key") else None,
    )


def _seconds(wait: object) -> int | None:
    return math.ceil(wait) if isinstance(wait, int | float) and 0 < wait <= MAX_PROVIDER_WAIT else None
