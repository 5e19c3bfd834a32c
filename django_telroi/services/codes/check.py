"""Checking a code.

By default this site compares the code with the attempt's digest and settles it in one conditional UPDATE
(``judge_here``). No request is sent, so a provider that is down between the call and the code changes nothing. The
comparison comes first and uses no try. It counts only if the UPDATE that uses the try changed the row, so requests that
compete get no more comparisons than the attempt has tries. See "A code" in docs/explanation/how.rst.

Telroi is asked only if it made the code, or may have made it (``telroi_judge``). Its tries are reserved in
``attempts/telroi_tries``. ``Judge`` in ``domain/states.py`` says who checks the codes of an attempt.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import partial
from hashlib import sha256
from math import ceil
from uuid import UUID

from django.contrib.auth.base_user import AbstractBaseUser
from django.core.cache import caches
from django.db import connections
from django.db.models import F
from django.views.decorators.debug import sensitive_variables

from django_telroi import conf, signals
from django_telroi.domain.states import CHECKABLE, Judge, Status
from django_telroi.domain.typed_codes import WRONG_LENGTHS, LengthFit, clean_code, judge_length, misfit_of
from django_telroi.errors import AttemptNotFound, InsideTransaction
from django_telroi.log_fields import about_key
from django_telroi.models import AttemptEvent, EventKind, VerificationAttempt
from django_telroi.redaction import redact_arguments
from django_telroi.services.accounts.phones import forget_record
from django_telroi.services.attempts.find import find_and_settle, not_found_if_erased, settle_overdue
from django_telroi.services.attempts.status import CheckOutcome, CheckResult, outcome_of
from django_telroi.services.attempts.telroi_tries import is_in_doubt
from django_telroi.services.attempts.transitions import closing_fields, send_after_commit, transition
from django_telroi.services.codes.success import compare_with_right_code, complete_success, result_of, write_verified
from django_telroi.services.codes.telroi_answer import lock_without_try
from django_telroi.services.codes.telroi_judge import judge_by_telroi
from django_telroi.services.shared.alerts import Alert, send_alert
from django_telroi.services.shared.arguments import typed_arguments
from django_telroi.services.shared.outcomes import report_code
from django_telroi.services.shared.secrets import length_of, matches
from django_telroi.services.shared.transactions import (
    DATABASE_LOST,
    is_in_callers_transaction,
    is_wait_for_row,
    refuse_callers_transaction,
    unavailable_without_database,
    write_alias,
)
from django_telroi.services.shared.wrong_code_counts import count_and_write

logger = logging.getLogger("django_telroi")


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
    purpose: str | None = None,
    admit: AdmitCheck = count_no_check,
    judge_short: bool = True,
    inside_transaction: bool = False,
) -> CheckResult:
    """Check the code that a person typed. A wrong, late or malformed code is an outcome, not an exception.

    ``attempt_uuid``: the public id of the attempt. ``code``: the digits as typed or pasted. Input that is not a code,
    or has more digits than the call read out, uses no try. ``user``: the user who is logged in. Only the owner of an
    attempt can check its code. ``purpose``: only an attempt with this purpose is found; None finds any. ``admit``:
    called once for a code that may need a try, before it is judged.
    ``judge_short``: with False, a code that may be too short is ``invalid_code`` and uses no try, so that the page can
    ask the person first.

    ``inside_transaction``: allow an open transaction of the caller. Only codes of this site (``CODES``) can be checked
    then. The caller's rollback gives the try back, so the codes are also counted in the cache. If the cache fails, the
    outcome is ``unavailable``.

    Returns a CheckResult. If the attempt is already verified, the right code is ``verified`` again, with its proof, for
    ten minutes. Any other code is ``already_verified``.

    Raises AttemptNotFound if this user has no such attempt for the purpose, Unavailable if the database cannot be
    reached before the code is judged, and InsideTransaction if a rollback of the caller could undo a try.
    """
    using = write_alias()
    if not inside_transaction:
        refuse_callers_transaction(using)
    with unavailable_without_database():
        attempt, now = find_and_settle(attempt_uuid, user=user, using=using)
        if purpose is not None and attempt.purpose != purpose:
            raise AttemptNotFound
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
        return _lock_over_count(attempt, now=now, using=using)
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
    return _close_without_try(attempt, digits, now=now, using=using)


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
        return _lock_over_count(attempt, now=now, using=using)
    if attempt.status == Status.VERIFIED:
        return _check(attempt, digits, now=now, using=using)
    judged = judge_here(attempt, digits, now=now, using=using, only_here=True)
    if judged is None:
        return _close_without_try(attempt, digits, now=now, using=using)
    return result_of(judged, attempt, now=now, was_judged=judged != CheckOutcome.UNAVAILABLE)


def _lock_over_count(attempt: VerificationAttempt, *, now: datetime, using: str) -> CheckResult:
    """Lock the open attempt, because the count in the cache has reached the tries, and return the result of the code.

    The code is not compared.
    """
    locked = closing_fields(Status.LOCKED, now=now)
    if attempt.status in CHECKABLE and not transition(attempt, locked, from_=CHECKABLE, using=using):
        with not_found_if_erased(attempt, using=using):
            attempt.refresh_from_db(using=using)  # another request closed it meanwhile
    # After a success, the right code returns the proof again, so these comparisons are limited too.
    if attempt.status == Status.VERIFIED:
        return result_of(CheckOutcome.ALREADY_VERIFIED, attempt, now=now)
    # In a snapshot of the caller's transaction the attempt may still be open, and its tries are used.
    is_open = attempt.status in CHECKABLE
    return result_of(CheckOutcome.LOCKED if is_open else outcome_of(attempt), attempt, now=now)


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
def _close_without_try(attempt: VerificationAttempt, digits: str, *, now: datetime, using: str) -> CheckResult:
    """Close the attempt if it is overdue or has no try left, and return the result of a code that got no try."""
    settle_overdue(attempt, now=now, using=using)
    if attempt.status in CHECKABLE:
        settle = lock_used_up if attempt.judge == Judge.SITE else lock_without_try
        outcome = settle(attempt, now=now, using=using)
    else:
        outcome = outcome_of(attempt)
    # Last, because another request may verify the attempt at any moment, and this code was not compared yet.
    if attempt.status == Status.VERIFIED:
        outcome = compare_with_right_code(attempt, digits, using=using)
    return result_of(outcome, attempt, now=now)


SPARE_SECONDS = 60
"""How much longer than the code the counter in the cache lives."""


@sensitive_variables()
def judge_here(
    attempt: VerificationAttempt, digits: str, *, now: datetime, using: str, only_here: bool = False
) -> CheckOutcome | None:
    """Judge a code by the attempt's digest. Returns None if the code was not judged.

    It is not judged if the attempt is closed or has no try left, or if the provider made the code or may have made it.
    With ``only_here`` the provider cannot be asked, so a code that may be the provider's is compared here too.

    The right code may also have a try that was reserved while it was not known who judges. If the process died then,
    the code verifies with that try, even if it was the last one.
    """
    while (
        (attempt.judge == Judge.SITE or (only_here and attempt.code_digest))
        and attempt.status in CHECKABLE
        and now < attempt.expires_at
    ):
        is_right = matches(attempt, digits, attempt.code_digest)
        # Without a try, only a code that has a try already may be right. A guess learns nothing from the comparison.
        if not attempt.tries_left and not (is_right and _has_own_try(attempt, digits, using=using)):
            return None
        outcome = (_accept if is_right else _reject)(attempt, now=now, using=using)
        if outcome is not None:
            return outcome
        attempt.refresh_from_db(using=using)  # another request changed the row, and the comparison did not count
    return None


@sensitive_variables()
def _has_own_try(attempt: VerificationAttempt, digits: str, *, using: str) -> bool:
    return attempt.livemode is not False and is_in_doubt(attempt, digits, using=using)


def _accept(attempt: VerificationAttempt, *, now: datetime, using: str) -> CheckOutcome | None:
    """Verify the attempt and return the outcome. Returns None if the row has changed.

    For a call with a test key that is not allowed, use a try and raise an alert instead.
    """
    if attempt.livemode is False and not conf.allow_test_key(attempt.key_name):
        # A test key requested the call, so no phone rang. A person who knows the code did not hear it.
        outcome = _use_try(attempt, EventKind.CODE_UNJUDGED, now=now, using=using)
        if outcome is not None:
            send_alert(Alert.MISCONFIGURED, key_name=attempt.key_name, now=now, using=using)
        return CheckOutcome.UNAVAILABLE if outcome == CheckOutcome.WRONG_CODE else outcome
    tries = min(attempt.tries + 1, attempt.max_tries)
    fields = {"tries": tries, "asked": attempt.asked + 1, "judge": Judge.SITE}
    unchanged = {"asked": attempt.asked, "code_digest": attempt.code_digest, "expires_at__gt": now}
    if not write_verified(attempt, attempt.code_digest, now=now, using=using, fields=fields, **unchanged):
        return None
    return complete_success(attempt, now=now, using=using)


def _reject(attempt: VerificationAttempt, *, now: datetime, using: str) -> CheckOutcome | None:
    """Use a try for a wrong code. Returns None if the row has changed."""
    outcome = _use_try(attempt, EventKind.CODE_REJECTED, now=now, using=using)
    if outcome is not None:
        send_after_commit(signals.code_rejected, attempt, using=using)
    return outcome


def _use_try(attempt: VerificationAttempt, kind: EventKind, *, now: datetime, using: str) -> CheckOutcome | None:
    """Use one try, and lock the attempt with the last one. Returns None if the row has changed.

    The UPDATE compares ``asked``, which every change of ``tries`` raises while the attempt takes codes. With
    ``tries < max_tries`` alone, two requests that use the last two tries at once would not know which of them locks the
    attempt.
    """
    write = partial(_write_try, attempt, kind, now=now, using=using)
    if kind != EventKind.CODE_REJECTED:
        return write()
    try:
        return count_and_write(attempt, write, now=now, using=using)
    except DATABASE_LOST as error:
        if connections[using].in_atomic_block or not is_wait_for_row(error):
            raise
        # Another transaction keeps the row of the count locked. A wrong code must use a try all the same: the right one
        # does not need that row, so without a try the answer would tell which code is right, as often as one likes.
        logger.error("wrong_code_not_counted attempt=%s error=%s", attempt.pk, type(error).__name__)
        return write()


def _write_try(attempt: VerificationAttempt, kind: EventKind, *, now: datetime, using: str) -> CheckOutcome | None:
    fields: dict[str, object] = {"tries": attempt.tries + 1, "asked": attempt.asked + 1}
    if attempt.tries + 1 >= attempt.max_tries:
        fields |= closing_fields(Status.LOCKED, now=now)
    unchanged = {"asked": attempt.asked, "judge": attempt.judge, "expires_at__gt": now}
    if not transition(attempt, fields, from_=CHECKABLE, using=using, **unchanged):
        return None
    if attempt.status == Status.LOCKED:
        return CheckOutcome.LOCKED
    # ``try_id`` is set, because Telroi may turn out to check the codes. Then rejected tries are counted by it.
    AttemptEvent.objects.using(using).create(attempt_id=attempt.pk, kind=kind, at=now, try_id=attempt.asked)
    return CheckOutcome.WRONG_CODE


def lock_used_up(attempt: VerificationAttempt, *, now: datetime, using: str) -> CheckOutcome:
    """Lock an open attempt that has no try left, and return the outcome.

    The last wrong code locks the attempt itself. But tries that were used before it was known who judges the codes did
    not lock it, because the provider's answer was still open.
    """
    locked = closing_fields(Status.LOCKED, now=now)
    if not transition(attempt, locked, from_=CHECKABLE, using=using, tries__gte=F("max_tries")):
        attempt.refresh_from_db(using=using)
    return outcome_of(attempt)


def count_try_in_cache(attempt: VerificationAttempt, *, now: datetime) -> bool | None:
    """Count one code in the cache. Returns whether the count is within the attempt's tries, None if the cache fails.

    It is for a code inside a transaction of the caller, whose rollback gives the try in the row back, but not this one.
    The count begins with the tries that the row has used. The cache may lose entries, so this is only a second limit.
    """
    # After a success at least one code is compared: a person whose last try was right may send that code again.
    used = min(attempt.tries, attempt.max_tries - 1) if attempt.status == Status.VERIFIED else attempt.tries
    # As long as the digest exists: after a success until ``due_at``, which may be later than the code's expiry.
    until = attempt.due_at if attempt.status == Status.VERIFIED and attempt.due_at else attempt.expires_at
    try:
        # ``add`` does nothing if another process created the counter, and ``incr`` is atomic on shared caches. The
        # counter must outlive the code: a cache may count whole seconds, and its clock may be ahead.
        lifetime = max(0, ceil((until - now).total_seconds())) + SPARE_SECONDS
        caches[conf.rate_limit_cache()].add(_key(attempt), used, timeout=lifetime)
        return bool(caches[conf.rate_limit_cache()].incr(_key(attempt)) <= attempt.max_tries)
    except Exception as error:  # noqa: BLE001 - a cache raises the errors of its client library
        logger.error("try_not_counted attempt=%s error=%s", attempt.pk, type(error).__name__)
        return None


def count_again_in_cache(attempt: VerificationAttempt) -> bool:
    """Count one code outside a transaction, if codes of this attempt were counted in the cache before.

    Otherwise a call that is checked both inside and outside of transactions would get its tries twice. Returns whether
    the count is within the tries. True if nothing was counted, and if the cache fails: the tries of the row apply.
    """
    try:
        return bool(caches[conf.rate_limit_cache()].incr(_key(attempt)) <= attempt.max_tries)
    except ValueError:
        return True  # no such counter
    except Exception as error:  # noqa: BLE001 - a cache raises the errors of its client library
        logger.error("try_not_counted attempt=%s error=%s", attempt.pk, type(error).__name__)
        return True


def _key(attempt: VerificationAttempt) -> str:
    phase = Status.VERIFIED if attempt.status == Status.VERIFIED else ""
    return f"django_telroi.tries.{phase}.{sha256(attempt.uuid.bytes).hexdigest()}"
