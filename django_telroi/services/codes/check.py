"""Checking a code.

A try is reserved before Telroi is asked. If several right answers come at once, one of them verifies the attempt.
"""

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
"""When Telroi judges by the number, these answers may be about the code of a newer call."""


AdmitCheck = Callable[[], None]
"""Counts a code that may need a try, or rejects it by raising a VerificationRefused."""


def count_no_check() -> None:
    """Admit every code. For callers without a requester: only the attempt's own tries apply."""


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
    """Check the code that a person typed. A wrong, late or malformed code is an outcome, not an exception.

    ``attempt_uuid``: the public id of the attempt. ``code``: the digits as typed or pasted. Input that is not a code,
    or has more digits than the call read out, uses no try. ``user``: the user who is logged in. Only the owner of an
    attempt can check its code. ``admit``: called once for a code that may need a try, before it is judged.
    ``judge_short``: with False, a code that may be too short is ``invalid_code`` and uses no try, so that the page can
    ask the person first.

    Returns a CheckResult. If the attempt is already verified, the right code is ``verified`` again, with its proof, for
    ten minutes. Any other code is ``already_verified``.

    Raises AttemptNotFound if this user has no such attempt, Unavailable if the database cannot be reached before the
    code is judged, and InsideTransaction if a rollback of the caller could undo a try.
    """
    using = write_alias()
    refuse_callers_transaction(using)
    backend = _backend_or_none()
    with unavailable_without_database():
        attempt, now = find_attempt(attempt_uuid, user=user, using=using, newest_rejected=newest_rejected_try())
        forget_record(user)
        with not_found_if_erased(attempt, using=using):
            digits = clean_code(code)
            if digits is None:
                return replace(_result(CheckOutcome.INVALID_CODE, attempt, now=now), length_fit=misfit_of(code))
            if fit := _length_misfit(attempt, digits, judge_short=judge_short):
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
        return _result_without_try(attempt, digits, now=now, using=using)
    return _judge(typed, digits, backend, now=now, using=using)


@sensitive_variables()
def _length_misfit(attempt: VerificationAttempt, digits: str, *, judge_short: bool) -> LengthFit | None:
    """Return why a code is not judged because of its length, or None if it is judged.

    Codes are compared with the length that was requested for this call, because ``CODE_LENGTH`` may have changed since.
    With a test key the code is always 000000, so its length is not checked.
    """
    if attempt.status not in (*CHECKABLE, Status.VERIFIED) or attempt.livemode is False:
        return None
    fit = judge_length(digits, spoken_length(attempt.code_length))
    is_unconfirmed = fit == LengthFit.PERHAPS_TOO_SHORT and not judge_short
    return fit if fit in WRONG_LENGTHS or is_unconfirmed else None


@sensitive_variables()
def _judge(typed: TypedCode, digits: str, backend: Backend, *, now: datetime, using: str) -> CheckResult:
    """Send the code to Telroi, and write the outcome to the attempt."""
    attempt, started = typed.attempt, time.monotonic()
    call_id = judgeable_id(backend, attempt)
    answer = ask_telroi(backend, digits, call_id=call_id, attempt=attempt)
    now = later(now, since=started)

    def write() -> CheckOutcome:
        effective = answer
        if call_id is None and answer.kind in ABOUT_NEWEST_CALL and newer_calls(attempt, using=using):
            # A newer call has started. Telroi may have compared the code with the code of that call.
            effective = TelroiAnswer(AnswerKind.NOT_ASKED)
        if call_id is None and effective.kind == AnswerKind.ALREADY_VERIFIED:
            effective = TelroiAnswer(AnswerKind.ANOTHER_CALL)
        return settle(typed, effective, key_digest=backend.key_digest, now=now, using=using)

    try:
        outcome = repeat_on_lost_connection(write, using=using)
    except DATABASE_LOST as error:
        logger.error("code_not_settled attempt=%s error=%s", attempt.pk, type(error).__name__)
        outcome = CheckOutcome.UNAVAILABLE
    was_judged = outcome != CheckOutcome.UNAVAILABLE
    return _result(outcome, attempt, now=now, telroi_tries_left=answer.tries_left, was_judged=was_judged)


@sensitive_variables()
def _result_without_try(attempt: VerificationAttempt, digits: str, *, now: datetime, using: str) -> CheckResult:
    """Return the result of a code that got no try: the attempt is closed, or all its tries are used."""
    settle_overdue(attempt, now=now, using=using)
    if attempt.status == Status.VERIFIED:
        outcome = compare_with_right_code(attempt, digits, using=using)
    elif attempt.status in CHECKABLE:
        outcome = outcome_without_try(attempt, now=now, using=using)
    else:
        outcome = outcome_of(attempt)
    return _result(outcome, attempt, now=now)


def _backend_or_none() -> Backend | None:
    """Return the backend, or None if the settings do not allow one."""
    try:
        return get_backend()
    except Misconfigured:
        return None


def _result(
    outcome: CheckOutcome,
    attempt: VerificationAttempt,
    *,
    now: datetime,
    telroi_tries_left: int | None = None,
    was_judged: bool = False,
) -> CheckResult:
    tries_left = attempt.tries_left if attempt.status in CHECKABLE else 0
    return CheckResult(
        outcome=outcome,
        tries_left=tries_left if telroi_tries_left is None else min(tries_left, telroi_tries_left),
        attempt=attempt,
        was_judged=was_judged,
        proof=proof_of(attempt, now=now) if outcome == CheckOutcome.VERIFIED else None,
    )


def _outcome_beside_newer_call(attempt: VerificationAttempt, *, now: datetime, using: str) -> CheckOutcome | None:
    """Return the outcome for a call without an id if this number has a newer call, or None if it has not.

    Without an id, Telroi judges a code by the newest call to the number, so this attempt can no longer be judged.

    While a newer call is being placed, its outcome is not known. The code is not judged then, and the attempt stays
    open. The same applies while a call of another flow to this number accepts codes. If Telroi never stored our call,
    it would count a wrong code against that other call.
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
