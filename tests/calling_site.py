"""Fixtures of a site that calls the simulator on a real socket. A folder's ``conftest.py`` imports them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from django_telroi.backends import locmem
from django_telroi.conf import TELROI_BACKEND
from django_telroi.simulator import Simulator
from django_telroi.testing import running_simulator

Configure = Callable[..., None]


@pytest.fixture(autouse=True)
def configure(settings: Any) -> Configure:
    """Return a function that sets keys of ``TELROI`` and keeps the others. A test starts with none."""
    settings.TELROI = {}
    locmem.outbox.clear()

    def change(**keys: Any) -> None:
        settings.TELROI = {**settings.TELROI, **keys}

    return change


@pytest.fixture(scope="session")
def simulator() -> Iterator[Simulator]:
    with running_simulator() as running:
        yield running


@pytest.fixture
def telroi(simulator: Simulator, configure: Configure) -> Iterator[Simulator]:
    """The simulator, and a site that calls it with short time-outs."""
    simulator.reset()
    configure(
        BACKEND=TELROI_BACKEND,
        BASE_URL=simulator.base_url,
        KEY_REQUESTS_PER_MINUTE=10**6,  # no test may reach it
        API_KEY=simulator.api_key,
        CONNECT_TIMEOUT_SECONDS=2,
        READ_TIMEOUT_SECONDS=5,
        TOTAL_TIMEOUT_SECONDS=5,
    )
    yield simulator
    simulator.reset()
