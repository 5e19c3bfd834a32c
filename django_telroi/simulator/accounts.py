"""Workspaces, API keys and their limits, with a clock that a test can advance."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from django_telroi.simulator.responses import Refusal


class Clock:
    """A clock that runs like the machine's, and can be advanced and stopped."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        # The machine's time may be set back during a test. The monotonic clock cannot, so no waiting time grows.
        self._epoch = time.time() - time.monotonic()
        self._ahead = 0.0
        self._frozen_at: float | None = None

    def now(self) -> float:
        """Seconds since 1970."""
        with self._lock:
            return self._running_time() if self._frozen_at is None else self._frozen_at

    def advance(self, seconds: float) -> None:
        """Move the clock forward, also while it is stopped."""
        with self._lock:
            self._ahead += seconds
            if self._frozen_at is not None:
                self._frozen_at += seconds

    def freeze(self) -> None:
        """Stop the clock, so that waiting times are exact to the second. ``advance`` still moves it."""
        with self._lock:
            if self._frozen_at is None:
                self._frozen_at = self._running_time()

    def reset(self) -> None:
        """Set the clock to the machine's time and let it run."""
        with self._lock:
            self._ahead = 0.0
            self._frozen_at = None

    def _running_time(self) -> float:
        return self._epoch + time.monotonic() + self._ahead


def as_datetime(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def iso(seconds: float) -> str:
    """Return a time in Telroi's format: UTC with milliseconds and a ``Z``."""
    return as_datetime(seconds).isoformat(timespec="milliseconds").replace("+00:00", "Z")


@dataclass(frozen=True)
class OtpLimits:
    """The operator's limits, as measured. Times are in seconds, the price in minor units of the wallet's currency."""

    cooldown: float = 60
    per_hour: int = 5
    per_day: int = 20
    code_length: int = 6
    code_ttl: float = 300
    tries: int = 3
    price: int = 1
    requests_per_minute: int = 600


# Two workspaces, because a live key of one in sandbox mode gets the same responses, and its calls never ring.
LIVE = "live"
SANDBOX = "sandbox"
MINUTE = 60


@dataclass(frozen=True)
class Workspace:
    """One customer of Telroi. ``dials`` is False in sandbox mode, which no response of Telroi shows."""

    name: str
    dials: bool
    policy: OtpLimits = field(default_factory=OtpLimits)
    wallet: int = 1_000_000
    is_suspended: bool = False
    lists: Mapping[str, list[Any]] = field(default_factory=dict)

    @property
    def can_pay(self) -> bool:
        return not self.is_suspended and self.wallet >= self.policy.price


@dataclass(frozen=True)
class Key:
    """An API key. ``scopes`` may contain ``*``, which covers all. A test key is known by its prefix only."""

    value: str = field(repr=False)
    workspace: str
    scopes: frozenset[str]
    is_revoked: bool = False

    @property
    def is_test(self) -> bool:
        return self.value.startswith("tlr_test_")

    def allows(self, scope: str) -> bool:
        return scope in self.scopes or "*" in self.scopes


class Accounts:
    """The workspaces, the keys and the counters of their requests."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self.reset()

    def reset(self) -> None:
        """Set up two workspaces, one that dials and one in sandbox mode, and remove all keys."""
        with self._lock:
            self._workspaces = {LIVE: Workspace(LIVE, dials=True), SANDBOX: Workspace(SANDBOX, dials=False)}
            self._keys: dict[str, Key] = {}
            self._windows: dict[str, tuple[float, int]] = {}
            self.is_reachable = True

    def workspace(self, name: str) -> Workspace:
        return self._workspaces[name]

    def change(self, workspace: str, **changes: Any) -> None:
        with self._lock:
            self._workspaces[workspace] = replace(self._workspaces[workspace], **changes)

    def change_policy(self, workspace: str, **changes: Any) -> None:
        self.change(workspace, policy=replace(self.workspace(workspace).policy, **changes))

    def debit(self, workspace: str) -> None:
        """Charge one placed call."""
        with self._lock:
            account = self._workspaces[workspace]
            self._workspaces[workspace] = replace(account, wallet=account.wallet - account.policy.price)

    def add(self, key: Key) -> None:
        with self._lock:
            self._keys[key.value] = key

    def revoke(self, value: str) -> None:
        with self._lock:
            self._keys[value] = replace(self._keys[value], is_revoked=True)

    def flood(self, value: str) -> None:
        """Use up all requests of the key's current minute."""
        with self._lock:
            self._windows[value] = (self._clock.now(), self._limit_of(self._keys[value]))

    def admit(self, headers: Mapping[str, str], *, scope: str) -> Key:
        """Count the request and return its key. Raises Refusal, in Telroi's order: key, rate limit, scope."""
        key = self._authenticate(key_in(headers))
        # A request that lacks the scope is counted, too. One with an unknown key has no counter.
        self._count(key)
        if not key.allows(scope):
            raise Refusal(403, "forbidden", f"Key lacks {scope}")
        return key

    def _authenticate(self, value: str) -> Key:
        if not value.startswith("tlr_"):
            raise Refusal(401, "unauthorized", "Missing or malformed API key")
        # Telroi looks at the prefix before it asks its database, so a malformed key gets 401 during an outage, too.
        if not self.is_reachable:
            raise Refusal(503, "service_unavailable", "Key verification temporarily unavailable")
        key = self._keys.get(value)
        if key is None or key.is_revoked:
            raise Refusal(401, "unauthorized", "Invalid or revoked API key")
        return key

    def _count(self, key: Key) -> None:
        """Count one request. Raises Refusal over the limit.

        The window is fixed: a minute begins with the first request after the last minute ended.
        """
        now = self._clock.now()
        with self._lock:
            # Every authenticated request counts, as in Telroi, also one that is rejected.
            began, count = self._windows.get(key.value, (now, 0))
            if now - began >= MINUTE:
                began, count = now, 0
            self._windows[key.value] = (began, count + 1)
        if count >= self._limit_of(key):
            wait = math.ceil(began + MINUTE - now)
            raise Refusal(429, "rate_limited", f"Too many requests. Try again in {wait}s.", wait=wait)

    def _limit_of(self, key: Key) -> int:
        return self._workspaces[key.workspace].policy.requests_per_minute


def key_in(headers: Mapping[str, str]) -> str:
    """Return the token of a ``Bearer`` header, else the header ``X-API-Key``, else ``""``."""
    # Telroi compares the word ``Bearer`` case-sensitively.
    authorization = headers.get("authorization", "")
    if authorization.startswith("Bearer "):
        return authorization.removeprefix("Bearer ").strip()
    return headers.get("x-api-key", "")
