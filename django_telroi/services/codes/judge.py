"""From Telroi's word on a code to what becomes of the attempt."""

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
"""Detail of the judgement of a code whose first answer was lost."""


def settle(typed: TypedCode, answer: TelroiAnswer, *, key_digest: str, now: datetime, using: str) -> CheckOutcome:
    """Write down what the answer makes of the attempt; the object follows the row."""
    match answer.word:
        case AnswerKind.RIGHT:
            return _verify(typed, now=now, using=using)
        case AnswerKind.ALREADY_VERIFIED:
            return _settle_already_verified(typed, now=now, using=using)
        case AnswerKind.ANOTHER_CALL:
            return _settle_another_call(typed, now=now, using=using)
        case AnswerKind.WRONG:
            return _reject(typed, theirs=answer.tries_left, now=now, using=using)
        case AnswerKind.LOCKED | AnswerKind.EXPIRED | AnswerKind.LOST:
            status = Status.LOCKED if answer.word == AnswerKind.LOCKED else Status.EXPIRED
            error_code = ErrorCode.LOST if answer.word == AnswerKind.LOST else ""
            return _close(typed.attempt, status, now=now, using=using, error_code=error_code)
    _settle_unjudged(typed, answer.word, now=now, using=using)
    if answer.refusal:
        pause_and_alert(answer.refusal, key_digest=key_digest, now=now, using=using)
    return CheckOutcome.UNAVAILABLE


def _settle_unjudged(typed: TypedCode, word: AnswerKind, *, now: datetime, using: str) -> None:
    match word:
        case AnswerKind.NOT_ASKED:
            give_try_back(typed, using=using)
        case AnswerKind.IN_DOUBT:
            _note(typed, EventKind.CODE_UNJUDGED, now=now, using=using)
        case AnswerKind.WORTHLESS:
            _note(typed, EventKind.CODE_UNJUDGED, now=now, using=using)
            raise_alert(Alert.MISCONFIGURED, now=now, using=using)


def compare_with_right_code(attempt: VerificationAttempt, digits: str, *, using: str) -> CheckOutcome:
    """Judge a code for an attempt that is verified: only the code that was judged right then is right now.

    Nothing is compared once the ten minutes are over or the tries are used up: the digest is gone then. A code that
    does not match uses one of the tries that are left, by a conditional UPDATE; the one that uses the last of them
    takes the digest with it. A match counts only if the digest is still there afterwards, so codes sent at once get no
    more comparisons than codes sent one by one.
    """
    digest = attempt.code_digest
    if not digest:
        return CheckOutcome.ALREADY_VERIFIED
    rows = VerificationAttempt.objects.using(using).filter(pk=attempt.pk, status=Status.VERIFIED, code_digest=digest)
    if matches(attempt, digits, digest):
        # An UPDATE, which waits for its turn among the codes that use up tries; a SELECT would overtake them.
        confirm = partial(rows.update, asked=F("asked") + 1)
        is_confirmed = repeat_on_lock_error(confirm, using=using)
        return outcome_of(attempt) if is_confirmed else CheckOutcome.ALREADY_VERIFIED
    has_more = Q(tries__lt=F("max_tries") - 1)
    # In this order: MariaDB assigns from left to right, and the digest depends on the old count.
    use_a_try = partial(
        rows.update,
        code_digest=Case(When(has_more, then=F("code_digest")), default=Value("")),
        tries=Case(
            When(tries__lt=F("max_tries"), then=F("tries") + 1), default=F("tries"), output_field=IntegerField()
        ),
    )
    repeat_on_lock_error(use_a_try, using=using)
    return CheckOutcome.ALREADY_VERIFIED


def outcome_without_try(attempt: VerificationAttempt, *, now: datetime, using: str) -> CheckOutcome:
    """What a code comes to that got no try, although the attempt takes codes: all tries are used.

    Where each of them was judged, the attempt is locked. Otherwise an answer may still come, or was lost.
    """
    if _lock(attempt, now=now, using=using, tries__gte=F("max_tries")):
        return outcome_of(attempt)
    if attempt.status not in CHECKABLE:
        return outcome_of(attempt)
    if is_judgement_out(attempt, now=now, using=using):
        return CheckOutcome.IN_PROGRESS
    if codes_in_doubt(attempt, using=using):
        return CheckOutcome.ANSWER_LOST
    _lock(attempt, now=now, using=using, tries__gte=F("max_tries"))  # the last answer was written since
    return outcome_of(attempt)


def _verify(typed: TypedCode, *, now: datetime, using: str) -> CheckOutcome:
    """One winner, one VerifiedPhone, one signal. The same code, if it comes second, is verified all the same."""
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
    """What a judged code comes to where another request has settled the attempt."""
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
        # Without a user there is a proof, and whose number it is will be asked where a record is written.
        writes_record = attempt.user_id is not None and conf.writes_record(attempt.purpose)
        taken = writes_record and is_taken(attempt.number, user_id=attempt.user_id, using=using)
        if taken:
            verified |= {"error_code": ErrorCode.NUMBER_TAKEN, "proof_spent_at": now}
        # Only as it was read: another call that was asked for meanwhile must be seen, to be canceled.
        is_first = transition(attempt, verified, from_=CHECKABLE, using=using, followed_by=attempt.followed_by)
        if is_first and writes_record and not taken:
            record_verified_phone(attempt, attempt.user_id, verified_at=now, using=using)
        return is_first


def _settle_already_verified(typed: TypedCode, *, now: datetime, using: str) -> CheckOutcome:
    """Telroi's word for a code after a right one. By itself it says nothing about the code that was just typed.

    It is a yes to a code whose own answer was lost, if no other code of this attempt is in doubt. If this is the only
    answer to the code, Telroi had heard another one before: this one is wrong, and a code in doubt may be right. Of two
    codes whose answers were lost neither can be told from the other, and the attempt is over.
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
    is_out = bool(others) and is_judgement_out(attempt, now=now, using=using, but=typed.try_id)
    if is_out or (others and not lost_tries):
        kind = EventKind.CODE_UNJUDGED if lost_tries else EventKind.CODE_REJECTED
        _note(typed, kind, now=now, using=using)
        return CheckOutcome.IN_PROGRESS if is_out else CheckOutcome.ANSWER_LOST
    return _close(attempt, Status.LOCKED, now=now, using=using, error_code=ErrorCode.LOST)


def _settle_another_call(typed: TypedCode, *, now: datetime, using: str) -> CheckOutcome:
    """``already_verified`` about the number: it may be of an older call, so it is a yes to no code.

    If a right answer to this attempt is still out, it has the say. Otherwise the attempt is over: no code for it can be
    told from a wrong one any more.
    """
    attempt = typed.attempt
    attempt.refresh_from_db(using=using)
    if attempt.status not in CHECKABLE:
        return outcome_of_typed(typed)
    if is_judgement_out(attempt, now=now, using=using, but=typed.try_id):
        _note(typed, EventKind.CODE_UNJUDGED, now=now, using=using)
        return CheckOutcome.IN_PROGRESS
    return _close(attempt, Status.EXPIRED, now=now, using=using, error_code=ErrorCode.LOST)


def _reject(typed: TypedCode, *, theirs: int | None, now: datetime, using: str) -> CheckOutcome:
    attempt = typed.attempt
    if theirs == 0:
        return _close(attempt, Status.LOCKED, now=now, using=using)
    if attempt.tries >= attempt.max_tries and _lock(attempt, now=now, using=using, own_try=typed.try_id):
        send_after_commit(signals.code_rejected, attempt, using=using)
        return CheckOutcome.LOCKED
    _note(typed, EventKind.CODE_REJECTED, now=now, using=using)
    send_after_commit(signals.code_rejected, attempt, using=using)
    return CheckOutcome.WRONG_CODE


def _lock(
    attempt: VerificationAttempt, *, now: datetime, using: str, own_try: int | None = None, **only_if: object
) -> bool:
    """Lock the row if every try was judged wrong; ``own_try`` is about to be. The object follows the row."""
    judged = AttemptEvent.objects.filter(attempt=OuterRef("pk"), kind=EventKind.CODE_REJECTED)
    if own_try is not None:
        judged = judged.exclude(try_id=own_try)
    count = Coalesce(Subquery(judged.values("attempt").annotate(n=Count("try_id", distinct=True)).values("n")), 0)
    locked = {"status": Status.LOCKED, "closed_at": now, "due_at": None, "judging": {}}
    own = 0 if own_try is None else 1
    if transition(attempt, locked, from_=CHECKABLE, using=using, tries__lte=count + own, **only_if):
        return True
    attempt.refresh_from_db(using=using)
    return False


def _close(
    attempt: VerificationAttempt, status: Status, *, now: datetime, using: str, error_code: str = ""
) -> CheckOutcome:
    """End the attempt as Telroi says; where another request ended it before, say what it came to."""
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


def _note(typed: TypedCode, kind: EventKind, *, now: datetime, using: str) -> None:
    """Write the judgement of a try. A code that was judged twice leaves two events of one try."""
    AttemptEvent.objects.using(using).create(
        attempt_id=typed.attempt.pk,
        kind=kind,
        at=now,
        detail=TYPED_AGAIN if typed.is_repeat else "",
        try_id=typed.try_id,
    )
