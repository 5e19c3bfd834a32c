"""What Telroi reported of a number while our own call to it was being placed.

Such a report names no site. Another system with the same key may have called the same number at the same moment, and a
report about its call must not decide about ours: with its id the right code would be a wrong one. So it is kept as a
hint. Where our call's own answer arrives, that decides. Where the answer is lost, the hint settles the call.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from django.db import IntegrityError

from django_telroi import signals
from django_telroi.domain.states import Status
from django_telroi.models import AttemptEvent, VerificationAttempt
from django_telroi.services.moves import move, send_after_commit
from django_telroi.services.transactions import lone_statement
from django_telroi.services.verdicts import ErrorCode

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
            is_moved = move(attempt, fields, from_=(Status.UNKNOWN,), using=using, telroi_id=None)
    except IntegrityError:
        return  # the id is known by now as another attempt's
    if is_moved:
        send_after_commit(SIGNALS[Status(attempt.status)], attempt, using=using)
