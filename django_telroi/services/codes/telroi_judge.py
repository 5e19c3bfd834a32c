"""Judging a code by asking Telroi, which made it or may have made it.

A try is reserved before Telroi is asked. If several right answers come at once, one of them verifies the attempt. What
a lost answer needs is in ``attempts/telroi_tries.py``. An attempt whose codes this site judges never comes here.
"""

from __future__ import annotations

import logging
import time
from datetime import datetime
from functools import partial

from django.views.decorators.debug import sensitive_variables

from django_telroi import conf
from django_telroi.backends import Backend, get_backend, key_of
from django_telroi.client import OtpCheck
from django_telroi.client.json_values import clean_error_code
from django_telroi.domain.states import CHECKABLE, Judge, Status
from django_telroi.errors import ApiError, ApiRefused, ApiRefusedByProxy, ApiUnreachable, Misconfigured
from django_telroi.models import VerificationAttempt
from django_telroi.services.attempts.find import has_open_call_with_id, newer_statuses_of_number
from django_telroi.services.attempts.status import CheckOutcome, CheckResult
from django_telroi.services.attempts.telroi_tries import TypedCode, reserve_try
from django_telroi.services.attempts.transitions import close_as_lost, closing_fields, transition
from django_telroi.services.codes.success import result_of
from django_telroi.services.codes.telroi_answer import AnswerKind, TelroiAnswer, settle, settle_own_code
from django_telroi.services.shared.alerts import Alert, send_alert
from django_telroi.services.shared.backend_calls import judgeable_id, request_check, take_check_slot, wait_for_slot
from django_telroi.services.shared.number_state import later
from django_telroi.services.shared.outcomes import is_service_unavailable, outcome_of_call
from django_telroi.services.shared.secrets import matches
from django_telroi.services.shared.transactions import DATABASE_LOST, repeat_on_lost_connection

logger = logging.getLogger("django_telroi")

KIND_BY_STATUS = {
    "mismatch": AnswerKind.WRONG,
    "locked": AnswerKind.LOCKED,
    "expired": AnswerKind.EXPIRED,
    "already_verified": AnswerKind.ALREADY_VERIFIED,
    "not_found": AnswerKind.UNKNOWN_CALL,
}


CONFIRMING = frozenset({AnswerKind.RIGHT, AnswerKind.ALREADY_VERIFIED})
"""Answers that can verify an attempt. ``already_verified`` does so only if the first answer to the code was lost."""


ABOUT_NEWEST_CALL = frozenset(
    {AnswerKind.WRONG, AnswerKind.LOCKED, AnswerKind.EXPIRED, AnswerKind.ALREADY_VERIFIED, AnswerKind.UNKNOWN_CALL}
)
"""When Telroi judges by the number, these answers may be about the code of a newer call."""


@sensitive_variables()
def judge_by_telroi(attempt: VerificationAttempt, digits: str, *, now: datetime, using: str) -> CheckResult | None:
    """Judge a code that Telroi made, or may have made. Returns None if the code got no try.

    It gets none if the attempt is closed or is closed now because no code of it can be checked, if all its tries are
    used, or if a late answer has changed ``attempt.judge``.
    """
    backend = _backend_or_none(attempt.key_name)
    if backend is None and attempt.judge == Judge.TELROI:
        return result_of(CheckOutcome.UNAVAILABLE, attempt, now=now)
    call_id = judgeable_id(backend, attempt) if backend else None
    if backend and attempt.judge == Judge.TELROI and call_id is None:
        if not backend.judges_by_number:
            close_as_lost(attempt, now=now, using=using)
            return None
        if outcome := _supersede_beside_newer_call(attempt, now=now, using=using):
            return result_of(outcome, attempt, now=now)
    typed = reserve_try(attempt, digits, now=now, using=using)
    if typed is None:
        return None
    # Compare after the try is reserved. Otherwise more than ``max_tries`` concurrent guesses would be compared.
    if attempt.judge == Judge.UNDECIDED and matches(attempt, digits, attempt.code_digest):
        outcome = settle_own_code(typed, now=now, using=using)
        return result_of(outcome, attempt, now=now, was_judged=outcome != CheckOutcome.UNAVAILABLE)
    return _ask_and_settle(typed, digits, backend, now=now, using=using)


@sensitive_variables()
def _ask_and_settle(
    typed: TypedCode, digits: str, backend: Backend | None, *, now: datetime, using: str
) -> CheckResult:
    """Send the code to Telroi, write the outcome to the attempt, and return the result."""
    attempt, started = typed.attempt, time.monotonic()
    is_undecided = attempt.judge == Judge.UNDECIDED
    call_id = judgeable_id(backend, attempt) if backend else None
    if is_undecided and backend and call_id is None and not _is_newest_call(attempt, backend, using=using):
        # Telroi would compare the code with that of another call. It is not ours, so it counts as wrong.
        answer, is_about_number = TelroiAnswer(AnswerKind.WRONG), False
    else:
        answer, is_about_number = _ask_telroi(backend, digits, call_id=call_id, attempt=attempt), call_id is None
    now = later(now, since=started)

    def write() -> CheckOutcome:
        effective = answer
        if backend and backend.has_replaced_key:
            send_alert(Alert.MISCONFIGURED, key_name=backend.key_name, now=now, using=using)
        if is_about_number and answer.kind in ABOUT_NEWEST_CALL and newer_statuses_of_number(attempt, using=using):
            # A newer call has started. Telroi may have compared the code with the code of that call.
            effective = TelroiAnswer(AnswerKind.NOT_ASKED)
        if is_about_number and effective.kind == AnswerKind.ALREADY_VERIFIED:
            effective = TelroiAnswer(AnswerKind.ANOTHER_CALL)
        if is_undecided:
            effective = effective.for_undecided_judge()
        return settle(typed, effective, key=key_of(backend) if backend else None, now=now, using=using)

    try:
        outcome = repeat_on_lost_connection(write, using=using)
    except DATABASE_LOST as error:
        logger.error("code_not_settled attempt=%s error=%s", attempt.pk, type(error).__name__)
        outcome = CheckOutcome.UNAVAILABLE
    was_judged = outcome != CheckOutcome.UNAVAILABLE
    return result_of(outcome, attempt, now=now, telroi_tries_left=answer.tries_left, was_judged=was_judged)


def _is_newest_call(attempt: VerificationAttempt, backend: Backend, *, using: str) -> bool:
    """Return whether the backend, asked by the number, would compare a code with that of this call."""
    if not backend.judges_by_number or newer_statuses_of_number(attempt, using=using):
        return False
    return not has_open_call_with_id(attempt, using=using)


def _supersede_beside_newer_call(attempt: VerificationAttempt, *, now: datetime, using: str) -> CheckOutcome | None:
    """Supersede a call without an id if a newer call to this number may have rung, and return the outcome.

    Returns None if there is no newer call.

    Without an id, Telroi judges a code by the newest call to the number, so this attempt can no longer be judged.

    While a newer call is being placed, its outcome is not known. The code is not judged then, and the attempt stays
    open. The same applies while a call of another flow to this number accepts codes. If Telroi never stored our call,
    it would count a wrong code against that other call.
    """
    newer = newer_statuses_of_number(attempt, using=using)
    if not newer and not has_open_call_with_id(attempt, using=using):
        return None
    if newer <= {Status.DIALING}:
        return CheckOutcome.UNAVAILABLE
    if not transition(attempt, closing_fields(Status.SUPERSEDED, now=now), from_=CHECKABLE, using=using):
        attempt.refresh_from_db(using=using)
    return CheckOutcome.CLOSED


def _backend_or_none(key_name: str) -> Backend | None:
    """Return the backend for this key, or None if the settings do not allow one or have no such key any more."""
    try:
        return get_backend(key_name)
    except Misconfigured:
        return None


@sensitive_variables()
def _ask_telroi(
    backend: Backend | None, code: str, *, call_id: str | None, attempt: VerificationAttempt
) -> TelroiAnswer:
    """Send a code to Telroi and return the answer. Sleeps up to ``MAX_SLEEP`` if the key's budget has no slot.

    Errors of the backend are not raised: they are answers too. ``backend``: None if the settings do not allow one.
    """
    if backend is None:
        return TelroiAnswer(AnswerKind.NOT_ASKED)
    try:
        wait_for_slot(partial(take_check_slot, backend))
        check = request_check(backend, code, call_id=call_id, attempt=attempt)
    except ApiError as error:
        return _answer_from_error(error, attempt)
    answer = _answer_from_check(check)
    if answer.kind == AnswerKind.IN_DOUBT:
        status = clean_error_code(check.status, (code, attempt.number)) or "-"
        logger.warning("check_unreadable attempt=%s status=%s verified=%s", attempt.pk, status, check.verified)
    is_test_call = attempt.livemode is False  # a test key requested the call, so no phone rang
    is_forbidden_test = (is_test_call or check.livemode is False) and not conf.allow_test_key(attempt.key_name)
    return TelroiAnswer(AnswerKind.TEST_KEY) if is_forbidden_test and answer.kind in CONFIRMING else answer


def _answer_from_check(check: OtpCheck) -> TelroiAnswer:
    """Accept a code only if ``verified`` is true and ``status`` is ``verified``. If the two differ, it is in doubt."""
    if check.verified is not (check.status == "verified"):
        return TelroiAnswer(AnswerKind.IN_DOUBT)
    if check.verified:
        return TelroiAnswer(AnswerKind.RIGHT)
    return TelroiAnswer(KIND_BY_STATUS.get(check.status, AnswerKind.IN_DOUBT), tries_left=check.tries_left)


def _answer_from_error(error: ApiError, attempt: VerificationAttempt) -> TelroiAnswer:
    if isinstance(error, ApiUnreachable):
        return TelroiAnswer(AnswerKind.NOT_ASKED)
    if not isinstance(error, ApiRefused):
        return TelroiAnswer(AnswerKind.IN_DOUBT)
    answer = _answer_from_refusal(error)
    if answer.kind != AnswerKind.NOT_ASKED:
        logger.warning("check_refused attempt=%s status=%s code=%s", attempt.pk, error.status, error.code or "-")
    return answer


def _answer_from_refusal(error: ApiRefused) -> TelroiAnswer:
    if isinstance(error, ApiRefusedByProxy):
        return TelroiAnswer(AnswerKind.NOT_ASKED, refusal=outcome_of_call(error))
    if error.status in (400, 404, 422):
        # 422: Telroi did not generate the code. 400 and 404: Telroi does not accept or does not know the id.
        return TelroiAnswer(AnswerKind.UNKNOWN_CALL)
    if is_service_unavailable(error) or error.status in (302, 401, 403, 405, 429):
        return TelroiAnswer(AnswerKind.NOT_ASKED, refusal=outcome_of_call(error))
    return TelroiAnswer(AnswerKind.IN_DOUBT)
