"""Placing a claimed call: send the request to Telroi, then write the outcome."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial

from django.db import IntegrityError

from django_telroi import signals
from django_telroi.backends import Backend
from django_telroi.client import OtpCall
from django_telroi.domain.policy import counts_from
from django_telroi.domain.states import Dispatch, Status
from django_telroi.errors import ApiError, ApiUnreachable, AttemptNotFound
from django_telroi.models import AttemptEvent, EventKind, VerificationAttempt
from django_telroi.services.attempts.find import close_older_calls, not_found_if_erased
from django_telroi.services.attempts.transitions import deadline_of, send_after_commit, transition, transition_uncounted
from django_telroi.services.attempts.unknown_calls import close_uncheckable, take_hint
from django_telroi.services.shared.backend_calls import request_call
from django_telroi.services.shared.call_outcome import (
    NOT_PLACED_FOR_NOW,
    RETRY_AFTER,
    CallOutcome,
    ErrorCode,
    outcome_of_call,
    pause_and_alert,
    shows_valid_key,
)
from django_telroi.services.shared.number_state import State
from django_telroi.services.shared.site_control import lift_pause, needs_key_probe, repeat_key_probe
from django_telroi.services.shared.transactions import DATABASE_LOST, lone_statement, repeat_on_lost_connection

logger = logging.getLogger("django_telroi")

DIALING = (Status.DIALING,)
NO_USABLE_REPLY = CallOutcome(Status.UNKNOWN, ErrorCode.NO_REPLY, counts=True)


def dial(attempt: VerificationAttempt, backend: Backend, state: State, *, using: str) -> None:
    """Place the call of a claimed attempt, and write the outcome to its row.

    ``state`` is the state that the claim was made from. Errors of the backend and a lost database are not raised: the
    row and the log report them.
    """
    error: ApiError | None = None
    try:
        call = _request_with_retry(backend, attempt)
    except ApiError as refused:
        error = refused
        settle = partial(_settle_refused, attempt, outcome_of_call(refused), key_digest=backend.key_digest)
    else:
        settle = partial(_settle_placed, attempt, call)

    def write() -> None:
        is_probe = needs_key_probe(state.control, key_digest=backend.key_digest)
        if is_probe and shows_valid_key(error):
            lift_pause(tried_at=state.now, key_digest=backend.key_digest, using=using)
        settle(now=state.now_by(), using=using)
        take_hint(attempt, now=state.now_by(), using=using)
        close_uncheckable(attempt, now=state.now_by(), using=using)
        close_older_calls(attempt, now=state.now_by(), using=using)
        if is_probe:
            repeat_key_probe(tried_at=state.now, key_digest=backend.key_digest, using=using)

    try:
        repeat_on_lost_connection(write, using=using)
    except DATABASE_LOST as lost:
        # The row stays ``dialing`` and becomes ``unknown`` when its lease ends, because the phone may ring.
        logger.error("call_not_settled attempt=%s error=%s", attempt.pk, type(lost).__name__)


def _request_with_retry(backend: Backend, attempt: VerificationAttempt) -> OtpCall:
    """Request the call. Retry once if the request certainly was not sent. Any other retry could ring twice."""
    try:
        return request_call(backend, attempt)
    except ApiUnreachable:
        return request_call(backend, attempt)


def _settle_placed(attempt: VerificationAttempt, call: OtpCall, *, now: datetime, using: str) -> None:
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
    }
    try:
        with lone_statement(using):
            is_changed = _transition_counted(attempt, fields, now=now, using=using)
    except IntegrityError:
        logger.error("telroi_id_taken attempt=%s", attempt.pk)
        _settle_refused(attempt, NO_USABLE_REPLY, now=now, key_digest="", using=using)
        return
    if not is_changed:
        if not _complete_placed_row(attempt, call, expires_at=expires_at, using=using):
            _record_late_reply(attempt, call.id, using=using)
        return
    logger.info("call_placed attempt=%s", attempt.pk)
    send_after_commit(signals.call_placed, attempt, using=using)


def _complete_placed_row(attempt: VerificationAttempt, call: OtpCall, *, expires_at: datetime, using: str) -> bool:
    """Add the fields of Telroi's answer to a row that a webhook has already made ``placed``.

    Returns False if the row is not ``placed``, or if another attempt has the id. The answer belongs to this call for
    certain, so its id replaces the id of the webhook.
    """
    placed = VerificationAttempt.objects.using(using).filter(pk=attempt.pk, status=Status.PLACED)
    fields = {"telroi_id": call.id, "livemode": call.livemode, "expires_at": expires_at, "due_at": expires_at}
    try:
        with lone_statement(using):
            is_completed = bool(placed.update(**fields))
    except IntegrityError:
        return False
    if is_completed:
        attempt.refresh_from_db(using=using)
    return is_completed


def _settle_refused(
    attempt: VerificationAttempt, outcome: CallOutcome, *, now: datetime, key_digest: str, using: str
) -> None:
    """Write that the call failed or that its outcome is unknown, or put it back into the queue for a retry."""
    pause_and_alert(outcome, key_digest=key_digest, now=now, using=using)
    if attempt.dispatch == Dispatch.CELERY and outcome.error_code in NOT_PLACED_FOR_NOW:
        _put_back(attempt, outcome, now=now, using=using)
        return
    if not _apply_outcome(outcome, attempt, now=now, using=using):
        _record_late_reply(attempt, "", using=using)
        return
    logger.warning("call_%s attempt=%s error=%s", outcome.status, attempt.pk, outcome.error_code)
    if outcome.status == Status.FAILED:
        send_after_commit(signals.call_failed, attempt, using=using)


def _put_back(attempt: VerificationAttempt, outcome: CallOutcome, *, now: datetime, using: str) -> None:
    """Change the attempt back to ``queued``, counted from its request again, because no call was placed."""
    due_at = min(now + timedelta(seconds=outcome.pause_seconds or RETRY_AFTER), deadline_of(attempt))
    queued: dict[str, object] = {"status": Status.QUEUED, "dialed_at": None, "due_at": due_at}
    if not transition_uncounted(attempt, queued, from_=DIALING, now=now, using=using, counts_from=attempt.created_at):
        # Another process has changed the attempt meanwhile. Its call counts from its request now, so ``dialed_at`` must
        # be empty for the next transition to take back the right moment.
        attempt.dialed_at = None
        _apply_outcome(outcome, attempt, now=now, using=using)
        _record_late_reply(attempt, "", using=using)
        return
    logger.warning("call_put_back attempt=%s error=%s", attempt.pk, outcome.error_code)


def _apply_outcome(outcome: CallOutcome, attempt: VerificationAttempt, *, now: datetime, using: str) -> bool:
    detail = outcome.detail[:200]
    fields: dict[str, object] = {
        "status": outcome.status,
        "error_code": outcome.error_code,
        "error_detail": detail,
        "due_at": attempt.expires_at,
    }
    if outcome.status == Status.FAILED:
        fields |= {"due_at": None, "closed_at": now}
    if outcome.counts:
        return _transition_counted(attempt, fields, now=now, using=using)
    return transition_uncounted(
        attempt, fields, from_=DIALING, now=now, using=using, hold_seconds=outcome.hold, hold_reason=detail
    )


def _transition_counted(
    attempt: VerificationAttempt, fields: Mapping[str, object], *, now: datetime, using: str
) -> bool:
    """Change an attempt whose call counts: from ``now`` after a slow answer, otherwise from its claim."""
    moment = counts_from(attempt.counted_at, now)
    if moment == attempt.counted_at:
        return transition(attempt, fields, from_=DIALING, using=using)
    return transition_uncounted(attempt, fields, from_=DIALING, now=now, using=using, counts_from=moment)


def _record_late_reply(attempt: VerificationAttempt, call_id: str, *, using: str) -> None:
    """Record an answer that came after another process had changed the row. The status stays as it is.

    An ``unknown`` row also gets the id of the call, because its code can then be judged by that id.
    """
    with suppress(AttemptNotFound), not_found_if_erased(attempt, using=using):
        if VerificationAttempt.objects.using(using).filter(pk=attempt.pk).exists():
            _write_late_reply(attempt, call_id, using=using)


def _write_late_reply(attempt: VerificationAttempt, call_id: str, *, using: str) -> None:
    AttemptEvent.objects.using(using).create(attempt_id=attempt.pk, kind=EventKind.LATE_REPLY, detail=call_id)
    if call_id:
        unknown = VerificationAttempt.objects.using(using).filter(pk=attempt.pk, status=Status.UNKNOWN, telroi_id=None)
        try:
            with lone_statement(using):
                unknown.update(telroi_id=call_id)
        except IntegrityError:
            logger.error("telroi_id_taken attempt=%s", attempt.pk)
    attempt.refresh_from_db(using=using)
