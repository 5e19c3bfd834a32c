"""The one-time codes that Telroi stores, and how it judges them."""

from __future__ import annotations

import math
import secrets
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from django_telroi.simulator.accounts import Accounts, Clock, Key, OtpLimits, Workspace, as_datetime
from django_telroi.simulator.fault_rules import Behavior, Race
from django_telroi.simulator.http_request import Quirks
from django_telroi.simulator.otp_requests import CheckRequest, OtpRequest
from django_telroi.simulator.responses import Refusal, crash


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
class Judgement:
    status: str
    tries_left: int | None = None

    @property
    def is_verified(self) -> bool:
        return self.status == "verified"


def judge(otp: Otp, code: str, *, now: float, max_tries: int) -> Judgement:
    """Telroi's order: own code, already verified, expired, locked, compare."""
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
    left = max_tries - otp.tries - 1
    return Judgement("mismatch" if left else "locked", left)


def after(otp: Otp, judgement: Judgement) -> Otp:
    """The OTP as the verdict leaves it."""
    if judgement.is_verified:
        return replace(otp, is_verified=True)
    return otp if judgement.tries_left is None else replace(otp, tries=otp.tries + 1)


HOUR = 3600
DAY = 24 * HOUR


@dataclass(frozen=True)
class NextOtp:
    """What a test wants the next OTP to be; None leaves it to chance."""

    to: str | None
    code: str | None = field(repr=False)
    id: str | None


class OtpStore:
    """OTPs and calls. ``pause`` sleeps, and ends early when the simulator stops; ``report`` queues a webhook."""

    def __init__(
        self,
        clock: Clock,
        accounts: Accounts,
        pause: Callable[[float], object],
        report: Callable[[str, Mapping[str, Any]], object] = lambda event, data: None,
    ) -> None:
        self._clock = clock
        self._accounts = accounts
        self._pause = pause
        self._report = report
        self._lock = threading.RLock()
        self.reset()

    def reset(self) -> None:
        with self._lock:
            self._otps: dict[str, Otp] = {}
            self._ids: dict[tuple[str, str], list[str]] = {}
            self._calls: list[Call] = []
            self._dictated: list[NextOtp] = []

    @property
    def otps(self) -> list[Otp]:
        """Every send that was stored, newest last, also those that rang nobody."""
        with self._lock:
            return list(self._otps.values())

    @property
    def calls(self) -> list[Call]:
        """Every phone that rang, newest last."""
        with self._lock:
            return list(self._calls)

    def dictate(self, dictated: NextOtp) -> None:
        with self._lock:
            self._dictated.append(dictated)

    def number_of(self, otp_id: str) -> str | None:
        otp = self._otps.get(otp_id)
        return otp.to if otp else None

    def send(self, key: Key, otp_request: OtpRequest, conduct: Behavior) -> Otp:
        """Store an OTP and have it called. A call that fails raises Refusal and leaves its OTP behind."""
        if "\0" in otp_request.to:
            raise crash()
        workspace = self._accounts.workspace(key.workspace)
        with self._one_at_a_time(conduct.race):
            self._refuse_what_is_limited(workspace, otp_request.to, conduct.quirks)
            self._pause(conduct.race.seconds)
            otp = self._store(self._drawn(workspace, otp_request))
        if workspace.dials:
            self._dial(otp, conduct)
        told = {"id": otp.id, "to": otp.to, "status": "delivered", "client_supplied": otp.is_own_code}
        self._report("otp.completed", told)
        return otp

    def verify(self, key: Key, guess: CheckRequest, conduct: Behavior) -> Judgement:
        if guess.id is None and "\0" in (guess.to or ""):
            raise crash()
        tries = self._accounts.workspace(key.workspace).policy.tries
        now = self._clock.now()
        with self._one_at_a_time(conduct.race):
            otp = self._meant(key.workspace, guess, conduct.quirks, max_tries=tries, now=now)
            if otp is None:
                return Judgement("not_found")
            judgement = judge(otp, guess.code, now=now, max_tries=tries)
            self._pause(conduct.race.seconds)
            self._store(after(otp, judgement))
        if judgement.is_verified or judgement.tries_left is not None:
            self._report("otp.verified", {"id": otp.id, "to": otp.to, "verified": judgement.is_verified})
        return judgement

    def _one_at_a_time(self, race: Race) -> AbstractContextManager[object]:
        """Reading and writing as one step, unless they shall race."""
        return nullcontext() if race.seconds else self._lock

    def _refuse_what_is_limited(self, workspace: Workspace, to: str, quirks: Quirks) -> None:
        counted = [otp.sent_at for otp in self._sent(workspace.name, to, workspace.policy.per_day, quirks)]
        wait = _seconds_to_wait(workspace.policy, counted, now=self._clock.now(), flat=quirks.flat_waits)
        if wait is not None:
            raise Refusal(429, "rate_limited", f"Too many requests for this number. Retry after {wait}s.", wait=wait)
        if workspace.dials and not workspace.can_pay:
            raise Refusal(502, "otp_failed", "insufficient_funds")

    def _sent(self, workspace: str, to: str, most: int, quirks: Quirks) -> list[Otp]:
        """The newest OTPs of the exact number that count, newest last."""
        with self._lock:
            if quirks.failures_count:
                return [self._otps[otp_id] for otp_id in self._ids.get((workspace, to), [])[-most:]]
            otps = [self._otps[otp_id] for otp_id in self._ids.get((workspace, to), [])]
        return [otp for otp in otps if not otp.has_failed][-most:]

    def _drawn(self, workspace: Workspace, otp_request: OtpRequest) -> Otp:
        """A new OTP: the code's length is capped at the operator's, silently."""
        policy = workspace.policy
        length = min(otp_request.code_length or policy.code_length, policy.code_length)
        dictated = self._take_dictated(otp_request.to)
        now = self._clock.now()
        return Otp(
            id=dictated.id or str(uuid.uuid4()),
            workspace=workspace.name,
            to=otp_request.to,
            code=otp_request.code or dictated.code or f"{secrets.randbelow(10**length):0{length}d}",
            is_own_code=otp_request.code is not None,
            language=otp_request.language,
            sent_at=now,
            expires_at=now + policy.code_ttl,
        )

    def _take_dictated(self, to: str) -> NextOtp:
        with self._lock:
            for dictated in self._dictated:
                if dictated.to in (None, to):
                    self._dictated.remove(dictated)
                    return dictated
        return NextOtp(to=to, code=None, id=None)

    def _store(self, otp: Otp) -> Otp:
        with self._lock:
            if otp.id not in self._otps:
                self._ids.setdefault((otp.workspace, otp.to), []).append(otp.id)
            self._otps[otp.id] = otp
        return otp

    def _dial(self, otp: Otp, conduct: Behavior) -> None:
        carrier = conduct.carrier
        if carrier.rings:
            self._ring(otp)
        self._pause(carrier.after)
        if carrier.failure:
            self._mark_failed(otp.id)
            raise self._reported(otp, carrier.failure())
        self._accounts.debit(otp.workspace)

    def _reported(self, otp: Otp, failure: Refusal) -> Refusal:
        """A failure without a code is one that Telroi does not know of itself."""
        if failure.code:
            told = {"id": otp.id, "to": otp.to, "reason": failure.message, "status": "failed"}
            self._report("otp.failed", told)
        return failure

    def _mark_failed(self, otp_id: str) -> None:
        """As it stands now: somebody may have verified it while the carrier was silent."""
        with self._lock:
            if otp := self._otps.get(otp_id):
                self._store(replace(otp, has_failed=True))

    def _ring(self, otp: Otp) -> None:
        call = Call(otp.id, otp.to, otp.code, otp.language, as_datetime(self._clock.now()))
        with self._lock:
            self._calls.append(call)

    def _meant(self, workspace: str, guess: CheckRequest, quirks: Quirks, *, max_tries: int, now: float) -> Otp | None:
        """The id alone decides; by number it is the newest OTP, as a rule whatever its state."""
        with self._lock:
            if guess.id is not None:
                otp = self._otps.get(guess.id)
                return otp if otp and otp.workspace == workspace else None
            for otp_id in reversed(self._ids.get((workspace, guess.to or ""), [])):
                otp = self._otps[otp_id]
                if quirks.newest_by_number or otp.is_open(now=now, max_tries=max_tries):
                    return otp
        return None


def _seconds_to_wait(policy: OtpLimits, sent: Sequence[float], *, now: float, flat: bool) -> int | None:
    """``sent`` is newest last. Cooldown first; hour and day are sliding, but by default say their whole length."""
    if sent and (left := sent[-1] + policy.cooldown - now) > 0:
        return math.ceil(left)
    for most, window in ((policy.per_hour, HOUR), (policy.per_day, DAY)):
        if len(sent) >= most and (left := sent[-most] + window - now) > 0:
            return window if flat else math.ceil(left)
    return None
