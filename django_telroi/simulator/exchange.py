"""One request and its answer: recorded, delayed or broken as a test asked for."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from django_telroi.simulator.accounts import Clock, as_datetime, iso
from django_telroi.simulator.api import Api
from django_telroi.simulator.delivery import as_it_is
from django_telroi.simulator.fault_rules import Behavior, FaultRules
from django_telroi.simulator.http_request import Request
from django_telroi.simulator.http_server import Connection
from django_telroi.simulator.otp_requests import text_field
from django_telroi.simulator.otp_store import OtpStore
from django_telroi.simulator.responses import Answer, Outgoing, outgoing, refused, success


@dataclass(frozen=True)
class SeenRequest:
    """``to`` is the number it is about, None where the simulator could not tell."""

    method: str
    path: str
    to: str | None = field(repr=False)
    at: datetime


class Ledger:
    """In memory, and with a ``path`` also a line of JSON each in a file, which outlives the process."""

    def __init__(self, clock: Clock, path: Path | None = None) -> None:
        self._clock = clock
        self._file = None if path is None else os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._changed = threading.Condition()
        self._seen: list[SeenRequest] = []

    @property
    def requests(self) -> list[SeenRequest]:
        """Newest last."""
        with self._changed:
            return list(self._seen)

    def note(self, method: str, path: str, to: str | None) -> None:
        now = self._clock.now()
        with self._changed:
            self._append(method, path, to, now)
            self._seen.append(SeenRequest(method, path, to, as_datetime(now)))
            self._changed.notify_all()

    def wait_for(self, is_enough: Callable[[list[SeenRequest]], bool], *, timeout: float) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: is_enough(self._seen), timeout)

    def clear(self) -> None:
        """Forget what is in memory; a file is only ever appended to."""
        with self._changed:
            self._seen = []

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _append(self, method: str, path: str, to: str | None, now: float) -> None:
        if self._file is not None:
            line = json.dumps({"at": iso(now), "method": method, "path": path, "to": to}) + "\n"
            os.write(self._file, line.encode())


class FreezeGate:
    """Holds whoever waits at it until it is opened; it closes again at once."""

    def __init__(self) -> None:
        self._event = threading.Event()

    @property
    def event(self) -> threading.Event:
        """Set as soon as those who wait now may go on."""
        return self._event

    def open(self) -> None:
        held, self._event = self._event, threading.Event()
        held.set()


class Exchange:
    """What a connection does with each request."""

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
        """Whether to reset the connection although only the request's first line is known."""
        if not self._rules.takes_unread(request.operation):
            return False
        self._ledger.note(request.method, request.target, None)
        return True

    def serve(self, request: Request, line: Connection) -> bool:
        """Answer it. Returns whether the connection lives on."""
        to = self._number_in(request)
        held_at = self._gate.event
        self._ledger.note(request.method, request.target, to)
        conduct = self._rules.conduct_for(request.operation, to)
        if conduct.fault and conduct.fault.begin:
            conduct.fault.begin(line, held_at)
        out = self._outgoing(self._answer(request, conduct), request)
        if conduct.latency.seconds:
            line.linger(conduct.latency.seconds)
        if conduct.fault and conduct.fault.holds:
            line.linger(None, until=held_at)
        return self._deliver(line, out, conduct) and request.keeps_alive

    def _number_in(self, request: Request) -> str | None:
        """A verify by id is about the number that was called."""
        otp_id = text_field(request, "id") or ""
        return self._store.number_of(otp_id.lower()) or text_field(request, "to")

    def _answer(self, request: Request, conduct: Behavior) -> Answer:
        fault = conduct.fault
        if fault is None:
            return self._api.answer(request, conduct)
        if fault.refuse and not fault.acts:
            return refused(fault.refuse(), request, conduct.quirks)
        answer = self._api.answer(request, conduct) if fault.acts else success({})
        if fault.refuse:
            return refused(fault.refuse(), request, conduct.quirks)
        return fault.rewrite(answer) if fault.rewrite else answer

    def _outgoing(self, answer: Answer, request: Request) -> Outgoing:
        return outgoing(
            answer, now=self._clock.now(), keeps_alive=request.keeps_alive, without_body=request.method == "HEAD"
        )

    def _deliver(self, line: Connection, out: Outgoing, conduct: Behavior) -> bool:
        deliver = conduct.fault.deliver if conduct.fault else None
        return (deliver or as_it_is)(line, out)
