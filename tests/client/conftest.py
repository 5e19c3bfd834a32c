"""A server with scripted faults, and clients with short time-outs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from django_telroi.client import TelroiClient, deadline, transport
from tests.client.wire import PATIENCE, Script, Server

KEY = "tlr_live_Canary0Key0Canary0Key0Canary"


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    """Return a function that starts a server with a script."""
    with ExitStack() as stack:

        def start(script: Script, **options: Any) -> Server:
            server = Server(script, **options)
            stack.callback(server.close)
            return server

        yield start


@pytest.fixture
def connect() -> Iterator[Callable[..., TelroiClient]]:
    """Return a function that makes a client of a server or URL. Its default time-out only guards against hanging."""
    with ExitStack() as stack:

        def make(server: Server | str, **options: Any) -> TelroiClient:
            url = server if isinstance(server, str) else server.url
            patient = {"connect_timeout": PATIENCE, "read_timeout": PATIENCE, "total_timeout": PATIENCE}
            return stack.enter_context(TelroiClient(KEY, base_url=url, **(patient | options)))

        yield make


@pytest.fixture(autouse=True)
def no_test_ends_by_the_guard() -> Iterator[None]:
    """Fail a test that ended only because ``PATIENCE`` was over. It would hold one of the few processes for minutes."""
    started = time.monotonic()
    yield
    assert time.monotonic() - started < PATIENCE, "this test waited until PATIENCE was over"


@pytest.fixture(autouse=True)
def idle_time_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stop the clock of idle connections. On a busy machine two seconds may pass between two requests of a test."""
    monkeypatch.setattr(transport, "monotonic", lambda: 0.0)


@pytest.fixture
def timed_from_sending(monkeypatch: pytest.MonkeyPatch) -> None:
    """Start the total time-out when the request is sent, because a busy machine may connect slowly."""
    was_sent: dict[int, bool] = {}
    seconds = deadline.Allowance.seconds

    def note(allowance: deadline.Allowance, sent: bool) -> None:
        if sent and not was_sent.get(id(allowance)):
            allowance._ends = deadline.monotonic() + allowance._timeouts.total
        was_sent[id(allowance)] = sent

    monkeypatch.setattr(
        deadline.Allowance, "sent", property(lambda allowance: was_sent.get(id(allowance), False), note), raising=False
    )
    monkeypatch.setattr(
        deadline.Allowance, "seconds", lambda allowance: seconds(allowance) if allowance.sent else float(PATIENCE)
    )
