"""Serves one request: records it, and applies the latency and the fault that a test set."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from django_telroi.simulator.accounts import Clock, as_datetime, iso, key_in
from django_telroi.simulator.api import Api
from django_telroi.simulator.delivery import as_it_is
from django_telroi.simulator.fault_rules import Behavior, FaultRules
from django_telroi.simulator.http_connection import Connection
from django_telroi.simulator.http_request import Request
from django_telroi.simulator.otp_requests import text_field
from django_telroi.simulator.otp_store import OtpStore
from django_telroi.simulator.responses import Answer, outgoing, refused, success


@dataclass(frozen=True)
class SeenRequest:
    """A recorded request. ``to`` is the number that it is about, or None if that is unknown. ``key``: its API key."""

    method: str
    path: str
    to: str | None = field(repr=False)
    at: datetime
    key: str = field(default="", repr=False)


class Ledger:
    """Records requests in memory. With a ``path``, it also appends a line of JSON for each request to that file."""

    def __init__(self, clock: Clock, path: Path | None = None) -> None:
        self._clock = clock
        # A file descriptor instead of a Python file: with no buffer, a killed process loses no line. Only the owner
        # can read the file, because it contains numbers.
        self._file = None if path is None else os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._changed = threading.Condition()
        self._seen: list[SeenRequest] = []

    @property
    def requests(self) -> list[SeenRequest]:
        """The recorded requests, newest last."""
        with self._changed:
            return list(self._seen)

    def record(self, method: str, path: str, to: str | None, *, key: str = "") -> None:
        now = self._clock.now()
        with self._changed:
            if self._file is not None:
                # One write for one line, before the request is carried out. A test that kills processes then counts
                # requests in the file, not in the database of the process that it killed.
                line = json.dumps({"at": iso(now), "method": method, "path": path, "to": to}) + "\n"
                os.write(self._file, line.encode())
            self._seen.append(SeenRequest(method, path, to, as_datetime(now), key))
            self._changed.notify_all()

    def wait_for(self, is_enough: Callable[[list[SeenRequest]], bool], *, timeout: float) -> bool:
        """Wait until ``is_enough`` returns True for the requests, at most ``timeout`` seconds. Return its result."""
        with self._changed:
            return self._changed.wait_for(lambda: is_enough(self._seen), timeout)

    def clear(self) -> None:
        """Remove the requests in memory. The file keeps its lines."""
        with self._changed:
            self._seen = []

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None


class FreezeGate:
    """Holds requests until ``open`` is called. Requests that come after that are held until the next ``open``."""

    def __init__(self) -> None:
        self._event = threading.Event()

    @property
    def event(self) -> threading.Event:
        """The event that ``open`` sets for all requests that are held now."""
        return self._event

    def open(self) -> None:
        """Release the requests that are held now."""
        # A new event instead of set and clear: the held threads look at it every 20 ms and could miss that.
        current, self._event = self._event, threading.Event()
        current.set()


class Exchange:
    """Serves the requests of all connections."""

    def __init__(
        self, api: Api, store: OtpStore, rules: FaultRules, ledger: Ledger, clock: Clock, gate: FreezeGate
    ) -> None:
        self._api = api
        self._store = store
        self._rules = rules
        self._ledger = ledger
        self._clock = clock
        self._gate = gate

    def leaves_unread(self, request: Request) -> bool:
        """Record the request and return True if the connection must be reset before the request is read.

        Only the request's first line is known here.
        """
        if not self._rules.takes_unread(request.operation):
            return False
        self._ledger.record(request.method, request.target, None)
        return True

    def serve(self, request: Request, connection: Connection) -> bool:
        """Record the request and send the response. Returns whether the connection stays open."""
        # A verify by id is about the number of that call. Telroi ignores ``to`` if there is an ``id``.
        otp_id = text_field(request, "id") or ""
        to = self._store.number_of(otp_id.lower()) or text_field(request, "to")

        # Read the event before the request is recorded. A test waits for the record and then calls ``release``, which
        # must release this request.
        release_event = self._gate.event
        self._ledger.record(request.method, request.target, to, key=key_in(request.headers))

        behavior = self._rules.behavior_for(request.operation, to)
        fault = behavior.fault
        if fault and fault.begin:
            fault.begin(connection, release_event)
        answer = self._answer(request, behavior)

        # Made before the waits, so that ``Date`` is the time of the answer, as if the network were slow.
        out = outgoing(
            answer, now=self._clock.now(), keeps_alive=request.keeps_alive, without_body=request.method == "HEAD"
        )
        if behavior.latency.seconds:
            connection.wait(behavior.latency.seconds)
        if fault and fault.holds:
            connection.wait(None, until=release_event)
        deliver = fault.deliver if fault else None
        return (deliver or as_it_is)(connection, out) and request.keeps_alive

    def _answer(self, request: Request, behavior: Behavior) -> Answer:
        """Return the response, changed by the fault. Carries out the request, unless the fault prevents that."""
        fault = behavior.fault
        if fault is None:
            return self._api.answer(request, behavior)
        if fault.refuse and not fault.acts:
            return refused(fault.refuse(), request, behavior.quirks)
        # Without an act there is no right answer to rewrite or to delay, so the faults get an empty one.
        answer = self._api.answer(request, behavior) if fault.acts else success({})
        if fault.refuse:
            return refused(fault.refuse(), request, behavior.quirks)
        return fault.rewrite(answer) if fault.rewrite else answer
