"""Calling the backend, and sleeping for a short time where its budget has no slot.

The backend may be the site's own. What leaves this module is a reply of the right shape, or an ApiError with fields of
the right types. So a mistake in a backend never becomes an error of the server.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from threading import BoundedSemaphore

from django_telroi.backends import Backend
from django_telroi.backends.failures import log_failure
from django_telroi.client import OtpCall, OtpCheck
from django_telroi.client.clean_text import clean_error_code, clean_message
from django_telroi.errors import ApiError, ApiOutcomeUnknown, ApiRefused
from django_telroi.models import VerificationAttempt

LONGEST_SLEEP = timedelta(seconds=6)
"""What one request or task may sleep in all: two windows of a key's default budget."""

REQUESTS_THAT_SLEEP = 2
"""At most so many requests of a process sleep at a time. A server has few threads: without this bound, requests that
wait for the budget would occupy all of them. The others are refused with the wait."""

_places = BoundedSemaphore(REQUESTS_THAT_SLEEP)


class SlotWait:
    """What one request, or one task of a worker, has slept and may still sleep.

    ``is_request``: somebody waits in a browser, so the process-wide bound applies. A worker has nothing else to do.
    """

    def __init__(self, *, is_request: bool, longest: timedelta = LONGEST_SLEEP) -> None:
        self._left = longest
        self._is_request = is_request
        self.slept = timedelta(0)

    def sleep(self, seconds: int | None) -> bool:
        """Sleep ``seconds`` and return True. Return False at once if that is unknown, exceeds what is left of the
        limit, or if enough requests of this process are asleep."""
        if seconds is None or timedelta(seconds=seconds) > self._left:
            return False
        if self._is_request and not _places.acquire(blocking=False):
            return False
        try:
            time.sleep(seconds)
        finally:
            if self._is_request:
                _places.release()
        self._left -= timedelta(seconds=seconds)
        self.slept += timedelta(seconds=seconds)
        return True


def wait_for_slot(take: Callable[[], None]) -> None:
    """Call ``take`` until the key's budget has a slot. Raises ApiRefused when it may not sleep any longer."""
    wait = SlotWait(is_request=True)
    while True:
        try:
            return take()
        except ApiRefused as refused:
            if not wait.sleep(refused.retry_after):
                raise


LONGEST_ID = 200
"""Characters: the column ``telroi_id``, and the detail of an event that keeps an id."""

LONGEST_PROVIDER_WAIT = 86_400
"""Seconds. A provider's wait that is longer says nothing that we could act on."""


def take_call_slot(backend: Backend) -> None:
    """Have the backend admit one call. Raises ApiRefused; nothing was sent then, whatever the backend raised."""
    _take(backend.admit_call)


def return_call_slot(backend: Backend) -> None:
    """Give the slot back. It raises nothing, because it runs while another exception is on its way."""
    try:
        backend.return_call()
    except Exception as error:  # noqa: BLE001 - a site's own backend may raise anything
        log_failure(error)


def take_check_slot(backend: Backend) -> None:
    """Have the backend admit one check. Raises ApiRefused; the code was not judged then."""
    _take(backend.admit_check)


def request_call(backend: Backend, attempt: VerificationAttempt) -> OtpCall:
    """Have the backend place the call, once. Raises ApiError: ApiOutcomeUnknown for whatever it must not raise."""
    try:
        call = backend.place_call(attempt.number, code_length=attempt.code_length, language=attempt.language or None)
        return _usable_call(call)
    except ApiError as error:
        raise _clean(error, attempt.number) from None
    except Exception as error:  # noqa: BLE001 - the phone may ring all the same
        log_failure(error, attempt=attempt.pk)
        raise ApiOutcomeUnknown from None


def request_check(backend: Backend, code: str, *, call_id: str | None, attempt: VerificationAttempt) -> OtpCheck:
    """Have the backend judge the code, once. Raises ApiError: ApiOutcomeUnknown for whatever it must not raise."""
    try:
        return _usable_check(backend.check_code(code, call_id=call_id, to=attempt.number))
    except ApiError as error:
        raise _clean(error, code, attempt.number) from None
    except Exception as error:  # noqa: BLE001 - the code may have been judged all the same
        log_failure(error, attempt=attempt.pk)
        raise ApiOutcomeUnknown from None


def judgeable_id(backend: Backend, attempt: VerificationAttempt) -> str | None:
    """The id by which the backend can judge this attempt's code; None where it is judged by the number."""
    call_id: str | None = attempt.telroi_id
    if not call_id:
        return None
    try:
        return call_id if backend.judges_by_id(call_id) else None
    except Exception as error:  # noqa: BLE001 - by id is how most backends judge
        log_failure(error, attempt=attempt.pk)
        return call_id


def _take(admit: Callable[[], None]) -> None:
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
    """Raises TypeError for what is no call, and ValueError for an id that cannot be written down."""
    if not isinstance(call, OtpCall) or not isinstance(call.id, str):
        raise TypeError("no call")
    if not is_usable_id(call.id):
        raise ValueError("no usable id")
    livemode: object = call.livemode
    expires_at: object = call.expires_at
    is_moment = isinstance(expires_at, datetime) and expires_at.utcoffset() is not None
    return replace(
        call,
        livemode=call.livemode if isinstance(livemode, bool) else None,
        expires_at=call.expires_at if is_moment else None,
    )


def is_usable_id(call_id: str) -> bool:
    """Whether every database keeps it: MariaDB may be set up for characters of at most three bytes."""
    return 1 <= len(call_id) <= LONGEST_ID and call_id.isprintable() and max(call_id) <= "\uffff"


def _usable_check(check: object) -> OtpCheck:
    """Raises TypeError for what is no judgement."""
    if not isinstance(check, OtpCheck):
        raise TypeError("no judgement")
    types = ((check.verified, bool), (check.status, str), (check.livemode, bool | None))
    if not all(isinstance(value, type_) for value, type_ in types):
        raise TypeError("no judgement")
    left = check.tries_left
    is_count = isinstance(left, int) and not isinstance(left, bool) and left >= 0
    return check if is_count else replace(check, tries_left=None)


def _clean(error: ApiError, *hidden: str) -> ApiError:
    """The same error with fields of the right types. A refusal without a status says nothing."""
    if not isinstance(error, ApiRefused):
        return error.with_traceback(None)
    status, scope = getattr(error, "status", None), getattr(error, "scope", None)
    if not isinstance(status, int):
        return ApiOutcomeUnknown("no status")
    return ApiRefused(
        status,
        clean_error_code(getattr(error, "code", ""), hidden),
        clean_message(getattr(error, "message", ""), hidden),
        _seconds(getattr(error, "retry_after", None)),
        scope if scope in ("number", "key") else None,
    )


def _seconds(wait: object) -> int | None:
    return math.ceil(wait) if isinstance(wait, int | float) and 0 < wait <= LONGEST_PROVIDER_WAIT else None
