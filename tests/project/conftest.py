"""A local server for the recipes that ask another service."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from tests.project.local_services import Verifier


@pytest.fixture
def verifier() -> Iterator[Verifier]:
    server = Verifier()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield server
    server.ended.set()
    server.shutdown()
    thread.join()
    server.server_close()
