"""Run functions concurrently, each with its own database connection, and a simulator in its own process."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from django.db import connection, connections

from django_telroi.domain.number_limits import counts_from

if TYPE_CHECKING:
    from django_telroi.models import VerificationAttempt

T = TypeVar("T")

RACERS = 50
AT_MOST_SECONDS = 600
WITHOUT_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True)
class Finish(Generic[T]):
    """The result of one thread: a value or an error."""

    value: T | None = None
    error: BaseException | None = None


def race(acts: Sequence[Callable[[], T]]) -> list[Finish[T]]:
    """Run each function in its own thread. All threads are connected first and start together."""
    barrier = threading.Barrier(len(acts))
    finishes: list[Finish[T]] = [Finish(error=TimeoutError("did not come in"))] * len(acts)

    def run(lane: int) -> None:
        try:
            connection.ensure_connection()
            barrier.wait(AT_MOST_SECONDS)
            finishes[lane] = Finish(value=acts[lane]())
        except BaseException as error:  # noqa: BLE001 - the test reports every error
            finishes[lane] = Finish(error=error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(lane,), daemon=True) for lane in range(len(acts))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(AT_MOST_SECONDS)
    return finishes


def counted_from(attempt: VerificationAttempt) -> datetime | None:
    """Return the moment from which the attempt's call counts: its claim, or its answer if that was slow."""
    if attempt.dialed_at is None or attempt.placed_at is None:
        return attempt.dialed_at
    return counts_from(attempt.dialed_at, attempt.placed_at)


def values(finishes: Sequence[Finish[T]]) -> list[T]:
    return [finish.value for finish in finishes if finish.value is not None]


def errors(finishes: Sequence[Finish[Any]]) -> list[BaseException]:
    return [finish.error for finish in finishes if finish.error is not None]


class Telroi:
    """A simulator in its own process. ``sends`` and ``checks`` count the requests that it received."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        printed = dict(process.stdout.readline().strip().split("=", 1) for _ in range(3))
        self.base_url, self.api_key = printed["TELROI_BASE_URL"], printed["TELROI_API_KEY"]

    @property
    def sends(self) -> list[str]:
        """Return the number of each requested call, in order."""
        return [request["to"] for request in self._requests() if request["path"] == "/v1/otp"]

    @property
    def checks(self) -> int:
        """Return how many requests to check a code arrived."""
        return sum(request["path"] == "/v1/otp/verify" for request in self._requests())

    def code_of(self, number: str) -> str:
        """Return the code of the newest call."""
        return [call["code"] for call in self._told("calls") if call["to"] == number][-1]

    def id_of(self, number: str) -> str:
        """Return Telroi's id of the newest call."""
        return [call["id"] for call in self._told("calls") if call["to"] == number][-1]

    def throw(self, switch: str, **arguments: object) -> None:
        self._asked(switch, json.dumps(arguments).encode())

    def _requests(self) -> list[dict[str, str]]:
        return self._told("requests")

    def _told(self, what: str) -> list[dict[str, str]]:
        told: list[dict[str, str]] = self._asked(what)[what]
        return told

    def _asked(self, what: str, body: bytes | None = None) -> Any:
        with WITHOUT_PROXY.open(f"{self.base_url}/_simulator/{what}", body, timeout=30) as answer:
            return json.load(answer)


@contextmanager
def telroi_process() -> Iterator[Telroi]:
    command = [sys.executable, "-m", "django_telroi.simulator", "--port", "0"]
    root = Path(__file__).parent.parent.parent
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Telroi(process)
        finally:
            process.terminate()
