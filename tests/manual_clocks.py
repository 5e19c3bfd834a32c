"""Clocks that only a test moves: of the budget's windows, of the cache in which they are counted, and of the database.

With such a clock a test has the same outcome on a slow machine and on a fast one.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from types import ModuleType
from typing import Any

import pytest
from django.core.cache import caches
from django.core.cache.backends import base, locmem
from django.utils import timezone
from django_ratelimit import core

from django_telroi.models import DbNow
from django_telroi.services.shared import number_state


class ManualClock:
    """Replaces the module ``time``. ``sleep`` moves the clock forward at once."""

    def __init__(self, now: float) -> None:
        self.now = now
        self.waits: list[float] = []

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.now += seconds

    def begin_window(self, value: str, *, seconds: int) -> None:
        """Move forward to the start of the next window of ``value``. A window ends with the second in its name."""
        self.now = core._get_window(value, seconds) + 1


def hold_clock(monkeypatch: pytest.MonkeyPatch, *more: ModuleType, at: float) -> ManualClock:
    """Stop the clock of all code that counts requests, and of the modules ``more``. Empties the cache."""
    clock = ManualClock(at)
    for module in (core, base, locmem, *more):
        monkeypatch.setattr(module, "time", clock)
    caches["default"].clear()
    return clock


class SiteClock:
    """The clock of the database, and of the services, which read it from there."""

    LITERALS = {"sqlite": "'%s'", "postgresql": "TIMESTAMPTZ '%s+00'", "mysql": "TIMESTAMP '%s'"}

    def __init__(self, now: datetime) -> None:
        self.now = now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def as_sql(self, compiler: Any, connection: Any, **context: Any) -> tuple[str, tuple[()]]:
        return self.LITERALS[connection.vendor] % self.now.astimezone(UTC).replace(tzinfo=None), ()


def hold_site_clock(monkeypatch: pytest.MonkeyPatch, *, at: datetime | None = None) -> SiteClock:
    """Stop the clock of the database and the services, ``at`` this moment or now.

    Column defaults that the database computes (on PostgreSQL and MariaDB) still use the machine's clock.
    """
    clock = SiteClock(at or datetime.now(UTC))
    for vendor in clock.LITERALS:
        monkeypatch.setattr(DbNow, f"as_{vendor}", lambda expression, *args, **context: clock.as_sql(*args, **context))
    # The SELECT contains the time, so it is composed anew for each query.
    compose = number_state._select.__wrapped__
    select = lru_cache(lambda now, *args, **options: compose(*args, **options))
    monkeypatch.setattr(number_state, "_select", lambda *args, **options: select(clock.now, *args, **options))
    monkeypatch.setattr(timezone, "now", lambda: clock.now)
    _replace_later(monkeypatch, lambda now, *, since: clock.now)
    return clock


TICK = timedelta(microseconds=1)


def take_a_tick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let exactly one ``TICK`` pass between the services' read and their write."""
    _replace_later(monkeypatch, lambda now, *, since: now + TICK)


def _replace_later(monkeypatch: pytest.MonkeyPatch, later: Callable[..., datetime]) -> None:
    real = number_state.later
    for name, module in list(sys.modules.items()):
        if name.startswith("django_telroi.services.") and getattr(module, "later", None) is real:
            monkeypatch.setattr(module, "later", later)
