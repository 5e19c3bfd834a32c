"""The tasks for the workers of Django's tasks (``DISPATCH = "tasks"``). ``tasks`` has those of Celery.

The argument is the attempt's id. The attempt's row decides whether a call is placed, so a task may be lost, late or run
twice. If it is lost, the sweep enqueues the call again. If the database fails, the service logs one line and the work
stays due. The sweep and the purge are commands (``telroi_sweep``, ``telroi_purge``): Django's tasks have no schedule.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING

from django_telroi import conf, services
from django_telroi.backends import get_backend
from django_telroi.dispatch.traces import working
from django_telroi.errors import Unavailable

if TYPE_CHECKING:
    from django.tasks import task
else:
    task = import_module(conf.task_framework()).task

__all__ = ["answer_doctor", "place_call"]


# With the names of the settings: without them Django's default backend and queue must exist.
@task(backend=conf.tasks_backend(), queue_name=conf.tasks_queue())
def place_call(attempt_id: int, trace: Mapping[str, str] | None = None) -> None:
    """Place the call of a queued attempt, unless another worker has claimed it.

    ``attempt_id`` is its primary key. ``trace``: the headers that continue the trace of the request, with telemetry.
    """
    with working(conf.tasks_queue(), trace or {}), suppress(Unavailable):
        services.place_call(attempt_id)


@task(backend=conf.tasks_backend(), queue_name=conf.tasks_queue())
def answer_doctor() -> str:
    """Return the dotted path of the backend that this worker uses. ``telroi_doctor`` compares it with its own.

    Raises Misconfigured, so that the task fails, if this worker cannot create the backend: often its environment has no
    ``TELROI_API_KEY``. Which of several keys a call has is not known here, so those are not tried.
    """
    if not conf.has_named_keys():
        get_backend()
    return conf.backend_path()
