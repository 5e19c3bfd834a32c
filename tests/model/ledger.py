"""What happens in the model, and what is true of it whatever the site's rows say."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from tests.model.telroi import OK, Telroi

NUMBERS = ("+2348031234567", "+2348029876543")
"""The first one's people have no account, and get proofs; the second one's are Ada, who gets a record."""

DIES = "dies"
"""The process is killed."""
CUT = "cut"
"""The connection to the database is cut; this statement and all that follow fail."""


@dataclass(frozen=True)
class Step:
    """Something that happens. ``who`` is a number, or the place of an attempt or of a call in the order they came.

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
    """A step that is under way, as far as Telroi needs it."""

    step: Step
    target: str | None
    """The attempt that it is about; None until a "call again" has claimed its new one."""
    known: set[str]
    """The attempts that were there when it began, and those that steps inside of it have made."""
    code: str = ""
    has_asked: bool = False


@dataclass
class Ledger:
    """What is true. Attempts are named by their public ids."""

    now: datetime
    telroi: Telroi = field(default_factory=Telroi)
    attempts: list[str] = field(default_factory=list)
    number_of: dict[str, str] = field(default_factory=dict)
    followed_by: dict[str, list[str]] = field(default_factory=dict)
    """By attempt: the attempts that a "call again" on it has made."""
    requests: dict[str, int] = field(default_factory=dict)
    """By attempt: how many requests for its call may have rung."""
    right: dict[str, set[str]] = field(default_factory=dict)
    """By attempt: the codes that Telroi judged right for it."""
    lost: dict[str, set[str]] = field(default_factory=dict)
    """By attempt: the codes whose judgement the site has not read."""
    told: list[str] = field(default_factory=list)
    """The attempt of each ``phone_verified`` that was sent."""
    proofs: dict[str, str] = field(default_factory=dict)
    spent: set[str] = field(default_factory=set)
    given_up: set[str] = field(default_factory=set)
    reported: dict[str, int] = field(default_factory=dict)
    """By the id of a call: how many times its event was delivered."""
    waits: int = 0

    def shape(self) -> str:
        """All that makes a difference from here on."""
        otps = [
            (otp.id, otp.attempt, otp.rang, otp.tries, otp.verified, round((otp.expires_at - self.now).total_seconds()))
            for otp in self.telroi.otps
        ]
        sets = [sorted((key, sorted(codes)) for key, codes in each.items()) for each in (self.right, self.lost)]
        others: list[Any] = [sorted(each.items()) for each in (self.requests, self.reported, self.followed_by)]
        others += [sorted(each) for each in (self.told, self.proofs, self.spent, self.given_up)]
        return repr((otps, self.attempts, sets, others, self.waits))
