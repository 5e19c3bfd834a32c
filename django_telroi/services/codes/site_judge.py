"""Judging a code of this site: compare it with the attempt's digest, and settle it in one conditional UPDATE.

No request is sent, so a provider that is down between the call and the code changes nothing. The comparison comes first
and uses no try. It counts only if the UPDATE that uses the try changed the row, so requests that compete get no more
comparisons than the attempt has tries. See "A code" in docs/explanation/how.rst.
"""

from __future__ import annotations

import logging
from datetime import datetime
from functools import partial
from hashlib import sha256
from math import ceil

from django.core.cache import caches
from django.db.models import F
from django.views.decorators.debug import sensitive_variables

from django_telroi import conf, signals
from django_telroi.domain.states import CHECKABLE, Judge, Status
from django_telroi.models import AttemptEvent, EventKind, VerificationAttempt
from django_telroi.services.attempts.check_outcome import CheckOutcome, outcome_of
from django_telroi.services.attempts.telroi_tries import is_in_doubt
from django_telroi.services.attempts.transitions import closing_fields, send_after_commit, transition
from django_telroi.services.codes.success import complete_success, write_verified
from django_telroi.services.shared.alerts import Alert, raise_alert
from django_telroi.services.shared.site_codes import matches
from django_telroi.services.shared.wrong_code_counts import count_and_write

logger = logging.getLogger("django_telroi")

SPARE_SECONDS = 60


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
            raise_alert(Alert.MISCONFIGURED, key_name=attempt.key_name, now=now, using=using)
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

    The UPDATE compares ``asked``, which every change of ``tries`` raises. With ``tries < max_tries`` alone, two
    requests that use the last two tries at once would not know which of them locks the attempt.
    """
    write = partial(_write_try, attempt, kind, now=now, using=using)
    if kind == EventKind.CODE_REJECTED:
        return count_and_write(attempt, write, now=now, using=using)
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
    # With the id of its try, because Telroi may turn out to judge the codes, and then rejected tries are counted by it.
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
