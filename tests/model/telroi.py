"""A small Telroi that follows the contract, with answers chosen by the model, and the site's backend for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, ClassVar

from django_telroi.backends import Backend
from django_telroi.client import OtpCall, OtpCheck
from django_telroi.client.webhooks import WebhookEvent
from django_telroi.errors import ApiOutcomeUnknown, ApiRefused, ApiUnreachable

CODES = ("482913", "759046")
"""The calls of a number have the first code, the second, the first, ... A server that ignores a code uses the other."""
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
CODE_IGNORED = "an older server ignored the code"
CODE_IGNORED_LOST = "an older server ignored the code, and its answer was lost"
CODE_REFUSED = "the code was refused"
TEST_KEY = "a test key"
TEST_ID, TEST_CODE = "otp_test_", "000000"
"""For a test key no phone rings. Telroi stores nothing, and ``000000`` is right."""

CALL_MODES = (OK, UNSENT, REFUSED, UNDONE, LOST, KILLED_BEFORE, KILLED_AFTER, CARRIER_FAILED)
CALL_MODES_WITH_CODE = (*CALL_MODES, CODE_IGNORED, CODE_IGNORED_LOST, CODE_REFUSED, TEST_KEY)
CHECK_MODES = (OK, UNSENT, REFUSED, UNDONE, LOST, KILLED_BEFORE, KILLED_AFTER)
MAY_RING = frozenset(CALL_MODES_WITH_CODE) - {UNSENT, REFUSED}
"""After these, the site cannot know that no phone rings."""
LOSES = frozenset({UNDONE, LOST, KILLED_BEFORE, KILLED_AFTER})
"""After these, the site cannot know how the code was judged."""
CONFIRMS = frozenset({OK, CODE_IGNORED, CODE_REFUSED, TEST_KEY})
"""After these, the answer to a call has shown the site who made its code."""
OLD_SERVER = frozenset({CODE_IGNORED, CODE_IGNORED_LOST})


class Killed(BaseException):
    """The process is gone."""


@dataclass
class Otp:
    """A call that Telroi has stored. ``attempt`` is the id of the site's attempt.

    ``is_own``: it reads out the code of the request, which Telroi does not judge. ``says_who``: its events say so.
    """

    id: str
    number: str
    code: str
    attempt: str
    expires_at: datetime
    rang: bool = True
    is_own: bool = False
    says_who: bool = True
    tries: int = 0
    verified: bool = False

    def judge(self, code: str, *, now: datetime) -> OtpCheck:
        """Judge in Telroi's order: already verified, expired, locked, compare."""
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


def report_of(otp: Otp) -> WebhookEvent:
    """Return Telroi's event about the end of a call."""
    name = "otp.completed" if otp.rang else "otp.failed"
    return WebhookEvent(
        name=name,
        created_at=otp.expires_at - LIFETIME,
        id=otp.id,
        to=otp.number,
        status="delivered" if otp.rang else "failed",
        verified=None,
        reason="" if otp.rang else "Gateway returned 500",
        digest=f"{name} {otp.id}",
        client_supplied=otp.is_own if otp.rang and otp.says_who else None,
    )


def verdict(status: str, tries_left: int | None = None) -> OtpCheck:
    return OtpCheck(status=status, verified=status == "verified", tries_left=tries_left, livemode=True)


@dataclass
class Exchange:
    """A request in progress: its result, and the steps before and after Telroi acts."""

    mode: str = OK
    before: Callable[[], None] = lambda: None
    after: Callable[[], None] = lambda: None

    def arrive(self) -> None:
        """Run what happens until Telroi acts. Raises if the request does not arrive."""
        if self.mode == UNSENT:
            raise ApiUnreachable
        self.before()
        if self.mode == KILLED_BEFORE:
            raise Killed
        if self.mode == UNDONE:
            raise ApiOutcomeUnknown


@dataclass
class Telroi:
    """The calls that Telroi has stored, oldest first."""

    otps: list[Otp] = field(default_factory=list)

    def calls_of(self, number: str) -> int:
        return sum(otp.number == number for otp in self.otps)

    def call(
        self, to: str, exchange: Exchange, *, attempt: str, code: str | None, now: Callable[[], datetime]
    ) -> OtpCall:
        exchange.arrive()
        if exchange.mode == REFUSED:
            raise ApiRefused(429, "rate_limited", "Too many requests for this number. Retry after 30s.", 30, "number")
        if exchange.mode == CODE_REFUSED and code is not None:
            raise ApiRefused(400, "invalid", "to (E.164 destination) is required")
        if exchange.mode == TEST_KEY:
            exchange.after()
            return OtpCall(id=f"{TEST_ID}{attempt[-10:]}", to=to, status="delivered", livemode=False)
        otp = self._store(to, exchange.mode, attempt=attempt, code=code, now=now())
        exchange.after()
        if exchange.mode == KILLED_AFTER:
            raise Killed
        if exchange.mode in (LOST, CODE_IGNORED_LOST):
            raise ApiOutcomeUnknown
        if exchange.mode == CARRIER_FAILED:
            raise ApiRefused(502, "otp_failed", "Gateway returned 500")
        return OtpCall(
            id=otp.id,
            to=to,
            status="delivered",
            livemode=True,
            expires_at=None if otp.is_own else otp.expires_at,
            verification="client" if otp.is_own else None,
        )

    def _store(self, to: str, mode: str, *, attempt: str, code: str | None, now: datetime) -> Otp:
        is_own = code is not None and mode not in OLD_SERVER
        otp = Otp(
            id=f"00000000-0000-4000-8000-{len(self.otps):012d}",
            number=to,
            code=code if is_own and code else self.code_of_next_call(to, beside=code),
            attempt=attempt,
            expires_at=now + LIFETIME,
            rang=mode != CARRIER_FAILED,
            is_own=is_own,
            says_who=mode not in OLD_SERVER,
        )
        self.otps.append(otp)
        return otp

    def code_of_next_call(self, number: str, *, beside: str | None = None) -> str:
        """Return the code of the next call to the number: another one than ``beside``, which the request carries."""
        code = CODES[self.calls_of(number) % len(CODES)]
        return code if code != beside else CODES[1 - CODES.index(code)]

    def check(
        self, code: str, exchange: Exchange, *, call_id: str | None, to: str, now: Callable[[], datetime]
    ) -> tuple[OtpCheck, Otp | None]:
        """Return the judgement and its call."""
        exchange.arrive()
        if exchange.mode == REFUSED:
            raise ApiRefused(503, "service_unavailable", "Key verification temporarily unavailable")
        if str(call_id).startswith(TEST_ID):
            return replace(verdict("verified" if code == TEST_CODE else "mismatch"), livemode=False), None
        calls = [otp for otp in self.otps if (otp.id == call_id if call_id else otp.number == to)]
        if not calls:
            return verdict("not_found"), None
        if calls[-1].is_own:
            raise ApiRefused(422, "not_verifiable", "This OTP was sent with your own code")
        return calls[-1].judge(code, now=now()), calls[-1]


class ModelBackend(Backend):
    """A backend that asks the current ``World``."""

    rings: ClassVar[bool] = True
    key_digest = "model"
    world: ClassVar[Any]

    @classmethod
    def provider_url(cls) -> str:
        return "http://127.0.0.1"

    def place_call(self, to: str, *, code_length: int, language: str | None, code: str | None = None) -> OtpCall:
        call: OtpCall = self.world.call(to, code)
        return call

    def check_code(self, code: str, *, call_id: str | None, to: str) -> OtpCheck:
        check: OtpCheck = self.world.check(code, call_id=call_id, to=to)
        return check
