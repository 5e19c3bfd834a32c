"""The points at which a process kills itself. They wrap functions of the package from outside.

The number determines the point. A file records the kill, so that each call is killed once.
"""

from __future__ import annotations

import http.client
import os
import signal
import threading
import time
from collections.abc import Callable
from enum import StrEnum
from functools import wraps
from pathlib import Path
from typing import Any


class Point(StrEnum):
    """The progress of a call."""

    BEFORE_CLAIM = "before the claim"
    WITHIN_CLAIM = "within the claim"
    AFTER_CLAIM = "after the claim"
    BEFORE_BYTES = "before the bytes"
    AFTER_BYTES = "after the bytes"
    AFTER_ANSWER = "after the answer"
    BEFORE_ACK = "before the acknowledgement"


POINTS = list(Point)
BEFORE_ANY_CLAIM = (Point.BEFORE_CLAIM, Point.WITHIN_CLAIM)
PREFIX = "+234803"
TASKS = "tasks"
"""The transport of a site whose workers are those of Django's tasks, with its queue in the database."""


def number_for(point: Point, serial: int) -> str:
    """Return a number whose call is killed at this point. Use each serial number once."""
    return f"{PREFIX}{POINTS.index(point)}{serial:06d}"


def point_of(number: str) -> Point | None:
    digits = number.removeprefix(PREFIX)
    return POINTS[int(digits[0])] if digits != number and int(digits[0]) < len(POINTS) else None


class Executioner:
    """Kills this process when the call of the current thread reaches its point.

    ``graves``: a folder with a file for each kill.
    """

    def __init__(self, graves: Path) -> None:
        self._graves = graves
        self._about = threading.local()

    def take_up(self, number: str) -> None:
        """Set the number whose call this thread handles from now on."""
        self._about.number = number

    def reached(self, point: Point) -> None:
        number = getattr(self._about, "number", "")
        if not number or point_of(number) != point:
            return
        try:
            (self._graves / number.removeprefix("+")).touch(exist_ok=False)
        except FileExistsError:
            return
        os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(60)


def place_points(executioner: Executioner) -> None:
    """Wrap the code with all points except the last, which depends on the process that runs it."""
    from django_telroi.backends.telroi import TelroiBackend
    from django_telroi.services.calls import claim, claim_and_call, queue

    def around_claim(original: Callable[..., None], number_in: Callable[..., str]) -> Callable[..., None]:
        @wraps(original)
        def claiming(*args: Any, **kwargs: Any) -> None:
            executioner.take_up(number_in(*args, **kwargs))
            executioner.reached(Point.BEFORE_CLAIM)
            original(*args, **kwargs)
            executioner.reached(Point.AFTER_CLAIM)

        return claiming

    queue.claim_queued = around_claim(queue.claim_queued, lambda attempt, *_, **__: attempt.number)  # type: ignore[attr-defined]
    claim_and_call.claim_start = around_claim(  # type: ignore[attr-defined]
        claim_and_call.claim_start, lambda request, *_, **__: request.phone.number
    )
    before(claim, "claim_key_probe", lambda: executioner.reached(Point.WITHIN_CLAIM))
    before(claim, "insert_with_parent", lambda: executioner.reached(Point.WITHIN_CLAIM))  # PostgreSQL's one statement
    before(http.client.HTTPConnection, "endheaders", lambda: executioner.reached(Point.BEFORE_BYTES))
    before(http.client.HTTPConnection, "getresponse", lambda: executioner.reached(Point.AFTER_BYTES))
    after(TelroiBackend, "place_call", lambda: executioner.reached(Point.AFTER_ANSWER))


def before(owner: Any, name: str, act: Callable[[], None]) -> None:
    original = getattr(owner, name)

    @wraps(original)
    def method(*args: Any, **kwargs: Any) -> Any:
        act()
        return original(*args, **kwargs)

    setattr(owner, name, method)


def after(owner: Any, name: str, act: Callable[[], None]) -> None:
    original = getattr(owner, name)

    @wraps(original)
    def method(*args: Any, **kwargs: Any) -> Any:
        value = original(*args, **kwargs)
        act()
        return value

    setattr(owner, name, method)
