"""The broker and the workers, where calls go through Celery."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django_telroi import conf
from django_telroi.dispatch import TRANSPORT_OPTIONS, site_app
from django_telroi.domain.states import Dispatch
from django_telroi.management.doctor.findings import Finding, bad, good, note
from django_telroi.services.queued import TASK

SUBJECT = "queue"
SECONDS_TO_CONNECT = 3
SECONDS_TO_ANSWER = 2.0


def look_at_queue() -> Iterator[Finding]:
    """Connect, and ask every worker whether it knows our task."""
    if conf.dispatch() != Dispatch.CELERY:
        yield good(SUBJECT, "Each request places its own call: no broker is needed.", dispatch="inline")
        return
    app = site_app()
    if app.conf.task_always_eager:
        yield note(SUBJECT, "Celery is eager: tasks run where they are sent, and no worker takes any.", eager=True)
        return
    with app.connection_for_write(connect_timeout=1, transport_options=TRANSPORT_OPTIONS) as connection:
        try:
            connection.ensure_connection(max_retries=1, timeout=SECONDS_TO_CONNECT)
        except Exception as error:  # noqa: BLE001 - each transport has errors of its own
            yield bad(SUBJECT, f"The broker cannot be reached: {type(error).__name__}.", "Look at the broker's URL.")
            return
        yield good(SUBJECT, "The broker answers.", broker=True)
        yield _workers(app, connection)


def _workers(app: Any, connection: Any) -> Finding:
    inspect = app.control.inspect(timeout=SECONDS_TO_ANSWER, connection=connection)
    tasks: dict[str, list[str]] = inspect.registered() or {}
    placing = [worker for worker, names in tasks.items() if any(name.split()[0] == TASK for name in names)]
    if placing:
        return good(SUBJECT, f"{len(placing)} workers answer and place calls.", workers=len(placing))
    if tasks:
        cure = "Let the site's Celery app call autodiscover_tasks(), and start the workers again."
        return bad(SUBJECT, f"{len(tasks)} workers answer, and none knows {TASK}.", cure, workers=0)
    return bad(SUBJECT, "No worker answers.", "Start one: celery -A yoursite worker --pool threads.", workers=0)
