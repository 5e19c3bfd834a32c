"""A site with default settings, and a simulator that accepts concurrent requests for the same number."""

from __future__ import annotations

import fcntl
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from django_telroi import signals
from django_telroi.conf import TELROI_BACKEND
from django_telroi.models import VerificationAttempt
from tests.races.racing import Telroi, telroi_process

REPEATS = int(os.environ.get("TELROI_RACE_REPEATS", "1"))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run each test with the argument ``repeat`` ``TELROI_RACE_REPEATS`` times: one run of a race proves little."""
    if "repeat" in metafunc.fixturenames:
        metafunc.parametrize("repeat", range(1, REPEATS + 1))


@pytest.fixture(scope="session")
def telroi_server() -> Iterator[Telroi]:
    with telroi_process() as running:
        yield running


@pytest.fixture
def telroi(telroi_server: Telroi, settings: Any) -> Telroi:
    """A simulator without a cooldown: a second request would ring the phone a second time."""
    telroi_server.throw("reset")
    telroi_server.throw("race", seconds=0.05)
    telroi_server.throw("set_policy", requests_per_minute=10_000)
    settings.TELROI = {
        "BACKEND": TELROI_BACKEND,
        "BASE_URL": telroi_server.base_url,
        "KEY_REQUESTS_PER_MINUTE": 10**6,  # the budget must not slow the race down
        "API_KEY": telroi_server.api_key,
    }
    return telroi_server


@pytest.fixture(autouse=True)
def one_race_at_a_time() -> Iterator[None]:
    """Run one race at a time across test processes. A default server allows only 100 or 150 connections."""
    with Path(tempfile.gettempdir(), f"django-telroi-races-{connection.vendor}.lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


@pytest.fixture
def verified() -> Iterator[list[VerificationAttempt]]:
    """The attempts of all ``phone_verified`` signals, one entry per signal."""
    told: list[VerificationAttempt] = []

    def receive(attempt: VerificationAttempt, **_: object) -> None:
        told.append(attempt)

    signals.phone_verified.connect(receive)
    yield told
    signals.phone_verified.disconnect(receive)
