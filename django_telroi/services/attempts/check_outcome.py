"""The outcome of a typed code, by the check or by the status of the attempt."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from django_telroi.domain.states import Status
from django_telroi.domain.typed_codes import LengthFit
from django_telroi.models import VerificationAttempt
from django_telroi.services.shared.call_outcome import ErrorCode


class CheckOutcome(StrEnum):
    """The outcome of a typed code. Mistakes of the person are outcomes, never exceptions."""

    VERIFIED = "verified"
    WRONG_CODE = "wrong_code"
    LOCKED = "locked"
    """Too many wrong codes: the person needs another call."""
    EXPIRED = "expired"
    CLOSED = "closed"
    """The attempt takes no codes any more: it failed, was canceled, was replaced by a newer call, or is undecided."""
    UNAVAILABLE = "unavailable"
    """The code could not be judged: the person can send the same code again."""
    INVALID_CODE = "invalid_code"
    """Not a code. It used no try."""
    NOT_READY = "not_ready"
    """The call is not placed yet."""
    IN_PROGRESS = "in_progress"
    """All tries are used, and a judgement is still pending."""
    ANSWER_LOST = "answer_lost"
    """The answer to an earlier code was lost, so that code may be right. This code was wrong, or was not judged."""
    ALREADY_VERIFIED = "already_verified"
    """The attempt was verified with another code. This code verifies nothing and gives no proof."""
    JUDGED_ELSEWHERE = "judged_elsewhere"
    """Another package made the code of this call and checks it (``services.read_out``). Nothing was checked here."""
    NUMBER_TAKEN = "number_taken"
    """The code was right, but the number belongs to another account, and the site allows one."""


@dataclass(frozen=True)
class CheckResult:
    """The outcome of a code.

    ``tries_left``: how many more codes this call takes, 0 once it is over. ``attempt``: the row as it is now.
    ``proof``: set only if the outcome is ``verified`` and the attempt has no user.

    ``wrong_codes_left``: after how many more wrong codes new calls must wait, from the figure ``warn`` of
    ``WRONG_CODES`` on. None before it, and once they wait.

    ``length_fit``: set if the outcome is ``invalid_code`` because the code has too many or too few digits.

    ``was_judged``: True if this request had the code judged. False if it did not: the input is no code, the attempt was
    over before, or it was verified before and the code was compared with the right one. So ``locked`` with
    ``was_judged`` is the wrong code that locked the attempt. ``verified`` without it is the right code sent again.
    """

    outcome: CheckOutcome
    tries_left: int
    attempt: VerificationAttempt
    was_judged: bool = False
    wrong_codes_left: int | None = None
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


def was_closed_by_lost_answers(attempt: VerificationAttempt) -> bool:
    """Return whether the attempt was closed because a code was right and it is unknown which one.

    Telroi says that a code was right before. Either the answers to two different codes were lost, or none was lost and
    another person had the right code checked.
    """
    return attempt.status == Status.LOCKED and attempt.error_code == ErrorCode.LOST


def was_uncheckable(attempt: VerificationAttempt) -> bool:
    """Return whether the attempt was closed without a known call id, so that no code can be recognized any more."""
    return attempt.status == Status.EXPIRED and attempt.error_code == ErrorCode.LOST and not attempt.telroi_id


def outcome_of(attempt: VerificationAttempt) -> CheckOutcome:
    """Return the outcome of a code that is not judged any more, by the status of its attempt.

    For a verified attempt it is the outcome of the right code. For other codes it is ``already_verified``.
    """
    if was_closed_by_lost_answers(attempt):
        return CheckOutcome.CLOSED
    if attempt.status == Status.VERIFIED and attempt.error_code == ErrorCode.NUMBER_TAKEN:
        return CheckOutcome.NUMBER_TAKEN
    return OUTCOME_BY_STATUS[Status(attempt.status)]
