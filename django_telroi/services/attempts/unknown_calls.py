"""What settles a call whose own answer was lost: a webhook that came while it was placed, or the backend's limits.

A webhook names no site. Another system with the same key may have called the same number at the same moment, and an
event about its call must not decide about ours: with that id the right code would be a wrong one. So it is kept as a
hint. If our call's own answer arrives, that answer decides. If it is lost, the hint settles the call.
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
    """End an ``unknown`` call without an id as ``expired``, if the backend needs the id. The object follows the row.

    The phone may ring, so the call counts. Its code would never be right, so nobody is told to type it.
    """
    if attempt.status == Status.UNKNOWN and not attempt.telroi_id and not judges_by_number():
        close_as_lost(attempt, now=now, using=using, telroi_id=None)


def close_as_lost(attempt: VerificationAttempt, *, now: datetime, using: str, **only_if: object) -> None:
    closed = {"status": Status.EXPIRED, "error_code": ErrorCode.LOST, "closed_at": now, "due_at": None, "judging": {}}
    if not transition(attempt, closed, from_=CHECKABLE, using=using, **only_if):
        attempt.refresh_from_db(using=using)


COMPLETED, FAILED = "otp.completed", "otp.failed"

SETTLING = frozenset({COMPLETED, FAILED})
"""The events that settle a call. Telroi makes them while it places the call, all others later."""

SIGNALS = {Status.PLACED: signals.call_placed, Status.FAILED: signals.call_failed}


def fields_of_report(
    name: str, call_id: str | None, reason: str, attempt: VerificationAttempt, *, now: datetime
) -> Mapping[str, object]:
    """What the event ``name`` makes of a call whose outcome is open; nothing, where it settles nothing.

    A call that failed has used up the number's limits all the same: Telroi reports only what it had stored, and counts
    that itself.
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
    """Settle a call whose answer was lost by what was reported while it was dialing, if that is about one call only.

    To be called after the UPDATE that made the row ``unknown``: whoever keeps a hint holds the row's lock until it is
    committed.
    """
    if attempt.status != Status.UNKNOWN or attempt.telroi_id is not None:
        return
    hints = AttemptEvent.objects.using(using).filter(attempt_id=attempt.pk, call_id__isnull=False).order_by("pk")
    told = list(hints.values_list("call_id", "detail"))
    if len({call_id for call_id, _ in told}) != 1:
        return
    [call_id, detail] = told[0]
    name, _, reason = detail.partition(": ")
    fields = fields_of_report(name, call_id, reason, attempt, now=now)
    try:
        with lone_statement(using):
            is_moved = transition(attempt, fields, from_=(Status.UNKNOWN,), using=using, telroi_id=None)
    except IntegrityError:
        return  # the id is known by now as another attempt's
    if is_moved:
        send_after_commit(SIGNALS[Status(attempt.status)], attempt, using=using)
