"""Starting a verification: guards, the claim, the call."""

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
from django_telroi.errors import (
    ApiRefused,
    AttemptNotFound,
    Unavailable,
    UserNotFound,
    VerificationRefused,
)
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

"""Counts a request, or refuses it by raising a VerificationRefused. A repeat is answered before it is counted."""


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
    """Have ``number`` rung and a code read out; returns the attempt, whatever became of the call.

    ``number`` is as a person types it, ``language`` a BCP 47 tag. ``attempt_uuid`` makes a repeat harmless: an id that
    already has an attempt for this number, user and purpose returns that attempt. ``admit`` is called once for a
    request that is no repeat, before anything is spent.

    Raises a VerificationRefused before a row exists; AttemptNotFound if ``attempt_uuid`` is the id of something else;
    UserNotFound if ``user`` was deleted; InsideTransaction with autocommit switched off. In a caller's transaction the
    attempt comes back ``queued``, and the call goes out after the commit. With ``DISPATCH`` "celery" it always comes
    back ``queued``, and a worker calls.
    """
    asked_for = StartRequest(
        number=number,
        user=user,
        user_id=owner_id(user),
        purpose=purpose,
        language=language,
        requester_ip=requester_ip,
        attempt_uuid=attempt_uuid,
    )
    return _start(asked_for, admit, using=write_alias(), now=None)


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
    """Another call in the same flow, as a new attempt. The old one takes codes until the new call rings or may ring.

    A repeat is harmless here too, for the new id follows from the old one. After a call that certainly did not ring,
    the same request starts the next one. A verified attempt is returned as it is. Raises like ``start_verification``.
    """
    using = write_alias()
    refuse_manual_transactions(using)
    with unavailable_without_database():
        old, _ = find_attempt(attempt_uuid, user=user, using=using, now=now)
    if old.status == Status.VERIFIED:
        return old
    asked_for = StartRequest(
        number=old.number,
        user=user,
        user_id=old.user_id,
        purpose=old.purpose,
        language=old.language,
        requester_ip=requester_ip,
        attempt_uuid=old.followed_by or another_call_id(old.uuid),
        supersedes=old,
    )
    return _start(asked_for, admit, using=using, now=now)


def _start(asked_for: StartRequest, admit: Admit, *, using: str, now: datetime | None) -> VerificationAttempt:
    phone = request = None
    try:
        phone = parse_phone(asked_for.number, default_region=conf.default_region())
        refuse_uncallable(phone, conf.calling_rules())
        request = request_of(asked_for, phone)
        backend = get_backend()
        refuse_manual_transactions(using)
        return _answer_or_call(request, asked_for, backend, admit, using=using, now=now)
    except VerificationRefused as refusal:
        if request and (started := _started_meanwhile(request, using=using, now=now)):
            return started
        note_refusal(refusal, phone, using=using)
        raise


def _answer_or_call(
    request: CallRequest, asked_for: StartRequest, backend: Backend, admit: Admit, *, using: str, now: datetime | None
) -> VerificationAttempt:
    """Answer a repeat from its row; count everything else, and place the call.

    The repeat is looked for first, in the SELECT that reads the number's state: it must not use up the veto's time or
    the key's budget. An id that belongs to something else waives nothing: it is counted, and then refused.
    """
    with unavailable_without_database():
        request, state = _read_for(request, using=using, now=now)
        repeat = _repeat_of(request, state, using=using)
    if repeat:
        return repeat
    admit(request)
    if state.attempt:
        raise AttemptNotFound
    state = state if now else state.moved_on()
    if has_veto():
        _refuse_vetoed(request, asked_for, state, backend)
        with unavailable_without_database():
            state = read_state(request.phone.number, using=using, now=now)
    try:
        return _claim_and_call(request, state, backend, using=using, now=now)
    except AlreadyStarted:
        if started := _started_meanwhile(request, using=using, now=now):
            return started
        # MariaDB and MySQL refuse the row of a deleted user at once, and not at the commit.
        raise (UserNotFound if is_gone(request.user_id, using=using) else AttemptNotFound) from None
    except VerifiedMeanwhile:
        with unavailable_without_database():
            return find_attempt(request.supersedes.uuid, user=asked_for.user, using=using, now=now)[0]  # type: ignore[union-attr]


def _read_for(request: CallRequest, *, using: str, now: datetime | None) -> tuple[CallRequest, State]:
    """The state that decides, with the attempt that the request's id has already.

    The id of another call follows from the one before it. Where that call certainly did not ring, it is the next id.
    """
    while True:
        state = read_state(request.phone.number, using=using, now=now, attempt_uuid=request.attempt_uuid)
        if request.supersedes is None or state.attempt is None or not never_rang(state.attempt):
            return request, state
        request = replace(request, attempt_uuid=another_call_id(state.attempt.uuid))


def _repeat_of(request: CallRequest, state: State, *, using: str) -> VerificationAttempt | None:
    """The attempt that this very request has made before, with what is overdue settled; None if there is none."""
    attempt = state.attempt
    asked = (state.phone and state.phone.pk, request.user_id, request.purpose)
    if attempt is None or (attempt.phone_id, attempt.user_id, attempt.purpose) != asked:
        return None
    try:
        settle_for(attempt, user_id=request.user_id, now=state.now, using=using)
    except AttemptNotFound:
        return None
    return attempt


def _started_meanwhile(request: CallRequest, *, using: str, now: datetime | None) -> VerificationAttempt | None:
    """What the first half of a double click has started while the second one was refused."""
    if request.attempt_uuid is None:
        return None
    try:
        request, state = _read_for(request, using=using, now=now)
        return _repeat_of(request, state, using=using)
    except DATABASE_LOST:
        return None


def _refuse_vetoed(request: CallRequest, asked_for: StartRequest, state: State, backend: Backend) -> None:
    """Ask the site, but only about a call that nothing else stands against.

    The site's answer may take long: the state is read again after it.
    """
    with suppress(Unavailable):  # a pause, which the claim may wait for
        refuse_by_state(state, policy=conf.policy(), key_digest=backend.key_digest)
    ask_site(
        StartFacts(
            number=request.phone.number,
            region=request.phone.region,
            line_type=request.phone.line_type,
            user=asked_for.user if request.user_id is not None else None,
            purpose=request.purpose,
            language=request.language,
            requester_ip=request.requester_ip,
            is_again=request.supersedes is not None,
        )
    )


def _claim_and_call(
    request: CallRequest, state: State, backend: Backend, *, using: str, now: datetime | None
) -> VerificationAttempt:
    """Place the call at once, or enqueue it: for a worker, or for the commit of a transaction that is not ours."""
    dispatch = conf.dispatch() if backend.rings else Dispatch.INLINE
    is_callers = is_in_callers_transaction(using)
    status = Status.QUEUED if is_callers or dispatch == Dispatch.CELERY else Status.DIALING
    with unavailable_without_database():
        attempt, state = _claim_in_time(request, state, backend, status=status, dispatch=dispatch, using=using, now=now)
    if is_callers:
        transaction.on_commit(partial(enqueue, attempt.pk), using=using, robust=True)
    elif status == Status.QUEUED:
        if enqueue(attempt.pk) == Published.DONE:
            with suppress(*DATABASE_LOST):  # the call may ring, whether or not the row can be read again
                attempt.refresh_from_db(using=using)
    else:
        dial(attempt, backend, state, using=using)
    return attempt


def _claim_in_time(
    request: CallRequest,
    state: State,
    backend: Backend,
    *,
    status: Status,
    dispatch: Dispatch,
    using: str,
    now: datetime | None,
) -> tuple[VerificationAttempt, State]:
    """Claim the call as soon as there is room for it, if that is soon; the state is read again after each sleep.

    A call that a worker will place waits for nothing here.
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
