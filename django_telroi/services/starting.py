"""Starting a verification: guards, the claim, the call."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from functools import partial
from uuid import UUID, uuid5

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import InterfaceError, OperationalError, transaction
from django.views.decorators.debug import sensitive_variables

from django_telroi import conf
from django_telroi.backends import Backend, get_backend
from django_telroi.dispatch import Handing
from django_telroi.domain.phone import Phone, parse_phone, refuse_uncallable
from django_telroi.domain.states import Dispatch, Status
from django_telroi.errors import (
    ApiRefused,
    AttemptNotFound,
    CooldownActive,
    Misconfigured,
    Unavailable,
    VerificationRefused,
)
from django_telroi.models import VerificationAttempt
from django_telroi.quiet import quiet_arguments
from django_telroi.services.attempts import find_attempt, owner_id
from django_telroi.services.claims import AlreadyStarted, Overtaken, Request, claim_start, new_attempt
from django_telroi.services.patience import LONGEST_WAIT, Patience
from django_telroi.services.placing import dial
from django_telroi.services.queued import hand_on
from django_telroi.services.refusals import note_refusal, refuse_by_state
from django_telroi.services.state import State, read_state
from django_telroi.services.transactions import (
    is_in_callers_transaction,
    refuse_manual_transactions,
    repeat_on_lock_error,
    unavailable_without_database,
    write_alias,
)
from django_telroi.services.verdicts import alert_to, verdict_on
from django_telroi.services.veto import StartFacts, ask_site, has_veto
from django_telroi.services.wishes import Wish, request_of


@quiet_arguments("number")
@sensitive_variables()
def start_verification(
    number: str,
    *,
    user: AbstractBaseUser | None = None,
    purpose: str = "",
    language: str | None = None,
    requester_ip: str | None = None,
    attempt_uuid: UUID | None = None,
) -> VerificationAttempt:
    """Have ``number`` rung and a code read out; returns the attempt, whatever became of the call.

    ``number`` is as a person types it, ``language`` a BCP 47 tag. ``attempt_uuid`` makes a repeat harmless: an id that
    already has an attempt for this number and user returns that attempt.

    Raises a VerificationRefused before a row exists; AttemptNotFound if ``attempt_uuid`` is the id of something else;
    InsideTransaction with autocommit switched off. In a caller's transaction the attempt comes back ``queued``, and the
    call goes out after the commit. With ``DISPATCH`` "celery" it always comes back ``queued``, and a worker calls.
    """
    using = write_alias()
    wish = Wish(
        number=number,
        user=user,
        user_id=owner_id(user),
        purpose=purpose,
        language=language,
        requester_ip=requester_ip,
        attempt_uuid=attempt_uuid,
    )
    return _start(wish, using=using, now=None)


@sensitive_variables()
def call_again(
    attempt_uuid: UUID | str,
    *,
    user: AbstractBaseUser | None = None,
    requester_ip: str | None = None,
    now: datetime | None = None,
) -> VerificationAttempt:
    """Another call in the same flow: a new attempt, and the old one becomes ``superseded`` as the new one is claimed.

    A repeat is harmless here too, for the new id follows from the old one. A verified attempt is returned as it is.
    Raises like ``start_verification``.
    """
    using = write_alias()
    if _rings():
        refuse_manual_transactions(using)
    with unavailable_without_database():
        old, _ = find_attempt(attempt_uuid, user=user, using=using, now=now)
    if old.status == Status.VERIFIED:
        return old
    wish = Wish(
        number=old.number,
        user=user,
        user_id=old.user_id,
        purpose=old.purpose,
        language=old.language,
        requester_ip=requester_ip,
        attempt_uuid=another_call_id(old.uuid),
        supersedes=old,
    )
    return _start(wish, using=using, now=now)


def another_call_id(attempt_uuid: UUID) -> UUID:
    """The id of the one call that follows this one, however often it is asked for."""
    return uuid5(attempt_uuid, "call again")


def _start(wish: Wish, *, using: str, now: datetime | None) -> VerificationAttempt:
    phone = None
    try:
        phone = parse_phone(wish.number, default_region=conf.default_region())
        refuse_uncallable(phone, conf.calling_rules())
        request = request_of(wish, phone)
        backend = get_backend()
        if backend.rings:
            refuse_manual_transactions(using)
        _refuse_vetoed(wish, request, backend, using=using, now=now)
        return _claim_and_call(request, backend, using=using, now=now)
    except AlreadyStarted:
        return _started_before(wish, phone, using=using)
    except VerificationRefused as refusal:
        with suppress(InterfaceError, OperationalError):  # what is refused may be a database that is gone
            if phone and _attempt_of(wish, using=using):
                return _started_before(wish, phone, using=using)
        note_refusal(refusal, phone, using=using)
        raise


def _rings() -> bool:
    try:
        return get_backend().rings
    except Misconfigured:
        return False


def _refuse_vetoed(wish: Wish, request: Request, backend: Backend, *, using: str, now: datetime | None) -> None:
    """Ask the site, but only about a call that nothing else stands against.

    What its answer takes must not make the claim's moment an old one: the state is read again after it.
    """
    if not has_veto():
        return
    with unavailable_without_database():
        state = read_state(request.phone.number, using=using, now=now)
    with suppress(Unavailable):  # a pause, which the claim may wait for
        refuse_by_state(state, policy=conf.policy(), key_digest=backend.key_digest)
    ask_site(
        StartFacts(
            number=request.phone.number,
            region=request.phone.region,
            line_type=request.phone.line_type,
            user=wish.user if request.user_id is not None else None,
            purpose=request.purpose,
            language=request.language,
            requester_ip=request.requester_ip,
            is_again=request.supersedes is not None,
        )
    )


def _claim_and_call(request: Request, backend: Backend, *, using: str, now: datetime | None) -> VerificationAttempt:
    """Place the call at once, or hand it on: to a worker, or to the commit of a transaction that is not ours."""
    dispatch = conf.dispatch() if backend.rings else Dispatch.INLINE
    is_callers = backend.rings and is_in_callers_transaction(using)
    status = Status.QUEUED if is_callers or dispatch == Dispatch.CELERY else Status.DIALING
    with unavailable_without_database():
        attempt, state = _claim_in_time(request, backend, status=status, dispatch=dispatch, using=using, now=now)
    if is_callers:
        transaction.on_commit(partial(hand_on, attempt.pk), using=using, robust=True)
    elif status == Status.QUEUED:
        if hand_on(attempt.pk) == Handing.DONE:
            attempt.refresh_from_db(using=using)
    else:
        dial(attempt, backend, state, using=using)
    return attempt


def _claim_in_time(
    request: Request, backend: Backend, *, status: Status, dispatch: Dispatch, using: str, now: datetime | None
) -> tuple[VerificationAttempt, State]:
    """Claim the call as soon as there is room for it, if that is soon. Nobody's claim grows old while it waits.

    Who only hands the call on waits for nothing.
    """
    patience = Patience(LONGEST_WAIT if status == Status.DIALING else 0)
    while True:
        state = read_state(request.phone.number, using=using, now=now and now + patience.spent)
        try:
            refuse_by_state(state, policy=conf.policy(), key_digest=backend.key_digest)
            attempt = new_attempt(request, status=status, dispatch=dispatch, now=state.now)
            _claim(request, state, attempt=attempt, backend=backend, using=using)
            return attempt, state
        except Unavailable as refusal:  # a pause of all calls
            if not patience.waits(refusal.retry_after):
                raise
        except ApiRefused as refused:
            if not patience.waits(refused.retry_after):
                alert_to(verdict_on(refused), now=state.now, using=using)
                raise Unavailable(refused.retry_after) from None


def _claim(request: Request, state: State, *, attempt: VerificationAttempt, backend: Backend, using: str) -> None:
    claim = partial(claim_start, request, state, attempt=attempt, backend=backend, using=using)
    try:
        repeat_on_lock_error(claim, using=using)
    except Overtaken:
        raise _refusal_of_the_slower(request, key_digest=backend.key_digest, using=using) from None


def _refusal_of_the_slower(request: Request, *, key_digest: str, using: str) -> VerificationRefused:
    """Somebody else claimed this number first: look again, and refuse by what is there now."""
    state = read_state(request.phone.number, using=using)
    try:
        refuse_by_state(state, policy=conf.policy(), key_digest=key_digest)
    except VerificationRefused as refusal:
        return refusal
    return CooldownActive(1)


def _attempt_of(wish: Wish, *, using: str) -> VerificationAttempt | None:
    if wish.attempt_uuid is None:
        return None
    return VerificationAttempt.objects.using(using).filter(uuid=wish.attempt_uuid).first()


def _started_before(wish: Wish, phone: Phone | None, *, using: str) -> VerificationAttempt:
    """The attempt that this id already has. One of another number or user is not shown."""
    attempt = _attempt_of(wish, using=using)
    if attempt is None or phone is None or (attempt.phone_id, attempt.user_id) != (phone.number, wish.user_id):
        raise AttemptNotFound
    return attempt
