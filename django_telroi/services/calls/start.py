"""Starting a verification: validate the request, claim the call, place or enqueue it."""

from __future__ import annotations

from contextlib import nullcontext, suppress
from dataclasses import replace
from datetime import datetime
from functools import partial
from uuid import UUID

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import IntegrityError, transaction
from django.views.decorators.debug import sensitive_variables

from django_telroi import conf
from django_telroi.backends import Backend, get_backend
from django_telroi.dispatch import Published
from django_telroi.domain.phone import parse_phone, refuse_uncallable
from django_telroi.domain.states import Dispatch, Status
from django_telroi.errors import ApiRefused, AttemptNotFound, Unavailable, UserNotFound, VerificationRefused
from django_telroi.models import VerificationAttempt
from django_telroi.redaction import redact_arguments
from django_telroi.services.attempts.find import another_call_id, find_attempt, never_rang, settle_for
from django_telroi.services.calls.claim import (
    AlreadyStarted,
    VerifiedMeanwhile,
    admitted_call,
    claim_start,
    is_claimed,
    new_attempt,
)
from django_telroi.services.calls.place import dial
from django_telroi.services.calls.queue import enqueue
from django_telroi.services.calls.refusals import note_refusal, refusal_of_slower_request, refuse_by_state
from django_telroi.services.calls.request import (
    Admit,
    CallRequest,
    StartFacts,
    StartRequest,
    ask_site,
    count_nothing,
    has_veto,
    request_of,
)
from django_telroi.services.shared.arguments import is_gone, owner_id, typed_arguments
from django_telroi.services.shared.backend_calls import SlotWait
from django_telroi.services.shared.call_outcome import outcome_of_call, raise_alert_of
from django_telroi.services.shared.number_state import State, VersionConflict, read_state
from django_telroi.services.shared.transactions import (
    DATABASE_LOST,
    CommitInDoubt,
    is_in_callers_transaction,
    refuse_manual_transactions,
    repeat_on_lock_error,
    unavailable_without_database,
    write_alias,
)


@redact_arguments("number")
@typed_arguments
@sensitive_variables()
def start_verification(
    number: str,
    *,
    user: AbstractBaseUser | None = None,
    purpose: str = "",
    language: str | None = None,
    requester_ip: str | None = None,
    attempt_uuid: UUID | None = None,
    admit: Admit = count_nothing,
) -> VerificationAttempt:
    """Call ``number`` and have a code read out. Returns the attempt, also if the call failed or its outcome is unknown.

    ``number``: as a person types it. ``user``: owns the attempt, None for a visitor without a login. ``purpose``: your
    label, at most 64 characters. ``language``: BCP 47 tag, None for the active language. ``requester_ip``: stored for
    staff. ``attempt_uuid``: makes retries safe. If an attempt of the same number, user and purpose has this id, that
    attempt is returned and no call is placed. ``admit``: called once before anything is counted, not for a retry.

    The attempt is ``queued`` in a transaction of the caller, and then the call is placed after the commit. It is also
    ``queued`` with ``DISPATCH = "celery"``, and then a worker places the call.

    Raises a VerificationRefused if no call may be placed now; no attempt exists then. Raises AttemptNotFound if
    ``attempt_uuid`` is taken, UserNotFound if ``user`` was deleted, and InsideTransaction if autocommit is off.
    """
    raw = StartRequest(
        number=number,
        user=user,
        user_id=owner_id(user),
        purpose=purpose,
        language=language,
        requester_ip=requester_ip,
        attempt_uuid=attempt_uuid,
    )
    return _start(raw, admit, using=write_alias(), now=None)


@typed_arguments
@sensitive_variables()
def call_again(
    attempt_uuid: UUID | str,
    *,
    user: AbstractBaseUser | None = None,
    requester_ip: str | None = None,
    now: datetime | None = None,
    admit: Admit = count_nothing,
) -> VerificationAttempt:
    """Place another call in the same flow, and return its new attempt. Raises like ``start_verification``.

    The old attempt accepts codes until the new call rings or may ring. A verified attempt is returned unchanged.
    Retries are safe: the new id is derived from ``attempt_uuid``. After a call that certainly did not ring, the same
    request starts the next call. ``now`` replaces the database's clock.
    """
    using = write_alias()
    refuse_manual_transactions(using)
    with unavailable_without_database():
        old, _ = find_attempt(attempt_uuid, user=user, using=using, now=now)
    if old.status == Status.VERIFIED:
        return old
    raw = StartRequest(
        number=old.number,
        user=user,
        user_id=old.user_id,
        purpose=old.purpose,
        language=old.language,
        requester_ip=requester_ip,
        attempt_uuid=old.followed_by or another_call_id(old.uuid),
        supersedes=old,
    )
    return _start(raw, admit, using=using, now=now)


def _start(raw: StartRequest, admit: Admit, *, using: str, now: datetime | None) -> VerificationAttempt:
    phone = request = None
    try:
        phone = parse_phone(raw.number, default_region=conf.default_region())
        refuse_uncallable(phone, conf.calling_rules())
        request = request_of(raw, phone)
        backend = get_backend()
        refuse_manual_transactions(using)
        return _return_repeat_or_call(request, raw, backend, admit, using=using, now=now)
    except VerificationRefused as refusal:
        if request and (started := _find_concurrent_repeat(request, using=using, now=now)):
            return started
        note_refusal(refusal, phone, using=using)
        raise


def _return_repeat_or_call(
    request: CallRequest, raw: StartRequest, backend: Backend, admit: Admit, *, using: str, now: datetime | None
) -> VerificationAttempt:
    """Return the attempt of a repeated request. Count any other request, and place its call.

    The SELECT that reads the number's state also finds the repeat, before ``MAY_START`` and the key's budget are used.
    A request with the id of another attempt is counted before it is rejected, so it cannot bypass the rate limit.
    """
    with unavailable_without_database():
        request, state = _read_request_state(request, using=using, now=now)
        if repeat := _find_repeat(request, state, using=using):
            return repeat
    admit(request)
    if state.attempt:
        raise AttemptNotFound
    state = state if now else state.with_current_time()
    if has_veto():
        _raise_if_vetoed(request, raw, state, backend)
        with unavailable_without_database():
            state = read_state(request.phone.number, using=using, now=now)
    try:
        return _claim_and_call(request, state, backend, using=using, now=now)
    except AlreadyStarted:
        if started := _find_concurrent_repeat(request, using=using, now=now):
            return started
        # MariaDB and MySQL reject the row of a deleted user in the INSERT, not at the commit.
        raise (UserNotFound if is_gone(request.user_id, using=using) else AttemptNotFound) from None
    except VerifiedMeanwhile:
        with unavailable_without_database():
            return find_attempt(request.supersedes.uuid, user=raw.user, using=using, now=now)[0]  # type: ignore[union-attr]


def _read_request_state(request: CallRequest, *, using: str, now: datetime | None) -> tuple[CallRequest, State]:
    """Read the number's state and the attempt that has the request's id. Returns the request with its final id.

    The id of another call is derived from the previous attempt. If that id has a call that certainly did not ring, the
    next id is derived from it.
    """
    while True:
        state = read_state(request.phone.number, using=using, now=now, attempt_uuid=request.attempt_uuid)
        if request.supersedes is None or state.attempt is None or not never_rang(state.attempt):
            return request, state
        request = replace(request, attempt_uuid=another_call_id(state.attempt.uuid))


def _find_repeat(request: CallRequest, state: State, *, using: str) -> VerificationAttempt | None:
    """Return the attempt that the same request made before, or None. An overdue status is updated first."""
    attempt = state.attempt
    asked = (state.phone and state.phone.pk, request.user_id, request.purpose)
    if attempt and (attempt.phone_id, attempt.user_id, attempt.purpose) == asked:
        with suppress(AttemptNotFound):
            settle_for(attempt, user_id=request.user_id, now=state.now, using=using)
            return attempt
    return None


def _find_concurrent_repeat(request: CallRequest, *, using: str, now: datetime | None) -> VerificationAttempt | None:
    """Return the attempt of the first click of a double click, after the second click was rejected. None otherwise."""
    with suppress(*DATABASE_LOST):
        if request.attempt_uuid:
            return _find_repeat(*_read_request_state(request, using=using, now=now), using=using)
    return None


def _raise_if_vetoed(request: CallRequest, raw: StartRequest, state: State, backend: Backend) -> None:
    """Call ``MAY_START`` unless a limit rejects the call. It may be slow, so read the state again afterwards."""
    with suppress(Unavailable):  # a pause may end while the claim waits
        refuse_by_state(state, policy=conf.policy(), key_digest=backend.key_digest)
    ask_site(
        StartFacts(
            number=request.phone.number,
            region=request.phone.region,
            line_type=request.phone.line_type,
            user=raw.user if request.user_id is not None else None,
            purpose=request.purpose,
            language=request.language,
            requester_ip=request.requester_ip,
            is_again=request.supersedes is not None,
        )
    )


def _claim_and_call(
    request: CallRequest, state: State, backend: Backend, *, using: str, now: datetime | None
) -> VerificationAttempt:
    """Claim the call. Then place it, or enqueue it for a worker or for the commit of the caller's transaction."""
    dispatch = conf.dispatch() if backend.rings else Dispatch.INLINE
    is_in_transaction = is_in_callers_transaction(using)
    status = Status.QUEUED if is_in_transaction or dispatch == Dispatch.CELERY else Status.DIALING
    with unavailable_without_database():
        attempt, state = _wait_and_claim(
            request, state, backend, status=status, dispatch=dispatch, using=using, now=now
        )
    if is_in_transaction:
        transaction.on_commit(partial(enqueue, attempt.pk), using=using, robust=True)
    elif status == Status.QUEUED:
        if enqueue(attempt.pk) == Published.DONE:
            with suppress(*DATABASE_LOST):  # return the attempt even if it cannot be read again: its phone may ring
                attempt.refresh_from_db(using=using)
    else:
        dial(attempt, backend, state, using=using)
    return attempt


def _wait_and_claim(
    request: CallRequest,
    state: State,
    backend: Backend,
    *,
    status: Status,
    dispatch: Dispatch,
    using: str,
    now: datetime | None,
) -> tuple[VerificationAttempt, State]:
    """Claim the call, and return the attempt and the state of the claim.

    Sleep while the key's budget has no slot or calls are paused, then read the state again. Raises Unavailable if that
    takes too long. A call that a worker will place does not wait here.
    """
    wait = SlotWait(is_request=True)
    is_dialing = status == Status.DIALING
    while True:
        try:
            refuse_by_state(state, policy=conf.policy(), key_digest=backend.key_digest)
            attempt = new_attempt(request, status=status, dispatch=dispatch, now=state.now)
            with admitted_call(backend) if is_dialing else nullcontext():
                _claim(request, state, attempt=attempt, key_digest=backend.key_digest, using=using)
            return attempt, state
        except Unavailable as refusal:  # a pause of all calls
            if not (is_dialing and wait.sleep(refusal.retry_after)):
                raise
        except ApiRefused as refused:
            if not wait.sleep(refused.retry_after):
                raise_alert_of(outcome_of_call(refused), now=state.now, using=using)
                raise Unavailable(refused.retry_after) from None
        state = read_state(request.phone.number, using=using, now=now and now + wait.slept)


def _claim(request: CallRequest, state: State, *, attempt: VerificationAttempt, key_digest: str, using: str) -> None:
    claim = partial(claim_start, request, state, attempt=attempt, key_digest=key_digest, using=using)
    try:
        repeat_on_lock_error(claim, using=using)
    except VersionConflict:
        raise refusal_of_slower_request(request, key_digest=key_digest, using=using) from None
    except CommitInDoubt:
        if not is_claimed(attempt, using=using):
            raise Unavailable from None
    except IntegrityError:
        if is_gone(request.user_id, using=using):
            raise UserNotFound from None
        raise
