"""What came of a code, in a word."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from django_telroi.domain.states import Status
from django_telroi.models import VerificationAttempt
from django_telroi.services.verdicts import ErrorCode


class CheckOutcome(StrEnum):
    """What came of a code. What a person may do wrong is an outcome, never an exception."""

    VERIFIED = "verified"
    WRONG_CODE = "wrong_code"
    LOCKED = "locked"
    """Too many wrong codes: have another call."""
    EXPIRED = "expired"
    CLOSED = "closed"
    """This attempt takes no code any more: it failed, was canceled, or a newer call replaced it."""
    UNAVAILABLE = "unavailable"
    """The code could not be judged: try the same again."""
    INVALID_CODE = "invalid_code"
    """Not a code; it cost no try."""
    NOT_READY = "not_ready"
    """The call is not placed yet."""
    IN_PROGRESS = "in_progress"
    """The tries are used up, and a judgement is still out."""
    NUMBER_TAKEN = "number_taken"
    """The code was right, and the number belongs to another account of a site that allows one."""


@dataclass(frozen=True)
class CheckResult:
    """The outcome of a code. ``proof`` is set for a verified attempt without a user.

    ``was_judged`` tells the guess that locks, or that comes too late at Telroi's, from one for an attempt that was over
    before: that one was judged by nobody.
    """

    outcome: CheckOutcome
    tries_left: int
    attempt: VerificationAttempt
    was_judged: bool = False
    proof: str | None = field(default=None, repr=False)


OUTCOME_BY_STATUS = {
    Status.QUEUED: CheckOutcome.NOT_READY,
    Status.DIALING: CheckOutcome.NOT_READY,
    Status.PLACED: CheckOutcome.IN_PROGRESS,
    Status.UNKNOWN: CheckOutcome.IN_PROGRESS,
    Status.VERIFIED: CheckOutcome.VERIFIED,
    Status.LOCKED: CheckOutcome.LOCKED,
    Status.EXPIRED: CheckOutcome.EXPIRED,
    Status.FAILED: CheckOutcome.CLOSED,
    Status.CANCELED: CheckOutcome.CLOSED,
    Status.SUPERSEDED: CheckOutcome.CLOSED,
}


def outcome_of(attempt: VerificationAttempt) -> CheckOutcome:
    """What a code comes to that is not judged any more, by where its attempt stands."""
    if attempt.status == Status.VERIFIED and attempt.error_code == ErrorCode.NUMBER_TAKEN:
        return CheckOutcome.NUMBER_TAKEN
    return OUTCOME_BY_STATUS[Status(attempt.status)]
