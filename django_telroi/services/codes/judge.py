"""Write what Telroi's answer to a code changes: the try, the attempt, and the verified number."""

from __future__ import annotations

import logging
from datetime import datetime
from functools import partial

from django.db import transaction
from django.db.models import Case, Count, F, IntegerField, OuterRef, Q, Subquery, Value, When
from django.db.models.functions import Coalesce

from django_telroi import conf, signals
from django_telroi.domain.states import CHECKABLE, Status
from django_telroi.models import AttemptEvent, EventKind, VerificationAttempt
from django_telroi.services.accounts.phones import is_taken, record_verified_phone, signal_verified
from django_telroi.services.attempts.find import cancel_newer_call
from django_telroi.services.attempts.transitions import RIGHT_CODE_LIFETIME, send_after_commit, transition
from django_telroi.services.attempts.typed_codes import (
    CheckOutcome,
    TypedCode,
    codes_in_doubt,
    give_try_back,
    is_judgement_out,
    matches,
    outcome_of,
)
from django_telroi.services.codes.telroi_answer import AnswerKind, TelroiAnswer
from django_telroi.services.shared.alerts import Alert, raise_alert
from django_telroi.services.shared.call_outcome import ErrorCode, pause_and_alert
from django_telroi.services.shared.transactions import repeat_on_lock_error

logger = logging.getLogger("django_telroi")

TYPED_AGAIN = "typed again"
"""Event detail for a code that was typed a second time after its first answer was lost."""


def settle(typed: TypedCode, answer: TelroiAnswer, *, key_digest: str, now: datetime, using: str) -> CheckOutcome:
    """Write the outcome of an answer to the row and to ``typed.attempt``, and return it."""
    match answer.kind:
        case AnswerKind.RIGHT:
            return _verify(typed, now=now, using=using)
        case AnswerKind.ALREADY_VERIFIED:
            return _settle_already_verified(typed, now=now, using=using)
        case AnswerKind.ANOTHER_CALL:
            return _settle_another_call(typed, now=now, using=using)
        case AnswerKind.WRONG:
            return _reject(typed, telroi_tries_left=answer.tries_left, now=now, using=using)
        case AnswerKind.LOCKED | AnswerKind.EXPIRED | AnswerKind.LOST:
            status = Status.LOCKED if answer.kind == AnswerKind.LOCKED else Status.EXPIRED
            error_code = ErrorCode.LOST if answer.kind == AnswerKind.LOST else ""
            return _close(typed.attempt, status, now=now, using=using, error_code=error_code)
    _settle_unjudged(typed, answer.kind, now=now, using=using)
    if answer.refusal:
        pause_and_alert(answer.refusal, key_digest=key_digest, now=now, using=using)
    return CheckOutcome.UNAVAILABLE


def _settle_unjudged(typed: TypedCode, kind: AnswerKind, *, now: datetime, using: str) -> None:
    match kind:
        case AnswerKind.NOT_ASKED:
            give_try_back(typed, using=using)
        case AnswerKind.IN_DOUBT:
            _record_judgement(typed, EventKind.CODE_UNJUDGED, now=now, using=using)
        case AnswerKind.WORTHLESS:
            _record_judgement(typed, EventKind.CODE_UNJUDGED, now=now, using=using)
            raise_alert(Alert.MISCONFIGURED, now=now, using=using)


def compare_with_right_code(attempt: VerificationAttempt, digits: str, *, using: str) -> CheckOutcome:
    """Judge a code for an attempt that is already verified. Only the code that verified it is right.

    The digest of the right code is deleted after ten minutes, or when the tries are used up. Then nothing is compared.

    A code that does not match uses one of the remaining tries, by a conditional UPDATE. The last try also deletes the
    digest. A match counts only if the digest still exists afterwards. So codes that are sent at the same time get no
    more comparisons than codes that are sent one after the other.
    """
    digest = attempt.code_digest
    if not digest:
        return CheckOutcome.ALREADY_VERIFIED
    rows = VerificationAttempt.objects.using(using).filter(pk=attempt.pk, status=Status.VERIFIED, code_digest=digest)
    if matches(attempt, digits, digest):
        # An UPDATE waits for the row lock of codes that use tries at the same time. A SELECT would not wait.
        confirm = partial(rows.update, asked=F("asked") + 1)
        is_confirmed = repeat_on_lock_error(confirm, using=using)
        return outcome_of(attempt) if is_confirmed else CheckOutcome.ALREADY_VERIFIED
    has_more = Q(tries__lt=F("max_tries") - 1)
    # The digest comes first: MariaDB assigns from left to right, and the digest depends on the old count.
    use_try = partial(
        rows.update,
        code_digest=Case(When(has_more, then=F("code_digest")), default=Value("")),
        tries=Case(
            When(tries__lt=F("max_tries"), then=F("tries") + 1), default=F("tries"), output_field=IntegerField()
        ),
    )
    repeat_on_lock_error(use_try, using=using)
    return CheckOutcome.ALREADY_VERIFIED


def outcome_without_try(attempt: VerificationAttempt, *, now: datetime, using: str) -> CheckOutcome:
    """Return the outcome of a code that got no try although the attempt is open: all its tries are used.

    If all tries were rejected, the attempt is locked. Otherwise one of the answers is still pending, or was lost.
    """
    if _lock(attempt, now=now, using=using, tries__gte=F("max_tries")):
        return outcome_of(attempt)
    if attempt.status not in CHECKABLE:
        return outcome_of(attempt)
    if is_judgement_out(attempt, now=now, using=using):
        return CheckOutcome.IN_PROGRESS
    if codes_in_doubt(attempt, using=using):
        return CheckOutcome.ANSWER_LOST
    _lock(attempt, now=now, using=using, tries__gte=F("max_tries"))  # the last answer was written meanwhile
    return outcome_of(attempt)


def _verify(typed: TypedCode, *, now: datetime, using: str) -> CheckOutcome:
    """Verify the attempt once: one VerifiedPhone, one signal. A second request with the same code is verified too."""
    attempt = typed.attempt
    write = partial(_write_verified, typed, now=now, using=using)
    while not repeat_on_lock_error(write, using=using):
        attempt.refresh_from_db(using=using)
        if attempt.status not in CHECKABLE:
            return outcome_of_typed(typed)
    outcome = outcome_of(attempt)
    logger.info("phone_%s attempt=%s", outcome, attempt.pk)
    if outcome == CheckOutcome.VERIFIED:
        signal_verified(attempt, user_id=attempt.user_id, using=using)
    if attempt.followed_by:
        cancel_newer_call(attempt, now=now, using=using)
    return outcome


def outcome_of_typed(typed: TypedCode) -> CheckOutcome:
    """Return the outcome of a code whose attempt another request has settled."""
    attempt = typed.attempt
    if attempt.status == Status.VERIFIED and attempt.code_digest != typed.digest:
        return CheckOutcome.ALREADY_VERIFIED
    return outcome_of(attempt)


def _write_verified(typed: TypedCode, *, now: datetime, using: str) -> bool:
    attempt = typed.attempt
    verified: dict[str, object] = {
        "status": Status.VERIFIED,
        "verified_at": now,
        "closed_at": now,
        "due_at": now + RIGHT_CODE_LIFETIME,
        "code_digest": typed.digest,
        "judging": {},
    }
    with transaction.atomic(using=using):
        # An attempt without a user gives a proof. Its number is checked for another owner when the proof is redeemed.
        writes_record = attempt.user_id is not None and conf.writes_record(attempt.purpose)
        taken = writes_record and is_taken(attempt.number, user_id=attempt.user_id, using=using)
        if taken:
            verified |= {"error_code": ErrorCode.NUMBER_TAKEN, "proof_spent_at": now}
        # Only if ``followed_by`` is unchanged: a newer call that was requested meanwhile must be read, and canceled.
        is_first = transition(attempt, verified, from_=CHECKABLE, using=using, followed_by=attempt.followed_by)
        if is_first and writes_record and not taken:
            record_verified_phone(attempt, attempt.user_id, verified_at=now, using=using)
        return is_first


def _settle_already_verified(typed: TypedCode, *, now: datetime, using: str) -> CheckOutcome:
    """Write the outcome of Telroi's ``already_verified``: Telroi received the right code before.

    The answer alone does not show whether this code is right. There are four cases:

    * An earlier answer to this code was lost, and no other code of this attempt is in doubt: this code is right.
    * This is the first answer to this code, and another code is in doubt: this code is wrong, the other may be right.
    * The answer to another code is pending: that answer decides.
    * Otherwise the right code cannot be recognized, for example after two lost answers: the attempt is closed.
    """
    attempt = typed.attempt
    attempt.refresh_from_db(using=using)
    if attempt.status not in CHECKABLE:
        return outcome_of_typed(typed)
    in_doubt = codes_in_doubt(attempt, using=using)
    lost_tries = set(in_doubt.get(typed.digest, ())) - (set() if typed.is_repeat else {typed.try_id})
    others = in_doubt.keys() - {typed.digest}
    if lost_tries and not others:
        return _verify(typed, now=now, using=using)
    is_pending = bool(others) and is_judgement_out(attempt, now=now, using=using, but=typed.try_id)
    if is_pending or (others and not lost_tries):
        kind = EventKind.CODE_UNJUDGED if lost_tries else EventKind.CODE_REJECTED
        _record_judgement(typed, kind, now=now, using=using)
        return CheckOutcome.IN_PROGRESS if is_pending else CheckOutcome.ANSWER_LOST
    return _close(attempt, Status.LOCKED, now=now, using=using, error_code=ErrorCode.LOST)


def _settle_another_call(typed: TypedCode, *, now: datetime, using: str) -> CheckOutcome:
    """Write the outcome of an ``already_verified`` that is about the number.

    An older call may have been verified, so the answer does not show that this code is right. If another answer for
    this attempt is pending, that answer decides. Otherwise the attempt is closed, because a right code can no
    longer be recognized.
    """
    attempt = typed.attempt
    attempt.refresh_from_db(using=using)
    if attempt.status not in CHECKABLE:
        return outcome_of_typed(typed)
    if is_judgement_out(attempt, now=now, using=using, but=typed.try_id):
        _record_judgement(typed, EventKind.CODE_UNJUDGED, now=now, using=using)
        return CheckOutcome.IN_PROGRESS
    return _close(attempt, Status.EXPIRED, now=now, using=using, error_code=ErrorCode.LOST)


def _reject(typed: TypedCode, *, telroi_tries_left: int | None, now: datetime, using: str) -> CheckOutcome:
    attempt = typed.attempt
    if telroi_tries_left == 0:
        return _close(attempt, Status.LOCKED, now=now, using=using)
    if attempt.tries >= attempt.max_tries and _lock(attempt, now=now, using=using, own_try=typed.try_id):
        send_after_commit(signals.code_rejected, attempt, using=using)
        return CheckOutcome.LOCKED
    _record_judgement(typed, EventKind.CODE_REJECTED, now=now, using=using)
    send_after_commit(signals.code_rejected, attempt, using=using)
    return CheckOutcome.WRONG_CODE


def _lock(
    attempt: VerificationAttempt, *, now: datetime, using: str, own_try: int | None = None, **only_if: object
) -> bool:
    """Lock the row if all tries were rejected, and return whether it is locked now. ``attempt`` is updated too.

    ``own_try``: a try that counts as rejected although its event is not written yet.
    """
    rejected = AttemptEvent.objects.filter(attempt=OuterRef("pk"), kind=EventKind.CODE_REJECTED)
    if own_try is not None:
        rejected = rejected.exclude(try_id=own_try)
    count = Coalesce(Subquery(rejected.values("attempt").annotate(n=Count("try_id", distinct=True)).values("n")), 0)
    locked = {"status": Status.LOCKED, "closed_at": now, "due_at": None, "judging": {}}
    own_count = 0 if own_try is None else 1
    if transition(attempt, locked, from_=CHECKABLE, using=using, tries__lte=count + own_count, **only_if):
        return True
    attempt.refresh_from_db(using=using)
    return False


def _close(
    attempt: VerificationAttempt, status: Status, *, now: datetime, using: str, error_code: str = ""
) -> CheckOutcome:
    """Close the attempt with Telroi's status. If another request closed it before, return the outcome of that."""
    closed = {
        "status": status,
        "closed_at": now,
        "due_at": None,
        "judging": {},
        "error_code": error_code or attempt.error_code,
    }
    if not transition(attempt, closed, from_=CHECKABLE, using=using):
        attempt.refresh_from_db(using=using)
        return CheckOutcome.ALREADY_VERIFIED if attempt.status == Status.VERIFIED else outcome_of(attempt)
    if status == Status.LOCKED:
        send_after_commit(signals.code_rejected, attempt, using=using)
    return outcome_of(attempt)


def _record_judgement(typed: TypedCode, kind: EventKind, *, now: datetime, using: str) -> None:
    """Write the event of a try. A code that was judged twice has two events with the same ``try_id``."""
    AttemptEvent.objects.using(using).create(
        attempt_id=typed.attempt.pk,
        kind=kind,
        at=now,
        detail=TYPED_AGAIN if typed.is_repeat else "",
        try_id=typed.try_id,
    )
