"""Requests that run from one cache command to the next when the test says so, and caches that stop before each command.

So a test chooses the order of the commands of concurrent requests, and lets time pass between any two of them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable
from itertools import pairwise
from typing import Any

from django.core.cache.backends.base import BaseCache
from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCache

HANGS = 60
"""Seconds. A guard against hanging only."""

_running = threading.local()


class SteppedRequest:
    """A call of ``act`` in a thread of its own, which runs only inside ``step``. ``error``: what it raised."""

    def __init__(self, act: Callable[[], object], *, clock_ahead: float = 0.0) -> None:
        self.error: BaseException | None = None
        self.is_done = False
        self.next_command = ""
        self._go, self._has_stopped = threading.Semaphore(0), threading.Semaphore(0)
        self._act, self._clock_ahead = act, clock_ahead
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        _running.request, _running.clock_ahead = self, self._clock_ahead
        self._go.acquire()
        try:
            self._act()
        except Exception as error:  # noqa: BLE001 - the test judges it
            self.error = error
        self.is_done = True
        self._has_stopped.release()

    def step(self, times: int = 1) -> None:
        """Run to the next cache command, this many times, or to the end."""
        for _ in range(times):
            if self.is_done:
                return
            self._go.release()
            assert self._has_stopped.acquire(timeout=HANGS), "the request hangs"

    def run_to(self, command: str) -> None:
        """Run to the next command of this name."""
        self.step()
        while not self.is_done and self.next_command != command:
            self.step()

    def finish(self) -> None:
        while not self.is_done:
            self.step()
        self._thread.join(HANGS)

    def stop(self, command: str) -> None:
        """Wait in the thread of the request until the next step."""
        self.next_command = command
        self._has_stopped.release()
        self._go.acquire()


def clock_ahead() -> float:
    """Return the seconds by which the clock of the running request is ahead."""
    return getattr(_running, "clock_ahead", 0.0)


def stop(command: str) -> None:
    """Stop here, before ``command``, if a stepped request is running."""
    request: SteppedRequest | None = getattr(_running, "request", None)
    if request is not None:
        request.stop(command)


class _Stopping(BaseCache):
    """Stops before each command. ``get_many`` is not atomic everywhere, so it stops within the 14 keys of a limit."""

    def add(self, *args: Any, **options: Any) -> bool:
        stop("add")
        return super().add(*args, **options)

    def incr(self, *args: Any, **options: Any) -> int:
        stop("incr")
        return super().incr(*args, **options)

    def decr(self, *args: Any, **options: Any) -> int:
        stop("decr")
        return super().decr(*args, **options)

    def get_many(self, keys: Iterable[str], *args: Any, **options: Any) -> dict[Any, Any]:
        keys = list(keys)
        found: dict[Any, Any] = {}
        # Two keys from either end of a limit's keys is where its current sub-window meets the one before.
        for first, end in pairwise((0, 2, 12, 16, 26, 28)):
            if part := keys[first:end]:
                stop("get_many")
                found |= super().get_many(part, *args, **options)
        return found


class SteppedLocMem(_Stopping, LocMemCache):
    """``LocMemCache`` in steps."""


class SteppedRedis(_Stopping, RedisCache):
    """``RedisCache`` in steps."""
