"""The rules of the simulator's behavior: the result of a call, and the fault for a request."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal, TypeVar, get_args

from django_telroi.simulator.faults import Fault
from django_telroi.simulator.http_request import Operation, Quirks
from django_telroi.simulator.otp_requests import OwnCodes
from django_telroi.simulator.responses import Refusal, crash

NO_GATEWAY = (
    "No Telroi voice gateway is configured for OTP. "
    "Configure a carrier in admin Settings, or select an external OTP vendor."
)


@dataclass(frozen=True)
class Carrier:
    """The result of a call. ``rings``: whether the phone rings, even if the call fails. ``after``: delay in seconds."""

    rings: bool = True
    failure: Callable[[], Refusal] | None = None
    after: float = 0


def accepts(*, after: float = 0) -> Carrier:
    """The call is placed and the phone rings."""
    return Carrier(after=after)


def no_carrier() -> Carrier:
    """502: no carrier is configured."""
    return _failing(NO_GATEWAY)


def gateway_500(*, rings: bool = False) -> Carrier:
    """502: the gateway responds with 500. With ``rings`` the phone still rings."""
    return _failing("Gateway returned 500", rings=rings)


def carrier_refuses(*, message: str = "Trunk is congested") -> Carrier:
    """Return a carrier whose calls fail with 502 and the carrier's own message."""
    return _failing(message)


def carrier_silent(*, after: float = 15, rings: bool = False) -> Carrier:
    """Return a carrier whose calls fail with 502 after ``after`` seconds. With ``rings`` the phone still rings."""
    return _failing("The operation was aborted due to timeout", after=after, rings=rings)


def vendor_unreachable() -> Carrier:
    """500 without a code: the external vendor refuses the connection."""
    # Telroi does not expect this error, so the response has no code and there is no webhook.
    return Carrier(rings=False, failure=crash)


def vendor_not_configured() -> Carrier:
    """502: an external vendor is selected but has no credentials."""
    return _failing("Twilio OTP vendor not configured")


def custom_vendor_500() -> Carrier:
    """502: the workspace's own vendor responds with 500. Telroi does not show the vendor's status as its own."""
    return _failing("Custom vendor error 500")


def _failing(message: str, *, after: float = 0, rings: bool = False) -> Carrier:
    return Carrier(rings=rings, failure=partial(Refusal, 502, "otp_failed", message), after=after)


CARRIERS: Mapping[str, Callable[..., Carrier]] = {
    outcome.__name__: outcome
    for outcome in (
        accepts,
        no_carrier,
        gateway_500,
        carrier_refuses,
        carrier_silent,
        vendor_unreachable,
        vendor_not_configured,
        custom_vendor_500,
    )
}

On = Literal["send", "verify", "other", "any"]


@dataclass(frozen=True)
class Latency:
    """Seconds between carrying out a request and sending the response."""

    seconds: float = 0


@dataclass(frozen=True)
class Race:
    """Seconds between reading a state and writing it. A request in between reads the old state and passes too."""

    seconds: float = 0


@dataclass(frozen=True)
class WithoutQuirk:
    """Turns off the quirk ``name``."""

    name: str


Effect = Fault | Carrier | Latency | Race | OwnCodes | WithoutQuirk
E = TypeVar("E", Fault, Carrier, Latency, Race, OwnCodes)


@dataclass
class FaultRule:
    """An effect on requests of the kind ``on`` about the number ``to``, for ``times`` more requests. None means all."""

    effect: Effect
    to: str | None = None
    on: On = "any"
    times: int | None = None

    def __post_init__(self) -> None:
        if self.on not in get_args(On):
            raise ValueError(f"on={self.on!r} must be one of {', '.join(get_args(On))}")

    def covers(self, operation: Operation, to: str | None) -> bool:
        return self.times != 0 and self.on in ("any", operation) and (self.to is None or self.to == to)

    def use(self) -> None:
        if self.times is not None:
            self.times -= 1


@dataclass(frozen=True)
class Behavior:
    """How the simulator treats one request. The default is that of Telroi."""

    fault: Fault | None = None
    carrier: Carrier = field(default_factory=Carrier)
    latency: Latency = field(default_factory=Latency)
    race: Race = field(default_factory=Race)
    own_codes: OwnCodes = field(default_factory=OwnCodes)
    quirks: Quirks = field(default_factory=Quirks)


FAITHFUL = Behavior()


class FaultRules:
    """The active rules.

    If several rules apply to a request, those with ``times`` come first, oldest first. After them comes the newest rule
    without ``times``.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rules: list[FaultRule] = []

    def add(self, rule: FaultRule) -> None:
        with self._lock:
            self._rules.append(rule)

    def remove(self, *kinds: type[Effect]) -> None:
        """Remove the rules with effects of these kinds. Without ``kinds``, remove all rules."""
        with self._lock:
            self._rules = [rule for rule in self._rules if kinds and not isinstance(rule.effect, kinds)]

    def behavior_for(self, operation: Operation, to: str | None) -> Behavior:
        """Return the behavior for this request, and subtract 1 from ``times`` of each rule that is used."""
        # Most requests have no rule, and then they do not wait for the lock.
        if not self._rules:
            return FAITHFUL
        with self._lock:
            rules = [rule for rule in self._in_force(operation, to) if not _leaves_unread(rule)]
            return Behavior(
                fault=_take(rules, Fault),
                carrier=_take(rules, Carrier) or FAITHFUL.carrier,
                latency=_take(rules, Latency) or FAITHFUL.latency,
                race=_take(rules, Race) or FAITHFUL.race,
                own_codes=_take(rules, OwnCodes) or FAITHFUL.own_codes,
                quirks=_take_quirks(rules),
            )

    def takes_unread(self, operation: Operation) -> bool:
        """Whether the connection must be reset before the request is read. Uses up the rule."""
        if not self._rules:
            return False
        with self._lock:
            # The number is in the body, which is not read. ``fail_next`` allows no ``to`` for such a fault.
            rules = [rule for rule in self._in_force(operation, None) if _leaves_unread(rule)]
            return _take(rules, Fault) is not None

    def _in_force(self, operation: Operation, to: str | None) -> list[FaultRule]:
        # A test sets a lasting state and then single faults, which must not be hidden by it. Of two lasting rules the
        # newer one replaces the older one, as a switch does.
        covering = [rule for rule in self._rules if rule.covers(operation, to)]
        lasting = [rule for rule in reversed(covering) if rule.times is None]
        return [rule for rule in covering if rule.times is not None] + lasting


def _leaves_unread(rule: FaultRule) -> bool:
    return isinstance(rule.effect, Fault) and rule.effect.leaves_unread


def _take(rules: list[FaultRule], kind: type[E]) -> E | None:
    for rule in rules:
        if isinstance(rule.effect, kind):
            rule.use()
            return rule.effect
    return None


def _take_quirks(rules: list[FaultRule]) -> Quirks:
    quirks = FAITHFUL.quirks
    for rule in rules:
        if isinstance(rule.effect, WithoutQuirk):
            rule.use()
            quirks = replace(quirks, **{rule.effect.name: False})
    return quirks
