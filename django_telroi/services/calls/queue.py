"""Queued calls: enqueue them for a worker, and place them."""

from __future__ import annotations

import logging
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial

from django.views.decorators.debug import sensitive_variables

from django_telroi import conf, dispatch, signals
from django_telroi.backends import Backend, are_calls_placed_here, get_backend, key_of
from django_telroi.domain.number_limits import seconds_to_wait, without_call
from django_telroi.domain.states import BY_WORKER, Judge, Status
from django_telroi.errors import (
    ApiRefused,
    AttemptNotFound,
    Misconfigured,
    NotCallable,
    Unavailable,
    VerificationRefused,
)
from django_telroi.log_fields import about_key
from django_telroi.models import VerificationAttempt
from django_telroi.services.attempts.find import (
    cancel_queued,
    close_orphan,
    is_not_needed,
    is_orphan,
    not_found_if_erased,
    settle_overdue,
)
from django_telroi.services.attempts.transitions import (
    closing_fields,
    deadline_of,
    send_after_commit,
    transition,
    transition_with_number,
)
from django_telroi.services.calls.claim import RECHECK_AFTER, call_slot, claim_queued, make_code
from django_telroi.services.calls.place import dial
from django_telroi.services.calls.refusals import DestinationBlocked, refuse_by_state
from django_telroi.services.shared.arguments import typed_arguments
from django_telroi.services.shared.backend_calls import SlotWait
from django_telroi.services.shared.number_state import State, read_attempt
from django_telroi.services.shared.outcomes import ErrorCode, report_call
from django_telroi.services.shared.reviewers import fixed_code_of
from django_telroi.services.shared.transactions import (
    refuse_callers_transaction,
    repeat_on_lock_error,
    unavailable_without_database,
    write_alias,
)
from django_telroi.services.shared.writes import VersionConflict

logger = logging.getLogger("django_telroi")

QUEUED = (Status.QUEUED,)
TIMES_TO_RETRY = 3


class NotYet(Exception):
    """The call must not be placed before ``until``.

    ``is_for_key``: every call with this API key waits, not only calls to this number.
    """

    def __init__(self, until: datetime, *, is_for_key: bool = False) -> None:
        super().__init__(until)
        self.until = until
        self.is_for_key = is_for_key


def enqueue(attempt_id: int) -> dispatch.Published:
    """Publish a queued attempt for a worker, or place its call now if this site has no workers.

    ``attempt_id`` is the primary key. A message may be lost: ``sweep`` enqueues an attempt again that stays queued.
    """
    # A backend that prints its codes or keeps them in memory places its calls in this process.
    if conf.dispatch() in BY_WORKER and not are_calls_placed_here():
        return dispatch.send(attempt_id)
    place_call(attempt_id)
    return dispatch.Published.DONE


@typed_arguments
@sensitive_variables()
@unavailable_without_database()
def place_call(attempt_id: int, *, code: str | None = None, now: datetime | None = None) -> None:
    """Place the call of a queued attempt. Several processes may do this at once: the call is placed once.

    ``attempt_id`` is the primary key. ``code``: the digits of a call of ``read_out``, which only the process that
    started it knows. ``now`` replaces the database's clock. An attempt that is no longer queued is left as it is. A
    call that must wait stays queued, and is due again when the wait is over. A call of ``read_out`` fails instead.

    Raises InsideTransaction if a rollback could undo the claim, and Unavailable if the database fails before the claim.
    Raises nothing else.
    """
    using = write_alias()
    for _ in range(TIMES_TO_RETRY):
        with suppress(VersionConflict):  # the number's state changed, or another process has placed this call
            _place(attempt_id, code=code, now=now, using=using)
            return


@sensitive_variables()
def _place(attempt_id: int, *, code: str | None, now: datetime | None, using: str) -> None:
    """Place the call if it is still queued. Raises VersionConflict, and then nothing was done."""
    wait = SlotWait(is_request=False)
    while True:
        attempt, state = read_attempt(attempt_id, using=using, now=now and now + wait.slept)
        if attempt is None or attempt.status != Status.QUEUED:
            return
        if attempt.judge == Judge.CALLER and code is None:
            return  # its code is in the process that started it, or was lost with it: the attempt expires
        try:
            label = conf.key_label(attempt.key_name)
            with about_key(label), suppress(AttemptNotFound), not_found_if_erased(attempt, using=using):
                _dial_if_allowed(attempt, state, code=code, using=using)
            return
        except NotYet as not_yet:
            if code is not None:
                _fail(attempt, ErrorCode.UNAVAILABLE, now=state.now, using=using)
                return
            if not (not_yet.is_for_key and wait.sleep(seconds_to_wait(not_yet.until, state.now))):
                transition(attempt, {"due_at": min(not_yet.until, deadline_of(attempt))}, from_=QUEUED, using=using)
                return


@sensitive_variables()
def _dial_if_allowed(attempt: VerificationAttempt, state: State, *, code: str | None, using: str) -> None:
    """Place the call if it is still needed and allowed. Otherwise fail or cancel it, or close the attempt.

    Raises NotYet, VersionConflict or InsideTransaction.
    """
    try:
        backend = get_backend(attempt.key_name)
    except Misconfigured:
        _fail(attempt, _error_without_backend(attempt, now=state.now), now=state.now, using=using)
        return
    refuse_callers_transaction(using)
    settle_overdue(attempt, now=state.now, using=using)
    if is_orphan(attempt):
        close_orphan(attempt, now=state.now, using=using)
        return
    if attempt.status == Status.QUEUED and is_not_needed(attempt, using=using):
        cancel_queued(attempt, now=state.now, using=using)
    if attempt.judge != Judge.CALLER:
        fixed = fixed_code_of(attempt.number, attempt.purpose)
        code = fixed or make_code(state, length=attempt.code_length, key=key_of(backend))
    if attempt.status == Status.QUEUED and _claim_if_allowed(attempt, state, backend, code=code, using=using):
        dial(attempt, backend, state, code=code, using=using)


def _error_without_backend(attempt: VerificationAttempt, *, now: datetime) -> ErrorCode:
    """Return why a call cannot be placed. Raises NotYet if a function in ``API_KEYS`` failed, perhaps for a moment."""
    try:
        return ErrorCode.KEY_REMOVED if conf.is_key_removed(attempt.key_name) else ErrorCode.MISCONFIGURED
    except Exception:  # noqa: BLE001 - ``get_backend`` has logged it
        raise NotYet(now + RECHECK_AFTER) from None


@sensitive_variables()
def _claim_if_allowed(
    attempt: VerificationAttempt, state: State, backend: Backend, *, code: str | None, using: str
) -> bool:
    """Claim the call. Returns False if the number, its prefix or its region is blocked, or the number is erased.

    Raises NotYet or VersionConflict.
    """
    # The call itself counted when it was requested, so only the others can use up a limit.
    others = without_call(state.phone.moments, attempt.counted_at) if state.phone else ()
    try:
        if state.phone is None:
            raise NotCallable
        is_read_out = attempt.judge == Judge.CALLER
        refuse_by_state(state, policy=conf.policy(), key=key_of(backend), moments=others, is_read_out=is_read_out)
    except VerificationRefused as refusal:
        # Also a pause. It lasts for minutes or longer, and a call that waits in the queue would be placed at its end.
        if isinstance(refusal.__cause__, DestinationBlocked):
            _fail(attempt, ErrorCode.DESTINATION_BLOCKED, now=state.now, using=using)
            return False
        if isinstance(refusal, NotCallable):
            _fail(attempt, ErrorCode.BLOCKED, now=state.now, using=using)
            return False
        # ``Unavailable`` is a pause of all calls with this key.
        raise NotYet(_end_of_wait(refusal, now=state.now), is_for_key=isinstance(refusal, Unavailable)) from None
    try:
        with call_slot(backend):
            claim = partial(claim_queued, attempt, state, code=code, key=key_of(backend), using=using)
            repeat_on_lock_error(claim, using=using)
    except ApiRefused as refused:
        wait = RECHECK_AFTER if refused.retry_after is None else timedelta(seconds=refused.retry_after)
        raise NotYet(state.now + wait, is_for_key=True) from None
    return True


def _end_of_wait(refusal: VerificationRefused, *, now: datetime) -> datetime:
    """Return when the call may be placed again, at the earliest.

    Staff may resume stopped calls at any time, and a new key may end a pause for a rejected key. So these waits are at
    most ``RECHECK_AFTER``.
    """
    if refusal.retry_after is None:
        return now + RECHECK_AFTER
    wait = timedelta(seconds=refusal.retry_after)
    return now + (min(wait, RECHECK_AFTER) if isinstance(refusal, Misconfigured) else wait)


def _fail(attempt: VerificationAttempt, error_code: ErrorCode, *, now: datetime, using: str) -> None:
    failed = closing_fields(Status.FAILED, now=now, error_code=error_code)
    if transition_with_number(attempt, failed, from_=QUEUED, now=now, using=using):
        logger.warning("call_failed attempt=%s error=%s", attempt.pk, error_code)
        report_call(attempt, using=using)
        send_after_commit(signals.call_failed, attempt, using=using)
