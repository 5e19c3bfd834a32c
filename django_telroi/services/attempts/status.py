"""How an attempt stands, for whoever shows it; and giving it up."""

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
"""What a failed attempt amounts to; every other failure is Unavailable."""


@dataclass(frozen=True)
class AttemptStatus:
    """An attempt as it stands at ``now``.

    ``call_again_in``: seconds until another call to this number may be asked for, 0 for now. ``refusal``: what a failed
    attempt amounts to, None for any other.
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
    """How the attempt stands. What is overdue is settled first.

    Raises AttemptNotFound, for another user's attempt too, and Unavailable where the database cannot say.
    """
    using = write_alias()
    with unavailable_without_database():
        attempt, now = find_attempt(attempt_uuid, user=user, using=using, now=now)
        wait = _seconds_to_next_call(attempt, now=now, using=using)
    return _standing(attempt, now=now, wait=wait)


def status_without_database(attempt: VerificationAttempt) -> AttemptStatus:
    """How the attempt stood when a service returned it, to answer a start after which the database is gone.

    By this machine's clock. The wait is the one that this call alone causes.
    """
    now = timezone.now()
    limit = limit_at(conf.policy(), [attempt.counted_at], now=now, held_until=None)
    wait = seconds_to_wait(limit.until, now) if limit else 0
    return _standing(attempt, now=now, wait=wait)


def _standing(attempt: VerificationAttempt, *, now: datetime, wait: int) -> AttemptStatus:
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
    """Give the attempt up; one that is over stays as it is. A call that still waits is not placed and does not count.

    Raises AttemptNotFound, for another user's attempt too, and Unavailable where the database is gone.
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
    """Until neither the number's own limits nor a pause of all calls stand in the way."""
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
