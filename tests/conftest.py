"""Fixtures of all tests."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from weakref import WeakSet

import pytest
from django.core.cache import cache
from hypothesis import settings

# No deadline: the time of one example depends on the machine.
settings.register_profile("telroi", deadline=None, print_blob=True)
settings.load_profile("telroi")


@pytest.fixture(autouse=True)
def empty_cache() -> None:
    """Empty the cache: the rate limits count in it, and all tests send requests from the same address."""
    cache.clear()


HANGS = 120
"""Seconds. A guard against hanging only: no step takes that long, even on a busy machine."""


@pytest.fixture
def celery_app(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The project's Celery app, with a broker in memory and defaults otherwise.

    Publishing waits long enough for a slow machine.
    """
    from celery import Celery, _state
    from kombu.transport import memory

    from django_telroi import dispatch

    monkeypatch.setattr(dispatch, "_publishers", {})
    monkeypatch.setattr(dispatch, "PUBLISH_TIMEOUT", HANGS)
    monkeypatch.setattr(_state, "_apps", WeakSet())  # another test may have loaded the app of the example project
    monkeypatch.setattr(_state, "default_app", None)
    app = Celery("site", broker="memory://", fixups=[])
    yield app
    dispatch.publisher().close()
    memory.Channel.queues.clear()
    app.close()
    _state._set_current_app(None)


@pytest.fixture
def site_clock(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The clock of the site and of its database. It stays at noon until the test moves it."""
    from tests.manual_clocks import hold_site_clock

    return hold_site_clock(monkeypatch, at=datetime(2026, 5, 4, 12, tzinfo=UTC))


@pytest.fixture
def enqueued(celery_app: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that removes all messages from the queue: task name and arguments, oldest first."""

    def take(queue: str = "celery") -> list[tuple[str, list[Any]]]:
        messages = []
        with celery_app.connection_for_read() as connection, connection.SimpleQueue(queue) as waiting:
            while waiting.qsize():
                message = waiting.get_nowait()
                message.ack()
                assert message.payload[1] == {}
                messages.append((message.headers["task"], message.payload[0]))
        return messages

    return take
