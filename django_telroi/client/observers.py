"""The observer of requests: telemetry that sees each request of every client of this process.

``set_request_observer`` sets it. It is called before a request is sent, when its answer was read and at the end. An
exception of the observer is logged and changes nothing, because the call must be placed in any case.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeVar

from django_telroi.client.origin import Origin
from django_telroi.errors import ApiError, ApiOutcomeUnknown, ApiRefused, ApiRefusedByProxy, ApiUnreachable

logger = logging.getLogger("django_telroi.client")

T = TypeVar("T")


class RequestPurpose(StrEnum):
    """What a request is for. ``PROBE``: a test of the key and the connection by ``telroi_doctor``."""

    CALL = "call"
    CHECK = "check"
    PROBE = "probe"
    OTHER = "other"


class RequestOutcome(StrEnum):
    """What came of a request."""

    ANSWERED = "answered"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    """The request was certainly not sent."""
    UNKNOWN = "unknown"
    """The request was sent, but its answer was lost or unreadable."""


OUTCOME_OF_ERROR: Mapping[type[ApiError], RequestOutcome] = {
    ApiRefused: RequestOutcome.REFUSED,
    ApiRefusedByProxy: RequestOutcome.REFUSED,
    ApiUnreachable: RequestOutcome.UNREACHABLE,
    ApiOutcomeUnknown: RequestOutcome.UNKNOWN,
}


@dataclass(frozen=True)
class ObservedRequest:
    """A request. ``path`` has no query and no phone number."""

    method: str
    path: str
    base_url: str
    origin: Origin
    operation: RequestPurpose


@dataclass(frozen=True)
class RequestResult:
    """The outcome of a request. ``status``: of the response, or None. ``error``: the class of the error, or empty."""

    outcome: RequestOutcome
    status: int | None
    error: str

    @classmethod
    def of(cls, answer: object, status: int | None) -> RequestResult:
        """``answer``: an ApiError, or anything else for a request that was answered."""
        if not isinstance(answer, ApiError):
            return cls(RequestOutcome.ANSWERED, status, "")
        return cls(OUTCOME_OF_ERROR[type(answer)], status, type(answer).__name__)


INTERRUPTED = RequestResult(RequestOutcome.UNKNOWN, None, "interrupted")
"""The result of a request without an answer or an error: its thread was interrupted."""


class RequestObservation(Protocol):
    """One request, as an observer sees it. ``headers`` are sent with it."""

    headers: Mapping[str, str]

    def see(self, result: RequestResult) -> None:
        """Called after the answer was read or could not be read. Instrumentations of ``requests`` are active."""

    def end(self, result: RequestResult) -> None:
        """Called once, after all instrumentations and hooks."""


RequestObserver = Callable[[ObservedRequest], RequestObservation]

_observers: list[RequestObserver] = []


def set_request_observer(observer: RequestObserver | None) -> None:
    """Set the observer of this process. None removes it."""
    _observers[:] = [] if observer is None else [observer]


def guarded(act: Callable[[], T]) -> T | None:
    """Return what ``act`` returns. If it raises, log that and return None.

    A library of telemetry that fails must not change a call, nor what another library measures.
    """
    try:
        return act()
    except Exception as error:  # noqa: BLE001 - a library of telemetry may raise anything
        logger.error("telemetry_failed error=%s", type(error).__name__)
        return None


class Observed:
    """A request while it is observed. Its methods never raise."""

    def __init__(self, observation: RequestObservation) -> None:
        self._observation = observation
        self.headers = observation.headers
        self.result = INTERRUPTED

    def see(self, answer: object, status: int | None) -> None:
        """``answer`` is as in ``RequestResult.of``."""
        self.result = RequestResult.of(answer, status)
        guarded(lambda: self._observation.see(self.result))

    def conclude(self, answer: object, status: int | None) -> None:
        """Set the result with which the observation ends. Hooks may have changed it since ``see``."""
        self.result = RequestResult.of(answer, status)

    def end(self) -> None:
        guarded(lambda: self._observation.end(self.result))


@contextmanager
def observed(request: Callable[[], ObservedRequest]) -> Iterator[Observed | None]:
    """Yield the observed request, or None without an observer. The observation ends with the block."""
    observer = _observers[0] if _observers else None
    observation = guarded(lambda: observer(request())) if observer else None
    if observation is None:
        yield None
        return
    watched = Observed(observation)
    try:
        yield watched
    finally:
        watched.end()
