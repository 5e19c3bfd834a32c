"""A visitor of the pages. Calls go to the outbox."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from django_telroi.conf import TELROI_BACKEND
from django_telroi.simulator import Simulator
from django_telroi.testing import outbox, running_simulator
from tests.web.visitor import Visitor


@pytest.fixture(autouse=True)
def site(settings: Any) -> Iterator[Any]:
    """The settings, with an empty outbox and two purposes."""
    settings.TELROI = {"PURPOSES": ["", "signup"]}
    outbox.clear()
    yield settings
    outbox.clear()


@pytest.fixture
def visitor(db: None) -> Visitor:
    return Visitor(Client())


@pytest.fixture(scope="session")
def simulator() -> Iterator[Simulator]:
    with running_simulator() as running:
        yield running


@pytest.fixture
def telroi(site: Any, simulator: Simulator) -> Simulator:
    """The simulator over HTTP instead of the outbox."""
    simulator.reset()
    site.TELROI = {
        **site.TELROI,
        "BACKEND": TELROI_BACKEND,
        "BASE_URL": simulator.base_url,
        "KEY_REQUESTS_PER_MINUTE": 10**6,  # no test may reach it
        "API_KEY": simulator.api_key,
    }
    return simulator
