"""The status of an attempt for display, the outcome of a typed code, and the cancellation of an attempt."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from django.contrib.auth.base_user import AbstractBaseUser
from django.utils import timezone
from django.views.decorators.debug import sensitive_variables

from django_telroi import conf
from django_telroi.backends import get_backend, key_of
from django_telroi.domain.number_limits import limit_at, seconds_to_wait
from django_telroi.domain.states import UNFINISHED, Judge, Status
from django_telroi.domain.typed_codes import LengthFit
from django_telroi.errors import (
    DestinationPaused,
    Misconfigured,
    NotCallable,
    NumberHeld,
    Unavailable,
    VerificationRefused,
)
from django_telroi.models import BlockedDestination, CallControl, VerificationAttempt
from django_telroi.services.attempts.find import (
    cancel_newer_calls,
    cancel_older_calls,
    find_and_settle,
    find_and_settle_with_state,
    not_found_if_erased,
)
from django_telroi.services.attempts.transitions import closing_fields, transition, transition_with_number
from django_telroi.services.shared.arguments import typed_arguments
from django_telroi.services.shared.number_state import State, remembered_state
from django_telroi.services.shared.outcomes import NOT_PLACED_FOR_NOW, RETRY_AFTER, ErrorCode
from django_telroi.services.shared.secrets import length_of
from django_telroi.services.shared.site_control import pause_for, refusal_of_block
from django_telroi.services.shared.transactions import unavailable_without_database, write_alias
from django_telroi.services.shared.wrong_code_counts import counter_of, left_before_wait, wait_end_of

REFUSAL_BY_ERROR: dict[str, type[VerificationRefused]] = {
    ErrorCode.INVALID: NotCallable,
    ErrorCode.BLOCKED: NotCallable,
    ErrorCode.DESTINATION_BLOCKED: DestinationPaused,
    ErrorCode.RATE_LIMITED: NumberHeld,
    ErrorCode.MISCONFIGURED: Misconfigured,
    ErrorCode.KEY_REMOVED: Misconfigured,
}
"""The refusal of a failed attempt, by its error code. For all other codes it is Unavailable."""


@dataclass(frozen=True)
class AttemptStatus:
    """The status of an attempt at ``now``.

    ``call_again_in``: seconds until another call to this number may be requested, 0 for now. ``tries_left``: how many
    codes the call still takes, 0 once it is over. ``refusal``: why a failed attempt failed, None for all others.
    ``wrong_codes_left``: as in CheckResult.
    """

    attempt: VerificationAttempt
    now: datetime
    call_again_in: int
    tries_left: int
    refusal: VerificationRefused | None
    wrong_codes_left: int | None = None

    @property
    def code_length(self) -> int:
        """How many digits the code probably has. A provider that makes the code may read out fewer."""
        return length_of(self.attempt).expected


@typed_arguments
@sensitive_variables()
def follow(
    attempt_uuid: UUID | str, *, user: AbstractBaseUser | None = None, now: datetime | None = None
) -> AttemptStatus:
    """Return the status of the attempt. Overdue transitions are made first.

    ``user`` is the logged-in user, or None. ``now`` replaces the database's clock, for tests. Raises AttemptNotFound,
    also for an attempt of another user, and Unavailable if the database fails.
    """
    with unavailable_without_database():
        attempt, state = find_and_settle_with_state(attempt_uuid, user=user, using=write_alias(), now=now)
        return _status(attempt, state, now=state.now)


def status_of(attempt: VerificationAttempt, *, user: AbstractBaseUser | None) -> AttemptStatus:
    """Return the status of an attempt that a service has just returned, as ``follow`` would.

    Everything is in hand: the row as it was written, its number, and the state of the site. So a database that stops
    answering after the call cannot turn it into an error. Only a call that failed is read, because it may have paused
    the key. Raises like ``follow``.
    """
    state = remembered_state(attempt)
    if state is None or attempt.status == Status.FAILED:
        return follow(attempt.uuid, user=user)
    return _status(attempt, state, now=state.now_by())


def status_in_hand(attempt: VerificationAttempt) -> AttemptStatus:
    """Return the status of an attempt as a service returned it, without a query.

    It uses this machine's clock. The wait is the one that this call alone causes.
    """
    now = timezone.now()
    policy = conf.policy(is_known=attempt.known_requester)
    limit = limit_at(policy, [attempt.counted_at], now=now, held_until=None)
    wait = seconds_to_wait(limit.until, now) if limit else 0
    return _attempt_status(attempt, now=now, wait=wait)


def _status(attempt: VerificationAttempt, state: State, *, now: datetime) -> AttemptStatus:
    """Return the status at ``now``.

    The wait lasts until all of these are over: the limits of the number, the wait after wrong codes, the block of the
    destination and the pause of the key.
    """
    phone = attempt.phone
    policy = conf.policy(is_known=attempt.known_requester)
    limit = limit_at(policy, phone.moments, now=now, held_until=phone.held_until)
    wait_end = None if attempt.judge == Judge.CALLER else wait_end_of(counter_of(attempt), now=now)
    block = state.destination if state.destination and state.destination.is_active(now) else None
    pause_end = _pause_end(attempt.key_name, state.control, now=now)
    moments = (limit and limit.until, wait_end, block and block.until, pause_end)
    ends = [moment for moment in moments if moment]
    wait = seconds_to_wait(max(ends), now) if ends else 0
    return _attempt_status(attempt, now=now, wait=wait, block=block, wrong_codes_left=left_before_wait(attempt))


def _attempt_status(
    attempt: VerificationAttempt,
    *,
    now: datetime,
    wait: int,
    block: BlockedDestination | None = None,
    wrong_codes_left: int | None = None,
) -> AttemptStatus:
    return AttemptStatus(
        attempt=attempt,
        now=now,
        call_again_in=wait,
        tries_left=attempt.tries_left if attempt.status in UNFINISHED else 0,
        refusal=_refusal_of(attempt, wait=wait, now=now, block=block),
        wrong_codes_left=wrong_codes_left,
    )


@typed_arguments
@sensitive_variables()
def cancel_verification(
    attempt_uuid: UUID | str, *, user: AbstractBaseUser | None = None, now: datetime | None = None
) -> VerificationAttempt:
    """Cancel the attempt and return it. An attempt that is over does not change.

    The older and newer calls of the flow are canceled too: a person who cancels may know only the id of an older call,
    because the response with the newer one was lost or has not come yet. A queued call is not placed and does not
    count. ``user`` is the logged-in user, or None. ``now`` replaces the database's clock, for tests. Raises
    AttemptNotFound, also for an attempt of another user, and Unavailable if the database fails.
    """
    using = write_alias()
    with unavailable_without_database():
        attempt, now = find_and_settle(attempt_uuid, user=user, using=using, now=now)
        _cancel(attempt, now=now, using=using)
    return attempt


def _cancel(attempt: VerificationAttempt, *, now: datetime, using: str) -> None:
    canceled = closing_fields(Status.CANCELED, now=now)
    cancel_older_calls(attempt, now=now, using=using)
    if attempt.status != Status.VERIFIED:
        cancel_newer_calls(attempt, now=now, using=using)
    waiting = attempt.status == Status.QUEUED and transition_with_number(
        attempt, canceled, from_=(Status.QUEUED,), now=now, using=using
    )
    if not waiting and not transition(attempt, canceled, from_=UNFINISHED - {Status.QUEUED}, using=using):
        with not_found_if_erased(attempt, using=using):
            attempt.refresh_from_db(using=using)


def _pause_end(key_name: str, control: CallControl, *, now: datetime) -> datetime | None:
    if control.paused_until is None or control.paused_until <= now:
        return None
    try:
        pause = pause_for(control, key=key_of(get_backend(key_name)), now=now)
    except Misconfigured:
        return None
    return pause.until if pause else None


def _refusal_of(
    attempt: VerificationAttempt, *, wait: int, now: datetime, block: BlockedDestination | None
) -> VerificationRefused | None:
    if attempt.status != Status.FAILED:
        return None
    # The answer of a start to the same number. Without it, a person would wait for a block that has no end.
    if attempt.error_code == ErrorCode.DESTINATION_BLOCKED and (of_block := refusal_of_block(block, now=now)):
        return of_block
    if attempt.error_code in NOT_PLACED_FOR_NOW and attempt.closed_at:
        again_at = attempt.closed_at + timedelta(seconds=RETRY_AFTER)
        wait = max(wait, seconds_to_wait(again_at, now) if again_at > now else 0)
    refusal = REFUSAL_BY_ERROR.get(attempt.error_code, Unavailable)
    return refusal() if refusal is NotCallable else refusal(wait or None)


class CheckOutcome(StrEnum):
    """The outcome of a typed code. Mistakes of the person are outcomes, never exceptions."""

    VERIFIED = "verified"
    WRONG_CODE = "wrong_code"
    LOCKED = "locked"
    """Too many wrong codes: the person needs another call."""
    EXPIRED = "expired"
    CLOSED = "closed"
    """The attempt takes no codes any more: it failed, was canceled, was replaced by a newer call, or is undecided."""
    UNAVAILABLE = "unavailable"
    """The code could not be judged: the person can send the same code again."""
    INVALID_CODE = "invalid_code"
    """Not a code. It used no try."""
    NOT_READY = "not_ready"
    """The call is not placed yet."""
    IN_PROGRESS = "in_progress"
    """All tries are used, and a judgement is still pending."""
    ANSWER_LOST = "answer_lost"
    """The answer to an earlier code was lost, so that code may be right. This code was wrong, or was not judged."""
    ALREADY_VERIFIED = "already_verified"
    """The attempt was verified with another code. This code verifies nothing and gives no proof."""
    JUDGED_ELSEWHERE = "judged_elsewhere"
    """Another package made the code of this call and checks it (``services.read_out``). Nothing was checked here."""
    NUMBER_TAKEN = "number_taken"
    """The code was right, but the number belongs to another account, and the site allows one."""


@dataclass(frozen=True)
class CheckResult:
    """The outcome of a code.

    ``tries_left``: how many more codes this call takes, 0 once it is over. ``attempt``: the row as it is now.
    ``proof``: set only if the outcome is ``verified`` and the attempt has no user.

    ``wrong_codes_left``: after how many more wrong codes new calls must wait, from the figure ``warn`` of
    ``WRONG_CODES`` on. None before it, and once they wait.

    ``length_fit``: set if the outcome is ``invalid_code`` because the code has too many or too few digits.

    ``was_judged``: True if this request had the code judged. False if it did not: the input is no code, the attempt was
    over before, or it was verified before and the code was compared with the right one. So ``locked`` with
    ``was_judged`` is the wrong code that locked the attempt. ``verified`` without it is the right code sent again.
    """

    outcome: CheckOutcome
    tries_left: int
    attempt: VerificationAttempt
    was_judged: bool = False
    wrong_codes_left: int | None = None
    proof: str | None = field(default=None, repr=False)
    length_fit: LengthFit | None = None


OUTCOME_BY_STATUS = {
    Status.QUEUED: CheckOutcome.NOT_READY,
    Status.DIALING: CheckOutcome.NOT_READY,
    Status.PLACED: CheckOutcome.IN_PROGRESS,
    Status.UNKNOWN: CheckOutcome.IN_PROGRESS,
    Status.VERIFIED: CheckOutcome.VERIFIED,
    Status.LOCKED: CheckOutcome.LOCKED,
    Status.EXPIRED: CheckOutcome.EXPIRED,
    Status.FAILED: CheckOutcome.CLOSED,
    Status.CANCELED: CheckOutcome.CLOSED,
    Status.SUPERSEDED: CheckOutcome.CLOSED,
}


def was_closed_by_lost_answers(attempt: VerificationAttempt) -> bool:
    """Return whether the attempt was closed because a code was right and it is unknown which one.

    Telroi says that a code was right before, and this site does not know which: answers to two different codes were
    lost, or another system had the right code checked.
    """
    return attempt.status == Status.LOCKED and attempt.error_code == ErrorCode.LOST


def was_uncheckable(attempt: VerificationAttempt) -> bool:
    """Return whether the attempt was closed without a known call id, so that no code can be recognized any more."""
    return attempt.status == Status.EXPIRED and attempt.error_code == ErrorCode.LOST and not attempt.telroi_id


def outcome_of(attempt: VerificationAttempt) -> CheckOutcome:
    """Return the outcome of a code that is not judged any more, by the status of its attempt.

    For a verified attempt it is the outcome of the right code. For other codes it is ``already_verified``.
    """
    if was_closed_by_lost_answers(attempt):
        return CheckOutcome.CLOSED
    if attempt.status == Status.VERIFIED and attempt.error_code == ErrorCode.NUMBER_TAKEN:
        return CheckOutcome.NUMBER_TAKEN
    return OUTCOME_BY_STATUS[Status(attempt.status)]
