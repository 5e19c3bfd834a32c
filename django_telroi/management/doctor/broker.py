"""The examination of the broker and the workers, for sites with workers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from django_telroi import conf
from django_telroi.dispatch.celery_broker import TASK, TRANSPORT_OPTIONS, broker_url, site_app
from django_telroi.domain.states import Dispatch
from django_telroi.management.doctor.celery_workers import examine_connections, examine_pools, start_of_worker
from django_telroi.management.doctor.findings import Finding, bad, good, note
from django_telroi.management.doctor.task_worker import examine_task_queue
from django_telroi.packages import CELERY
from django_telroi.redaction import kind_of

SUBJECT = "queue"
SECONDS_TO_CONNECT = 3
SECONDS_TO_ANSWER = 2.0
MISSING_PACKAGE = 'Install the Python package of the broker. For Redis: python -m pip install "celery[redis]".'


def examine_queue() -> Iterator[Finding]:
    """Connect to the broker, and ask the workers for the task that places calls and for what slows them."""
    if conf.dispatch() == Dispatch.TASKS:
        yield from examine_task_queue()
        return
    if conf.dispatch() != Dispatch.CELERY:
        yield good(
            SUBJECT, 'DISPATCH is "inline": web requests place the calls, and no broker is needed.', dispatch="inline"
        )
        return
    if not CELERY.is_installed:
        says = CELERY.missing_for('TELROI["DISPATCH"] = "celery"')
        yield bad(SUBJECT, says, f"Install it: {CELERY.install_command}", broker=False)
        return
    app = site_app()
    if app.conf.task_always_eager:
        yield note(
            SUBJECT, "task_always_eager is on: tasks run in the web request, and no worker is needed.", eager=True
        )
        return
    if not broker_url(app):
        # Without a URL Celery would connect to a RabbitMQ on this machine, which may belong to another project.
        says = "The site's Celery app has no broker." if app.set_as_current else "The site has no Celery app."
        cure = "Create the Celery app, import it in your project's __init__.py, and set CELERY_BROKER_URL."
        yield bad(SUBJECT, f"{says} No call reaches a worker.", cure, broker=False)
        return
    try:
        app.connection_for_write().transport  # noqa: B018 - the property imports the package of the broker
    except ImportError as error:
        yield bad(
            SUBJECT, f"The broker's Python package cannot be imported: {kind_of(error)}.", MISSING_PACKAGE, broker=False
        )
        return
    with app.connection_for_write(connect_timeout=1, transport_options=TRANSPORT_OPTIONS) as connection:
        try:
            connection.ensure_connection(max_retries=1, timeout=SECONDS_TO_CONNECT)
        except Exception as error:  # noqa: BLE001 - each transport raises its own exceptions
            yield bad(SUBJECT, f"The broker cannot be reached: {kind_of(error)}.", "Check CELERY_BROKER_URL.")
            return
        yield good(SUBJECT, "The broker answers.", broker=True)
        yield from _workers(app, app.control.inspect(timeout=SECONDS_TO_ANSWER, connection=connection))


def _workers(app: Any, inspect: Any) -> Iterator[Finding]:
    """Ask the workers for their tasks and queues, and those that place calls for their pools."""
    try:
        queue = _queue_of_calls(app)
    except Exception as error:  # noqa: BLE001 - a router is code of the site
        cure = 'Check TELROI["CELERY_QUEUE"], CELERY_TASK_QUEUES and CELERY_TASK_ROUTES.'
        yield bad(SUBJECT, f"Celery cannot route the calls to a queue: {kind_of(error)}.", cure, workers=0)
        return
    # Without -Q a worker reads the default queue.
    start = start_of_worker(queue if queue != app.conf.task_default_queue else "")
    tasks: dict[str, list[str]] = inspect.registered() or {}
    knowing = [worker for worker, names in tasks.items() if any(name.split()[0] == TASK for name in names)]
    placing = _readers(inspect, queue, knowing) if knowing else []
    if knowing and not placing:
        yield _no_reader(knowing, queue)
        return
    yield _whether_calls_are_placed(tasks, placing, start)
    if placing:
        answers: dict[str, dict[str, Any]] = inspect.stats() or {}
        yield from examine_pools({worker: answers[worker] for worker in placing if worker in answers}, start)
        yield from examine_connections()


def _queue_of_calls(app: Any) -> str:
    """Return the queue that Celery publishes the calls to, or ``""`` if a route names only an exchange.

    Raises what Celery and the routers of the site raise.
    """
    chosen = conf.celery_queue()
    # With the options and arguments of ``celery_broker``, so the routers of the site decide as for a call.
    routed = app.amqp.router.route({"queue": chosen} if chosen else {}, TASK, args=(0,))
    queue = routed.get("queue") or ""
    return str(getattr(queue, "name", queue))


def _readers(inspect: Any, queue: str, workers: Sequence[str]) -> list[str]:
    """Return those of ``workers`` that read ``queue``. Which queues get what an exchange gets is not known here."""
    if not queue:
        return list(workers)
    read: dict[str, list[dict[str, Any]]] = inspect.active_queues() or {}
    return [worker for worker in workers if any(each["name"] == queue for each in read.get(worker) or ())]


def _no_reader(workers: Sequence[str], queue: str) -> Finding:
    says = f'{len(workers)} workers answer, but none of them reads the queue "{queue}".'
    one = f'1 worker answers, but it does not read the queue "{queue}".'
    cure = f"Start a worker that reads it: {start_of_worker(queue)}"
    return bad(SUBJECT, one if len(workers) == 1 else says, cure, workers=0)


def _whether_calls_are_placed(tasks: Mapping[str, Sequence[str]], placing: Sequence[str], start: str) -> Finding:
    """Return whether a worker has answered, and whether one of them has registered the task."""
    if placing:
        says = f"{len(placing)} workers answer and can place calls."
        return good(
            SUBJECT, "1 worker answers and can place calls." if len(placing) == 1 else says, workers=len(placing)
        )
    if tasks:
        cure = "Call autodiscover_tasks() on the site's Celery app, and restart the workers."
        says = f"{len(tasks)} workers answer, but {TASK} is registered in none of them."
        one = f"1 worker answers, but {TASK} is not registered in it."
        return bad(SUBJECT, one if len(tasks) == 1 else says, cure, workers=0)
    return bad(SUBJECT, "No worker answers.", f"Start a worker: {start}", workers=0)
