"""Settlement of calls whose own answer was lost, by a webhook that came while dialing, or by the backend's limits.

A webhook does not name a site. Another system with the same key may have called the same number at the same moment.
With the id of that call, our right code would be judged wrong, so its webhook must not decide about our call. The
webhook is stored as a hint. If the answer to our own call arrives, that answer decides. If it is lost, the hint settles
the call.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from django.db import IntegrityError

from django_telroi import signals
from django_telroi.backends import judges_by_number
from django_telroi.domain.states import CHECKABLE, Status
from django_telroi.models import AttemptEvent, VerificationAttempt
from django_telroi.services.attempts.transitions import send_after_commit, transition
from django_telroi.services.shared.call_outcome import ErrorCode
from django_telroi.services.shared.transactions import lone_statement


def close_uncheckable(attempt: VerificationAttempt, *, now: datetime, using: str) -> None:
    """Expire an ``unknown`` call without an id if the backend needs the id to judge codes. The object is updated too.

    The phone may ring, so the call counts. Its code could never be accepted, so the person is not asked to type it.
    """
    if attempt.status == Status.UNKNOWN and not attempt.telroi_id and not judges_by_number():
        close_as_lost(attempt, now=now, using=using, telroi_id=None)


def close_as_lost(attempt: VerificationAttempt, *, now: datetime, using: str, **only_if: object) -> None:
    """Expire the attempt with the error ``lost``, if the row matches ``only_if``. The object is updated too."""
    closed = {"status": Status.EXPIRED, "error_code": ErrorCode.LOST, "closed_at": now, "due_at": None, "judging": {}}
    if not transition(attempt, closed, from_=CHECKABLE, using=using, **only_if):
        attempt.refresh_from_db(using=using)


COMPLETED, FAILED = "otp.completed", "otp.failed"

SETTLING = frozenset({COMPLETED, FAILED})
"""The events that settle a call. Telroi sends them while it places the call. All other events come later."""

SIGNALS = {Status.PLACED: signals.call_placed, Status.FAILED: signals.call_failed}


def fields_of_report(
    name: str, call_id: str | None, reason: str, attempt: VerificationAttempt, *, now: datetime
) -> Mapping[str, object]:
    """Return the fields that the event ``name`` changes in a call whose outcome is open. Empty if it settles nothing.

    A failed call still counts for the limits of the number: Telroi reports only calls that it stored, and counts them.
    """
    if name == COMPLETED:
        return {
            "status": Status.PLACED,
            "telroi_id": call_id,
            "placed_at": now,
            "due_at": attempt.expires_at,
            "error_code": "",
            "error_detail": "",
        }
    if name == FAILED:
        return {
            "status": Status.FAILED,
            "telroi_id": call_id,
            "closed_at": now,
            "due_at": None,
            "error_code": ErrorCode.CALL_FAILED,
            "error_detail": reason,
        }
    return {}


def take_hint(attempt: VerificationAttempt, *, now: datetime, using: str) -> None:
    """Settle a call whose answer was lost by the webhooks that came while it was dialing, if they name one call only.

    Call it after the UPDATE that set the row to ``unknown``. A process that stores a hint holds the row's lock until
    its commit, so no hint is missed.
    """
    if attempt.status != Status.UNKNOWN or attempt.telroi_id is not None:
        return
    hints = AttemptEvent.objects.using(using).filter(attempt_id=attempt.pk, call_id__isnull=False).order_by("pk")
    reports = list(hints.values_list("call_id", "detail"))
    if len({call_id for call_id, _ in reports}) != 1:
        return
    [call_id, detail] = reports[0]
    name, _, reason = detail.partition(": ")
    fields = fields_of_report(name, call_id, reason, attempt, now=now)
    try:
        with lone_statement(using):
            is_settled = transition(attempt, fields, from_=(Status.UNKNOWN,), using=using, telroi_id=None)
    except IntegrityError:
        return  # the id belongs to another attempt by now
    if is_settled:
        send_after_commit(SIGNALS[Status(attempt.status)], attempt, using=using)
