"""Every request that reached the wire, noted before it is carried out."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from django_telroi.simulator.clock import Clock, iso, moment


@dataclass(frozen=True)
class SeenRequest:
    """``to`` is the number it is about, None where the simulator could not tell."""

    method: str
    path: str
    to: str | None = field(repr=False)
    at: datetime


class Ledger:
    """In memory, and with a ``path`` also a line of JSON each in a file, which outlives the process."""

    def __init__(self, clock: Clock, path: Path | None = None) -> None:
        self._clock = clock
        self._file = None if path is None else os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._changed = threading.Condition()
        self._seen: list[SeenRequest] = []

    @property
    def requests(self) -> list[SeenRequest]:
        """Newest last."""
        with self._changed:
            return list(self._seen)

    def note(self, method: str, path: str, to: str | None) -> None:
        now = self._clock.now()
        with self._changed:
            self._append(method, path, to, now)
            self._seen.append(SeenRequest(method, path, to, moment(now)))
            self._changed.notify_all()

    def wait_for(self, is_enough: Callable[[list[SeenRequest]], bool], *, timeout: float) -> bool:
        with self._changed:
            return self._changed.wait_for(lambda: is_enough(self._seen), timeout)

    def clear(self) -> None:
        """Forget what is in memory; a file is only ever appended to."""
        with self._changed:
            self._seen = []

    def close(self) -> None:
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _append(self, method: str, path: str, to: str | None, now: float) -> None:
        if self._file is not None:
            line = json.dumps({"at": iso(now), "method": method, "path": path, "to": to}) + "\n"
            os.write(self._file, line.encode())
