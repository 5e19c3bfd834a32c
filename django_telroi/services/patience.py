"""Waiting in place where the wait is short, so that a burst is spread over a few seconds and nobody is sent away."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta

from django_telroi.errors import ApiRefused

LONGEST_WAIT = 6
"""Seconds in all: two windows of a key's default budget. Nobody's page hangs longer than that for it."""


class Patience:
    """What is left of it, for one request or one task."""

    def __init__(self, seconds: int = LONGEST_WAIT) -> None:
        self._seconds_left = seconds
        self.spent = timedelta(0)

    def waits(self, seconds: int | None) -> bool:
        """Wait so long, and say so; or not at all, where that is too long or nobody knows how long."""
        if seconds is None or seconds > self._seconds_left:
            return False
        self._seconds_left -= seconds
        self.spent += timedelta(seconds=seconds)
        time.sleep(seconds)
        return True


def admitted(admit: Callable[[], None]) -> None:
    """Ask for a place until there is one. Raises ApiRefused when patience is at its end."""
    patience = Patience()
    while True:
        try:
            return admit()
        except ApiRefused as refused:
            if not patience.waits(refused.retry_after):
                raise
