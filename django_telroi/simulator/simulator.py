"""The simulator: a server on loopback with its switches."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any, Self

from django_telroi.simulator.accounts import iso
from django_telroi.simulator.api import Api
from django_telroi.simulator.delivery import as_it_is
from django_telroi.simulator.exchange import Exchange
from django_telroi.simulator.fault_rules import CARRIERS
from django_telroi.simulator.faults import FAULTS
from django_telroi.simulator.http_connection import Connection, first_line
from django_telroi.simulator.http_request import Quirks, Request
from django_telroi.simulator.http_server import HOST, Server
from django_telroi.simulator.http_switches import PREFIX, HttpSwitches
from django_telroi.simulator.responses import outgoing
from django_telroi.simulator.switches import Switches

# A list, not all methods of ``Switches``: a new method is reachable over HTTP only on purpose.
SWITCHES = (
    "add_key",
    "advance",
    "carrier",
    "deliver_webhooks",
    "enable_webhook",
    "fail_always",
    "fail_next",
    "faithful",
    "flood_key",
    "freeze",
    "latency",
    "next_otp",
    "own_codes",
    "race",
    "refuse",
    "release",
    "remove_webhook",
    "reset",
    "revoke_key",
    "set_list",
    "set_policy",
    "set_wallet",
    "set_webhook",
    "start_key_store",
    "stop_failing",
    "stop_key_store",
    "suspend",
    "unsign_webhooks",
    "without_quirk",
)


class Simulator(Switches):
    """Responds like Telroi at ``base_url``, from ``start`` to ``close`` or as a context manager.

    * ``port``: the port on loopback. 0 chooses a free one.
    * ``api_key``, ``test_key``, ``webhook_secret``: random ones by default.
    * ``ledger``: a file to which each request is appended before it is carried out.

    ``start`` raises OSError if the port is in use.
    """

    def __init__(
        self,
        *,
        port: int = 0,
        api_key: str | None = None,
        test_key: str | None = None,
        webhook_secret: str | None = None,
        ledger: Path | None = None,
    ) -> None:
        self._stopping = threading.Event()
        super().__init__(
            self._stopping.wait, api_key=api_key, test_key=test_key, webhook_secret=webhook_secret, ledger=ledger
        )
        api = Api(self._store, self._accounts, self._clock)
        self._exchange = Exchange(api, self._store, self._rules, self._ledger, self._clock, self._gate)
        self._http_switches = HttpSwitches(
            {
                "": self._describe,
                "calls": self._list_calls,
                "otps": self._list_otps,
                "requests": self._list_requests,
                "webhooks": self._list_webhooks,
            },
            {name: getattr(self, name) for name in SWITCHES},
        )
        self._server = Server(self._serve_one, port=port, stopping=self._stopping)
        self._restart_timer: threading.Timer | None = None

    @property
    def base_url(self) -> str:
        return f"http://{HOST}:{self._server.port}"

    def start(self) -> None:
        self._server.start()

    def close(self) -> None:
        """End all connections and threads. Clients that wait for a response get none."""
        # In this order: a timer could start the server again, and each request in progress may write to the ledger.
        self._cancel_restart()
        self._webhooks.close()
        self._server.close()
        self._ledger.close()

    @contextmanager
    def refusing(self) -> Iterator[None]:
        """While the context lasts, refuse connections. Idle connections are ended."""
        self._server.stop_listening()
        try:
            yield
        finally:
            self._server.start()

    def refuse(self, seconds: float) -> None:
        """Refuse connections for ``seconds``."""
        self._cancel_restart()
        self._server.stop_listening()
        self._restart_timer = threading.Timer(seconds, self._server.start)
        self._restart_timer.start()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()

    def _cancel_restart(self) -> None:
        if self._restart_timer:
            self._restart_timer.cancel()
            self._restart_timer.join()

    def _serve_one(self, first_bytes: bytes, connection: Connection) -> bool:
        """Serve one request. Returns whether the connection stays open."""
        method, target = first_line(first_bytes)
        if target.startswith(PREFIX):
            # Before the ledger and the faults: a switch works while all requests to Telroi's API fail.
            return self._serve_switch(connection)
        if self._exchange.leaves_unread(Request(method, target, {}, b"")):
            connection.reset()
            return False
        return self._exchange.serve(connection.read_request(), connection)

    def _serve_switch(self, connection: Connection) -> bool:
        request = connection.read_request()
        answer = self._http_switches.answer(request)
        out = outgoing(answer, now=self._clock.now(), keeps_alive=request.keeps_alive, without_body=False)
        return as_it_is(connection, out) and request.keeps_alive

    def _describe(self) -> Mapping[str, Any]:
        return {
            "base_url": self.base_url,
            "api_key": self.api_key,
            "test_key": self.test_key,
            "sandbox_key": self.sandbox_key,
            "webhook_secret": self.webhook_secret,
            "switches": {name: (getattr(self, name).__doc__ or "").strip() for name in SWITCHES},
            "faults": {name: fault.about for name, fault in FAULTS.items()},
            "carriers": {name: (outcome.__doc__ or "").strip() for name, outcome in CARRIERS.items()},
            "quirks": [each.name for each in fields(Quirks)],
        }

    def _list_calls(self) -> list[Mapping[str, Any]]:
        return [
            {
                "id": call.id,
                "to": call.to,
                "code": call.code,
                "language": call.language,
                "at": iso(call.at.timestamp()),
            }
            for call in self.calls
        ]

    def _list_otps(self) -> list[Mapping[str, Any]]:
        return [{"id": otp.id, "to": otp.to, "code": otp.code, "language": otp.language} for otp in self.otps]

    def _list_requests(self) -> list[Mapping[str, Any]]:
        return [
            {"method": seen.method, "path": seen.path, "to": seen.to, "at": iso(seen.at.timestamp())}
            for seen in self.requests
        ]

    def _list_webhooks(self) -> list[Mapping[str, Any]]:
        return [
            {
                "event": each.event,
                "body": each.body.decode(),
                "state": each.state,
                "attempts": each.attempts,
                "status": each.status,
                "due_at": iso(each.due_at),
            }
            for each in self.webhooks
        ]
