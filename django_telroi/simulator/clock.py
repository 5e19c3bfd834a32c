"""The simulator's own time."""

from __future__ import annotations

import threading
import time
from datetime import UTC, datetime


class Clock:
    """Runs like the machine's clock, but can be advanced and made to stand still."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._epoch = time.time() - time.monotonic()
        self._ahead = 0.0
        self._frozen_at: float | None = None

    def now(self) -> float:
        """Seconds since 1970."""
        with self._lock:
            return self._running() if self._frozen_at is None else self._frozen_at

    def advance(self, seconds: float) -> None:
        with self._lock:
            self._ahead += seconds
            if self._frozen_at is not None:
                self._frozen_at += seconds

    def freeze(self) -> None:
        """Stand still from now on, so that waits come out to the second; ``advance`` still moves it."""
        with self._lock:
            if self._frozen_at is None:
                self._frozen_at = self._running()

    def reset(self) -> None:
        """Back to the machine's time, running."""
        with self._lock:
            self._ahead = 0.0
            self._frozen_at = None

    def _running(self) -> float:
        return self._epoch + time.monotonic() + self._ahead


def moment(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def iso(seconds: float) -> str:
    """As Telroi writes a time: UTC with milliseconds and a ``Z``."""
    return moment(seconds).isoformat(timespec="milliseconds").replace("+00:00", "Z")
