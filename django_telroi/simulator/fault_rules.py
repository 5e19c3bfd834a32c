"""How the simulator behaves: what its carrier does with a call, and which fault applies to which request."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Literal, TypeVar, get_args

from django_telroi.simulator.faults import Fault
from django_telroi.simulator.http_request import Operation, Quirks
from django_telroi.simulator.responses import Refusal, crash

NO_GATEWAY = (
    "No Telroi voice gateway is configured for OTP. "
    "Configure a carrier in admin Settings, or select an external OTP vendor."
)


@dataclass(frozen=True)
class Carrier:
    """``rings`` says whether the phone rings, which a failed call may do all the same; ``after`` is in seconds."""

    rings: bool = True
    failure: Callable[[], Refusal] | None = None
    after: float = 0


def accepts(*, after: float = 0) -> Carrier:
    """The phone rings."""
    return Carrier(after=after)


def no_carrier() -> Carrier:
    """502: none is configured."""
    return _failing(NO_GATEWAY)


def gateway_500(*, rings: bool = False) -> Carrier:
    """502: the gateway answered 500; with ``rings`` the phone rings all the same."""
    return _failing("Gateway returned 500", rings=rings)


def carrier_refuses(*, message: str = "Trunk is congested") -> Carrier:
    """502 with the carrier's own words."""
    return _failing(message)


def carrier_silent(*, after: float = 15, rings: bool = False) -> Carrier:
    """502 after so many seconds; with ``rings`` the phone rings all the same."""
    return _failing("The operation was aborted due to timeout", after=after, rings=rings)


def vendor_unreachable() -> Carrier:
    """500 without a code: the outside vendor refused the connection."""
    return Carrier(rings=False, failure=crash)


def vendor_not_configured() -> Carrier:
    """502: an outside vendor was chosen without credentials."""
    return _failing("Twilio OTP vendor not configured")


def custom_vendor_500() -> Carrier:
    """502: an outside vendor of the workspace's own answered 500."""
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
    """Seconds between carrying a request out and answering it."""

    seconds: float = 0


@dataclass(frozen=True)
class Race:
    """Seconds between reading a state and writing it: whoever comes in between reads the old one and passes too."""

    seconds: float = 0


@dataclass(frozen=True)
class WithoutQuirk:
    name: str


Effect = Fault | Carrier | Latency | Race | WithoutQuirk
E = TypeVar("E", Fault, Carrier, Latency, Race)


@dataclass
class FaultRule:
    """``to`` and ``on`` say for which requests, ``times`` for how many more of them; None stands for all."""

    effect: Effect
    to: str | None = None
    on: On = "any"
    times: int | None = None

    def __post_init__(self) -> None:
        if self.on not in get_args(On):
            raise ValueError(f"{self.on!r} is none of {', '.join(get_args(On))}")

    def covers(self, operation: Operation, to: str | None) -> bool:
        return self.times != 0 and self.on in ("any", operation) and (self.to is None or self.to == to)

    def use(self) -> None:
        if self.times is not None:
            self.times -= 1


@dataclass(frozen=True)
class Behavior:
    fault: Fault | None = None
    carrier: Carrier = field(default_factory=Carrier)
    latency: Latency = field(default_factory=Latency)
    race: Race = field(default_factory=Race)
    quirks: Quirks = field(default_factory=Quirks)


FAITHFUL = Behavior()


class FaultRules:
    """The rules in force.

    Of several for the same thing those for a number of requests come first, in the order they were made; then the
    latest of the lasting ones.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._rules: list[FaultRule] = []

    def add(self, rule: FaultRule) -> None:
        with self._lock:
            self._rules.append(rule)

    def forget(self, *kinds: type[Effect]) -> None:
        """Drop the rules of these kinds; without any, all rules."""
        with self._lock:
            self._rules = [rule for rule in self._rules if kinds and not isinstance(rule.effect, kinds)]

    def conduct_for(self, operation: Operation, to: str | None) -> Behavior:
        """What holds for this request, which uses up one of a rule's ``times``."""
        if not self._rules:
            return FAITHFUL
        with self._lock:
            rules = [rule for rule in self._in_force(operation, to) if not _leaves_unread(rule)]
            return Behavior(
                fault=_take(rules, Fault),
                carrier=_take(rules, Carrier) or FAITHFUL.carrier,
                latency=_take(rules, Latency) or FAITHFUL.latency,
                race=_take(rules, Race) or FAITHFUL.race,
                quirks=_take_quirks(rules),
            )

    def takes_unread(self, operation: Operation) -> bool:
        """Whether a request of which only the first line is known shall not be read."""
        if not self._rules:
            return False
        with self._lock:
            rules = [rule for rule in self._in_force(operation, None) if _leaves_unread(rule)]
            return _take(rules, Fault) is not None

    def _in_force(self, operation: Operation, to: str | None) -> list[FaultRule]:
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
