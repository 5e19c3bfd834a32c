"""Checks of the queues: of Celery (``DISPATCH = "celery"``) and of Django's setting ``TASKS`` (``"tasks"``)."""

from __future__ import annotations

from collections.abc import Iterator

from django.apps import apps
from django.core import checks
from django.core.checks import CheckMessage, Error
from django.db import connections, router
from django.db.models import Model

from django_telroi import conf
from django_telroi.dispatch.celery_broker import broker_url, site_app
from django_telroi.dispatch.task_backend import DATABASE_APP, backend_of_calls, class_path, is_in_database, is_of_kind
from django_telroi.domain.states import Dispatch
from django_telroi.packages import CELERY
from django_telroi.redaction import kind_of
from django_telroi.services.shared.transactions import write_alias

# Seconds. Redis and SQS redeliver a message that is not acknowledged in this time. This is Celery's default.
VISIBILITY_TIMEOUT = 3600
REDELIVERING_TRANSPORTS = ("redis", "rediss", "sentinel", "sqs")


def check_queue() -> Iterator[CheckMessage]:
    """Yield a message if Celery has no broker, or if the broker may redeliver a task that is still running."""
    if conf.dispatch() != Dispatch.CELERY or not CELERY.is_installed:  # check_packages reports it
        return
    # In eager mode a task runs in the request, so no broker is used.
    app = site_app()
    settings = app.conf
    if settings.task_always_eager:
        return
    url = broker_url(app)
    # RabbitMQ has no such option.
    redelivers = url.partition(":")[0] in REDELIVERING_TRANSPORTS
    timeout = settings.broker_transport_options.get("visibility_timeout", VISIBILITY_TIMEOUT)
    if not url:
        yield Error(
            'TELROI["DISPATCH"] is "celery", but Celery has no broker.',
            hint="Create a Celery app that reads Django's settings, import it in your project's __init__.py, and set "
            "CELERY_BROKER_URL.",
            id="telroi.E012",
        )
    elif redelivers and float(timeout) <= _longest_task():
        yield checks.Warning(
            "The broker may redeliver a task whose call is still in progress. The call is not placed twice, but a "
            "worker does useless work.",
            hint="Set visibility_timeout in CELERY_BROKER_TRANSPORT_OPTIONS above the longest task, which takes "
            f"{_longest_task():.0f} s. Celery's default is {VISIBILITY_TIMEOUT}.",
            id="telroi.W014",
        )


def _longest_task() -> float:
    """Return the seconds that a task may take: the lease of a call, and a margin for the database and the start."""
    return conf.lease().total_seconds() + 15


def check_task_backend() -> Iterator[CheckMessage]:
    """Yield a message if a call cannot be enqueued, or if its task is part of a request's transaction."""
    if conf.dispatch() != Dispatch.TASKS:
        return
    name, queue = conf.tasks_backend(), conf.tasks_queue()
    try:
        backend = backend_of_calls()
    except Exception as error:  # noqa: BLE001 - Django raises KeyError, TypeError and others for a wrong entry of TASKS
        yield Error(
            f'TELROI["DISPATCH"] is "tasks", but TASKS["{name}"] is missing or its backend cannot be used: '
            f"{kind_of(error)}.",
            hint='Set it in TASKS, as in the how-to "Django\'s tasks", or name another one: TELROI["TASKS_BACKEND"].',
            id="telroi.E033",
        )
        return
    if is_in_database(backend) and not apps.is_installed(DATABASE_APP):
        # Its models, which the checks below read, cannot be imported.
        yield Error(
            f'TASKS["{name}"] is {class_path(backend)}, whose app is not installed. No call is enqueued.',
            hint=f'Add "{DATABASE_APP}" to INSTALLED_APPS, and run manage.py migrate.',
            id="telroi.E033",
        )
        return
    if backend.queues and queue not in backend.queues:
        yield Error(
            f'Calls go to the queue "{queue}", which is not in TASKS["{name}"]["QUEUES"]. No call is enqueued.',
            hint='Add it to QUEUES, or name one of them in TELROI["TASKS_QUEUE"].',
            id="telroi.E034",
        )
    if is_in_database(backend):
        yield from _check_table(name, queue)


def _check_table(name: str, queue: str) -> Iterator[CheckMessage]:
    """Yield a message if the table of tasks has no room for a name, or if a task is part of a request's transaction."""
    from django_tasks_db.models import DBTaskResult

    columns = {
        "queue_name": (queue, "The queue of the calls", "TASKS_QUEUE"),
        "backend_name": (name, "The entry of TASKS", "TASKS_BACKEND"),
    }
    for column, (value, subject, key) in columns.items():
        longest = getattr(DBTaskResult._meta.get_field(column), "max_length", None)
        if longest and len(value) > longest:
            yield Error(
                f'{subject} has the name "{value}", which is longer than {longest} characters. The table of tasks has '
                "no room for it, so PostgreSQL and MariaDB enqueue no call.",
                hint=f'Choose a shorter name, in TASKS and in TELROI["{key}"].',
                id="telroi.E034",
            )
    if alias := _alias_of_request_transactions(DBTaskResult):
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
    except Exception:  # noqa: BLE001 - see ``check_task_backend``
        return  # it reports the error
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


def _alias_of_request_transactions(model: type[Model]) -> str:
    """Return the other database in whose request transactions rows of ``model`` are written, or ``""``.

    A call is enqueued after the commit of its own row. So no transaction is open if the tasks are in the same database.
    """
    alias = str(router.db_for_write(model))
    return alias if alias != write_alias() and connections[alias].settings_dict["ATOMIC_REQUESTS"] else ""
