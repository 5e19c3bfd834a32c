"""Fixtures of all tests."""

from __future__ import annotations

import gc
import math
import os
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from weakref import WeakSet
from zlib import crc32

import pytest
from django.core.cache import cache
from django_ratelimit import core
from hypothesis import settings

from django_telroi import conf, pytest_plugin
from django_telroi.conf.values import DEFAULTS
from django_telroi.services.shared import number_state
from django_telroi.services.shared.number_state import STOP_HINT
from tests.manual_clocks import ManualClock
from tests.tenths import tenth_of

# No deadline: the time of one example depends on the machine.
settings.register_profile("telroi", deadline=None, print_blob=True)
settings.load_profile("telroi")


# These have settings of their own, with the apps of another package, and tox environments of their own.
has_stock_settings = os.environ.get("DJANGO_SETTINGS_MODULE", "tests.settings") == "tests.settings"
collect_ignore = ["bridges", "task_queue"] if has_stock_settings else []

HALVES = (1, 2)


def pytest_configure(config: pytest.Config) -> None:
    # pytest finds the plugin by the entry point of the installed package, which a checkout on PYTHONPATH may not have.
    if not config.pluginmanager.has_plugin("telroi"):
        config.pluginmanager.register(pytest_plugin, "telroi")
    # For the processes that tests start. `filterwarnings` in pyproject.toml is for this process only.
    os.environ.setdefault("PYTHONWARNINGS", "error")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--tenth", help="run only this tenth of the tests: SEED:NUMBER, see tests/tenths.py")
    parser.addoption("--half", type=int, choices=HALVES, help="run only this half of the tests, chosen by their names")


@pytest.hookimpl(trylast=True)  # after pytest has applied -m, so that the parts of the chosen tests have the same size
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    half = config.getoption("--half")
    if half is not None:
        others = [item for item in items if half_of(item.nodeid) != half]
        config.hook.pytest_deselected(items=others)
        items[:] = [item for item in items if half_of(item.nodeid) == half]

    if tenth := config.getoption("--tenth"):
        mine = set(tenth_of([item.nodeid for item in items], tenth))
        config.hook.pytest_deselected(items=[item for item in items if item.nodeid not in mine])
        items[:] = [item for item in items if item.nodeid in mine]


def pytest_collection_finish() -> None:
    """Let the garbage collector skip the collected tests and run less often. It would take a tenth of the time."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


def half_of(name: str) -> int:
    """Return the half of the test ``name``. It is the same on every machine and in every process."""
    return HALVES[crc32(name.encode()) % len(HALVES)]


CODES = os.environ.get("TELROI_TEST_CODES", "site")
"""The value of ``CODES`` in tests that do not set it. The tests of one maker's codes have the marker ``codes``."""


@pytest.fixture(autouse=True)
def code_maker(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Set the default of ``CODES``, and return it: the argument of the test's marker ``codes``, else ``CODES``."""
    marker = request.node.get_closest_marker("codes")
    maker = str(marker.args[0]) if marker else CODES
    monkeypatch.setitem(DEFAULTS, "CODES", maker)
    return maker


IS_ENCRYPTED = bool(os.environ.get("TELROI_TEST_ENCRYPTED"))
"""Whether the tests that do not set ``NUMBER_ENCRYPTION`` run with encrypted numbers."""


@pytest.fixture(autouse=True)
def number_encryption(request: pytest.FixtureRequest) -> Iterator[None]:
    """Encrypt the numbers of all tests, except of those with the marker ``clear_numbers``."""
    # Not the fixture ``monkeypatch``: a test may undo it, and its rows stay encrypted.
    with pytest.MonkeyPatch.context() as patch:
        if IS_ENCRYPTED and not request.node.get_closest_marker("clear_numbers"):
            patch.setitem(DEFAULTS, "NUMBER_ENCRYPTION", "on")
            patch.setitem(DEFAULTS, "NUMBER_KEYS", ["a key of the tests, 32 characters long"])
        yield


@pytest.fixture(autouse=True)
def empty_cache() -> None:
    """Empty the cache: the rate limits count in it, and all tests send requests from the same address."""
    cache.clear()


@pytest.fixture(autouse=True)
def windows_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    """Stop the clock of django-ratelimit. Otherwise a test could start in one fixed window and end in the next one.

    A test of the windows holds a clock of its own (``tests.manual_clocks``).
    """
    monkeypatch.setattr(core, "time", ManualClock(time.time()))


@pytest.fixture(autouse=True)
def requests_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Count requests against ``RATES`` as in production. In the test run of a site they are not counted."""
    monkeypatch.setattr(conf, "counts_requests", lambda: True)


@pytest.fixture(autouse=True)
def no_stop_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Forget that an earlier test stopped all calls. Its database is gone.

    No page looks again by itself. Otherwise the statements of a test would depend on the machine's pace.
    """
    monkeypatch.setattr(number_state, "STOP_HINT_LIFETIME", math.inf)
    STOP_HINT.see(is_stopped=False)


HANGS = 120
"""Seconds. A guard against hanging only: no step takes that long, even on a busy machine."""


@pytest.fixture
def celery_app(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The project's Celery app, with a broker in memory and defaults otherwise.

    Publishing waits long enough for a slow machine.
    """
    from celery import Celery, _state
    from kombu.transport import memory

    from django_telroi.dispatch import celery_broker

    monkeypatch.setattr(celery_broker, "_publishers", {})
    monkeypatch.setattr(celery_broker, "PUBLISH_TIMEOUT", HANGS)
    monkeypatch.setattr(_state, "_apps", WeakSet())  # another test may have loaded the app of the example project
    monkeypatch.setattr(_state, "default_app", None)
    app = Celery("site", broker="memory://", fixups=[])
    yield app
    celery_broker.publisher().close()
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
