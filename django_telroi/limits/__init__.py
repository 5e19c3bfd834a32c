"""Rate limits per requester: how many calls and codes one IP address and one user may request.

The pages and the API call these functions instead of the services and pass their HTTP request. A retry of a start (same
id, number, purpose and user) returns the existing attempt and is not counted. Every other request is counted before a
call is placed or a try is used. It is rejected if it cannot be counted. Invalid numbers, numbers that are never called
and malformed codes are rejected before they are counted.
"""

from __future__ import annotations

from uuid import UUID

from django.contrib.auth.base_user import AbstractBaseUser
from django.http import HttpRequest
from django.views.decorators.debug import sensitive_variables

from django_telroi import services
from django_telroi.domain.codes import clean_code
from django_telroi.errors import AttemptNotFound, VerificationRefused
from django_telroi.limits.counting import admit, cache_digest, forget
from django_telroi.models import VerificationAttempt
from django_telroi.redaction import redact_arguments
from django_telroi.services import CheckResult
from django_telroi.services.calls.refusals import note_refusal
from django_telroi.services.calls.request import CallRequest
from django_telroi.services.requester import Requester, requester_of
from django_telroi.services.shared.transactions import write_alias


@redact_arguments("number")
@sensitive_variables()
def start_verification(
    request: HttpRequest,
    number: str,
    *,
    user: AbstractBaseUser | None = None,
    purpose: str = "",
    language: str | None = None,
    attempt_uuid: UUID | None = None,
) -> VerificationAttempt:
    """Count the request, then call ``services.start_verification`` with the same arguments.

    Returns the attempt. Raises TooManyRequests if a rate limit is reached, Unavailable if the cache fails, and the
    errors of the service.
    """
    counted = _CountedStart(requester_of(request, user))
    try:
        return services.start_verification(
            number,
            user=user,
            purpose=purpose,
            language=language,
            requester_ip=counted.requester.ip,
            attempt_uuid=attempt_uuid,
            admit=counted.admit,
        )
    except BaseException:
        counted.forget()
        raise


@sensitive_variables()
def call_again(
    request: HttpRequest, attempt_uuid: UUID, *, user: AbstractBaseUser | None = None
) -> VerificationAttempt:
    """Count the request as a start, then call ``services.call_again``. A request for an unknown attempt counts too.

    Returns the attempt. Raises TooManyRequests if a rate limit is reached, Unavailable if the cache fails, and the
    errors of the service.
    """
    counted = _CountedStart(requester_of(request, user))
    try:
        attempt = services.call_again(attempt_uuid, user=user, requester_ip=counted.requester.ip, admit=counted.admit)
    except AttemptNotFound:
        counted.count_without_call()
        raise
    except BaseException:
        counted.forget()
        raise
    if attempt.uuid == attempt_uuid:  # it is verified, so no call was requested and this is not a retry
        counted.count_without_call()
    return attempt


@redact_arguments("code")
@sensitive_variables()
def check_code(
    request: HttpRequest,
    attempt_uuid: UUID,
    code: str,
    *,
    user: AbstractBaseUser | None = None,
    judge_short: bool = True,
) -> CheckResult:
    """Count the request, then call ``services.check_code``. A code for an unknown attempt counts too.

    Returns the result. Raises TooManyRequests if a rate limit is reached, Unavailable if the cache fails, and the
    errors of the service.
    """
    counted = _CountedCode(requester_of(request, user))
    try:
        return services.check_code(attempt_uuid, code, user=user, admit=counted.admit, judge_short=judge_short)
    except AttemptNotFound:
        if clean_code(code) is not None:
            counted.admit()
        raise


class _CountedCode:
    """Counts one code, at most once."""

    def __init__(self, requester: Requester) -> None:
        self.requester = requester
        self._is_counted = False

    def admit(self) -> None:
        if self._is_counted:
            return
        self._is_counted = True
        try:
            admit("check", self.requester, once=None)
        except VerificationRefused as refusal:
            note_refusal(refusal, None, using=write_alias())
            raise


class _CountedStart:
    """Counts one start. Both requests of a double click have the same digest, so they are counted once."""

    def __init__(self, requester: Requester) -> None:
        self.requester = requester
        self._once: str | None = None
        self._is_counted = False

    def admit(self, call_request: CallRequest) -> None:
        if call_request.attempt_uuid is not None:
            uuid, number = call_request.attempt_uuid, call_request.phone.number
            self._once = cache_digest("start", uuid, number, call_request.purpose, call_request.user_id)
        self._is_counted = True
        admit("start", self.requester, once=self._once)

    def count_without_call(self) -> None:
        """Count a request that did not request a call. Raises TooManyRequests and Unavailable. Counts at most once."""
        if self._is_counted:
            return
        try:
            admit("start", self.requester, once=None)
        except VerificationRefused as refusal:
            note_refusal(refusal, None, using=write_alias())
            raise

    def forget(self) -> None:
        """Delete the mark of a rejected start. A rejected request is not a retry: sent again, it counts again."""
        forget("start", self.requester, once=self._once)
