"""A server that misbehaves on demand, and clients that do not wait long for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from django_telroi.client import TelroiClient
from tests.client.wire import Script, Server

KEY = "tlr_live_Canary0Key0Canary0Key0Canary"


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    """Starts a server that follows a script."""
    with ExitStack() as stack:

        def start(script: Script, **options: Any) -> Server:
            server = Server(script, **options)
            stack.callback(server.close)
            return server

        yield start


@pytest.fixture
def connect() -> Iterator[Callable[..., TelroiClient]]:
    """Makes a client of a server or of a URL, patient enough for a busy machine."""
    with ExitStack() as stack:

        def make(server: Server | str, **options: Any) -> TelroiClient:
            url = server if isinstance(server, str) else server.url
            patient = {"connect_timeout": 20, "read_timeout": 20, "total_timeout": 20}
            return stack.enter_context(TelroiClient(KEY, base_url=url, **(patient | options)))

        yield make
