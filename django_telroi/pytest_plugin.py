"""Fixtures for pytest, which finds them by itself once django-telroi is installed. A suite that uses none is unchanged.

It imports django-telroi inside the fixtures only, because pytest loads it before the settings of Django.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from django_telroi.simulator import Simulator
    from django_telroi.testing import FakeTelroi

__all__ = ["telroi", "telroi_rate_limits", "telroi_simulator"]


@pytest.fixture
def telroi() -> Iterator[FakeTelroi]:
    """Telroi in memory, with any ``BACKEND`` in the settings: see ``django_telroi.testing.FakeTelroi``."""
    from django_telroi.testing import fake_telroi

    with fake_telroi() as fake:
        yield fake


@pytest.fixture
def telroi_simulator() -> Iterator[Simulator]:
    """A simulator of Telroi on a real socket of this machine, and a site that calls it over HTTP."""
    from django_telroi.testing import simulated_telroi

    with simulated_telroi() as simulator:
        yield simulator


@pytest.fixture
def telroi_rate_limits() -> Iterator[None]:
    """Count requests against ``RATES``, from zero. Without this fixture no request of a test run is counted."""
    from django_telroi.testing import rate_limits

    with rate_limits():
        yield
