"""Calls whose code nobody can check: the provider's id is unknown, and the backend checks by nothing else."""

from __future__ import annotations

from datetime import datetime

from django_telroi.backends import judges_by_number
from django_telroi.domain.states import CHECKABLE, Status
from django_telroi.models import VerificationAttempt
from django_telroi.services.moves import move
from django_telroi.services.verdicts import ErrorCode


def close_uncheckable(attempt: VerificationAttempt, *, now: datetime, using: str) -> None:
    """End an ``unknown`` call without an id as ``expired``, if the backend needs the id. The object follows the row.

    The phone may ring, so the call counts. Its code would never be right, so nobody is told to type it.
    """
    if attempt.status == Status.UNKNOWN and not attempt.telroi_id and not judges_by_number():
        close_as_lost(attempt, now=now, using=using, telroi_id=None)


def close_as_lost(attempt: VerificationAttempt, *, now: datetime, using: str, **only_if: object) -> None:
    closed = {"status": Status.EXPIRED, "error_code": ErrorCode.LOST, "closed_at": now, "due_at": None, "judging": {}}
    if not move(attempt, closed, from_=CHECKABLE, using=using, **only_if):
        attempt.refresh_from_db(using=using)
