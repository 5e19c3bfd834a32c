"""What may become of a call once Telroi hands it on."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from django_telroi.simulator.answers import Refusal, crash

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
