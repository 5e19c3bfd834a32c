"""Checking a code.

By default this site compares the code with the attempt's digest (``site_judge``). Telroi is asked only if it made the
code, or may have made it (``telroi_judge``). ``Judge`` in ``domain/states.py`` says who checks the codes of an attempt.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from uuid import UUID

from django.contrib.auth.base_user import AbstractBaseUser
from django.views.decorators.debug import sensitive_variables

from django_telroi import conf
from django_telroi.domain.states import CHECKABLE, Judge, Status
from django_telroi.domain.typed_codes import WRONG_LENGTHS, LengthFit, clean_code, judge_length, misfit_of
from django_telroi.errors import InsideTransaction
from django_telroi.log_fields import about_key
from django_telroi.models import VerificationAttempt
from django_telroi.redaction import redact_arguments
from django_telroi.services.accounts.phones import forget_record
from django_telroi.services.attempts.check_outcome import CheckOutcome, CheckResult, outcome_of
from django_telroi.services.attempts.find import find_and_settle, not_found_if_erased, settle_overdue
from django_telroi.services.attempts.transitions import closing_fields, transition
from django_telroi.services.codes.site_judge import count_again_in_cache, count_try_in_cache, judge_here, lock_used_up
from django_telroi.services.codes.success import compare_with_right_code, result_of
from django_telroi.services.codes.telroi_answer import settle_without_try
from django_telroi.services.codes.telroi_judge import judge_by_telroi
from django_telroi.services.shared.arguments import typed_arguments
from django_telroi.services.shared.outcome_reports import report_code
from django_telroi.services.shared.site_codes import length_of
from django_telroi.services.shared.transactions import (
    is_in_callers_transaction,
    refuse_callers_transaction,
    unavailable_without_database,
    write_alias,
)

COMPARABLE = (*CHECKABLE, Status.VERIFIED)
"""The statuses in which a code may be compared with the attempt's digest."""

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
    inside_transaction: bool = False,
) -> CheckResult:
    """Check the code that a person typed. A wrong, late or malformed code is an outcome, not an exception.

    ``attempt_uuid``: the public id of the attempt. ``code``: the digits as typed or pasted. Input that is not a code,
    or has more digits than the call read out, uses no try. ``user``: the user who is logged in. Only the owner of an
    attempt can check its code. ``admit``: called once for a code that may need a try, before it is judged.
    ``judge_short``: with False, a code that may be too short is ``invalid_code`` and uses no try, so that the page can
    ask the person first.

    ``inside_transaction``: allow an open transaction of the caller. Only codes of this site (``CODES``) can be checked
    then. The caller's rollback gives the try back, so the codes are also counted in the cache. If the cache fails, the
    outcome is ``unavailable``.

    Returns a CheckResult. If the attempt is already verified, the right code is ``verified`` again, with its proof, for
    ten minutes. Any other code is ``already_verified``.

    Raises AttemptNotFound if this user has no such attempt, Unavailable if the database cannot be reached before the
    code is judged, and InsideTransaction if a rollback of the caller could undo a try.
    """
    using = write_alias()
    if not inside_transaction:
        refuse_callers_transaction(using)
    with unavailable_without_database():
        attempt, now = find_and_settle(attempt_uuid, user=user, using=using)
        forget_record(user)
        with not_found_if_erased(attempt, using=using):
            digits = clean_code(code)
            if digits is None:
                return replace(result_of(CheckOutcome.INVALID_CODE, attempt, now=now), length_fit=misfit_of(code))
            if fit := _length_misfit(attempt, digits, judge_short=judge_short):
                return replace(result_of(CheckOutcome.INVALID_CODE, attempt, now=now), length_fit=fit)
            admit()
            with about_key(conf.key_label(attempt.key_name)):
                result = _check_admitted(attempt, digits, now=now, using=using)
            if result.was_judged:
                report_code(attempt, result.outcome, using=using)
            return result


@sensitive_variables()
def _check_admitted(attempt: VerificationAttempt, digits: str, *, now: datetime, using: str) -> CheckResult:
    if is_in_callers_transaction(using):
        return _check_inside_transaction(attempt, digits, now=now, using=using)
    is_judged_here = attempt.judge in (Judge.SITE, Judge.UNDECIDED)
    if is_judged_here and attempt.status in COMPARABLE and not count_again_in_cache(attempt):
        return _result_over_count(attempt, now=now, using=using)
    return _check(attempt, digits, now=now, using=using)


@sensitive_variables()
def _check(attempt: VerificationAttempt, digits: str, *, now: datetime, using: str) -> CheckResult:
    if attempt.judge == Judge.CALLER:
        return result_of(CheckOutcome.JUDGED_ELSEWHERE, attempt, now=now)
    if attempt.status == Status.VERIFIED:
        return result_of(compare_with_right_code(attempt, digits, using=using), attempt, now=now)
    if attempt.status not in CHECKABLE:
        return result_of(outcome_of(attempt), attempt, now=now)
    if (judged := judge_here(attempt, digits, now=now, using=using)) is not None:
        return result_of(judged, attempt, now=now, was_judged=judged != CheckOutcome.UNAVAILABLE)
    judge = attempt.judge
    if judge != Judge.SITE and attempt.status in CHECKABLE:
        if result := judge_by_telroi(attempt, digits, now=now, using=using):
            return result
        if attempt.judge != judge:
            return _check(attempt, digits, now=now, using=using)  # a late answer has settled meanwhile who checks it
    return _result_without_try(attempt, digits, now=now, using=using)


@sensitive_variables()
def _check_inside_transaction(attempt: VerificationAttempt, digits: str, *, now: datetime, using: str) -> CheckResult:
    """Check a code by the attempt's digest only. The provider must not be asked while the caller holds row locks."""
    if attempt.judge == Judge.TELROI and attempt.status in CHECKABLE:
        raise InsideTransaction
    if attempt.judge == Judge.CALLER or attempt.status not in COMPARABLE:
        return _check(attempt, digits, now=now, using=using)
    has_try = count_try_in_cache(attempt, now=now)
    if has_try is None:
        return result_of(CheckOutcome.UNAVAILABLE, attempt, now=now)
    if not has_try:
        return _result_over_count(attempt, now=now, using=using)
    if attempt.status == Status.VERIFIED:
        return _check(attempt, digits, now=now, using=using)
    judged = judge_here(attempt, digits, now=now, using=using, only_here=True)
    if judged is None:
        return _result_without_try(attempt, digits, now=now, using=using)
    return result_of(judged, attempt, now=now, was_judged=judged != CheckOutcome.UNAVAILABLE)


def _result_over_count(attempt: VerificationAttempt, *, now: datetime, using: str) -> CheckResult:
    """Return the result of a code that is not compared, because the count in the cache has reached the tries."""
    # The right code again gives the proof again, so comparisons after the success are bounded too.
    if attempt.status == Status.VERIFIED:
        return result_of(CheckOutcome.ALREADY_VERIFIED, attempt, now=now)
    transition(attempt, closing_fields(Status.LOCKED, now=now), from_=CHECKABLE, using=using)
    return result_of(CheckOutcome.LOCKED, attempt, now=now)


@sensitive_variables()
def _length_misfit(attempt: VerificationAttempt, digits: str, *, judge_short: bool) -> LengthFit | None:
    """Return why a code is not judged because of its length, or None if it is judged.

    Codes are compared with the length that was requested for this call, because ``CODE_LENGTH`` may have changed since.
    With a test key the code is always 000000, so its length is not checked.
    """
    if attempt.status not in (*CHECKABLE, Status.VERIFIED) or attempt.livemode is False:
        return None
    fit = judge_length(digits, length_of(attempt))
    is_unconfirmed = fit == LengthFit.PERHAPS_TOO_SHORT and not judge_short
    return fit if fit in WRONG_LENGTHS or is_unconfirmed else None


@sensitive_variables()
def _result_without_try(attempt: VerificationAttempt, digits: str, *, now: datetime, using: str) -> CheckResult:
    """Return the result of a code that got no try: the attempt is closed, or all its tries are used."""
    settle_overdue(attempt, now=now, using=using)
    if attempt.status == Status.VERIFIED:
        outcome = compare_with_right_code(attempt, digits, using=using)
    elif attempt.status in CHECKABLE:
        settle = lock_used_up if attempt.judge == Judge.SITE else settle_without_try
        outcome = settle(attempt, now=now, using=using)
    else:
        outcome = outcome_of(attempt)
    return result_of(outcome, attempt, now=now)
