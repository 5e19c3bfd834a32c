"""Publishes a call to Django's tasks. A message is only a hint: if it is lost, the sweep enqueues the call again.

A backend in the database inserts one row, over the connection of the request. A backend with a broker of its own may
wait for it, so it needs short timeouts of its own. If publishing took longer than ``SLOW_SECONDS``, this process
publishes nothing for a while, so that one slow queue does not slow every request.
"""

from __future__ import annotations

import logging
import time
from importlib import import_module
from typing import Any

from django_telroi import conf
from django_telroi.dispatch import traces
from django_telroi.dispatch.published import Published
from django_telroi.redaction import kind_of

__all__ = [
    "DATABASE_APP",
    "PAUSE_SECONDS",
    "SLOW_SECONDS",
    "TASKS",
    "backend_of_calls",
    "class_path",
    "is_in_database",
    "is_of_kind",
    "send",
    "task_of",
]

TASKS = "django_telroi.background_tasks"
DATABASE_APP = "django_tasks_db"
DATABASE_BACKEND = "django_tasks_db.backend.DatabaseBackend"
SLOW_SECONDS = 2.0
"""Publishing that takes longer is followed by a pause."""
PAUSE_SECONDS = 10.0
"""Seconds after a slow answer of the queue during which nothing is published."""

logger = logging.getLogger("django_telroi")


class QueuePause:
    """Whether this process publishes nothing for now."""

    def __init__(self) -> None:
        self._until = 0.0

    def __bool__(self) -> bool:
        return time.monotonic() < self._until

    def begin(self) -> None:
        self._until = time.monotonic() + PAUSE_SECONDS


PAUSE = QueuePause()


def send(attempt_id: int) -> Published:
    """Enqueue the task that places the call of an attempt. Never raises.

    ``attempt_id`` is the primary key. It is the only argument, except the headers of a trace.
    """
    if PAUSE:
        return Published.SKIPPED
    began = time.monotonic()
    published = Published.SKIPPED
    try:
        published = _enqueue(attempt_id)
    except Exception as error:  # noqa: BLE001 - each backend has errors of its own; the attempt stays queued
        logger.error("not_enqueued attempt=%s error=%s", attempt_id, kind_of(error))
    # ``ImmediateBackend`` has placed the call, and most of the time was Telroi's.
    if published is not Published.DONE and time.monotonic() - began > SLOW_SECONDS:
        logger.warning("queue_too_slow attempt=%s", attempt_id)
        PAUSE.begin()
    return published


def task_of(name: str) -> Any:
    """Return the task ``name`` of ``background_tasks``, for the backend and the queue of the settings.

    Raises what Django raises for a wrong setting ``TASKS``.
    """
    task = getattr(import_module(TASKS), name)
    return task.using(backend=conf.tasks_backend(), queue_name=conf.tasks_queue())


def backend_of_calls() -> Any:
    """Return the backend in ``TASKS`` that gets the calls.

    Raises ImproperlyConfigured if there is none, and what Django and the backend raise for a wrong entry.
    """
    return import_module(conf.task_framework()).task_backends[conf.tasks_backend()]


def class_path(backend: object) -> str:
    """Return the dotted path of the backend's class."""
    return _path(type(backend))


def is_in_database(backend: object) -> bool:
    """Return whether ``backend`` is that of django-tasks-db, or a subclass: what ``manage.py db_worker`` serves."""
    return any(_path(each) == DATABASE_BACKEND for each in type(backend).__mro__)


def _path(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def is_of_kind(backend: object, kind: str) -> bool:
    """Return whether ``backend`` is Django's ``"immediate"`` or ``"dummy"`` backend, or a subclass."""
    module = import_module(f"{conf.task_framework()}.backends.{kind}")
    return isinstance(backend, getattr(module, f"{kind.capitalize()}Backend"))


def _enqueue(attempt_id: int) -> Published:
    task = task_of("place_call")
    with traces.publishing(task.queue_name) as headers:
        # Without a trace the argument is left out, so the row of the task has the attempt's id and nothing else.
        result = task.enqueue(attempt_id, **({"trace": dict(headers)} if headers else {}))
    return Published.DONE if result.is_finished else Published.SENT
