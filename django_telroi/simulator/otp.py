"""An OTP (one-time password) and Telroi's rules about it: what a check returns, and how long a number must wait.

It has no state and no clock. ``otp_store`` keeps the OTPs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from django_telroi.simulator.accounts import OtpLimits
from django_telroi.simulator.responses import Refusal


@dataclass(frozen=True)
class Otp:
    """A stored OTP. Times are in seconds since 1970."""

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
    """A phone that rang, with the code that the person hears."""

    id: str
    to: str = field(repr=False)
    code: str = field(repr=False)
    language: str | None
    at: datetime


@dataclass(frozen=True)
class Judgement:
    """The result of a check. ``tries_left`` is None if no try was used."""

    status: str
    tries_left: int | None = None

    @property
    def is_verified(self) -> bool:
        return self.status == "verified"


def judge(otp: Otp, code: str, *, now: float, max_tries: int) -> Judgement:
    """Return the result of a check, in Telroi's order: own code, already verified, expired, locked, comparison.

    Raises Refusal for an own code.
    """
    if otp.is_own_code:
        message = "You supplied this code, so verifying it is yours to do. We delivered it and recorded the call."
        raise Refusal(422, "not_verifiable", message)
    if otp.is_verified:
        return Judgement("already_verified")
    if otp.is_expired(now):
        return Judgement("expired")
    if otp.tries >= max_tries:
        return Judgement("locked")
    if otp.code == code:
        return Judgement("verified")
    # Only a comparison uses a try. The wrong code that uses the last one is already answered with "locked".
    left = max_tries - otp.tries - 1
    return Judgement("mismatch" if left else "locked", left)


def after_check(otp: Otp, judgement: Judgement) -> Otp:
    """Return the OTP as it is after the check."""
    if judgement.is_verified:
        return replace(otp, is_verified=True)
    return otp if judgement.tries_left is None else replace(otp, tries=otp.tries + 1)


HOUR = 3600
DAY = 24 * HOUR


def seconds_until_next_send(policy: OtpLimits, sent: Sequence[float], *, now: float, flat: bool) -> int | None:
    """Return the seconds until the next send is allowed, or None if it is allowed now. ``sent`` is newest last.

    The cooldown comes first. The windows of the hour and the day are sliding. With ``flat`` their wait is the whole
    length of the window.
    """
    if sent and (left := sent[-1] + policy.cooldown - now) > 0:
        return math.ceil(left)
    for most, window in ((policy.per_hour, HOUR), (policy.per_day, DAY)):
        if len(sent) >= most and (left := sent[-most] + window - now) > 0:
            return window if flat else math.ceil(left)
    return None
