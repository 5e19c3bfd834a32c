"""How the trace of a request goes on in a worker of Django's tasks.

Celery's messages have headers, which OpenTelemetry's instrumentation of Celery uses. A task of Django has only its
arguments. So the headers of the trace are an argument, and ``telemetry`` sets what makes and reads them. An exception
of telemetry is logged and changes nothing, because the call must be placed in any case.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Protocol

from django_telroi.client.observers import guarded

__all__ = ["TaskSpan", "TaskTraces", "publishing", "set_task_traces", "working"]


class TaskSpan(Protocol):
    """A span that has started. ``headers`` continue its trace in another process."""

    headers: Mapping[str, str]

    def end(self, *, has_failed: bool) -> None:
        """Called once."""


class TaskTraces(Protocol):
    """What ``telemetry`` provides."""

    def publish(self, queue: str) -> TaskSpan:
        """Start the span of a message to ``queue``."""

    def work(self, queue: str, headers: Mapping[str, str]) -> TaskSpan:
        """Start the span of a task from ``queue``. It continues the trace of ``headers``."""


_traces: list[TaskTraces] = []


def set_task_traces(traces: TaskTraces | None) -> None:
    """Set what makes the spans of this process. None removes it."""
    _traces[:] = [] if traces is None else [traces]


@contextmanager
def publishing(queue: str) -> Iterator[Mapping[str, str]]:
    """Yield the headers of a message to ``queue``. They are empty without telemetry."""
    with _span(lambda traces: traces.publish(queue)) as span:
        yield span.headers if span else {}


@contextmanager
def working(queue: str, headers: Mapping[str, str]) -> Iterator[None]:
    """Run a task of ``queue`` in the trace of ``headers``, if there is telemetry."""
    with _span(lambda traces: traces.work(queue, headers)):
        yield


@contextmanager
def _span(start: Callable[[TaskTraces], TaskSpan]) -> Iterator[TaskSpan | None]:
    traces = _traces[0] if _traces else None
    span = guarded(lambda: start(traces)) if traces else None
    has_failed = True
    try:
        yield span
        has_failed = False
    finally:
        if span:
            guarded(lambda: span.end(has_failed=has_failed))
