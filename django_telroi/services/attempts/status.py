"""The status of an attempt for display, and its cancellation."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from django.contrib.auth.base_user import AbstractBaseUser
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from django_telroi import conf
from django_telroi.backends import get_backend
from django_telroi.domain.policy import limit_at, seconds_to_wait
from django_telroi.domain.states import UNFINISHED, Status
from django_telroi.errors import Misconfigured, NotCallable, NumberHeld, Unavailable, VerificationRefused
from django_telroi.models import CallControl, VerificationAttempt
from django_telroi.services.attempts.find import cancel_older_calls, find_attempt, not_found_if_erased
from django_telroi.services.attempts.transitions import transition, transition_uncounted
from django_telroi.services.shared.arguments import typed_arguments
from django_telroi.services.shared.call_outcome import NOT_PLACED_FOR_NOW, RETRY_AFTER, ErrorCode
from django_telroi.services.shared.site_control import pause_for
from django_telroi.services.shared.transactions import unavailable_without_database, write_alias

REFUSAL_BY_ERROR: dict[str, type[VerificationRefused]] = {
    ErrorCode.INVALID: NotCallable,
    ErrorCode.BLOCKED: NotCallable,
    ErrorCode.RATE_LIMITED: NumberHeld,
    ErrorCode.MISCONFIGURED: Misconfigured,
}
"""The refusal of a failed attempt, by its error code. For all other codes it is Unavailable."""


@dataclass(frozen=True)
class AttemptStatus:
    """The status of an attempt at ``now``.

    ``call_again_in``: seconds until another call to this number may be requested, 0 for now. ``tries_left``: how many
    codes the call still takes, 0 once it is over. ``refusal``: why a failed attempt failed, None for all others.
    """

    attempt: VerificationAttempt
    now: datetime
    call_again_in: int
    tries_left: int
    refusal: VerificationRefused | None


@typed_arguments
@sensitive_variables()
def follow(
    attempt_uuid: UUID | str, *, user: AbstractBaseUser | None = None, now: datetime | None = None
) -> AttemptStatus:
    """Return the status of the attempt. Overdue transitions are made first.

    ``user`` is the logged-in user, or None. ``now`` replaces the database's clock, for tests. Raises AttemptNotFound,
    also for an attempt of another user, and Unavailable if the database fails.
    """
    using = write_alias()
    with unavailable_without_database():
        attempt, now = find_attempt(attempt_uuid, user=user, using=using, now=now)
        wait = _seconds_to_next_call(attempt, now=now, using=using)
    return _attempt_status(attempt, now=now, wait=wait)


def status_without_database(attempt: VerificationAttempt) -> AttemptStatus:
    """Return the status of an attempt as a service returned it, to answer a start if the database fails afterwards.

    It uses this machine's clock. The wait is the one that this call alone causes.
    """
    now = timezone.now()
    limit = limit_at(conf.policy(), [attempt.counted_at], now=now, held_until=None)
    wait = seconds_to_wait(limit.until, now) if limit else 0
    return _attempt_status(attempt, now=now, wait=wait)


def _attempt_status(attempt: VerificationAttempt, *, now: datetime, wait: int) -> AttemptStatus:
    return AttemptStatus(
        attempt=attempt,
        now=now,
        call_again_in=wait,
        tries_left=attempt.tries_left if attempt.status in UNFINISHED else 0,
        refusal=_refusal_of(attempt, wait=wait, now=now),
    )


@typed_arguments
@sensitive_variables()
def cancel_verification(
    attempt_uuid: UUID | str, *, user: AbstractBaseUser | None = None, now: datetime | None = None
) -> VerificationAttempt:
    """Cancel the attempt and return it. An attempt that is over does not change.

    A queued call is not placed and does not count. ``user`` is the logged-in user, or None. ``now`` replaces the
    database's clock, for tests. Raises AttemptNotFound, also for an attempt of another user, and Unavailable if the
    database fails.
    """
    using = write_alias()
    with unavailable_without_database():
        attempt, now = find_attempt(attempt_uuid, user=user, using=using, now=now)
        _cancel(attempt, now=now, using=using)
    return attempt


def _cancel(attempt: VerificationAttempt, *, now: datetime, using: str) -> None:
    canceled = {"status": Status.CANCELED, "closed_at": now, "due_at": None, "judging": {}}
    cancel_older_calls(attempt, now=now, using=using)
    waiting = attempt.status == Status.QUEUED and transition_uncounted(
        attempt, canceled, from_=(Status.QUEUED,), now=now, using=using
    )
    if not waiting and not transition(attempt, canceled, from_=UNFINISHED - {Status.QUEUED}, using=using):
        with not_found_if_erased(attempt, using=using):
            attempt.refresh_from_db(using=using)


def _seconds_to_next_call(attempt: VerificationAttempt, *, now: datetime, using: str) -> int:
    """Return the seconds until neither the limits of the number nor a pause of all calls prevent a call. 0 for now."""
    phone = attempt.phone
    limit = limit_at(conf.policy(), phone.moments, now=now, held_until=phone.held_until)
    ends = [moment for moment in (limit and limit.until, _end_of_pause(now=now, using=using)) if moment]
    return seconds_to_wait(max(ends), now) if ends else 0


def _end_of_pause(*, now: datetime, using: str) -> datetime | None:
    control = CallControl.objects.using(using).filter(pk=CallControl.ONLY, paused_until__gt=now).first()
    if control is None:
        return None
    try:
        pause = pause_for(control, key_digest=get_backend().key_digest, now=now)
    except Misconfigured:
        return None
    return pause.until if pause else None


def _refusal_of(attempt: VerificationAttempt, *, wait: int, now: datetime) -> VerificationRefused | None:
    if attempt.status != Status.FAILED:
        return None
    if attempt.error_code in NOT_PLACED_FOR_NOW and attempt.closed_at:
        again_at = attempt.closed_at + timedelta(seconds=RETRY_AFTER)
        wait = max(wait, seconds_to_wait(again_at, now) if again_at > now else 0)
    refusal = REFUSAL_BY_ERROR.get(attempt.error_code, Unavailable)
    return refusal() if refusal is NotCallable else refusal(wait or None)
