"""The steps of the model, and facts that do not depend on the site's rows."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tests.model.telroi import OK, Telroi

NUMBERS = ("+2348031234567", "+2348029876543")
"""The first number is used without an account and gets proofs. The second one is Ada's, who gets a record."""

DIES = "dies"
"""The process is killed."""
CUT = "cut"
"""The database connection is cut. This statement and all later ones fail."""


@dataclass(frozen=True)
class Step:
    """A step. ``who`` is a number, or the position of an attempt or a call in the order of creation.

    ``what``: the code, the seconds, the id of a new attempt. ``mode``: how Telroi ends a request of this step.
    ``inside``: a step that happens while Telroi holds the request, before it acts or after it. ``trouble`` begins with
    the statement number ``at_write`` of those that write.
    """

    name: str
    who: int = 0
    what: str | int = ""
    mode: str = OK
    inside: Step | None = None
    is_before: bool = False
    trouble: str = ""
    at_write: int = 0

    def __str__(self) -> str:
        words = [self.name, str(self.who), *[str(self.what)] * bool(self.what)]
        words += [f"[{self.mode}]"] * (self.mode != OK) + [
            f"[{self.trouble} at write {self.at_write}]"
        ] * self.is_stopped
        if self.inside:
            words.append(f"{{{'before' if self.is_before else 'after'} Telroi acts: {self.inside}}}")
        return " ".join(words)

    @property
    def is_stopped(self) -> bool:
        return bool(self.trouble)


@dataclass
class Frame:
    """A step in progress, with the data that Telroi needs."""

    step: Step
    target: str | None
    """The attempt of the step. None until a "call again" has claimed its new attempt."""
    known: set[str]
    """The attempts that existed at its start, and those that steps inside of it created."""
    code: str = ""
    has_asked: bool = False


@dataclass
class Ledger:
    """The facts. Attempts are identified by their public ids."""

    now: datetime
    telroi: Telroi = field(default_factory=Telroi)
    attempts: list[str] = field(default_factory=list)
    number_of: dict[str, str] = field(default_factory=dict)
    followed_by: dict[str, list[str]] = field(default_factory=dict)
    """By attempt: the attempts that "call again" on it created."""
    requests: dict[str, int] = field(default_factory=dict)
    """By attempt: how many requests may have made the phone ring."""
    right: dict[str, set[str]] = field(default_factory=dict)
    """By attempt: the codes that were right when they were typed, as far as their judge knew."""
    lost: dict[str, set[str]] = field(default_factory=dict)
    """By attempt: the codes whose judgement did not reach the site."""
    told: list[str] = field(default_factory=list)
    """The attempt of each ``phone_verified`` signal."""
    proofs: dict[str, str] = field(default_factory=dict)
    spent: set[str] = field(default_factory=set)
    given_up: set[str] = field(default_factory=set)
    reported: dict[str, int] = field(default_factory=dict)
    """By call id: how many times its event was delivered."""
    made: dict[str, str] = field(default_factory=dict)
    """By attempt: the code of the site that its request carried."""
    confirmed: set[str] = field(default_factory=set)
    """The attempts of which the site was told who made their code."""
    test_calls: set[str] = field(default_factory=set)
    """The attempts that a test key requested."""
    has_refused: bool = False
    """Whether Telroi has refused a code of the site. The next calls may carry none."""
    waits: int = 0

    def shape(self) -> str:
        """Return all facts that affect later steps."""
        otps = [
            (
                *(otp.id, otp.attempt, otp.rang, otp.tries, otp.verified, otp.code, otp.is_own),
                round((otp.expires_at - self.now).total_seconds()),
            )
            for otp in self.telroi.otps
        ]
        sets = [sorted((key, sorted(codes)) for key, codes in each.items()) for each in (self.right, self.lost)]
        others: list[Any] = [sorted(each.items()) for each in (self.requests, self.reported, self.followed_by)]
        others += [sorted(each) for each in (self.told, self.proofs, self.spent, self.given_up)]
        others += [sorted(self.made.items()), sorted(self.confirmed), sorted(self.test_calls), self.has_refused]
        return repr((otps, self.attempts, sets, others, self.waits))
