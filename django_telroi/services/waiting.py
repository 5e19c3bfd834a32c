"""Sleeping where a wait is short, so that a burst is spread over a few seconds instead of being refused."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta
from threading import BoundedSemaphore

from django_telroi.errors import ApiRefused

LONGEST_WAIT = timedelta(seconds=6)
"""What one request or task may sleep in all: two windows of a key's default budget."""

REQUESTS_THAT_SLEEP = 2
"""At most so many requests of a process sleep at a time. A server has few threads: without this bound, requests that
wait for the budget would occupy all of them. The others are refused with the wait."""

_places = BoundedSemaphore(REQUESTS_THAT_SLEEP)


class SlotWait:
    """What one request, or one task of a worker, has slept and may still sleep.

    ``is_request``: somebody waits in a browser, so the process-wide bound applies. A worker has nothing else to do.
    """

    def __init__(self, *, is_request: bool, longest: timedelta = LONGEST_WAIT) -> None:
        self._left = longest
        self._is_request = is_request
        self.slept = timedelta(0)

    def sleep(self, seconds: int | None) -> bool:
        """Sleep ``seconds`` and return True. Return False at once if that is unknown, exceeds what is left of the
        limit, or if enough requests of this process are asleep."""
        if seconds is None or timedelta(seconds=seconds) > self._left:
            return False
        if self._is_request and not _places.acquire(blocking=False):
            return False
        try:
            time.sleep(seconds)
        finally:
            if self._is_request:
                _places.release()
        self._left -= timedelta(seconds=seconds)
        self.slept += timedelta(seconds=seconds)
        return True


def wait_for_slot(take: Callable[[], None]) -> None:
    """Call ``take`` until the key's budget has a slot. Raises ApiRefused when it may not sleep any longer."""
    wait = SlotWait(is_request=True)
    while True:
        try:
            return take()
        except ApiRefused as refused:
            if not wait.sleep(refused.retry_after):
                raise
