"""The examination of the queue and the workers, for sites with ``DISPATCH = "tasks"``."""

from __future__ import annotations

from collections.abc import Iterator
from shlex import quote
from time import monotonic, sleep
from typing import Any

from django.apps import apps

from django_telroi import conf
from django_telroi.dispatch.task_backend import (
    DATABASE_APP,
    TASKS,
    backend_of_calls,
    class_path,
    is_in_database,
    is_of_kind,
    task_of,
)
from django_telroi.management.doctor.findings import Finding, bad, good, note
from django_telroi.redaction import kind_of

SUBJECT = "queue"
SECONDS_TO_ANSWER = 5.0
"""Longer than the second that a worker of the database backend sleeps when its queue is empty."""
SECONDS_BETWEEN_LOOKS = 0.1
SAME = "Deploy the same code to the workers, give them the same settings and TELROI_API_KEY, and restart them."
FIRST = 100
"""The highest priority of a task, so that calls that wait do not delay the answer."""


def examine_task_queue() -> Iterator[Finding]:
    """Enqueue a task that places no call, and wait until a worker has run it."""
    try:
        backend, probe = backend_of_calls(), task_of("answer_doctor")
    except Exception as error:  # noqa: BLE001 - a wrong setting TASKS raises many kinds of errors
        yield bad(SUBJECT, f"The task backend cannot be used: {kind_of(error)}.", "Run manage.py check.", broker=False)
        return
    path = class_path(backend)
    if is_in_database(backend) and not apps.is_installed(DATABASE_APP):
        cure = f'Add "{DATABASE_APP}" to INSTALLED_APPS, and run manage.py migrate.'
        yield bad(SUBJECT, f"{path} accepts no task, because its app is not installed.", cure, broker=False)
        return
    if is_of_kind(backend, "immediate"):
        yield note(SUBJECT, f"{path} runs tasks in the web request, and no worker is needed.", eager=True)
        return
    if is_of_kind(backend, "dummy"):
        yield bad(SUBJECT, f"{path} runs no task. No call is placed.", "Use a backend with workers.", broker=False)
        return
    try:
        result = (probe.using(priority=FIRST) if backend.supports_priority else probe).enqueue()
    except Exception as error:  # noqa: BLE001 - each backend has errors of its own
        cure = "Run manage.py migrate, if the tasks are in the database."
        yield bad(SUBJECT, f"The queue accepts no task: {kind_of(error)}.", cure, broker=False)
        return
    yield good(SUBJECT, f'The queue "{conf.tasks_queue()}" of {path} accepts tasks.', broker=True)
    if backend.supports_get_result:
        yield _worker(result, backend)
    else:
        yield note(SUBJECT, f"{path} returns no results, so it is not known whether a worker runs.")


def _worker(result: Any, backend: Any) -> Finding:
    """Return whether a worker runs the task in time."""
    began = monotonic()
    while not result.is_finished and monotonic() - began < SECONDS_TO_ANSWER:
        sleep(SECONDS_BETWEEN_LOOKS)
        result.refresh()
    if not result.is_finished:
        says = f"No worker is free within {SECONDS_TO_ANSWER:.0f} s."
        return bad(SUBJECT, says, f"Start a worker, or more of them{_start_of(backend)}", workers=0)
    if str(result.status) != "SUCCESSFUL":
        return bad(SUBJECT, "A worker answers, but it cannot run the tasks of django-telroi.", SAME, workers=0)
    if result.return_value != conf.backend_path():
        says = f"A worker answers, but its backend is {result.return_value}, and here it is {conf.backend_path()}."
        return bad(SUBJECT, says, SAME, workers=0)
    return good(SUBJECT, f"A worker answers within {monotonic() - began:.1f} s and can place calls.", workers=1)


def _start_of(backend: Any) -> str:
    """Return the end of a sentence about starting workers. Only the command of the database backend is known."""
    name, queue = conf.tasks_backend(), conf.tasks_queue()
    if not is_in_database(backend):
        return f'. It must serve TASKS["{name}"], read the queue "{queue}" and import {TASKS}.'
    # Without the option the worker takes tasks of the entry "default" only.
    entry = "" if name == "default" else f" --backend {quote(name)}"
    return f": python manage.py db_worker{entry} --queue-name {quote(queue)}"
