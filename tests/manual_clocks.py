"""Clocks that stand until a test moves them: of the budget's windows, of the cache behind them, and of the database.

A test that holds the clock has the same outcome on a slow machine as on a fast one.
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


class StandingClock:
    """Takes the place of the module ``time``; who sleeps moves it on."""

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
        """Move on to where the next window of ``value`` begins: each ends with the second that it is named after."""
        self.now = core._get_window(value, seconds) + 1


def hold_clock(monkeypatch: pytest.MonkeyPatch, *more: ModuleType, at: float) -> StandingClock:
    """Let nothing that counts requests see time pass, nor the modules ``more``; the cache begins empty."""
    clock = StandingClock(at)
    for module in (core, base, locmem, *more):
        monkeypatch.setattr(module, "time", clock)
    caches["default"].clear()
    return clock


class SiteClock:
    """The time of the database, and of the services that count on from it."""

    LITERALS = {"sqlite": "'%s'", "postgresql": "TIMESTAMPTZ '%s+00'", "mysql": "TIMESTAMP '%s'"}

    def __init__(self, now: datetime) -> None:
        self.now = now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def as_sql(self, compiler: Any, connection: Any, **context: Any) -> tuple[str, tuple[()]]:
        return self.LITERALS[connection.vendor] % self.now.astimezone(UTC).replace(tzinfo=None), ()


def hold_site_clock(monkeypatch: pytest.MonkeyPatch, *, at: datetime | None = None) -> SiteClock:
    """Let neither the database nor the services see time pass. It begins ``at``, or now.

    Columns whose default the database fills in by itself (on PostgreSQL and MariaDB) still follow the machine.
    """
    clock = SiteClock(at or datetime.now(UTC))
    for vendor in clock.LITERALS:
        monkeypatch.setattr(DbNow, f"as_{vendor}", lambda expression, *args, **context: clock.as_sql(*args, **context))
    # The moment now is in the SELECT: one is composed for each.
    compose = number_state._question.__wrapped__
    question = lru_cache(lambda now, *args, **options: compose(*args, **options))
    monkeypatch.setattr(number_state, "_question", lambda *args, **options: question(clock.now, *args, **options))
    monkeypatch.setattr(timezone, "now", lambda: clock.now)
    _replace_later(monkeypatch, lambda now, *, since: clock.now)
    return clock


TICK = timedelta(microseconds=1)


def take_a_tick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a ``TICK`` pass between what the services read and what they write, however slow the machine is."""
    _replace_later(monkeypatch, lambda now, *, since: now + TICK)


def _replace_later(monkeypatch: pytest.MonkeyPatch, later: Callable[..., datetime]) -> None:
    real = number_state.later
    for name, module in list(sys.modules.items()):
        if name.startswith("django_telroi.services.") and getattr(module, "later", None) is real:
            monkeypatch.setattr(module, "later", later)
