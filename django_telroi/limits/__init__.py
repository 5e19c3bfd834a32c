"""The limits of requesters: how often one address and one user may start and check, in front of the services.

Faces call these functions instead of the services and pass their request. A repeat of a start (same id, number, purpose
and user) is answered from its row and not counted. Every other request is counted before anything is spent, and is
refused if it cannot be counted. Invalid numbers, numbers that are never called and malformed codes are rejected before
they are counted.
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
    """``services.start_verification`` for the sender of ``request``. Raises TooManyRequests and Unavailable as well."""
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
    """``services.call_again`` for the sender of ``request``: it counts as a start, also if there is no such attempt."""
    counted = _CountedStart(requester_of(request, user))
    try:
        attempt = services.call_again(attempt_uuid, user=user, requester_ip=counted.requester.ip, admit=counted.admit)
    except AttemptNotFound:
        counted.admit_without_call()
        raise
    except BaseException:
        counted.forget()
        raise
    if attempt.uuid == attempt_uuid:  # it is verified: no call was asked for before, so this is no repeat of one
        counted.admit_without_call()
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
    """``services.check_code`` for the sender of ``request``. Raises TooManyRequests and Unavailable as well.

    A code for an attempt that does not exist counts as well.
    """
    counted = _CountedCode(requester_of(request, user))
    try:
        return services.check_code(attempt_uuid, code, user=user, admit=counted.admit, judge_short=judge_short)
    except AttemptNotFound:
        if clean_code(code) is not None:
            counted.admit()
        raise


class _CountedCode:
    """The count of one code, which counts once."""

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
    """The count of one start. A double click is counted once: both halves have the same digest."""

    def __init__(self, requester: Requester) -> None:
        self.requester = requester
        self._once: str | None = None
        self._is_counted = False

    def admit(self, asked: CallRequest) -> None:
        if asked.attempt_uuid is not None:
            self._once = cache_digest("start", asked.attempt_uuid, asked.phone.number, asked.purpose, asked.user_id)
        self._is_counted = True
        admit("start", self.requester, once=self._once)

    def admit_without_call(self) -> None:
        """Count a request that came to no call. Raises TooManyRequests in place of its answer."""
        if self._is_counted:
            return
        try:
            admit("start", self.requester, once=None)
        except VerificationRefused as refusal:
            note_refusal(refusal, None, using=write_alias())
            raise

    def forget(self) -> None:
        """A start that was refused is not a start: the same request, sent again, counts again."""
        forget("start", self.requester, once=self._once)
