"""What came of a code, in a word."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from django_telroi.domain.codes import LengthFit
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
    """This attempt takes no code any more: it failed, was canceled, was replaced by a newer call, or is undecided."""
    UNAVAILABLE = "unavailable"
    """The code could not be judged: try the same again."""
    INVALID_CODE = "invalid_code"
    """Not a code; it cost no try."""
    NOT_READY = "not_ready"
    """The call is not placed yet."""
    IN_PROGRESS = "in_progress"
    """The tries are used up, and a judgement is still out."""
    ANSWER_LOST = "answer_lost"
    """The answer to an earlier code of this call was lost: that code may be right, this one is not judged or wrong."""
    ALREADY_VERIFIED = "already_verified"
    """Another code was right before. This one gives nothing: no success, no proof."""
    NUMBER_TAKEN = "number_taken"
    """The code was right, and the number belongs to another account of a site that allows one."""


@dataclass(frozen=True)
class CheckResult:
    """The outcome of a code.

    ``tries_left``: how many more codes this call takes, 0 once it is over. ``attempt``: the row as it is now.
    ``proof``: set only if the outcome is ``verified`` and the attempt has no user.

    ``length_fit``: set if the outcome is ``invalid_code`` because the code has too many or too few digits.

    ``was_judged``: True if this very request had the code judged. False if nothing was asked: the input is no code, the
    attempt was over before, or it was verified before and the code was compared with the one that was right. So
    ``locked`` with ``was_judged`` is the wrong code that locked the attempt, and ``verified`` without it is the same
    right code sent again.
    """

    outcome: CheckOutcome
    tries_left: int
    attempt: VerificationAttempt
    was_judged: bool = False
    proof: str | None = field(default=None, repr=False)
    length_fit: LengthFit | None = None


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


def is_undecided(attempt: VerificationAttempt) -> bool:
    """Whether the attempt was closed because a code was right, and it is not known which one.

    Telroi says that a code was right before, and the answers to two different codes were lost. Or none was lost, and
    somebody else had the right code checked.
    """
    return attempt.status == Status.LOCKED and attempt.error_code == ErrorCode.LOST


def was_uncheckable(attempt: VerificationAttempt) -> bool:
    """Whether no code of this call could be checked: its id is unknown and the backend needs one."""
    return attempt.status == Status.EXPIRED and attempt.error_code == ErrorCode.LOST and not attempt.telroi_id


def outcome_of(attempt: VerificationAttempt) -> CheckOutcome:
    """What a code comes to that is not judged any more, by the status of its attempt.

    For a verified attempt it is the outcome of the code that was right; other codes are ``already_verified``.
    """
    if is_undecided(attempt):
        return CheckOutcome.CLOSED
    if attempt.status == Status.VERIFIED and attempt.error_code == ErrorCode.NUMBER_TAKEN:
        return CheckOutcome.NUMBER_TAKEN
    return OUTCOME_BY_STATUS[Status(attempt.status)]
