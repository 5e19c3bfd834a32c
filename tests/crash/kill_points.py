"""The points at which a process can be killed, and a backend that stands still at them."""

from __future__ import annotations

import os
import time
from enum import StrEnum

from django_telroi.backends.telroi import TelroiBackend
from django_telroi.client import OtpCall

POINT = "TELROI_TEST_POINT"


class Point(StrEnum):
    """How far a call had come when its process died."""

    BEFORE_THE_CLAIM = "before the claim"
    AFTER_THE_COMMIT = "after the caller's commit, before the claim"
    WITHIN_THE_CLAIM = "within the claim"
    AFTER_THE_CLAIM = "after the claim, before the bytes"
    AFTER_THE_BYTES = "after the bytes, before the answer"
    AFTER_THE_ANSWER = "after the answer, before it is written down"


def stand_still_at(point: Point) -> None:
    """Say so and wait to be killed, where this process is to die at ``point``."""
    if os.environ[POINT] == point:
        say_so()
        time.sleep(600)


def say_so() -> None:
    print("here", flush=True)  # noqa: T201 - a line to whoever holds the other end of the pipe


class StandingBackend(TelroiBackend):
    """Calls like its parent."""

    def place_call(self, to: str, *, code_length: int, language: str | None, code: str | None = None) -> OtpCall:
        stand_still_at(Point.AFTER_THE_CLAIM)
        call = super().place_call(to, code_length=code_length, language=language)
        stand_still_at(Point.AFTER_THE_ANSWER)
        return call
