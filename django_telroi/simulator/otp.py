"""One OTP, and how a guess at it is judged."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime

from django_telroi.simulator.answers import Refusal


@dataclass(frozen=True)
class Otp:
    """One send as Telroi stores it; times in seconds since 1970."""

    id: str
    workspace: str
    to: str = field(repr=False)
    code: str = field(repr=False)
    is_own_code: bool
    language: str | None
    sent_at: float
    expires_at: float
    tries: int = 0
    is_verified: bool = False
    has_failed: bool = False

    def is_open(self, *, now: float, max_tries: int) -> bool:
        return not (self.is_own_code or self.is_verified or self.is_expired(now) or self.tries >= max_tries)

    def is_expired(self, now: float) -> bool:
        return now >= self.expires_at


@dataclass(frozen=True)
class Call:
    """A phone that rang: what the person hears."""

    id: str
    to: str = field(repr=False)
    code: str = field(repr=False)
    language: str | None
    at: datetime


@dataclass(frozen=True)
class Verdict:
    status: str
    tries_left: int | None = None

    @property
    def is_verified(self) -> bool:
        return self.status == "verified"


def judge(otp: Otp, code: str, *, now: float, max_tries: int) -> Verdict:
    """Telroi's order: own code, already verified, expired, locked, compare."""
    if otp.is_own_code:
        message = "You supplied this code, so verifying it is yours to do. We delivered it and recorded the call."
        raise Refusal(422, "not_verifiable", message)
    if otp.is_verified:
        return Verdict("already_verified")
    if otp.is_expired(now):
        return Verdict("expired")
    if otp.tries >= max_tries:
        return Verdict("locked")
    if otp.code == code:
        return Verdict("verified")
    left = max_tries - otp.tries - 1
    return Verdict("mismatch" if left else "locked", left)


def after(otp: Otp, verdict: Verdict) -> Otp:
    """The OTP as the verdict leaves it."""
    if verdict.is_verified:
        return replace(otp, is_verified=True)
    return otp if verdict.tries_left is None else replace(otp, tries=otp.tries + 1)
