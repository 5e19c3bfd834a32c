"""Placing a claimed call: send the request to Telroi, then write the outcome."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from time import monotonic

from django.db import IntegrityError
from django.views.decorators.debug import sensitive_variables

from django_telroi import signals
from django_telroi.backends import Backend, KeyInUse, key_of
from django_telroi.client import OtpCall
from django_telroi.domain.number_limits import counts_from
from django_telroi.domain.states import BY_WORKER, Judge, Status
from django_telroi.errors import ApiError, ApiRefused, ApiUnreachable, AttemptNotFound
from django_telroi.models import AttemptEvent, EventKind, VerificationAttempt
from django_telroi.services.attempts.call_reports import settle_by_stored_event
from django_telroi.services.attempts.find import close_superseded_calls, not_found_if_erased
from django_telroi.services.attempts.transitions import (
    close_uncheckable,
    closing_fields,
    deadline_of,
    send_after_commit,
    transition,
    transition_with_number,
)
from django_telroi.services.shared.alerts import Alert, send_alert
from django_telroi.services.shared.backend_calls import request_call
from django_telroi.services.shared.number_state import State
from django_telroi.services.shared.outcomes import (
    NOT_PLACED_FOR_NOW,
    RETRY_AFTER,
    CallOutcome,
    ErrorCode,
    outcome_of_call,
    pause_and_alert,
    report_call,
    shows_valid_key,
)
from django_telroi.services.shared.reviewers import record_reviewer_use, reviewer_call
from django_telroi.services.shared.site_control import (
    lift_pause,
    needs_key_probe,
    record_refused_codes,
    repeat_key_probe,
)
from django_telroi.services.shared.transactions import DATABASE_LOST, repeat_on_lost_connection, savepoint_if_needed

logger = logging.getLogger("django_telroi")


DIALING = (Status.DIALING,)
OWN_CODE = "client"  # ``verification`` in Telroi's answer if it reads out the code of the request
LATEST_REQUEST = 10
"""Seconds from the state that a claim was made from until the last moment at which a request may begin. The claim may
wait for a lock, and the process may be suspended. A request that begins later could be sent after the lease, which is
one total timeout plus 15 s. By then the person may have canceled, or another call may have been placed."""
TOO_LATE = ApiRefused(503, "service_unavailable")
"""The answer to a call that is not requested any more: no phone rang, and another call is possible."""
NO_USABLE_REPLY = CallOutcome(Status.UNKNOWN, ErrorCode.NO_REPLY, counts=True)


@dataclass(frozen=True)
class _Reply:
    """The provider's answer. ``is_code_refused``: it rejected our code, so the request was sent again without it."""

    call: OtpCall | None
    error: ApiError | None
    is_code_refused: bool


@sensitive_variables()
def dial(attempt: VerificationAttempt, backend: Backend, state: State, *, code: str | None, using: str) -> None:
    """Place the call of a claimed attempt, and write the outcome to its row.

    ``state`` is the state that the claim was made from. ``code``: the digits to read out, or None for a code of the
    provider. Errors of the backend and a lost database are not raised: the row and the log report them.
    """
    unplaced = reviewer_call(attempt)
    reply = _Reply(unplaced, None, is_code_refused=False)
    if unplaced is None:
        reply = _request_call(backend, attempt, code, started=state.read_at)

    def write() -> None:
        if backend.has_replaced_key:
            send_alert(Alert.MISCONFIGURED, key_name=backend.key_name, now=state.now_by(), using=using)
        is_probe = not unplaced and needs_key_probe(state.control, key=key_of(backend))
        if is_probe and shows_valid_key(reply.error):
            lift_pause(tried_at=state.now, key=key_of(backend), using=using)
        _settle(attempt, reply, key=key_of(backend), now=state.now_by(), using=using)
        settle_by_stored_event(attempt, now=state.now_by(), using=using)
        close_uncheckable(attempt, now=state.now_by(), using=using)
        close_superseded_calls(attempt, now=state.now_by(), using=using)
        record_reviewer_use(attempt, now=state.now_by(), using=using)
        if is_probe:
            repeat_key_probe(tried_at=state.now, key=key_of(backend), using=using)

    try:
        repeat_on_lost_connection(write, using=using)
    except DATABASE_LOST as lost:
        # The row stays ``dialing`` and becomes ``unknown`` when its lease ends, because the phone may ring.
        logger.error("call_not_settled attempt=%s error=%s", attempt.pk, type(lost).__name__)


@sensitive_variables()
def _request_call(backend: Backend, attempt: VerificationAttempt, code: str | None, *, started: float) -> _Reply:
    """Request the call, and request it once more without our code if the provider rejected the request.

    Telroi's documentation does not mention ``code``, so a server may not know it. An invalid request rings no phone. If
    the second request is rejected too, the number was the reason. A code of ``read_out`` is never replaced, because
    another code would be useless to the package that checks it. No request begins after ``LATEST_REQUEST``.

    ``started``: the monotonic clock in seconds when the state of the claim was read.
    """
    if _is_too_late(started):
        logger.error("call_too_late attempt=%s", attempt.pk)
        return _Reply(None, TOO_LATE, is_code_refused=False)
    call, error = _request_with_retry(backend, attempt, code, started=started)
    is_invalid = isinstance(error, ApiRefused) and error.is_invalid
    if code is None or attempt.judge == Judge.CALLER or not is_invalid:
        return _Reply(call, error, is_code_refused=False)
    if _is_too_late(started):
        # It is not known whether the code or the number was the reason, so this is not the fault of the number.
        return _Reply(None, TOO_LATE, is_code_refused=False)
    call, error = _request_with_retry(backend, attempt, None, started=started)
    return _Reply(call, error, is_code_refused=True)


@sensitive_variables()
def _request_with_retry(
    backend: Backend, attempt: VerificationAttempt, code: str | None, *, started: float
) -> tuple[OtpCall | None, ApiError | None]:
    """Request the call. Retry once if the request certainly was not sent. Any other retry could ring twice."""
    try:
        try:
            return request_call(backend, attempt, code), None
        except ApiUnreachable:
            if _is_too_late(started):
                raise
            return request_call(backend, attempt, code), None
    except ApiError as error:
        return None, error.with_traceback(None)


def _is_too_late(started: float) -> bool:
    return monotonic() - started > LATEST_REQUEST


def _settle(attempt: VerificationAttempt, reply: _Reply, *, key: KeyInUse, now: datetime, using: str) -> None:
    judge = _judge_fields(attempt, reply)
    if reply.call is None:
        assert reply.error is not None
        _settle_not_placed(attempt, outcome_of_call(reply.error), judge=judge, now=now, key=key, using=using)
        return
    _settle_placed(attempt, reply.call, judge=judge, key=key, now=now, using=using)
    is_unread = attempt.judge == Judge.CALLER and reply.call.verification != OWN_CODE
    if reply.is_code_refused or (is_unread and reply.call.livemode is not False):
        record_refused_codes(key=key, now=now, using=using)


def _judge_fields(attempt: VerificationAttempt, reply: _Reply) -> dict[str, object]:
    """Return the fields that say who judges the codes of a call, or none if the answer does not show it.

    Only ``"verification": "client"`` shows that the provider reads out our code. A test key's answer and that of an
    older server do not have it: they made a code of their own, and no code may be verified by our digest.
    """
    by_provider: dict[str, object] = {"judge": Judge.TELROI, "code_digest": ""}
    if attempt.judge == Judge.CALLER:
        return {}
    if reply.is_code_refused or not attempt.code_digest:
        return by_provider
    if reply.call is None:
        return {}
    # With the digest: a webhook about another call may have said before that the provider made the code.
    by_site: dict[str, object] = {"judge": Judge.SITE, "code_digest": attempt.code_digest}
    return by_site if reply.call.verification == OWN_CODE else by_provider


def _settle_placed(
    attempt: VerificationAttempt,
    call: OtpCall,
    *,
    judge: Mapping[str, object],
    key: KeyInUse,
    now: datetime,
    using: str,
) -> None:
    """Write that Telroi accepted the call. If another attempt has the id already, the outcome is ``unknown``."""
    # Telroi's expiry counts only if it is in the future and earlier than ours.
    expires_at = attempt.expires_at
    if call.expires_at and now < call.expires_at < expires_at:
        expires_at = call.expires_at
    fields = {
        "status": Status.PLACED,
        "placed_at": now,
        "telroi_id": call.id,
        "livemode": call.livemode,
        "expires_at": expires_at,
        "due_at": expires_at,
        **judge,
    }
    try:
        with savepoint_if_needed(using):
            is_changed = _transition_counted(attempt, fields, now=now, using=using)
    except IntegrityError:
        logger.error("telroi_id_taken attempt=%s", attempt.pk)
        _settle_not_placed(attempt, NO_USABLE_REPLY, judge=judge, now=now, key=key, using=using)
        return
    if not is_changed:
        if not _complete_placed_row(attempt, call, expires_at=expires_at, judge=judge, using=using):
            record_late_reply(attempt, call, judge=judge, using=using)
        return
    logger.info("call_placed attempt=%s", attempt.pk)
    report_call(attempt, using=using)
    send_after_commit(signals.call_placed, attempt, using=using)


def _complete_placed_row(
    attempt: VerificationAttempt, call: OtpCall, *, expires_at: datetime, judge: Mapping[str, object], using: str
) -> bool:
    """Add the fields of Telroi's answer to a row that a webhook has already made ``placed``.

    Returns False if the row is not ``placed``, or if another attempt has the id. The answer belongs to this call for
    certain, so its id replaces the id of the webhook.
    """
    placed = VerificationAttempt.objects.using(using).filter(pk=attempt.pk, status=Status.PLACED)
    fields = {"telroi_id": call.id, "livemode": call.livemode, "expires_at": expires_at, "due_at": expires_at, **judge}
    try:
        with savepoint_if_needed(using):
            is_completed = bool(placed.update(**fields))
    except IntegrityError:
        return False
    if is_completed:
        attempt.refresh_from_db(using=using)
    return is_completed


def _settle_not_placed(
    attempt: VerificationAttempt,
    outcome: CallOutcome,
    *,
    judge: Mapping[str, object],
    now: datetime,
    key: KeyInUse,
    using: str,
) -> None:
    """Write that the call failed or that its outcome is unknown, or put it back into the queue for a retry.

    ``judge``: the fields that say who judges the codes, if that is known.
    """
    pause_and_alert(outcome, key=key, now=now, using=using)
    if attempt.dispatch in BY_WORKER and outcome.error_code in NOT_PLACED_FOR_NOW:
        _put_back(attempt, outcome, now=now, using=using)
        return
    if not _apply_outcome(outcome, attempt, judge=judge, now=now, using=using):
        record_late_reply(attempt, None, judge=judge, using=using)
        return
    logger.warning("call_%s attempt=%s error=%s", outcome.status, attempt.pk, outcome.error_code)
    if outcome.status == Status.FAILED:
        send_after_commit(signals.call_failed, attempt, using=using)


def _put_back(attempt: VerificationAttempt, outcome: CallOutcome, *, now: datetime, using: str) -> None:
    """Change the attempt back to ``queued``, counted from its request again, because no call was placed."""
    queued: dict[str, object] = {
        "status": Status.QUEUED,
        "dialed_at": None,
        "due_at": min(now + timedelta(seconds=outcome.pause_seconds or RETRY_AFTER), deadline_of(attempt)),
        "code_digest": "",  # the next claim makes a new code
    }
    if not transition_with_number(attempt, queued, from_=DIALING, now=now, using=using, counts_from=attempt.created_at):
        # Another process has changed the attempt meanwhile. Its call counts from its request now, so ``dialed_at`` must
        # be empty for the next transition to take back the right moment.
        attempt.dialed_at = None
        _apply_outcome(outcome, attempt, judge={}, now=now, using=using)
        record_late_reply(attempt, None, judge={}, using=using)
        return
    logger.warning("call_put_back attempt=%s error=%s", attempt.pk, outcome.error_code)


def _apply_outcome(
    outcome: CallOutcome, attempt: VerificationAttempt, *, judge: Mapping[str, object], now: datetime, using: str
) -> bool:
    detail = outcome.detail[:200]
    fields: dict[str, object] = {
        "status": outcome.status,
        "error_code": outcome.error_code,
        "error_detail": detail,
        "due_at": attempt.expires_at,
        **judge,
    }
    if outcome.status == Status.FAILED:
        fields |= closing_fields(Status.FAILED, now=now)
    if outcome.counts:
        is_written = _transition_counted(attempt, fields, now=now, using=using)
    else:
        is_written = transition_with_number(
            attempt, fields, from_=DIALING, now=now, using=using, hold_seconds=outcome.hold, hold_reason=detail
        )
    if is_written:
        report_call(attempt, using=using)
    return is_written


def _transition_counted(
    attempt: VerificationAttempt, fields: Mapping[str, object], *, now: datetime, using: str
) -> bool:
    """Change an attempt whose call counts: from ``now`` after a slow answer, otherwise from its claim."""
    moment = counts_from(attempt.counted_at, now)
    if moment == attempt.counted_at:
        return transition(attempt, fields, from_=DIALING, using=using)
    return transition_with_number(attempt, fields, from_=DIALING, now=now, using=using, counts_from=moment)


def record_late_reply(
    attempt: VerificationAttempt, call: OtpCall | None, *, judge: Mapping[str, object], using: str
) -> None:
    """Record an answer that came after another process had changed the row. The status stays as it is.

    If the answer is a call, an ``unknown`` row also gets its id, because its code can then be judged by that id. It
    also gets who judges its codes, and whether a phone rang: the code of a test key's call must not verify.
    """
    with suppress(AttemptNotFound), not_found_if_erased(attempt, using=using):
        if VerificationAttempt.objects.using(using).filter(pk=attempt.pk).exists():
            _write_late_reply(attempt, call, judge=judge, using=using)


def _write_late_reply(
    attempt: VerificationAttempt, call: OtpCall | None, *, judge: Mapping[str, object], using: str
) -> None:
    detail = call.id if call else ""
    AttemptEvent.objects.using(using).create(attempt_id=attempt.pk, kind=EventKind.LATE_REPLY, detail=detail)
    if call:
        unknown = VerificationAttempt.objects.using(using).filter(pk=attempt.pk, status=Status.UNKNOWN, telroi_id=None)
        try:
            with savepoint_if_needed(using):
                unknown.update(telroi_id=call.id, livemode=call.livemode, **judge)
        except IntegrityError:
            logger.error("telroi_id_taken attempt=%s", attempt.pk)
    attempt.refresh_from_db(using=using)
