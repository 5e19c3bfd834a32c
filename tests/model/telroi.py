"""A small Telroi, as the contract has it, whose every answer the model chooses; and the site's backend that asks it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, ClassVar

from django_telroi.backends import Backend
from django_telroi.client import OtpCall, OtpCheck
from django_telroi.errors import ApiOutcomeUnknown, ApiRefused, ApiUnreachable

CODES = ("482913", "759046")
"""Each number's calls read out the first, the second, the first, ..."""
TRIES = 3
LIFETIME = timedelta(seconds=300)

OK = "ok"
UNSENT = "not sent"
REFUSED = "refused"
"""A call: 429, with the seconds to wait. A code: 503, not judged."""
UNDONE = "lost before Telroi acted"
LOST = "lost after Telroi acted"
KILLED_BEFORE = "killed before Telroi acted"
KILLED_AFTER = "killed after Telroi acted"
CARRIER_FAILED = "carrier failed"

CALL_MODES = (OK, UNSENT, REFUSED, UNDONE, LOST, KILLED_BEFORE, KILLED_AFTER, CARRIER_FAILED)
CHECK_MODES = (OK, UNSENT, REFUSED, UNDONE, LOST, KILLED_BEFORE, KILLED_AFTER)
MAY_RING = frozenset(CALL_MODES) - {UNSENT, REFUSED}
"""Of these nobody at the site can tell that no phone rings."""
LOSES = frozenset({UNDONE, LOST, KILLED_BEFORE, KILLED_AFTER})
"""Of these nobody at the site can tell how the code was judged."""


class Killed(BaseException):
    """The process is gone."""


@dataclass
class Otp:
    """A call that Telroi has stored. ``attempt`` is the id of the site's attempt that asked for it."""

    id: str
    number: str
    code: str
    attempt: str
    expires_at: datetime
    rang: bool = True
    tries: int = 0
    verified: bool = False

    def judge(self, code: str, *, now: datetime) -> OtpCheck:
        """In Telroi's own order: already verified, expired, locked, compare."""
        if self.verified:
            return verdict("already_verified")
        if now >= self.expires_at:
            return verdict("expired")
        if self.tries >= TRIES:
            return verdict("locked")
        if code == self.code:
            self.verified = True
            return verdict("verified")
        self.tries += 1
        if self.tries == TRIES:
            return verdict("locked", tries_left=0)
        return verdict("mismatch", tries_left=TRIES - self.tries)


def verdict(status: str, tries_left: int | None = None) -> OtpCheck:
    return OtpCheck(status=status, verified=status == "verified", tries_left=tries_left, livemode=True)


@dataclass
class Exchange:
    """One request that is being answered: how it ends, and what happens before Telroi acts and after it acted."""

    mode: str = OK
    before: Callable[[], None] = lambda: None
    after: Callable[[], None] = lambda: None


@dataclass
class Telroi:
    """What Telroi has stored, oldest first."""

    otps: list[Otp] = field(default_factory=list)

    def call(self, to: str, exchange: Exchange, *, attempt: str, now: Callable[[], datetime]) -> OtpCall:
        if exchange.mode == UNSENT:
            raise ApiUnreachable
        exchange.before()
        if exchange.mode == KILLED_BEFORE:
            raise Killed
        if exchange.mode == UNDONE:
            raise ApiOutcomeUnknown
        if exchange.mode == REFUSED:
            raise ApiRefused(429, "rate_limited", "Too many requests for this number. Retry after 30s.", 30, "number")
        calls_before = sum(otp.number == to for otp in self.otps)
        code = CODES[calls_before % len(CODES)]
        otp = Otp(
            id=f"00000000-0000-4000-8000-{len(self.otps):012d}",
            number=to,
            code=code,
            attempt=attempt,
            expires_at=now() + LIFETIME,
            rang=exchange.mode != CARRIER_FAILED,
        )
        self.otps.append(otp)
        exchange.after()
        if exchange.mode == KILLED_AFTER:
            raise Killed
        if exchange.mode == LOST:
            raise ApiOutcomeUnknown
        if exchange.mode == CARRIER_FAILED:
            raise ApiRefused(502, "otp_failed", "Gateway returned 500")
        return OtpCall(
            id=otp.id, to=to, status="delivered", livemode=True, expires_at=otp.expires_at, verification=None
        )

    def check(
        self, code: str, exchange: Exchange, *, call_id: str | None, to: str, now: Callable[[], datetime]
    ) -> tuple[OtpCheck, Otp | None]:
        """The verdict, and the call that it is about."""
        if exchange.mode == UNSENT:
            raise ApiUnreachable
        exchange.before()
        if exchange.mode == KILLED_BEFORE:
            raise Killed
        if exchange.mode == UNDONE:
            raise ApiOutcomeUnknown
        if exchange.mode == REFUSED:
            raise ApiRefused(503, "service_unavailable", "Key verification temporarily unavailable")
        calls = [otp for otp in self.otps if (otp.id == call_id if call_id else otp.number == to)]
        if not calls:
            return verdict("not_found"), None
        return calls[-1].judge(code, now=now()), calls[-1]


class ModelBackend(Backend):
    """Asks the world that runs."""

    rings: ClassVar[bool] = True
    key_digest = "model"
    world: ClassVar[Any]

    @classmethod
    def provider_url(cls) -> str:
        return "http://127.0.0.1"

    def place_call(self, to: str, *, code_length: int, language: str | None) -> OtpCall:
        call: OtpCall = self.world.call(to)
        return call

    def check_code(self, code: str, *, call_id: str | None, to: str) -> OtpCheck:
        check: OtpCheck = self.world.check(code, call_id=call_id, to=to)
        return check
