"""Checks of Django's setting ``TASKS``, for sites with ``DISPATCH = "tasks"``."""

from __future__ import annotations

from collections.abc import Iterator

from django.core import checks
from django.core.checks import CheckMessage, Error
from django.core.exceptions import ImproperlyConfigured
from django.db import connections, router

from django_telroi import conf
from django_telroi.dispatch.task_backend import backend_of_calls, class_path, is_of_kind
from django_telroi.domain.states import Dispatch
from django_telroi.redaction import kind_of
from django_telroi.services.shared.transactions import write_alias

DATABASE_BACKEND = "django_tasks_db.backend.DatabaseBackend"


def check_task_backend() -> Iterator[CheckMessage]:
    """Yield a message if a call cannot be enqueued, or if its task is part of a request's transaction."""
    if conf.dispatch() != Dispatch.TASKS:
        return
    name, queue = conf.tasks_backend(), conf.tasks_queue()
    try:
        backend = backend_of_calls()
    except (ImproperlyConfigured, ImportError) as error:
        yield Error(
            f'TELROI["DISPATCH"] is "tasks", but TASKS["{name}"] is missing or its backend cannot be used: '
            f"{kind_of(error)}.",
            hint='Set it in TASKS, as in the how-to "Django\'s tasks", or name another one: TELROI["TASKS_BACKEND"].',
            id="telroi.E033",
        )
        return
    if backend.queues and queue not in backend.queues:
        yield Error(
            f'Calls go to the queue "{queue}", which is not in TASKS["{name}"]["QUEUES"]. No call is enqueued.',
            hint='Add it to QUEUES, or name one of them in TELROI["TASKS_QUEUE"].',
            id="telroi.E034",
        )
    if alias := _alias_of_request_transactions(backend):
        yield checks.Warning(
            f'Tasks are rows of the database "{alias}", in the transaction of a request (ATOMIC_REQUESTS). A worker '
            "sees a call when the request ends, and 15 seconds later if its transaction is rolled back.",
            hint=f'Turn ATOMIC_REQUESTS of "{alias}" off, or decorate the views that start calls with '
            f'@transaction.non_atomic_requests(using="{alias}").',
            id="telroi.W041",
        )


def check_task_backend_in_production() -> Iterator[CheckMessage]:
    """Yield a message if the backend is one of Django's two that have no workers."""
    if conf.dispatch() != Dispatch.TASKS:
        return
    try:
        backend = backend_of_calls()
    except (ImproperlyConfigured, ImportError):
        return  # ``check_task_backend`` reports it
    name, path = conf.tasks_backend(), class_path(backend)
    if is_of_kind(backend, "dummy"):
        yield Error(
            f'TASKS["{name}"] is {path}, which runs no task. No call is placed.',
            hint='Use a backend with workers, such as "django_tasks_db.DatabaseBackend".',
            id="telroi.E035",
        )
    elif is_of_kind(backend, "immediate"):
        yield checks.Warning(
            f'TASKS["{name}"] is {path}, which runs tasks in the web request. Each request waits for its call.',
            hint='Use a backend with workers, such as "django_tasks_db.DatabaseBackend", or set '
            'TELROI["DISPATCH"] to "inline".',
            id="telroi.W042",
        )


def _alias_of_request_transactions(backend: object) -> str:
    """Return the other database in whose request transactions tasks are written, or ``""``.

    A call is enqueued after the commit of its own row. So no transaction is open if the tasks are in the same database.
    """
    if class_path(backend) != DATABASE_BACKEND:
        return ""  # another backend has no rows, or its table is not known
    from django_tasks_db.models import DBTaskResult

    alias = str(router.db_for_write(DBTaskResult))
    return alias if alias != write_alias() and connections[alias].settings_dict["ATOMIC_REQUESTS"] else ""
