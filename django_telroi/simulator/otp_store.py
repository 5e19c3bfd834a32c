"""Stores the OTPs (one-time passwords) and checks codes in the same way as Telroi."""

from __future__ import annotations

import secrets
import threading
import uuid
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

from django_telroi.simulator.accounts import Accounts, Clock, Key, Workspace, as_datetime
from django_telroi.simulator.fault_rules import Behavior, Race
from django_telroi.simulator.http_request import Quirks
from django_telroi.simulator.otp import Call, Judgement, Otp, after_check, judge, seconds_until_next_send
from django_telroi.simulator.otp_requests import CheckRequest, OtpRequest
from django_telroi.simulator.responses import Refusal, crash


@dataclass(frozen=True)
class NextOtp:
    """The code and the id that a test sets for the next OTP. None means a random one, or any number."""

    to: str | None
    code: str | None = field(repr=False)
    id: str | None


class OtpStore:
    """The stored OTPs and calls.

    ``pause`` sleeps for some seconds, and returns early if the simulator stops. ``report`` queues a webhook.

    The lock is held from reading a state until writing it, so the limits are exact. Telroi's own server does not do
    that: ten sends at once all passed its cooldown. A test that needs this switches on a ``Race``, in which the lock is
    not held in between.
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
        # Reentrant: ``send`` and ``verify`` hold it and call methods that take it for themselves in a race.
        self._lock = threading.RLock()
        self.reset()

    def reset(self) -> None:
        with self._lock:
            self._otps: dict[str, Otp] = {}
            # By workspace and number, in the order of sending. Without it, each send would search all OTPs for its
            # number, and a benchmark would measure the simulator.
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
        """Store an OTP, place its call and return it. Raises Refusal at a limit, and if the call fails.

        After a failed call the OTP stays stored, as measured. So it uses up the cooldown, and a verify by number checks
        its code, which no person heard. Only an empty wallet and a suspension are found before anything is stored.
        """
        # Measured: 500 with a live key. A test key, which stores nothing, gets 200.
        if "\0" in otp_request.to:
            raise crash()
        workspace = self._accounts.workspace(key.workspace)
        with self._lock_unless_racing(behavior.race):
            self._check_limits(workspace, otp_request.to, behavior.quirks)
            self._pause(behavior.race.seconds)
            otp = self._store(self._new_otp(workspace, otp_request))
        # Outside the lock: a carrier may be silent for 15 s, and other numbers must not wait for it.
        if workspace.dials:
            self._dial(otp, behavior)
        completed = {"id": otp.id, "to": otp.to, "status": "delivered", "client_supplied": otp.is_own_code}
        self._report("otp.completed", completed)
        return otp

    def verify(self, key: Key, check_request: CheckRequest, behavior: Behavior) -> Judgement:
        """Return the result of the check and store it. Raises Refusal for an own code."""
        if check_request.id is None and "\0" in (check_request.to or ""):
            raise crash()  # as in ``send``
        tries = self._accounts.workspace(key.workspace).policy.tries
        now = self._clock.now()
        with self._lock_unless_racing(behavior.race):
            otp = self._find_otp(key.workspace, check_request, behavior.quirks, max_tries=tries, now=now)
            if otp is None:
                return Judgement("not_found")
            judgement = judge(otp, check_request.code, now=now, max_tries=tries)
            self._pause(behavior.race.seconds)
            self._store(after_check(otp, judgement))
        # Telroi sends the event whenever a code was compared, also for a wrong one. Other results have no event.
        if judgement.is_verified or judgement.tries_left is not None:
            self._report("otp.verified", {"id": otp.id, "to": otp.to, "verified": judgement.is_verified})
        return judgement

    def _lock_unless_racing(self, race: Race) -> AbstractContextManager[object]:
        """Return the lock that makes reading and writing one step, or no lock if requests must race."""
        return nullcontext() if race.seconds else self._lock

    def _check_limits(self, workspace: Workspace, to: str, quirks: Quirks) -> None:
        """Raises Refusal. The limits come before the wallet, as measured."""
        counted = [otp.sent_at for otp in self._counted_otps(workspace.name, to, workspace.policy.per_day, quirks)]
        wait = seconds_until_next_send(workspace.policy, counted, now=self._clock.now(), flat=quirks.flat_waits)
        if wait is not None:
            raise Refusal(429, "rate_limited", f"Too many requests for this number. Retry after {wait}s.", wait=wait)
        # A workspace in sandbox mode pays nothing. Telroi has the same message for a suspended workspace.
        if workspace.dials and not workspace.can_pay:
            raise Refusal(502, "otp_failed", "insufficient_funds")

    def _counted_otps(self, workspace: str, to: str, most: int, quirks: Quirks) -> list[Otp]:
        """Return the newest OTPs of exactly this number that count for its limits, newest last."""
        with self._lock:
            if quirks.failures_count:
                # No limit looks further back, so the rest need not be read.
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
        """Ring, wait for the carrier, and charge the call. Raises Refusal if the carrier fails."""
        carrier = behavior.carrier

        # Ring before the delay. A carrier that gets no answer in time may have rung, and the person types the code
        # while the request is still open.
        if carrier.rings:
            call = Call(otp.id, otp.to, otp.code, otp.language, as_datetime(self._clock.now()))
            with self._lock:
                self._calls.append(call)
        self._pause(carrier.after)

        # Only a placed call costs something.
        if carrier.failure is None:
            self._accounts.debit(otp.workspace)
            return

        # Read the OTP again: its code may have been verified during the delay, or ``reset`` removed it.
        with self._lock:
            if stored := self._otps.get(otp.id):
                self._store(replace(stored, has_failed=True))

        # There is no webhook for a failure without a code: it is a crash in Telroi, which Telroi does not handle.
        failure = carrier.failure()
        if failure.code:
            failed = {"id": otp.id, "to": otp.to, "reason": failure.message, "status": "failed"}
            self._report("otp.failed", failed)
        raise failure

    def _find_otp(
        self, workspace: str, check_request: CheckRequest, quirks: Quirks, *, max_tries: int, now: float
    ) -> Otp | None:
        """Return the OTP that a verify is about: the one with the id, or else the newest one of the number.

        With the quirk ``newest_by_number`` the newest one is used in any state.
        """
        with self._lock:
            if check_request.id is not None:
                # The OTP of another workspace is "not found". Its existence must not be visible.
                otp = self._otps.get(check_request.id)
                return otp if otp and otp.workspace == workspace else None
            for otp_id in reversed(self._ids.get((workspace, check_request.to or ""), [])):
                otp = self._otps[otp_id]
                if quirks.newest_by_number or otp.is_open(now=now, max_tries=max_tries):
                    return otp
        return None
