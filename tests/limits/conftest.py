"""A site with default settings whose calls go to the outbox, and a clock that a test can move."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User

from django_telroi.testing import outbox

Configure = Callable[..., None]


@pytest.fixture(autouse=True)
def configure(settings: Any) -> Iterator[Configure]:
    settings.TELROI = {}
    settings.ROOT_URLCONF = "tests.limits.site"
    outbox.clear()

    def change(**keys: Any) -> None:
        settings.TELROI = {**settings.TELROI, **keys}

    yield change
    outbox.clear()


class Clock:
    """The machine's clock plus an offset that the test sets. The limits and the cache use it."""

    def __init__(self) -> None:
        self._real = time.time
        self._stopped_at: float | None = None
        self._ahead = 0.0

    def __call__(self) -> float:
        return (self._real() if self._stopped_at is None else self._stopped_at) + self._ahead

    def stop(self) -> None:
        self._stopped_at = self._real()

    def advance(self, seconds: float) -> None:
        self._ahead += seconds


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(time, "time", clock)
    return clock


@pytest.fixture
def ada(db: None) -> User:
    return User.objects.create_user("ada")


@pytest.fixture
def ben(db: None) -> User:
    return User.objects.create_user("ben")
