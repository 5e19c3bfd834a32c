"""The switches of the simulator, in Python and over HTTP."""

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
    """``GET`` reads, ``POST`` throws a switch; the body is a JSON object of the switch's arguments."""

    def __init__(self, readings: Readings, switches: SwitchTable) -> None:
        self._readings = readings
        self._switches = switches

    def answer(self, request: Request) -> Answer:
        name = request.path.removeprefix(PREFIX)
        if _comes_from_a_page(request):
            return _said(403, error="The switches are not for web pages.")
        if request.method == "GET" and name in self._readings:
            return _said(200, **{name or "simulator": self._readings[name]()})
        if request.method == "POST" and name in self._switches:
            return _thrown(self._switches[name], request.body)
        return _said(404, error=f"Nothing to {request.method} here.", switches=sorted(self._switches))


def _comes_from_a_page(request: Request) -> bool:
    """A page of any site may reach loopback: through a form, or under a name that resolves to it."""
    host = PORT.sub("", request.headers.get("host", ""))
    return "origin" in request.headers or host not in LOOPBACK


def _thrown(switch: Callable[..., object], body: bytes) -> Answer:
    try:
        arguments = json.loads(body or b"{}")
        if not isinstance(arguments, dict):
            raise TypeError("The body must be a JSON object of arguments.")
        switch(**arguments)
    except (TypeError, ValueError, LookupError) as error:
        return _said(400, error=str(error))
    return _said(200, done=True)


def _said(status: int, **payload: Any) -> Answer:
    return Answer(status, (("content-type", JSON), ("cache-control", "no-store")), compact(payload))


class Switches:
    """The state of one simulator and the ways to turn it.

    ``api_key`` is a live key whose calls ring. With ``test_key`` 000000 is right for any number. ``sandbox_key`` is a
    live key of a workspace in sandbox mode, which never dials. Most switches take ``to`` (only requests about that
    number), ``on`` (``"send"``, ``"verify"`` or ``"any"``) and ``times`` (only so many requests; None is all from now
    on).
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
        """Every phone that rang, newest last."""
        return self._store.calls

    @property
    def otps(self) -> list[Otp]:
        """Every send that was stored, newest last, also those that rang nobody."""
        return self._store.otps

    @property
    def requests(self) -> list[SeenRequest]:
        """Every request on the wire, newest last."""
        return self._ledger.requests

    @property
    def webhooks(self) -> list[Webhook]:
        """Every event that was queued for the endpoint, and what became of it, newest last."""
        return self._webhooks.all

    @property
    def webhook_is_on(self) -> bool:
        """Whether there is an endpoint that twenty failures in a row have not switched off."""
        return self._webhooks.is_on

    def last_code_for(self, to: str) -> str:
        """The code of the newest OTP for that exact number, heard or not."""
        codes = [otp.code for otp in self.otps if otp.to == to]
        if not codes:
            raise LookupError("no OTP for this number")
        return codes[-1]

    def wait_for_requests(self, count: int, *, timeout: float = 10) -> None:
        """Return once so many requests reached the wire. Raises TimeoutError."""
        if not self._ledger.wait_for(lambda seen: len(seen) >= count, timeout=timeout):
            raise TimeoutError(f"{len(self.requests)} of {count} requests came")

    def fail_next(self, fault: str, to: str | None = None, *, on: On = "any", times: int = 1, **options: Any) -> None:
        """Let the next request go wrong, in a way of ``FAULTS`` or of ``CARRIERS`` (a send only)."""
        self._rules.add(_rule(fault, to, on, times, options))

    def fail_always(self, fault: str, to: str | None = None, *, on: On = "any", **options: Any) -> None:
        """Let every request go wrong from now on."""
        self._rules.add(_rule(fault, to, on, None, options))

    def stop_failing(self) -> None:
        """Forget every fault and carrier."""
        self._rules.forget(Fault, Carrier)

    def release(self) -> None:
        """Let go of the requests that the faults ``hold`` and ``begins_late`` hold now."""
        self._gate.open()

    def carrier(self, outcome: str, to: str | None = None, *, times: int | None = None, **options: Any) -> None:
        """What becomes of a call, one of ``CARRIERS``."""
        self._rules.add(_rule(_known(outcome, CARRIERS), to, "send", times, options))

    def latency(self, seconds: float, to: str | None = None, *, on: On = "any", times: int | None = None) -> None:
        """Answer so much later. What is asked for is done at once."""
        self._rules.add(FaultRule(Latency(seconds), to, on, times))

    def race(self, seconds: float = 0.05, to: str | None = None, *, on: On = "any", times: int | None = None) -> None:
        """Let requests at once all pass, as Telroi does; without this they are judged one after another."""
        self._rules.add(FaultRule(Race(seconds), to, on, times))

    def without_quirk(self, quirk: str, to: str | None = None, *, on: On = "any", times: int | None = None) -> None:
        """Do as documented in this one point, a field of ``Quirks``."""
        name = _known(quirk, [each.name for each in fields(Quirks)])
        self._rules.add(FaultRule(WithoutQuirk(name), to, on, times))

    def faithful(self) -> None:
        """Forget every fault, carrier, latency, race and corrected quirk."""
        self._rules.forget()

    def advance(self, seconds: float) -> None:
        """Let time pass for the simulator."""
        self._clock.advance(seconds)

    def freeze(self) -> None:
        """Let the simulator's clock stand still; ``advance`` still moves it."""
        self._clock.freeze()

    def next_otp(self, *, code: str | None = None, id: str | None = None, to: str | None = None) -> None:  # noqa: A002 - the wire's word
        """Dictate the code or the id of the next OTP that is stored."""
        self._store.dictate(NextOtp(to, code, id))

    def set_policy(self, *, workspace: str = LIVE, **figures: float) -> None:
        """Change figures of ``Policy``."""
        self._accounts.change_policy(workspace, **figures)

    def set_wallet(self, balance: int, *, workspace: str = LIVE) -> None:
        """Minor units; a placed call costs one."""
        self._accounts.change(workspace, wallet=balance)

    def wallet(self, *, workspace: str = LIVE) -> int:
        return self._accounts.workspace(workspace).wallet

    def suspend(self, *, workspace: str = LIVE) -> None:
        """The workspace has an unpaid invoice."""
        self._accounts.change(workspace, is_suspended=True)

    def set_list(self, name: str, rows: Sequence[Mapping[str, Any]], *, workspace: str = LIVE) -> None:
        """What ``GET /v1/<name>`` lists."""
        lists = {**self._accounts.workspace(workspace).lists, name: list(rows)}
        self._accounts.change(workspace, lists=lists)

    def add_key(self, value: str, *, workspace: str = LIVE, scopes: Sequence[str] = ("*",)) -> None:
        """Accept this key; ``*`` stands for all scopes."""
        self._accounts.add(Key(value, self._accounts.workspace(workspace).name, frozenset(scopes)))

    def revoke_key(self, value: str) -> None:
        """Accept this key no more."""
        self._accounts.revoke(value)

    def flood_key(self, value: str) -> None:
        """The key has just made all the requests of its minute."""
        self._accounts.flood(value)

    def stop_key_store(self) -> None:
        """Telroi's database is out of reach: no key can be checked."""
        self._accounts.is_reachable = False

    def start_key_store(self) -> None:
        """Telroi's database is back."""
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
        """Report to this address, signed with ``webhook_secret``. ``every`` so many seconds the job runs by itself.

        Without it, ``deliver_webhooks`` runs it. ``delay`` is how old an event is when it is first due, by the
        simulator's clock, and ``patience`` how long an answer may take.
        """
        self._webhooks.send_to(url, events=events, delay=delay, every=every, patience=patience)

    def remove_webhook(self) -> None:
        """Report to nobody, and forget what was to be reported."""
        self._webhooks.close()

    def deliver_webhooks(self, runs: int = 1) -> None:
        """Deliver what is due, in no order; ``runs`` that overlap deliver all of it so many times."""
        self._webhooks.deliver(runs=runs)

    def unsign_webhooks(self, times: int | None = 1) -> None:
        """Leave the signature out; None is for good, 0 is never again."""
        self._webhooks.leave_unsigned(times)

    def enable_webhook(self) -> None:
        """What somebody does in the dashboard after twenty failures in a row."""
        self._webhooks.switch_on()

    def reset(self) -> None:
        """Everything as it was at the start, but for the keys' values and the ledger's file."""
        self._rules.forget()
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
    fault = FAULTS[_known(name, [*FAULTS, *CARRIERS])].tuned(**options)
    if fault.leaves_unread and to is not None:
        raise ValueError(f"{name} cannot know the number: nothing is read")
    return FaultRule(fault, to, on, times)


def _known(name: str, names: Sequence[str] | Mapping[str, object]) -> str:
    if name not in names:
        raise ValueError(f"{name!r} is none of {', '.join(sorted(names))}")
    return name
