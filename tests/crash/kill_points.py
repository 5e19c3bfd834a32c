"""The points at which a process can be killed, and a backend that stops at them."""

from __future__ import annotations

import os
import time
from enum import StrEnum

from django_telroi.backends.telroi import TelroiBackend
from django_telroi.client import OtpCall

POINT = "TELROI_TEST_POINT"


class Point(StrEnum):
    """The progress of a call at the moment when its process is killed."""

    BEFORE_THE_CLAIM = "before the claim"
    AFTER_THE_COMMIT = "after the caller's commit, before the claim"
    WITHIN_THE_CLAIM = "within the claim"
    AFTER_THE_CLAIM = "after the claim, before the bytes"
    AFTER_THE_BYTES = "after the bytes, before the answer"
    AFTER_THE_ANSWER = "after the answer, before it is written down"


def wait_for_kill_at(point: Point) -> None:
    """If this process is to be killed at ``point``, print the point and wait for the kill."""
    if os.environ[POINT] == point:
        say_so()
        time.sleep(600)


def say_so() -> None:
    print("here", flush=True)  # noqa: T201 - a line for the process at the other end of the pipe


class StoppingBackend(TelroiBackend):
    """Calls like its parent class, and stops at the points."""

    def place_call(self, to: str, *, code_length: int, language: str | None, code: str | None = None) -> OtpCall:
        wait_for_kill_at(Point.AFTER_THE_CLAIM)
        call = super().place_call(to, code_length=code_length, language=language)
        wait_for_kill_at(Point.AFTER_THE_ANSWER)
        return call
