"""The right code: verify its attempt once, recognize the same code for ten minutes afterwards, and give its proof."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime
from functools import partial

from django.db import transaction
from django.db.models import Case, F, IntegerField, Q, Value, When

from django_telroi import conf
from django_telroi.domain.states import CHECKABLE, Status
from django_telroi.models import VerificationAttempt
from django_telroi.services.accounts.phones import (
    lock_and_check_taken,
    record_verified_phone,
    signal_verified,
    tell_owners,
)
from django_telroi.services.accounts.proofs import proof_of
from django_telroi.services.attempts.find import cancel_newer_queued_calls
from django_telroi.services.attempts.status import CheckOutcome, CheckResult, outcome_of
from django_telroi.services.attempts.transitions import RIGHT_CODE_LIFETIME, transition
from django_telroi.services.shared.outcomes import ErrorCode, report_verified
from django_telroi.services.shared.secrets import matches
from django_telroi.services.shared.transactions import repeat_on_lock_error
from django_telroi.services.shared.wrong_code_counts import (
    end_count_of_number,
    end_count_of_user,
    ends_counts,
    forget_ended_counts,
    left_before_wait,
)

logger = logging.getLogger("django_telroi")


def write_verified(
    attempt: VerificationAttempt,
    digest: str,
    *,
    now: datetime,
    using: str,
    fields: Mapping[str, object] | None = None,
    **only_if: object,
) -> bool:
    """Set the attempt to ``verified``, and write the VerifiedPhone of its user, if no other request changed it before.

    ``digest``: the digest of the right code. ``fields`` and ``only_if`` are added to the UPDATE. The object gets the
    same values. Returns False if another request changed the row first; then nothing is written.
    """
    verified: dict[str, object] = {
        "status": Status.VERIFIED,
        "verified_at": now,
        "closed_at": now,
        "due_at": now + RIGHT_CODE_LIFETIME,
        "code_digest": digest,
        "judging": {},
        **(fields or {}),
    }
    # Only if ``followed_by`` is unchanged: a newer call that was requested meanwhile must be read, and canceled.
    only_if["followed_by"] = attempt.followed_by
    # An attempt without a user gives a proof. Its number is checked for another owner when the proof is redeemed.
    has_record = attempt.user_id is not None and conf.writes_record(attempt.purpose)
    if not has_record and not ends_counts(attempt):
        # One statement is a transaction of its own. BEGIN and COMMIT would be two more round trips.
        return transition(attempt, verified, from_=CHECKABLE, using=using, **only_if)
    write = partial(_write_all, attempt, verified, only_if, has_record=has_record, now=now, using=using)
    try:
        repeat_on_lock_error(write, using=using)
    except _Changed:
        return False
    forget_ended_counts(attempt)
    return True


class _Changed(Exception):
    """Another request changed the attempt, so the transaction is rolled back."""


def _write_all(
    attempt: VerificationAttempt,
    verified: Mapping[str, object],
    only_if: Mapping[str, object],
    *,
    has_record: bool,
    now: datetime,
    using: str,
) -> None:
    """Write the success, the record of its user and the end of its wrong codes. Raises _Changed."""
    with transaction.atomic(using=using):
        taken = has_record and lock_and_check_taken(attempt.number, user_id=attempt.user_id, using=using)
        if taken:
            verified = {**verified, "error_code": ErrorCode.NUMBER_TAKEN, "proof_spent_at": now}
        end_count_of_number(attempt, using=using)
        if not transition(attempt, verified, from_=CHECKABLE, using=using, **only_if):
            raise _Changed
        end_count_of_user(attempt, using=using)
        if has_record and not taken:
            record_verified_phone(attempt, attempt.user_id, verified_at=now, using=using)


def complete_success(attempt: VerificationAttempt, *, now: datetime, using: str) -> CheckOutcome:
    """Log and signal a success that this process wrote, and cancel the newer calls of the flow. Returns the outcome."""
    outcome = outcome_of(attempt)
    logger.info("phone_%s attempt=%s", outcome, attempt.pk)
    report_verified(attempt, using=using)
    if outcome == CheckOutcome.VERIFIED:
        signal_verified(attempt, user_id=attempt.user_id, using=using)
    tell_owners(attempt, "verified", using=using)
    if attempt.followed_by:
        cancel_newer_queued_calls(attempt, now=now, using=using)
    return outcome


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


def result_of(
    outcome: CheckOutcome,
    attempt: VerificationAttempt,
    *,
    now: datetime,
    telroi_tries_left: int | None = None,
    was_judged: bool = False,
) -> CheckResult:
    """Return the result of a check: the outcome, the tries that are left, and the proof if the code was right.

    ``telroi_tries_left``: the tries that Telroi reports. The smaller of the two counts applies.
    """
    tries_left = attempt.tries_left if attempt.status in CHECKABLE else 0
    is_rejected = outcome in (CheckOutcome.WRONG_CODE, CheckOutcome.LOCKED)
    return CheckResult(
        outcome=outcome,
        tries_left=tries_left if telroi_tries_left is None else min(tries_left, telroi_tries_left),
        attempt=attempt,
        was_judged=was_judged,
        wrong_codes_left=left_before_wait(attempt) if is_rejected else None,
        proof=proof_of(attempt, now=now) if outcome == CheckOutcome.VERIFIED else None,
    )
