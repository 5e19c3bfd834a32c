"""A Telroi on a real socket, a site that calls through it, its people, and who listens to its signals."""

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
def quick_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow machine makes no late answers: a test that is about these says how late they are."""
    take_a_tick(monkeypatch)


@pytest.fixture
def impatient(telroi: Simulator, configure: Configure) -> None:
    """The site waits for no answer longer than 0.3 s."""
    configure(READ_TIMEOUT_SECONDS=0.3, TOTAL_TIMEOUT_SECONDS=0.5)


@pytest.fixture
def ada(db: None) -> User:
    return User.objects.create_user("ada")


@pytest.fixture
def ben(db: None) -> User:
    return User.objects.create_user("ben")


@pytest.fixture
def heard() -> Iterator[Heard]:
    """What the site's receivers were told, in order."""
    with Heard() as listening:
        yield listening
