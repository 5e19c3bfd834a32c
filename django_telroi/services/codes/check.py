"""Judging a code: a try is reserved before Telroi is asked, and of any number of right answers one wins."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from django.contrib.auth.base_user import AbstractBaseUser
from django.views.decorators.debug import sensitive_variables

from django_telroi.backends import Backend, get_backend, spoken_length
from django_telroi.domain.codes import WRONG_LENGTHS, LengthFit, clean_code, judge_length, misfit_of
from django_telroi.domain.states import CHECKABLE, Status
from django_telroi.errors import Misconfigured
from django_telroi.models import VerificationAttempt
from django_telroi.redaction import redact_arguments
from django_telroi.services.accounts.phones import forget_record
from django_telroi.services.accounts.proofs import proof_of
from django_telroi.services.attempts.find import (
    find_attempt,
    has_open_call_with_id,
    newer_calls,
    not_found_if_erased,
    settle_overdue,
)
from django_telroi.services.attempts.transitions import transition
from django_telroi.services.attempts.typed_codes import (
    CheckOutcome,
    CheckResult,
    TypedCode,
    newest_rejected_try,
    outcome_of,
    reserve_try,
)
from django_telroi.services.attempts.unknown_calls import close_as_lost
from django_telroi.services.codes.judge import compare_with_right_code, outcome_without_try, settle
from django_telroi.services.codes.telroi_answer import AnswerKind, TelroiAnswer, ask_telroi
from django_telroi.services.shared.arguments import typed_arguments
from django_telroi.services.shared.backend_calls import judgeable_id
from django_telroi.services.shared.number_state import later
from django_telroi.services.shared.transactions import (
    DATABASE_LOST,
    refuse_callers_transaction,
    repeat_on_lost_connection,
    unavailable_without_database,
    write_alias,
)

logger = logging.getLogger("django_telroi")

ABOUT_NEWEST_CALL = frozenset(
    {AnswerKind.WRONG, AnswerKind.LOCKED, AnswerKind.EXPIRED, AnswerKind.ALREADY_VERIFIED, AnswerKind.LOST}
)
"""What Telroi may say of a newer call's code, where it judges by the number."""


AdmitCheck = Callable[[], None]
"""Counts a code that may need a try, or refuses it by raising a VerificationRefused."""


def count_no_check() -> None:
    """For callers without a requester: the attempt's own tries are all there is."""


@redact_arguments("code")
@typed_arguments
@sensitive_variables()
def check_code(
    attempt_uuid: UUID | str,
    code: str,
    *,
    user: AbstractBaseUser | None = None,
    admit: AdmitCheck = count_no_check,
    judge_short: bool = True,
) -> CheckResult:
    """Judge the code that a person typed. What they may do wrong comes back as an outcome.

    ``code``: digits as they were typed or pasted; input that is no code, or that has more digits than were asked for,
    costs no try. ``user``: whoever is
    logged in; the attempt of a user answers to that user only. ``admit`` is called once for a code that may need a try,
    before it is judged. ``judge_short``: False if a code that is perhaps too short is to be asked about first; it is
    then ``invalid_code`` and costs no try.

    Returns a CheckResult. On an attempt that is verified, only the code that was judged right is ``verified`` again,
    with its proof, for ten minutes; any other code is ``already_verified``.

    Raises AttemptNotFound if there is no such attempt for this user, Unavailable if the database cannot be reached
    before the code is judged, and InsideTransaction if a rollback of the caller's could give a try back.
    """
    using = write_alias()
    refuse_callers_transaction(using)
    backend = _backend()
    with unavailable_without_database():
        attempt, now = find_attempt(attempt_uuid, user=user, using=using, newest_rejected=newest_rejected_try())
        forget_record(user)
        with not_found_if_erased(attempt, using=using):
            digits = clean_code(code)
            if digits is None:
                return replace(_result(CheckOutcome.INVALID_CODE, attempt, now=now), length_fit=misfit_of(code))
            if fit := _misfit(attempt, digits, judge_short=judge_short):
                return replace(_result(CheckOutcome.INVALID_CODE, attempt, now=now), length_fit=fit)
            admit()
            return _check(attempt, digits, backend, now=now, using=using)


@sensitive_variables()
def _check(
    attempt: VerificationAttempt, digits: str, backend: Backend | None, *, now: datetime, using: str
) -> CheckResult:
    if attempt.status == Status.VERIFIED:
        return _result(compare_with_right_code(attempt, digits, using=using), attempt, now=now)
    if attempt.status not in CHECKABLE:
        return _result(outcome_of(attempt), attempt, now=now)
    if backend is None:
        return _result(CheckOutcome.UNAVAILABLE, attempt, now=now)
    call_id = judgeable_id(backend, attempt)
    if call_id is None and not backend.judges_by_number:
        close_as_lost(attempt, now=now, using=using)
        return _result(outcome_of(attempt), attempt, now=now)
    if call_id is None and (outcome := _outcome_beside_newer_call(attempt, now=now, using=using)):
        return _result(outcome, attempt, now=now)
    typed = reserve_try(attempt, digits, now=now, using=using)
    if typed is None:
        return _without_try(attempt, digits, now=now, using=using)
    return _judge(typed, digits, backend, now=now, using=using)


@sensitive_variables()
def _misfit(attempt: VerificationAttempt, digits: str, *, judge_short: bool) -> LengthFit | None:
    """Why a code is not judged because of its length; None where it is.

    The length that counts is the one that this call was asked for, whatever ``CODE_LENGTH`` is now. With a test key the
    code is 000000 in any case.
    """
    if attempt.status not in (*CHECKABLE, Status.VERIFIED) or attempt.livemode is False:
        return None
    fit = judge_length(digits, spoken_length(attempt.code_length))
    is_asked_about = fit == LengthFit.PERHAPS_TOO_SHORT and not judge_short
    return fit if fit in WRONG_LENGTHS or is_asked_about else None


@sensitive_variables()
def _judge(typed: TypedCode, digits: str, backend: Backend, *, now: datetime, using: str) -> CheckResult:
    """Have the code judged, and settle the attempt by the answer."""
    attempt, started = typed.attempt, time.monotonic()
    call_id = judgeable_id(backend, attempt)
    answer = ask_telroi(backend, digits, call_id=call_id, attempt=attempt)
    now = later(now, since=started)

    def write() -> CheckOutcome:
        meant = answer
        if call_id is None and answer.word in ABOUT_NEWEST_CALL and newer_calls(attempt, using=using):
            # Telroi may have compared the code with that of a call that began meanwhile.
            meant = TelroiAnswer(AnswerKind.NOT_ASKED)
        if call_id is None and meant.word == AnswerKind.ALREADY_VERIFIED:
            meant = TelroiAnswer(AnswerKind.ANOTHER_CALL)
        return settle(typed, meant, key_digest=backend.key_digest, now=now, using=using)

    try:
        outcome = repeat_on_lost_connection(write, using=using)
    except DATABASE_LOST as error:
        logger.error("code_not_settled attempt=%s error=%s", attempt.pk, type(error).__name__)
        outcome = CheckOutcome.UNAVAILABLE
    was_judged = outcome != CheckOutcome.UNAVAILABLE
    return _result(outcome, attempt, now=now, theirs=answer.tries_left, was_judged=was_judged)


@sensitive_variables()
def _without_try(attempt: VerificationAttempt, digits: str, *, now: datetime, using: str) -> CheckResult:
    """The code got no try: the attempt is over, or was settled by another request, or its tries are used."""
    settle_overdue(attempt, now=now, using=using)
    if attempt.status == Status.VERIFIED:
        outcome = compare_with_right_code(attempt, digits, using=using)
    elif attempt.status in CHECKABLE:
        outcome = outcome_without_try(attempt, now=now, using=using)
    else:
        outcome = outcome_of(attempt)
    return _result(outcome, attempt, now=now)


def _backend() -> Backend | None:
    """None where the site is set up so that nothing can be judged."""
    try:
        return get_backend()
    except Misconfigured:
        return None


def _result(
    outcome: CheckOutcome,
    attempt: VerificationAttempt,
    *,
    now: datetime,
    theirs: int | None = None,
    was_judged: bool = False,
) -> CheckResult:
    ours = attempt.tries_left if attempt.status in CHECKABLE else 0
    return CheckResult(
        outcome=outcome,
        tries_left=ours if theirs is None else min(ours, theirs),
        attempt=attempt,
        was_judged=was_judged,
        proof=proof_of(attempt, now=now) if outcome == CheckOutcome.VERIFIED else None,
    )


def _outcome_beside_newer_call(attempt: VerificationAttempt, *, now: datetime, using: str) -> CheckOutcome | None:
    """Without an id, a code is judged by the number's newest call. None where that is this one.

    While a newer call is being placed nothing is known yet, so nothing is judged and the attempt stays open. The same
    holds while a call of somebody else's to this number takes codes: if Telroi never stored ours, it would count wrong
    codes against theirs.
    """
    newer = newer_calls(attempt, using=using)
    if not newer and not has_open_call_with_id(attempt, using=using):
        return None
    if newer <= {Status.DIALING}:
        return CheckOutcome.UNAVAILABLE
    superseded = {"status": Status.SUPERSEDED, "closed_at": now, "due_at": None, "judging": {}}
    if not transition(attempt, superseded, from_=CHECKABLE, using=using):
        attempt.refresh_from_db(using=using)
    return CheckOutcome.CLOSED
