"""The switches of the simulator: its state, and the methods that change it."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, get_args

from django_telroi.simulator.accounts import LIVE, SANDBOX, Accounts, Clock, Key
from django_telroi.simulator.exchange import FreezeGate, Ledger, SeenRequest
from django_telroi.simulator.fault_rules import (
    CARRIERS,
    Carrier,
    FaultRule,
    FaultRules,
    Latency,
    On,
    Race,
    WithoutQuirk,
)
from django_telroi.simulator.faults import FAULTS, Fault, with_options
from django_telroi.simulator.http_request import Quirks
from django_telroi.simulator.otp import Call, Otp
from django_telroi.simulator.otp_requests import OwnCodes, OwnCodesMode
from django_telroi.simulator.otp_store import NextOtp, OtpStore
from django_telroi.simulator.webhook_sender import EVENTS, WEBHOOK_TIMEOUT, Webhook, Webhooks


class Switches:
    """The state of one simulator, and the methods that change it.

    ``api_key`` is a live key whose calls ring. With ``test_key`` 000000 is right for any number. ``sandbox_key`` is a
    live key of a workspace in sandbox mode, which never dials.

    Most switches have these arguments. ``to``: only requests about this number. ``on``: only ``"send"`` or
    ``"verify"``, or ``"any"``. ``times``: only this number of requests; None means all from now on.
    """

    def __init__(
        self,
        pause: Callable[[float], object],
        *,
        api_key: str | None = None,
        test_key: str | None = None,
        webhook_secret: str | None = None,
        ledger: Path | None = None,
    ) -> None:
        self.api_key = api_key or f"tlr_live_simulator{secrets.token_hex(8)}"
        self.test_key = test_key or f"tlr_test_simulator{secrets.token_hex(8)}"
        self.sandbox_key = f"tlr_live_sandbox{secrets.token_hex(8)}"
        self._clock = Clock()
        self._accounts = Accounts(self._clock)
        self.webhook_secret = webhook_secret or f"whsec_{secrets.token_hex(24)}"
        self._webhooks = Webhooks(self._clock, self.webhook_secret)
        self._store = OtpStore(self._clock, self._accounts, pause, self._webhooks.queue)
        self._rules = FaultRules()
        self._ledger = Ledger(self._clock, ledger)
        self._gate = FreezeGate()
        self._issue_keys()

    @property
    def calls(self) -> list[Call]:
        """All phones that rang, newest last."""
        return self._store.calls

    @property
    def otps(self) -> list[Otp]:
        """All stored OTPs, newest last, also those without a call."""
        return self._store.otps

    @property
    def requests(self) -> list[SeenRequest]:
        """All requests that were received, newest last."""
        return self._ledger.requests

    @property
    def webhooks(self) -> list[Webhook]:
        """All events that were queued for the endpoint, with their state, newest last."""
        return self._webhooks.all

    @property
    def webhook_is_on(self) -> bool:
        """Whether an endpoint is set and not disabled. 20 failures in a row disable it."""
        return self._webhooks.is_on

    def last_code_for(self, to: str) -> str:
        """Return the code of the newest OTP for exactly this number, rung or not. Raises LookupError without one.

        After a send with an own code, this is that code.
        """
        codes = [otp.code for otp in self.otps if otp.to == to]
        if not codes:
            raise LookupError("no OTP for this number")
        return codes[-1]

    def wait_for_requests(self, count: int, *, timeout: float = 10) -> None:
        """Wait until ``count`` requests were received. Raises TimeoutError after ``timeout`` seconds."""
        # Instead of a sleep, so that a test does not depend on how fast the machine is.
        if not self._ledger.wait_for(lambda seen: len(seen) >= count, timeout=timeout):
            raise TimeoutError(f"{len(self.requests)} of {count} requests were received")

    def fail_next(self, fault: str, to: str | None = None, *, on: On = "any", times: int = 1, **options: Any) -> None:
        """Make the next request fail with a fault of ``FAULTS`` or ``CARRIERS`` (only sends)."""
        self._rules.add(_rule(fault, to, on, times, options))

    def fail_always(self, fault: str, to: str | None = None, *, on: On = "any", **options: Any) -> None:
        """Make all requests fail from now on."""
        self._rules.add(_rule(fault, to, on, None, options))

    def stop_failing(self) -> None:
        """Remove all faults and carriers."""
        self._rules.remove(Fault, Carrier)

    def release(self) -> None:
        """Release the requests that the faults ``hold`` and ``begins_late`` hold now."""
        self._gate.open()

    def carrier(self, outcome: str, to: str | None = None, *, times: int | None = None, **options: Any) -> None:
        """Set the result of calls, one of ``CARRIERS``."""
        self._rules.add(_rule(_check_name(outcome, CARRIERS), to, "send", times, options))

    def latency(self, seconds: float, to: str | None = None, *, on: On = "any", times: int | None = None) -> None:
        """Send responses ``seconds`` later. The requests are carried out at once."""
        self._rules.add(FaultRule(Latency(seconds), to, on, times))

    def race(self, seconds: float = 0.05, to: str | None = None, *, on: On = "any", times: int | None = None) -> None:
        """Let simultaneous requests all pass, as in Telroi. Otherwise they are carried out one after another."""
        self._rules.add(FaultRule(Race(seconds), to, on, times))

    def without_quirk(self, quirk: str, to: str | None = None, *, on: On = "any", times: int | None = None) -> None:
        """Turn off one quirk, a field of ``Quirks``: the simulator then follows Telroi's documentation."""
        name = _check_name(quirk, [each.name for each in fields(Quirks)])
        self._rules.add(FaultRule(WithoutQuirk(name), to, on, times))

    def own_codes(
        self, mode: OwnCodesMode, to: str | None = None, *, times: int | None = None, status: int = 400
    ) -> None:
        """Set what happens to the client's own ``code`` in a send: ``confirm`` (Telroi), ``ignore`` or ``reject``.

        ``ignore``: as a Telroi that does not know ``code``. It creates the code and verifies it. ``reject``: an error
        with ``status``, 400 or 422; no phone rings and no cooldown starts. ``times`` counts all sends.
        """
        _check_name(mode, get_args(OwnCodesMode))
        if status not in (400, 422):
            raise ValueError("status must be 400 or 422")
        self._rules.add(FaultRule(OwnCodes(mode, status), to, "send", times))

    def faithful(self) -> None:
        """Remove all faults, carriers, latencies and races, confirm own codes, and turn all quirks on."""
        self._rules.remove()

    def advance(self, seconds: float) -> None:
        """Advance the simulator's clock by ``seconds``."""
        self._clock.advance(seconds)

    def freeze(self) -> None:
        """Stop the simulator's clock. ``advance`` still moves it."""
        self._clock.freeze()

    def next_otp(self, *, code: str | None = None, id: str | None = None, to: str | None = None) -> None:  # noqa: A002 - Telroi's name for it
        """Set the code or the id of the next OTP that is stored."""
        self._store.set_next_otp(NextOtp(to, code, id))

    def set_policy(self, *, workspace: str = LIVE, **figures: float) -> None:
        """Change fields of ``OtpLimits``."""
        self._accounts.change_policy(workspace, **figures)

    def set_wallet(self, balance: int, *, workspace: str = LIVE) -> None:
        """Set the balance of the wallet in minor units. A placed call costs 1."""
        self._accounts.change(workspace, wallet=balance)

    def wallet(self, *, workspace: str = LIVE) -> int:
        return self._accounts.workspace(workspace).wallet

    def suspend(self, *, workspace: str = LIVE) -> None:
        """Suspend the workspace, as for an unpaid invoice."""
        self._accounts.change(workspace, is_suspended=True)

    def set_list(self, name: str, rows: Sequence[Mapping[str, Any]], *, workspace: str = LIVE) -> None:
        """Set the list that ``GET /v1/<name>`` returns."""
        lists = {**self._accounts.workspace(workspace).lists, name: list(rows)}
        self._accounts.change(workspace, lists=lists)

    def add_key(self, value: str, *, workspace: str = LIVE, scopes: Sequence[str] = ("*",)) -> None:
        """Accept this key. ``*`` means all scopes."""
        self._accounts.add(Key(value, self._accounts.workspace(workspace).name, frozenset(scopes)))

    def revoke_key(self, value: str) -> None:
        """Reject this key from now on."""
        self._accounts.revoke(value)

    def flood_key(self, value: str) -> None:
        """Use up all requests of the key's current minute."""
        self._accounts.flood(value)

    def stop_key_store(self) -> None:
        """Simulate an outage of Telroi's database: no key can be checked."""
        self._accounts.is_reachable = False

    def start_key_store(self) -> None:
        """End the outage of ``stop_key_store``."""
        self._accounts.is_reachable = True

    def set_webhook(
        self,
        url: str,
        *,
        events: Collection[str] = EVENTS,
        delay: float = 0,
        every: float | None = None,
        timeout: float = WEBHOOK_TIMEOUT,
    ) -> None:
        """Send events to this URL, signed with ``webhook_secret``.

        ``every``: seconds between two runs that send the events that are due. If it is None, call ``deliver_webhooks``.
        ``delay``: seconds, by the simulator's clock, until an event is first due. ``timeout``: timeout in seconds.
        """
        self._webhooks.send_to(url, events=events, delay=delay, every=every, timeout=timeout)

    def remove_webhook(self) -> None:
        """Remove the endpoint and all queued events."""
        self._webhooks.close()

    def deliver_webhooks(self, runs: int = 1) -> None:
        """Send the events that are due, in random order. ``runs`` overlapping runs send each of them ``runs`` times."""
        self._webhooks.deliver(runs=runs)

    def unsign_webhooks(self, times: int | None = 1) -> None:
        """Send the next ``times`` webhooks without a signature. None means all of them, 0 none."""
        self._webhooks.send_unsigned(times)

    def enable_webhook(self) -> None:
        """Enable the endpoint again, as in Telroi's dashboard after 20 failures in a row."""
        self._webhooks.switch_on()

    def reset(self) -> None:
        """Restore the initial state, except for the values of the keys and the ledger's file."""
        # First without faults, then release: a request that was held must not meet the next fault.
        self._rules.remove()
        self._gate.open()
        self._webhooks.close()
        self._clock.reset()
        self._accounts.reset()
        self._store.reset()
        self._ledger.clear()
        self._issue_keys()

    def _issue_keys(self) -> None:
        self.add_key(self.api_key)
        self.add_key(self.test_key)
        self.add_key(self.sandbox_key, workspace=SANDBOX)


def _rule(name: str, to: str | None, on: On, times: int | None, options: Mapping[str, Any]) -> FaultRule:
    # A carrier's result is part of carrying out a send, so ``on`` is not used.
    if name in CARRIERS:
        return FaultRule(with_options(CARRIERS[name], options)(), to, "send", times)
    fault = FAULTS[_check_name(name, [*FAULTS, *CARRIERS])].tuned(**options)
    if fault.leaves_unread and to is not None:
        raise ValueError(f"{name} cannot be limited to a number, because the request is not read")
    return FaultRule(fault, to, on, times)


def _check_name(name: str, names: Sequence[str] | Mapping[str, object]) -> str:
    if name not in names:
        raise ValueError(f"{name!r} must be one of {', '.join(sorted(names))}")
    return name
