"""A wall clock that stands until a test moves it: of the budget's windows, and of the cache that counts in them."""

from __future__ import annotations

from types import ModuleType

import pytest
from django.core.cache import caches
from django.core.cache.backends import base, locmem
from django_ratelimit import core


class StandingClock:
    """Takes the place of the module ``time``; who sleeps moves it on."""

    def __init__(self, now: float) -> None:
        self.now = now
        self.waits: list[float] = []

    def time(self) -> float:
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
