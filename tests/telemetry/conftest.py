"""A site that calls the simulator, and sinks of its own for each test."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from django_telroi.telemetry.connecting import disconnect
from tests.calling_site import configure, simulator, telroi

__all__ = ["configure", "simulator", "telroi"]


@pytest.fixture(autouse=True)
def unobserved() -> Iterator[None]:
    disconnect()
    yield
    disconnect()
