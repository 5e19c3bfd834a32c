"""A site that calls the simulator on a real socket, its users, and receivers of its signals."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.contrib.auth.models import User

from django_telroi.simulator import Simulator
from tests.calling_site import Configure, configure, simulator, telroi
from tests.manual_clocks import take_a_tick
from tests.services.world import Heard

__all__ = ["configure", "simulator", "telroi"]


@pytest.fixture(autouse=True)
def answers_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep a slow machine from making late answers. A test of late answers sets the delay itself."""
    take_a_tick(monkeypatch)


@pytest.fixture
def short_timeouts(telroi: Simulator, configure: Configure) -> None:
    """The site waits at most 2 s for an answer and 3 s in total: time enough to send a request on a slow machine."""
    configure(READ_TIMEOUT_SECONDS=2, TOTAL_TIMEOUT_SECONDS=3)


@pytest.fixture
def ada(db: None) -> User:
    return User.objects.create_user("ada")


@pytest.fixture
def ben(db: None) -> User:
    return User.objects.create_user("ben")


@pytest.fixture
def heard() -> Iterator[Heard]:
    """The signals that the site received, in order."""
    with Heard() as listening:
        yield listening
