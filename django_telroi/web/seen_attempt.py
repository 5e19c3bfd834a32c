"""The attempt that a session shows, and the name of its step."""

from __future__ import annotations

from dataclasses import dataclass

from django_telroi.domain.phone import grouped
from django_telroi.domain.states import CHECKABLE, UNFINISHED, Status
from django_telroi.models import VerificationAttempt
from django_telroi.redaction import Secret
from django_telroi.services import AttemptStatus
from django_telroi.services.accounts.ownership import Ownership

STEP_BY_OWNERSHIP = {
    Ownership.OWNED: "done",
    Ownership.OFFERED: "offer",
    Ownership.TAKEN: "ended",
    Ownership.GONE: "ended",
}

CALLING_AGAIN = "calling-again"
"""State of a card that takes the code of one call while another call is being placed."""


@dataclass(frozen=True)
class Seen:
    """An attempt and its relation to this session.

    ``is_calling_again``: another call to the same number is being placed. ``ownership``: of a verified attempt, for the
    session that typed the right code; GONE for every other session. ``account``: the name of the user who has the
    number or may add it, ``""`` if the number belongs to no account. ``is_typed_here``: the call is open and this
    browser typed its number, so the card shows the whole number.
    """

    attempt_status: AttemptStatus
    is_calling_again: bool = False
    ownership: Ownership = Ownership.GONE
    account: str = ""
    is_typed_here: bool = False

    @property
    def attempt(self) -> VerificationAttempt:
        return self.attempt_status.attempt

    @property
    def shown_number(self) -> str:
        """The number for the card, in groups: whole or masked."""
        return Secret(grouped(self.attempt.number)) if self.is_typed_here else self.attempt.masked_number


def is_open(seen: Seen) -> bool:
    """Return whether the call is being placed or its code is still valid."""
    return seen.attempt.status in UNFINISHED


def may_ring(seen: Seen) -> bool:
    """Return whether the phone rings, rang or may ring, and the call takes a code."""
    return seen.attempt.status in CHECKABLE


def takes_code_again(seen: Seen) -> bool:
    """Return whether the right code may be typed again. This session may not have received the response to it."""
    return bool(seen.attempt.code_digest) and seen.ownership == Ownership.GONE


def step_name(seen: Seen) -> str:
    """Return the name of the attempt's template. Only the session that typed the right code gets "done" or "offer"."""
    status = seen.attempt.status
    if status in UNFINISHED:
        return "code" if status in CHECKABLE else "waiting"
    if status == Status.VERIFIED:
        return "code" if takes_code_again(seen) else STEP_BY_OWNERSHIP[seen.ownership]
    return "refused" if seen.attempt_status.refusal else "ended"


def card_state_name(seen: Seen) -> str:
    """Return the state for the script: the step's name, or ``CALLING_AGAIN`` for a code card that it must poll."""
    return CALLING_AGAIN if seen.is_calling_again else step_name(seen)
