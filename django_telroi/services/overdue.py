"""What time makes of an attempt that nobody has looked at: one rule, for the row and for a whole list.

Settling writes what is said here, a sweep too; a list shows it before anybody wrote it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from django.db.models import Q

from django_telroi import conf
from django_telroi.domain.states import CHECKABLE, Status
from django_telroi.models import VerificationAttempt
from django_telroi.services.verdicts import ErrorCode

RIGHT_CODE_LIFETIME = timedelta(minutes=10)
"""How long after a verification its code and its proof are good for something."""


def deadline_of(attempt: VerificationAttempt) -> datetime:
    """Until when a queued call may be placed, whenever it was to be looked at next."""
    return attempt.created_at + conf.queue_deadline()


def overdue_move(attempt: VerificationAttempt, *, now: datetime) -> Mapping[str, object] | None:
    """The next move that is overdue, as the fields it writes; None where the row is right as it stands."""
    if attempt.status == Status.QUEUED and deadline_of(attempt) <= now:
        return {"status": Status.EXPIRED, "error_code": ErrorCode.DEADLINE, "closed_at": now, "due_at": None}
    if attempt.due_at is None or attempt.due_at > now:
        return None
    if attempt.status == Status.DIALING:
        return {"status": Status.UNKNOWN, "error_code": ErrorCode.LEASE_ENDED, "due_at": attempt.expires_at}
    if attempt.status in CHECKABLE and attempt.expires_at <= now:
        return {"status": Status.EXPIRED, "closed_at": now, "due_at": None, "judging": {}}
    if attempt.status == Status.VERIFIED:
        return {"code_digest": "", "due_at": None}
    return None


def show_as_it_stands(attempt: VerificationAttempt, *, now: datetime) -> VerificationAttempt:
    """Let the object say what the row has become, and write nothing. When it ended is the moment that was due."""
    while fields := overdue_move(attempt, now=now):
        ended_at = deadline_of(attempt) if attempt.status == Status.QUEUED else attempt.expires_at
        for name, value in fields.items():
            setattr(attempt, name, ended_at if name == "closed_at" else value)
    return attempt


def stands_at(status: Status, *, now: datetime) -> Q:
    """The rows that stand at ``status`` by ``now``, those included that nobody has written down as such."""
    matches = Q(status=status) & ~_is_overdue(status, now) if status in _OVERDUE_FROM else Q(status=status)
    for before in _OVERDUE_FROM:
        matches |= _became(status, before, now)
    return matches


def fails_with(error_code: str, *, now: datetime) -> Q:
    """The rows with this error by ``now``, those included that nobody has written down as such."""
    unwritten = {ErrorCode.DEADLINE: Status.QUEUED, ErrorCode.LEASE_ENDED: Status.DIALING}
    before = unwritten.get(error_code)  # type: ignore[call-overload]
    matches = Q(error_code=error_code)
    return matches | Q(status=before) & _is_overdue(before, now) if before else matches


_OVERDUE_FROM = (Status.QUEUED, Status.DIALING, Status.PLACED, Status.UNKNOWN)


def _is_overdue(status: Status, now: datetime) -> Q:
    if status == Status.QUEUED:
        return Q(created_at__lte=now - conf.queue_deadline())
    due = Q(due_at__isnull=False, due_at__lte=now)
    return due if status == Status.DIALING else due & Q(expires_at__lte=now)


def _became(status: Status, before: Status, now: datetime) -> Q:
    """The rows in the state ``before`` that have become ``status``: at most two moves are overdue at once."""
    overdue = Q(status=before) & _is_overdue(before, now)
    if before == Status.DIALING:
        is_over = Q(expires_at__lte=now)
        by_status = {Status.EXPIRED: overdue & is_over, Status.UNKNOWN: overdue & ~is_over}
    else:
        by_status = {Status.EXPIRED: overdue}
    return by_status.get(status, Q(pk__in=()))
