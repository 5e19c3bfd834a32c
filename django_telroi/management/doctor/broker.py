"""The broker and the workers, where calls go through Celery."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django_telroi import conf
from django_telroi.dispatch import TRANSPORT_OPTIONS, broker_url, site_app
from django_telroi.domain.states import Dispatch
from django_telroi.management.doctor.findings import Finding, bad, good, note
from django_telroi.redaction import kind_of
from django_telroi.services.calls.queue import TASK

SUBJECT = "queue"
SECONDS_TO_CONNECT = 3
SECONDS_TO_ANSWER = 2.0
MISSING_PACKAGE = 'Install the Python package of the broker. For Redis: python -m pip install "celery[redis]".'


def examine_queue() -> Iterator[Finding]:
    """Connect, and ask every worker whether it knows our task."""
    if conf.dispatch() != Dispatch.CELERY:
        yield good(SUBJECT, "Each request places its own call: no broker is needed.", dispatch="inline")
        return
    app = site_app()
    if app.conf.task_always_eager:
        yield note(SUBJECT, "Celery is eager: tasks run where they are sent, and no worker takes any.", eager=True)
        return
    if not broker_url(app):
        # Celery would connect to a RabbitMQ on this machine, which has nothing to do with the site.
        says = "The site's Celery app has no broker." if app.set_as_current else "The site has no Celery app."
        cure = "Create the Celery app, import it in your project's __init__.py, and set CELERY_BROKER_URL."
        yield bad(SUBJECT, f"{says} No call reaches a worker.", cure, broker=False)
        return
    try:
        app.connection_for_write().transport  # noqa: B018 - it imports the package of the broker
    except ImportError as error:
        yield bad(SUBJECT, f"The broker cannot be used: {kind_of(error)}.", MISSING_PACKAGE, broker=False)
        return
    with app.connection_for_write(connect_timeout=1, transport_options=TRANSPORT_OPTIONS) as connection:
        try:
            connection.ensure_connection(max_retries=1, timeout=SECONDS_TO_CONNECT)
        except Exception as error:  # noqa: BLE001 - each transport has errors of its own
            yield bad(SUBJECT, f"The broker cannot be reached: {kind_of(error)}.", "Look at the broker's URL.")
            return
        yield good(SUBJECT, "The broker answers.", broker=True)
        yield _workers(app, connection)


def _workers(app: Any, connection: Any) -> Finding:
    inspect = app.control.inspect(timeout=SECONDS_TO_ANSWER, connection=connection)
    tasks: dict[str, list[str]] = inspect.registered() or {}
    placing = [worker for worker, names in tasks.items() if any(name.split()[0] == TASK for name in names)]
    if placing:
        says = f"{len(placing)} workers answer and place calls."
        return good(SUBJECT, "1 worker answers and places calls." if len(placing) == 1 else says, workers=len(placing))
    if tasks:
        cure = "Let the site's Celery app call autodiscover_tasks(), and start the workers again."
        says = f"{len(tasks)} workers answer, and none knows {TASK}."
        one = f"1 worker answers, and does not know {TASK}."
        return bad(SUBJECT, one if len(tasks) == 1 else says, cure, workers=0)
    return bad(SUBJECT, "No worker answers.", "Start one: celery -A yoursite worker --pool threads.", workers=0)
