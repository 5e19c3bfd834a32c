"""From Telroi's word on a code to what becomes of the attempt."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial

from django.db import transaction
from django.db.models import Case, Count, F, OuterRef, Subquery, Value, When
from django.db.models.functions import Coalesce
from django.utils.crypto import salted_hmac

from django_telroi import signals
from django_telroi.domain.states import CHECKABLE, Status
from django_telroi.models import AttemptEvent, EventKind, VerificationAttempt
from django_telroi.services.accounts import is_taken, record_verified_phone
from django_telroi.services.alerts import Alert, raise_alert
from django_telroi.services.answers import Answer, Word
from django_telroi.services.moves import move, send_after_commit
from django_telroi.services.outcomes import CheckOutcome, outcome_of
from django_telroi.services.transactions import repeat_on_lock_error
from django_telroi.services.verdicts import ErrorCode, act_on_key

DOUBT_ABANDONED = "abandoned"
"""Two different codes were in doubt: from then on ``already_verified`` can be the answer to either, so to neither."""

JUDGEMENTS = (EventKind.CODE_REJECTED, EventKind.CODE_UNJUDGED)
"""What every try leaves behind, but one that ends the attempt."""

TYPED_AGAIN = "typed again"
"""Of a code whose answer got lost: its try has left a judgement behind already."""

logger = logging.getLogger("django_telroi")


@dataclass(frozen=True)
class Guess:
    """One code for one attempt. ``repeats_doubt``: its own answer was lost before, and it uses the try it had then."""

    attempt: VerificationAttempt
    digest: str = field(repr=False)
    repeats_doubt: bool

    @classmethod
    def at(cls, attempt: VerificationAttempt, digits: str) -> Guess:
        digest = salted_hmac("django_telroi.doubt", f"{attempt.uuid} {digits}", algorithm="sha256").hexdigest()
        return cls(attempt=attempt, digest=digest, repeats_doubt=attempt.doubt_digest == digest)


def settle(guess: Guess, answer: Answer, *, key_digest: str, now: datetime, using: str) -> CheckOutcome:
    """Write down what the answer makes of the attempt; the object follows the row."""
    attempt = guess.attempt
    match answer.word:
        case Word.RIGHT:
            return _verify(guess, now=now, using=using)
        case Word.ALREADY_VERIFIED:
            return _settle_already_verified(guess, now=now, using=using)
        case Word.WRONG:
            return _reject(guess, theirs=answer.tries_left, now=now, using=using)
        case Word.LOCKED:
            return _close(attempt, Status.LOCKED, now=now, using=using)
        case Word.EXPIRED:
            return _close(attempt, Status.EXPIRED, now=now, using=using)
        case Word.LOST:
            return _close(attempt, Status.EXPIRED, now=now, using=using, error_code=ErrorCode.LOST)
    _settle_unjudged(guess, answer.word, now=now, using=using)
    if answer.refusal:
        act_on_key(answer.refusal, key_digest=key_digest, now=now, using=using)
    return CheckOutcome.UNAVAILABLE


def _settle_unjudged(guess: Guess, word: Word, *, now: datetime, using: str) -> None:
    match word:
        case Word.NOT_ASKED:
            _give_try_back(guess, using=using)
        case Word.IN_DOUBT:
            _keep_doubt(guess, now=now, using=using)
        case Word.WORTHLESS:
            _note(guess, EventKind.CODE_UNJUDGED, now=now, using=using)
            raise_alert(Alert.MISCONFIGURED, now=now, using=using)


def lock_if_all_judged(attempt: VerificationAttempt, *, now: datetime, using: str) -> bool:
    """Lock an attempt whose tries are used up, unless a judgement is still out or a code in doubt may be repeated."""
    return _lock(attempt, now=now, using=using, own_tries=0, tries__gte=F("max_tries"), **_NO_DOUBT)


_NO_DOUBT = {"doubt_digest__in": ("", DOUBT_ABANDONED)}


def _verify(guess: Guess, *, now: datetime, using: str, **only_if: object) -> CheckOutcome:
    """One winner, one VerifiedPhone, one signal. Who was right as well, but not first, is verified all the same."""
    write = partial(_write_verified, guess.attempt, now=now, using=using, **only_if)
    is_first = repeat_on_lock_error(write, using=using)
    if not is_first:
        guess.attempt.refresh_from_db(using=using)
    outcome = outcome_of(guess.attempt)
    if is_first:
        logger.info("phone_%s attempt=%s", outcome, guess.attempt.pk)
    if is_first and outcome == CheckOutcome.VERIFIED:
        send_after_commit(signals.phone_verified, guess.attempt, using=using)
    return outcome


def _write_verified(attempt: VerificationAttempt, *, now: datetime, using: str, **only_if: object) -> bool:
    verified: dict[str, object] = {
        "status": Status.VERIFIED,
        "verified_at": now,
        "closed_at": now,
        "due_at": None,
        "doubt_digest": "",
    }
    with transaction.atomic(using=using):
        taken = is_taken(attempt.number, user_id=attempt.user_id, using=using)
        if taken:
            verified |= {"error_code": ErrorCode.NUMBER_TAKEN, "proof_spent_at": now}
        is_first = move(attempt, verified, from_=CHECKABLE, using=using, **only_if)
        if is_first and not taken and attempt.user_id is not None:
            record_verified_phone(attempt, attempt.user_id, verified_at=now, using=using)
        return is_first


def _settle_already_verified(guess: Guess, *, now: datetime, using: str) -> CheckOutcome:
    """Telroi's word for a code after a right one. By itself it says nothing about the code that was just typed.

    It is a yes only to the one code whose own answer was lost. While another try is still being judged, that one may be
    the right one, and has the say.
    """
    attempt = guess.attempt
    if guess.repeats_doubt and _verify(guess, now=now, using=using, doubt_digest=guess.digest) == CheckOutcome.VERIFIED:
        return CheckOutcome.VERIFIED
    if _lock(attempt, now=now, using=using, own_tries=0 if guess.repeats_doubt else 1):
        return CheckOutcome.CLOSED
    if attempt.status in CHECKABLE:
        _note(guess, EventKind.CODE_UNJUDGED, now=now, using=using)
    return outcome_of(attempt)


def _reject(guess: Guess, *, theirs: int | None, now: datetime, using: str) -> CheckOutcome:
    attempt = guess.attempt
    if guess.repeats_doubt:
        _end_doubt(guess, using=using)
    if theirs == 0:
        return _close(attempt, Status.LOCKED, now=now, using=using)
    own_tries = 0 if guess.repeats_doubt else 1
    if attempt.tries >= attempt.max_tries and _lock(attempt, now=now, using=using, own_tries=own_tries, **_NO_DOUBT):
        send_after_commit(signals.code_rejected, attempt, using=using)
        return CheckOutcome.LOCKED
    _note(guess, EventKind.CODE_REJECTED, now=now, using=using)
    send_after_commit(signals.code_rejected, attempt, using=using)
    return CheckOutcome.WRONG_CODE


def _lock(attempt: VerificationAttempt, *, now: datetime, using: str, own_tries: int, **only_if: object) -> bool:
    """Lock the row if every try but ``own_tries`` has left its judgement behind; the object follows the row."""
    judged = AttemptEvent.objects.filter(attempt=OuterRef("pk"), kind__in=JUDGEMENTS, detail="").values("attempt")
    count = Coalesce(Subquery(judged.annotate(n=Count("pk")).values("n")), 0)
    locked = {"status": Status.LOCKED, "closed_at": now, "due_at": None}
    if move(attempt, locked, from_=CHECKABLE, using=using, tries__lte=count + own_tries, **only_if):
        return True
    attempt.refresh_from_db(using=using)
    return False


def _close(
    attempt: VerificationAttempt, status: Status, *, now: datetime, using: str, error_code: str = ""
) -> CheckOutcome:
    """End the attempt as Telroi says; where somebody else ended it before, say how it stands."""
    closed = {"status": status, "closed_at": now, "due_at": None, "error_code": error_code or attempt.error_code}
    if not move(attempt, closed, from_=CHECKABLE, using=using):
        attempt.refresh_from_db(using=using)
    elif status == Status.LOCKED:
        send_after_commit(signals.code_rejected, attempt, using=using)
    return outcome_of(attempt)


def _give_try_back(guess: Guess, *, using: str) -> None:
    """The code was not judged. A try that was used before the answer got lost stays used."""
    if guess.repeats_doubt:
        return
    attempt = guess.attempt
    rows = VerificationAttempt.objects.using(using).filter(pk=attempt.pk, status__in=CHECKABLE, tries__gt=0)
    if repeat_on_lock_error(partial(rows.update, tries=F("tries") - 1), using=using):
        attempt.tries -= 1


def _keep_doubt(guess: Guess, *, now: datetime, using: str) -> None:
    """The answer got lost: remember which code it was for, unless another one is in doubt already."""
    if guess.repeats_doubt:
        return
    attempt = guess.attempt
    is_the_only_one = When(doubt_digest__in=("", guess.digest), then=Value(guess.digest))
    doubt = Case(is_the_only_one, default=Value(DOUBT_ABANDONED))
    rows = VerificationAttempt.objects.using(using).filter(pk=attempt.pk, status__in=CHECKABLE)
    repeat_on_lock_error(partial(rows.update, doubt_digest=doubt), using=using)
    _note(guess, EventKind.CODE_UNJUDGED, now=now, using=using)


def _end_doubt(guess: Guess, *, using: str) -> None:
    """The code in doubt was judged after all, and is wrong."""
    rows = VerificationAttempt.objects.using(using).filter(pk=guess.attempt.pk, doubt_digest=guess.digest)
    repeat_on_lock_error(partial(rows.update, doubt_digest=""), using=using)


def _note(guess: Guess, kind: EventKind, *, now: datetime, using: str) -> None:
    """What was judged twice leaves two events, and is still one try."""
    detail = TYPED_AGAIN if guess.repeats_doubt else ""
    AttemptEvent.objects.using(using).create(attempt_id=guess.attempt.pk, kind=kind, at=now, detail=detail)
