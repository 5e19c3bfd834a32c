"""The switches of the simulator: methods in Python, and the same methods over HTTP."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

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
from django_telroi.simulator.http_request import Quirks, Request
from django_telroi.simulator.otp_store import Call, NextOtp, Otp, OtpStore
from django_telroi.simulator.responses import JSON, Answer, compact
from django_telroi.simulator.webhook_sender import EVENTS, PATIENCE, Webhook, Webhooks

PREFIX = "/_simulator/"
LOOPBACK = frozenset({"127.0.0.1", "localhost"})
PORT = re.compile(r":\d*$")

Readings = Mapping[str, Callable[[], object]]
SwitchTable = Mapping[str, Callable[..., object]]


class Control:
    """The switches over HTTP. GET reads, POST calls a switch with the arguments in a JSON object."""

    def __init__(self, readings: Readings, switches: SwitchTable) -> None:
        self._readings = readings
        self._switches = switches

    def answer(self, request: Request) -> Answer:
        name = request.path.removeprefix(PREFIX)
        if _is_from_web_page(request):
            return _json_answer(403, error="Web pages cannot use the switches.")
        if request.method == "GET" and name in self._readings:
            return _json_answer(200, **{name or "simulator": self._readings[name]()})
        if request.method == "POST" and name in self._switches:
            return _run_switch(self._switches[name], request.body)
        return _json_answer(404, error=f"{request.method} is not possible here.", switches=sorted(self._switches))


def _is_from_web_page(request: Request) -> bool:
    """Whether a web page sent the request. Any site can reach loopback, with a form or a name that resolves to it."""
    host = PORT.sub("", request.headers.get("host", ""))
    return "origin" in request.headers or host not in LOOPBACK


def _run_switch(switch: Callable[..., object], body: bytes) -> Answer:
    try:
        arguments = json.loads(body or b"{}")
        if not isinstance(arguments, dict):
            raise TypeError("The body must be a JSON object of arguments.")
        switch(**arguments)
    except (TypeError, ValueError, LookupError) as error:
        return _json_answer(400, error=str(error))
    return _json_answer(200, done=True)


def _json_answer(status: int, **payload: Any) -> Answer:
    return Answer(status, (("content-type", JSON), ("cache-control", "no-store")), compact(payload))


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
        """Return the code of the newest OTP for exactly this number, rung or not. Raises LookupError without one."""
        codes = [otp.code for otp in self.otps if otp.to == to]
        if not codes:
            raise LookupError("no OTP for this number")
        return codes[-1]

    def wait_for_requests(self, count: int, *, timeout: float = 10) -> None:
        """Wait until ``count`` requests were received. Raises TimeoutError after ``timeout`` seconds."""
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

    def faithful(self) -> None:
        """Remove all faults, carriers, latencies and races, and turn all quirks on."""
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
        patience: float = PATIENCE,
    ) -> None:
        """Send events to this URL, signed with ``webhook_secret``.

        ``every``: seconds between two runs that send the events that are due. If it is None, call ``deliver_webhooks``.
        ``delay``: seconds, by the simulator's clock, until an event is first due. ``patience``: timeout in seconds.
        """
        self._webhooks.send_to(url, events=events, delay=delay, every=every, patience=patience)

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
