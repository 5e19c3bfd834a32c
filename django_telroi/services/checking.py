"""Judging a code: a try is reserved before Telroi is asked, and of any number of right answers one wins."""

from __future__ import annotations

import logging
import time
from datetime import datetime
from uuid import UUID

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import InterfaceError, OperationalError
from django.db.models import F
from django.views.decorators.debug import sensitive_variables

from django_telroi.backends import Backend, get_backend
from django_telroi.domain.codes import clean_code
from django_telroi.domain.states import CHECKABLE, Status
from django_telroi.errors import Misconfigured
from django_telroi.models import VerificationAttempt
from django_telroi.quiet import quiet_arguments
from django_telroi.services.accounts import forget_record
from django_telroi.services.answers import ask
from django_telroi.services.attempts import find_attempt, not_found_if_erased, settle_overdue, was_rung_since
from django_telroi.services.judging import Guess, lock_if_all_judged, settle
from django_telroi.services.moves import move
from django_telroi.services.outcomes import CheckOutcome, CheckResult, outcome_of
from django_telroi.services.proofs import proof_of
from django_telroi.services.state import later
from django_telroi.services.transactions import (
    refuse_callers_transaction,
    repeat_on_lock_error,
    unavailable_without_database,
    write_alias,
)

logger = logging.getLogger("django_telroi")


@quiet_arguments("code")
@sensitive_variables()
def check_code(attempt_uuid: UUID | str, code: str, *, user: AbstractBaseUser | None = None) -> CheckResult:
    """Judge what a person typed. Whatever they may do wrong comes back as an outcome.

    Spaces and dashes are passed over; anything else that is no code costs no try. Raises AttemptNotFound, for another
    user's attempt too, Unavailable where the database is gone before anything was asked, and InsideTransaction where a
    rollback could give a try back.
    """
    using = write_alias()
    backend = _backend()
    if backend is None or backend.rings:
        refuse_callers_transaction(using)
    with unavailable_without_database():
        attempt, now = find_attempt(attempt_uuid, user=user, using=using)
        forget_record(user)
        with not_found_if_erased(attempt, using=using):
            return _check(attempt, code, backend, now=now, using=using)


@sensitive_variables()
def _check(
    attempt: VerificationAttempt, code: str, backend: Backend | None, *, now: datetime, using: str
) -> CheckResult:
    started = time.monotonic()
    digits = clean_code(code)
    if digits is None:
        return _result(CheckOutcome.INVALID_CODE, attempt, now=now)
    if attempt.status not in CHECKABLE:
        return _result(outcome_of(attempt), attempt, now=now)
    if backend is None:
        return _result(CheckOutcome.UNAVAILABLE, attempt, now=now)
    call_id = _judgeable_id(attempt)
    if call_id is None and was_rung_since(attempt, using=using):
        _close_replaced(attempt, now=now, using=using)
        return _result(CheckOutcome.CLOSED, attempt, now=now)
    guess = Guess.at(attempt, digits)
    if not guess.repeats_doubt and not _reserve_try(attempt, now=now, using=using):
        settle_overdue(attempt, now=now, using=using)
        if attempt.status in CHECKABLE:
            lock_if_all_judged(attempt, now=now, using=using)
        return _result(outcome_of(attempt), attempt, now=now)
    answer = ask(backend, digits, call_id=call_id, to=attempt.number, was_test=attempt.livemode is False)
    now = later(now, since=started)
    try:
        outcome = settle(guess, answer, key_digest=backend.key_digest, now=now, using=using)
    except (InterfaceError, OperationalError) as error:
        logger.error("code_not_settled attempt=%s error=%s", attempt.pk, type(error).__name__)
        outcome = CheckOutcome.UNAVAILABLE
    was_judged = outcome != CheckOutcome.UNAVAILABLE
    return _result(outcome, attempt, now=now, theirs=answer.tries_left, was_judged=was_judged)


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


def _judgeable_id(attempt: VerificationAttempt) -> str | None:
    """Telroi's id, where Telroi takes it back: that of a test key (``otp_test_…``) can only be judged by number."""
    try:
        return str(UUID(attempt.telroi_id or ""))
    except ValueError:
        return None


def _close_replaced(attempt: VerificationAttempt, *, now: datetime, using: str) -> None:
    """Without an id Telroi would judge the code by the newer call."""
    superseded = {"status": Status.SUPERSEDED, "closed_at": now, "due_at": None}
    if not move(attempt, superseded, from_=CHECKABLE, using=using):
        attempt.refresh_from_db(using=using)


def _reserve_try(attempt: VerificationAttempt, *, now: datetime, using: str) -> bool:
    """Take one try before it is used. ``attempt.tries`` is then the number of this try, and nobody else has it."""
    while attempt.status in CHECKABLE and attempt.tries < attempt.max_tries and now < attempt.expires_at:
        free = VerificationAttempt.objects.using(using).filter(
            pk=attempt.pk, status__in=CHECKABLE, expires_at__gt=now, tries=attempt.tries
        )
        if repeat_on_lock_error(lambda free=free: free.update(tries=F("tries") + 1), using=using):  # type: ignore[misc]
            attempt.tries += 1
            return True
        attempt.refresh_from_db(using=using)
    return False
