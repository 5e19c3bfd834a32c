"""A client of the API, people, and a Telroi on a real socket."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User

from django_telroi.backends import locmem
from django_telroi.conf import TELROI_BACKEND
from django_telroi.simulator import Simulator
from tests.rest.world import PhoneApi

Configure = Callable[..., None]


@pytest.fixture(autouse=True)
def configure(settings: Any) -> Configure:
    """Sets keys of TELROI, beside those that are set already; a test begins with none."""
    settings.TELROI = {}
    locmem.outbox.clear()

    def change(**keys: Any) -> None:
        settings.TELROI = {**settings.TELROI, **keys}

    return change


@pytest.fixture(scope="session")
def simulator() -> Iterator[Simulator]:
    with Simulator() as running:
        yield running


@pytest.fixture
def telroi(simulator: Simulator, configure: Configure) -> Iterator[Simulator]:
    """Telroi, and a site that calls through it and does not wait long."""
    simulator.reset()
    configure(
        BACKEND=TELROI_BACKEND,
        BASE_URL=simulator.base_url,
        API_KEY=simulator.api_key,
        CONNECT_TIMEOUT_SECONDS=2,
        READ_TIMEOUT_SECONDS=5,
        TOTAL_TIMEOUT_SECONDS=5,
    )
    yield simulator
    simulator.reset()


@pytest.fixture
def api() -> PhoneApi:
    """Somebody without an account."""
    return PhoneApi()


@pytest.fixture
def ada(db: None) -> User:
    return User.objects.create_user("ada", password="ada's")


@pytest.fixture
def ben(db: None) -> User:
    return User.objects.create_user("ben", password="ben's")
