"""The Celery tasks. A task has one argument, the attempt's id. The attempt's row decides whether a call is placed.

``acks_late``: if a worker dies, the broker delivers its message again. A message may also arrive twice. That is
harmless, because only one worker can claim the attempt. If a message is lost, the sweep enqueues the call again. So
Celery needs no retries. If the database fails, the service logs one line and the work stays due.
"""

from __future__ import annotations

from contextlib import suppress

from django_telroi import conf, services
from django_telroi.errors import Unavailable
from django_telroi.packages import CELERY

with CELERY.needed_for("django_telroi.tasks"):
    from celery import Task, shared_task

__all__ = [
    "place_call",
    "purge",
    "sweep",
]


class PlacingTask(Task):
    """A task with time limits that follow the site's timeouts. The settings are read when the task runs.

    The limits end a task that hangs where it should not. They are longer than any request to Telroi, like the lease: a
    request that is cut off leaves a call that may ring and whose outcome is unknown.
    """

    abstract = True

    @property
    def soft_time_limit(self) -> float:
        """Seconds until the lease ends. From then on the attempt is recorded as unknown, so the task has no use."""
        return conf.lease().total_seconds()

    @property
    def time_limit(self) -> float:
        """Seconds until the worker kills the task."""
        return self.soft_time_limit + 15

    @property
    def queue(self) -> str | None:
        return conf.celery_queue()


@shared_task(name="django_telroi.tasks.place_call", base=PlacingTask, acks_late=True, ignore_result=True, max_retries=0)
def place_call(attempt_id: int) -> None:
    """Place the call of a queued attempt, unless another worker has claimed it. ``attempt_id`` is its primary key."""
    with suppress(Unavailable):
        services.place_call(attempt_id)


# The limits end a sweep that hangs. The next one, ten seconds later, does not wait for it.
@shared_task(
    name="django_telroi.tasks.sweep",
    acks_late=True,
    ignore_result=True,
    max_retries=0,
    soft_time_limit=300,
    time_limit=330,
)
def sweep() -> None:
    """Write the transitions that are due and enqueue lost calls again. Run it every 10 seconds with Celery beat."""
    with suppress(Unavailable):
        services.sweep()


# Without time limits: the first purge of an old site may take long, and a purge that is killed loses nothing.
@shared_task(name="django_telroi.tasks.purge", acks_late=True, ignore_result=True, max_retries=0)
def purge() -> None:
    """Delete the rows that are past their retention time. Run it once a day with Celery beat.

    If a run is killed, the next run continues.
    """
    with suppress(Unavailable):
        services.purge()
