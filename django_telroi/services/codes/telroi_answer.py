"""Telroi's answer to a code, and what it changes: the try, the attempt, and the verified number."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import TypeVar

from django.db.models import Count, F, OuterRef, Subquery
from django.db.models.functions import Coalesce

from django_telroi import conf, signals
from django_telroi.backends import KeyInUse
from django_telroi.domain.states import CHECKABLE, Judge, Status
from django_telroi.models import AttemptEvent, EventKind, VerificationAttempt
from django_telroi.services.attempts.status import CheckOutcome, outcome_of
from django_telroi.services.attempts.telroi_tries import TypedCode, codes_in_doubt, give_try_back, is_judgement_out
from django_telroi.services.attempts.transitions import closing_fields, send_after_commit, transition
from django_telroi.services.codes.success import complete_success, write_verified
from django_telroi.services.shared.alerts import Alert, send_alert
from django_telroi.services.shared.outcomes import CallOutcome, ErrorCode, pause_and_alert
from django_telroi.services.shared.wrong_code_counts import count_and_write

T = TypeVar("T")


class AnswerKind(StrEnum):
    """What Telroi's answer means for the code and its attempt."""

    RIGHT = "right"
    WRONG = "wrong"
    LOCKED = "locked"
    EXPIRED = "expired"
    ALREADY_VERIFIED = "already_verified"
    ANOTHER_CALL = "another_call"
    """The code was judged by the number. A call to this number was verified, but it may be another call."""
    UNKNOWN_CALL = "unknown_call"
    """Telroi does not know the call, or does not judge its code."""
    NOT_ASKED = "not_asked"
    """The code certainly was not judged, so the try is given back."""
    IN_DOUBT = "in_doubt"
    """The code may have been judged. The result is unknown."""
    TEST_KEY = "test_key"
    """The code was accepted with a test key, and test keys are not allowed here."""


@dataclass(frozen=True)
class TelroiAnswer:
    """Telroi's answer to a code.

    ``tries_left``: the tries that Telroi reports, or None. ``refusal``: set if Telroi rejected the request itself, for
    example because of the key.
    """

    kind: AnswerKind
    tries_left: int | None = None
    refusal: CallOutcome | None = None

    def for_undecided_judge(self) -> TelroiAnswer:
        """Return how to treat this answer while it is not known who judges: Telroi has not confirmed our code.

        The typed code did not match the digest of our code. So "unknown call" and "another call" mean a wrong code: if
        Telroi does not judge the call, it reads out our code. The attempt stays open. A try is not given back:
        otherwise, while the provider is down, any number of guesses could be compared with our digest.
        """
        if self.kind in (AnswerKind.UNKNOWN_CALL, AnswerKind.ANOTHER_CALL):
            return replace(self, kind=AnswerKind.WRONG)
        return replace(self, kind=AnswerKind.IN_DOUBT) if self.kind == AnswerKind.NOT_ASKED else self


TYPED_AGAIN = "typed again"
"""Event detail for a code that was typed a second time after its first answer was lost."""


def settle(typed: TypedCode, answer: TelroiAnswer, *, key: KeyInUse | None, now: datetime, using: str) -> CheckOutcome:
    """Write the outcome of an answer to the row and to ``typed.attempt``, and return it.

    ``key``: None if the settings allow no backend.
    """
    match answer.kind:
        case AnswerKind.RIGHT:
            return _verify(typed, now=now, using=using)
        case AnswerKind.ALREADY_VERIFIED:
            return _settle_already_verified(typed, now=now, using=using)
        case AnswerKind.ANOTHER_CALL:
            return _settle_another_call(typed, now=now, using=using)
        case AnswerKind.WRONG:
            return _reject(typed, telroi_tries_left=answer.tries_left, now=now, using=using)
        case AnswerKind.LOCKED if answer.tries_left == 0:
            # This code was compared, and was the last one. Later codes are not compared, and the answer has no count.
            return _reject(typed, telroi_tries_left=0, now=now, using=using)
        case AnswerKind.LOCKED | AnswerKind.EXPIRED | AnswerKind.UNKNOWN_CALL:
            status = Status.LOCKED if answer.kind == AnswerKind.LOCKED else Status.EXPIRED
            error_code = ErrorCode.LOST if answer.kind == AnswerKind.UNKNOWN_CALL else ""
            return _close(typed.attempt, status, now=now, using=using, error_code=error_code)
    _settle_unjudged(typed, answer.kind, now=now, using=using)
    if answer.refusal and key:
        pause_and_alert(answer.refusal, key=key, now=now, using=using)
    return CheckOutcome.UNAVAILABLE


def _settle_unjudged(typed: TypedCode, kind: AnswerKind, *, now: datetime, using: str) -> None:
    match kind:
        case AnswerKind.NOT_ASKED:
            give_try_back(typed, using=using)
        case AnswerKind.IN_DOUBT:
            _record_judgement(typed, EventKind.CODE_UNJUDGED, now=now, using=using)
        case AnswerKind.TEST_KEY:
            _record_judgement(typed, EventKind.CODE_UNJUDGED, now=now, using=using)
            send_alert(Alert.MISCONFIGURED, key_name=typed.attempt.key_name, now=now, using=using)


def lock_without_try(attempt: VerificationAttempt, *, now: datetime, using: str) -> CheckOutcome:
    """Lock the attempt if all its tries were rejected, and return the outcome of a code that got no try.

    If not all were rejected, one of the answers is still pending, or was lost. Then the attempt stays open.
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


def settle_own_code(typed: TypedCode, *, now: datetime, using: str) -> CheckOutcome:
    """Write the outcome of the code that this site made, for a call whose judge is not known: it is right.

    With a test key that is not allowed no phone rang, so a person who knows the code did not hear it.
    """
    if typed.attempt.livemode is False and not conf.allow_test_key(typed.attempt.key_name):
        _settle_unjudged(typed, AnswerKind.TEST_KEY, now=now, using=using)
        return CheckOutcome.UNAVAILABLE
    return _verify(typed, judge=Judge.SITE, now=now, using=using)


def _verify(typed: TypedCode, *, now: datetime, using: str, judge: Judge = Judge.TELROI) -> CheckOutcome:
    """Verify the attempt once. A second request with the same code is verified too."""
    attempt = typed.attempt
    while not write_verified(attempt, typed.digest, now=now, using=using, fields={"judge": judge}):
        attempt.refresh_from_db(using=using)
        if attempt.status not in CHECKABLE:
            return outcome_of_typed(typed)
    return complete_success(attempt, now=now, using=using)


def outcome_of_typed(typed: TypedCode) -> CheckOutcome:
    """Return the outcome of a code whose attempt another request has settled."""
    attempt = typed.attempt
    if attempt.status == Status.VERIFIED and attempt.code_digest != typed.digest:
        return CheckOutcome.ALREADY_VERIFIED
    return outcome_of(attempt)


def _settle_already_verified(typed: TypedCode, *, now: datetime, using: str) -> CheckOutcome:
    """Write the outcome of Telroi's ``already_verified``: Telroi received the right code before.

    The answer alone does not show whether this code is right. There are four cases:

    * An earlier answer to this code was lost, and no other code of this attempt is in doubt: this code is right.
    * This is the first answer to this code, and another code is in doubt: this code is wrong, the other may be right.
    * The answer to another code is pending: that answer decides about the attempt. This code is recorded as wrong, if
      no answer to it was lost.
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
    is_pending = bool(others) and is_judgement_out(attempt, now=now, using=using, own_try=typed.try_id)
    if is_pending or (others and not lost_tries):
        kind = EventKind.CODE_UNJUDGED if lost_tries else EventKind.CODE_REJECTED
        write = partial(_record_judgement, typed, kind, now=now, using=using)
        if kind == EventKind.CODE_REJECTED:
            _count(typed, write, now=now, using=using)
        else:
            write()
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
    if is_judgement_out(attempt, now=now, using=using, own_try=typed.try_id):
        _record_judgement(typed, EventKind.CODE_UNJUDGED, now=now, using=using)
        return CheckOutcome.IN_PROGRESS
    return _close(attempt, Status.EXPIRED, now=now, using=using, error_code=ErrorCode.LOST)


def _reject(typed: TypedCode, *, telroi_tries_left: int | None, now: datetime, using: str) -> CheckOutcome:
    write = partial(_write_rejected, typed, telroi_tries_left=telroi_tries_left, now=now, using=using)
    return _count(typed, write, now=now, using=using)


def _count(typed: TypedCode, write: Callable[[], T], *, now: datetime, using: str) -> T:
    """Call ``write``, and count the wrong code in the same transaction. Returns what ``write`` returns.

    A code that is typed again counts only if the answer to it was lost before: both answers are about one try.
    """

    def was_lost() -> bool:
        events = AttemptEvent.objects.using(using).filter(attempt=typed.attempt.pk, try_id=typed.try_id)
        kinds = set(events.values_list("kind", flat=True))
        return EventKind.CODE_UNJUDGED in kinds and EventKind.CODE_REJECTED not in kinds

    written: list[T] = []

    def write_and_keep() -> bool:
        written.append(write())
        return True

    counts = was_lost if typed.is_repeat else None
    count_and_write(typed.attempt, write_and_keep, now=now, using=using, counts=counts)
    return written[-1]


def _write_rejected(typed: TypedCode, *, telroi_tries_left: int | None, now: datetime, using: str) -> CheckOutcome:
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
    locked = closing_fields(Status.LOCKED, now=now)
    own_count = 0 if own_try is None else 1
    if transition(attempt, locked, from_=CHECKABLE, using=using, tries__lte=count + own_count, **only_if):
        return True
    attempt.refresh_from_db(using=using)
    return False


def _close(
    attempt: VerificationAttempt, status: Status, *, now: datetime, using: str, error_code: str = ""
) -> CheckOutcome:
    """Close the attempt with Telroi's status. If another request closed it before, return the outcome of that."""
    ended = closing_fields(status, now=now, error_code=error_code or attempt.error_code)
    if not transition(attempt, ended, from_=CHECKABLE, using=using):
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
