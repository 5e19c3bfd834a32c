"""Claiming the call of a validated request, then placing or enqueuing it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext, suppress
from datetime import datetime
from functools import partial
from uuid import uuid4

from django.db import IntegrityError
from django.views.decorators.debug import sensitive_variables

from django_telroi import conf
from django_telroi.backends import Backend, KeyInUse, key_of
from django_telroi.dispatch import Published
from django_telroi.domain.phone import prefix_of
from django_telroi.domain.states import BY_WORKER, Dispatch, Judge, Status
from django_telroi.errors import ApiRefused, CooldownActive, Misconfigured, Unavailable, UserNotFound
from django_telroi.models import VerificationAttempt
from django_telroi.services.accounts.phones import tell_owners
from django_telroi.services.calls.claim import (
    call_slot,
    claim_start,
    is_claimed,
    judge_of,
    lease_end,
    make_code,
    recheck_at,
)
from django_telroi.services.calls.place import dial
from django_telroi.services.calls.queue import enqueue, place_call
from django_telroi.services.calls.refusals import refuse_request
from django_telroi.services.calls.request import CallRequest
from django_telroi.services.shared.arguments import is_gone
from django_telroi.services.shared.backend_calls import SlotWait
from django_telroi.services.shared.number_state import State, read_state, remember_state
from django_telroi.services.shared.outcomes import outcome_of_call, raise_alert_of
from django_telroi.services.shared.reviewers import fixed_code_of
from django_telroi.services.shared.secrets import accepts_site_codes, digest_of
from django_telroi.services.shared.transactions import (
    DATABASE_LOST,
    CommitInDoubt,
    after_commit,
    is_in_callers_transaction,
    repeat_on_lock_error,
    unavailable_without_database,
)
from django_telroi.services.shared.writes import VersionConflict

TIMES_TO_CLAIM = 10
"""How often a claim is tried while other requests change the number's row. Each wrong code of its open calls does."""


@sensitive_variables()
def claim_and_call(
    request: CallRequest, state: State, backend: Backend, *, using: str, now: datetime | None
) -> VerificationAttempt:
    """Claim the call. Then place it, or enqueue it for a worker or for the commit of the caller's transaction."""
    # The code of ``read_out`` must not enter a message, so no worker can place its call. A reviewer number needs none.
    is_placed_here = request.is_read_out or fixed_code_of(request.phone.number, request.purpose) is not None
    dispatch = conf.dispatch() if backend.rings and not is_placed_here else Dispatch.INLINE
    is_in_transaction = is_in_callers_transaction(using)
    status = Status.QUEUED if is_in_transaction or dispatch in BY_WORKER else Status.DIALING
    with unavailable_without_database():
        attempt, state, code = _wait_and_claim(
            request, state, backend, status=status, dispatch=dispatch, using=using, now=now
        )
    tell_owners(attempt, "called", using=using)
    if is_in_transaction:
        after_commit(_call_after_commit(attempt, request), using=using)
    elif status == Status.QUEUED:
        if enqueue(attempt.pk) == Published.DONE:
            with suppress(*DATABASE_LOST):  # return the attempt even if it cannot be read again: its phone may ring
                attempt.refresh_from_db(using=using)
    else:
        dial(attempt, backend, state, code=code, using=using)
    remember_state(attempt, state)
    return attempt


@sensitive_variables()
def _call_after_commit(attempt: VerificationAttempt, request: CallRequest) -> Callable[[], object]:
    """Return the function that places or enqueues the call once the caller's transaction is committed.

    A code of the caller stays in the memory of this process until then. If the process dies first, the attempt expires.
    """
    if request.code is not None:
        return partial(place_call, attempt.pk, code=request.code)
    return partial(enqueue, attempt.pk)


@sensitive_variables()
def _wait_and_claim(
    request: CallRequest,
    state: State,
    backend: Backend,
    *,
    status: Status,
    dispatch: Dispatch,
    using: str,
    now: datetime | None,
) -> tuple[VerificationAttempt, State, str | None]:
    """Claim the call. Return the attempt, the state of the claim, and the code of this site that the call reads out.

    Sleep while the key's budget has no slot or calls are paused, then read the state again. Raises Unavailable if that
    takes too long. A call that a worker will place does not wait here.

    Another request may change the number's row at the same moment. If it claimed a call, the state that is read again
    refuses this one. If it counted a wrong code, or changed something else, this request claims its call then.
    """
    wait, conflicts = SlotWait(is_request=True), 0
    is_dialing = status == Status.DIALING
    while True:
        try:
            refuse_request(request, state, key=key_of(backend))
            code = _code_to_read_out(request, state, is_dialing=is_dialing, key=key_of(backend))
            attempt = _new_attempt(request, status=status, dispatch=dispatch, now=state.now, code=code)
            with call_slot(backend) if is_dialing else nullcontext():
                _claim(request, state, attempt=attempt, key=key_of(backend), using=using)
            return attempt, state, code
        except VersionConflict:
            conflicts += 1
            if conflicts == TIMES_TO_CLAIM:
                raise CooldownActive(1) from None
        except Unavailable as refusal:  # a pause of all calls
            if not (is_dialing and wait.sleep(refusal.retry_after)):
                raise
        except ApiRefused as refused:
            if not wait.sleep(refused.retry_after):
                raise_alert_of(outcome_of_call(refused), key_name=backend.key_name, now=state.now, using=using)
                raise Unavailable(refused.retry_after) from None
        state = read_state(
            request.phone,
            using=using,
            now=now and now + wait.slept,
            user_id=request.user_id,
            key_name=request.key_name,
        )


@sensitive_variables()
def _new_attempt(
    request: CallRequest, *, status: Status, dispatch: Dispatch, now: datetime, code: str | None
) -> VerificationAttempt:
    """Return the unsaved attempt of a call that is claimed at ``now``.

    ``status`` is ``dialing`` if this process places the call at once, ``queued`` otherwise. ``code``: the code of this
    site that the call reads out. None for a code of the provider, and for a queued call, which gets its code later.
    """
    dialing, fixed = status == Status.DIALING, fixed_code_of(request.phone.number, request.purpose)
    uuid = request.attempt_uuid or uuid4()
    old = request.supersedes
    consent_id, consented_at = request.consent_id, now if request.consent_id else None
    if old and consent_id is None:
        consent_id, consented_at = old.consent_id, old.consented_at
    judge, digest = Judge.UNDECIDED, ""
    if request.is_read_out:
        judge = Judge.CALLER
    elif dialing:
        judge, digest = judge_of(code), digest_of(uuid, request.phone.number, code) if code else ""
    return VerificationAttempt(
        uuid=uuid,
        last4=request.phone.last4,
        region=request.phone.region,
        prefix=prefix_of(request.phone.number),
        user_id=request.user_id,
        had_user=request.user_id is not None,
        is_again=old is not None,
        known_requester=request.is_known,
        purpose=request.purpose,
        key_name=request.key_name or conf.DEFAULT_KEY,
        status=status,
        dispatch=dispatch,
        language=request.language,
        code_length=request.code_length or len(fixed or "") or conf.code_length(),
        judge=judge,
        code_digest=digest,
        max_tries=conf.code_tries(),
        created_at=now,
        dialed_at=now if dialing else None,
        expires_at=now + conf.code_ttl(),
        due_at=lease_end(now) if dialing else _next_check_of_queued(request, now),
        requester_ip=request.requester_ip,
        consent_id=consent_id,
        consented_at=consented_at,
    )


def _next_check_of_queued(request: CallRequest, now: datetime) -> datetime:
    """Return when the sweep checks a queued call. A call of ``read_out`` cannot be enqueued again: see its deadline."""
    return now + conf.queue_deadline() if request.is_read_out else recheck_at(now)


@sensitive_variables()
def _code_to_read_out(request: CallRequest, state: State, *, is_dialing: bool, key: KeyInUse) -> str | None:
    """Return the code that the call reads out, None if the provider makes it or the call waits in the queue.

    Raises Misconfigured for a code of the caller if the provider has rejected codes within the last hour.
    """
    if request.code is not None:
        if not accepts_site_codes(state.control, key=key, now=state.now):
            raise Misconfigured
        return request.code
    if not is_dialing:
        return None
    fixed = fixed_code_of(request.phone.number, request.purpose)
    return fixed or make_code(state, length=conf.code_length(), key=key)


def _claim(request: CallRequest, state: State, *, attempt: VerificationAttempt, key: KeyInUse, using: str) -> None:
    claim = partial(claim_start, request, state, attempt=attempt, key=key, using=using)
    try:
        repeat_on_lock_error(claim, using=using)
    except CommitInDoubt:
        if not is_claimed(attempt, using=using):
            raise Unavailable from None
    except IntegrityError:
        if is_gone(request.user_id, using=using):
            raise UserNotFound from None
        raise
