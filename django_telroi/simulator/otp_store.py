"""Stores the OTPs (one-time passwords) and checks codes in the same way as Telroi."""

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
    left = max_tries - otp.tries - 1
    return Judgement("mismatch" if left else "locked", left)


def after(otp: Otp, judgement: Judgement) -> Otp:
    """Return the OTP as it is after the check."""
    if judgement.is_verified:
        return replace(otp, is_verified=True)
    return otp if judgement.tries_left is None else replace(otp, tries=otp.tries + 1)


HOUR = 3600
DAY = 24 * HOUR


@dataclass(frozen=True)
class NextOtp:
    """The code and the id that a test sets for the next OTP. None means a random one, or any number."""

    to: str | None
    code: str | None = field(repr=False)
    id: str | None


class OtpStore:
    """The stored OTPs and calls.

    ``pause`` sleeps for some seconds, and returns early if the simulator stops. ``report`` queues a webhook.
    """

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
            self._next_otps: list[NextOtp] = []

    @property
    def otps(self) -> list[Otp]:
        """All stored OTPs, newest last, also those without a call."""
        with self._lock:
            return list(self._otps.values())

    @property
    def calls(self) -> list[Call]:
        """All phones that rang, newest last."""
        with self._lock:
            return list(self._calls)

    def set_next_otp(self, next_otp: NextOtp) -> None:
        with self._lock:
            self._next_otps.append(next_otp)

    def number_of(self, otp_id: str) -> str | None:
        otp = self._otps.get(otp_id)
        return otp.to if otp else None

    def send(self, key: Key, otp_request: OtpRequest, behavior: Behavior) -> Otp:
        """Store an OTP and place its call. If the call fails, raise Refusal; the OTP stays stored."""
        if "\0" in otp_request.to:
            raise crash()
        workspace = self._accounts.workspace(key.workspace)
        with self._lock_unless_racing(behavior.race):
            self._check_limits(workspace, otp_request.to, behavior.quirks)
            self._pause(behavior.race.seconds)
            otp = self._store(self._new_otp(workspace, otp_request))
        if workspace.dials:
            self._dial(otp, behavior)
        completed = {"id": otp.id, "to": otp.to, "status": "delivered", "client_supplied": otp.is_own_code}
        self._report("otp.completed", completed)
        return otp

    def verify(self, key: Key, check_request: CheckRequest, behavior: Behavior) -> Judgement:
        if check_request.id is None and "\0" in (check_request.to or ""):
            raise crash()
        tries = self._accounts.workspace(key.workspace).policy.tries
        now = self._clock.now()
        with self._lock_unless_racing(behavior.race):
            otp = self._find_otp(key.workspace, check_request, behavior.quirks, max_tries=tries, now=now)
            if otp is None:
                return Judgement("not_found")
            judgement = judge(otp, check_request.code, now=now, max_tries=tries)
            self._pause(behavior.race.seconds)
            self._store(after(otp, judgement))
        if judgement.is_verified or judgement.tries_left is not None:
            self._report("otp.verified", {"id": otp.id, "to": otp.to, "verified": judgement.is_verified})
        return judgement

    def _lock_unless_racing(self, race: Race) -> AbstractContextManager[object]:
        """Return the lock that makes reading and writing one step, or no lock if requests must race."""
        return nullcontext() if race.seconds else self._lock

    def _check_limits(self, workspace: Workspace, to: str, quirks: Quirks) -> None:
        counted = [otp.sent_at for otp in self._sent(workspace.name, to, workspace.policy.per_day, quirks)]
        wait = _seconds_to_wait(workspace.policy, counted, now=self._clock.now(), flat=quirks.flat_waits)
        if wait is not None:
            raise Refusal(429, "rate_limited", f"Too many requests for this number. Retry after {wait}s.", wait=wait)
        if workspace.dials and not workspace.can_pay:
            raise Refusal(502, "otp_failed", "insufficient_funds")

    def _sent(self, workspace: str, to: str, most: int, quirks: Quirks) -> list[Otp]:
        """Return the newest OTPs of exactly this number that count for its limits, newest last."""
        with self._lock:
            if quirks.failures_count:
                return [self._otps[otp_id] for otp_id in self._ids.get((workspace, to), [])[-most:]]
            otps = [self._otps[otp_id] for otp_id in self._ids.get((workspace, to), [])]
        return [otp for otp in otps if not otp.has_failed][-most:]

    def _new_otp(self, workspace: Workspace, otp_request: OtpRequest) -> Otp:
        """Return a new OTP. A code length above the operator's is reduced without an error, as Telroi does."""
        policy = workspace.policy
        length = min(otp_request.code_length or policy.code_length, policy.code_length)
        next_otp = self._take_next_otp(otp_request.to)
        now = self._clock.now()
        return Otp(
            id=next_otp.id or str(uuid.uuid4()),
            workspace=workspace.name,
            to=otp_request.to,
            code=otp_request.code or next_otp.code or f"{secrets.randbelow(10**length):0{length}d}",
            is_own_code=otp_request.code is not None,
            language=otp_request.language,
            sent_at=now,
            expires_at=now + policy.code_ttl,
        )

    def _take_next_otp(self, to: str) -> NextOtp:
        with self._lock:
            for next_otp in self._next_otps:
                if next_otp.to in (None, to):
                    self._next_otps.remove(next_otp)
                    return next_otp
        return NextOtp(to=to, code=None, id=None)

    def _store(self, otp: Otp) -> Otp:
        with self._lock:
            if otp.id not in self._otps:
                self._ids.setdefault((otp.workspace, otp.to), []).append(otp.id)
            self._otps[otp.id] = otp
        return otp

    def _dial(self, otp: Otp, behavior: Behavior) -> None:
        carrier = behavior.carrier
        if carrier.rings:
            self._ring(otp)
        self._pause(carrier.after)
        if carrier.failure:
            self._mark_failed(otp.id)
            raise self._report_failure(otp, carrier.failure())
        self._accounts.debit(otp.workspace)

    def _report_failure(self, otp: Otp, failure: Refusal) -> Refusal:
        """Queue the webhook of a failed call and return the failure.

        There is no webhook for a failure without a code: it is a crash in Telroi, which Telroi does not handle.
        """
        if failure.code:
            failed = {"id": otp.id, "to": otp.to, "reason": failure.message, "status": "failed"}
            self._report("otp.failed", failed)
        return failure

    def _mark_failed(self, otp_id: str) -> None:
        """Mark the OTP as failed. Read it again, because its code may have been verified during the carrier's delay."""
        with self._lock:
            if otp := self._otps.get(otp_id):
                self._store(replace(otp, has_failed=True))

    def _ring(self, otp: Otp) -> None:
        call = Call(otp.id, otp.to, otp.code, otp.language, as_datetime(self._clock.now()))
        with self._lock:
            self._calls.append(call)

    def _find_otp(
        self, workspace: str, check_request: CheckRequest, quirks: Quirks, *, max_tries: int, now: float
    ) -> Otp | None:
        """Return the OTP that a verify is about: the one with the id, or else the newest one of the number.

        With the quirk ``newest_by_number`` the newest one is used in any state.
        """
        with self._lock:
            if check_request.id is not None:
                otp = self._otps.get(check_request.id)
                return otp if otp and otp.workspace == workspace else None
            for otp_id in reversed(self._ids.get((workspace, check_request.to or ""), [])):
                otp = self._otps[otp_id]
                if quirks.newest_by_number or otp.is_open(now=now, max_tries=max_tries):
                    return otp
        return None


def _seconds_to_wait(policy: OtpLimits, sent: Sequence[float], *, now: float, flat: bool) -> int | None:
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
