"""What workers of the site's Celery do. A task carries an attempt's id and nothing else; the row decides.

``acks_late``: a message whose worker dies is not gone before its call is placed. It may come twice, which the claim
makes harmless; where it does not come, the sweep hands the call on again. So Celery need not repeat anything, and a
database that fails is one line in the log: what is due stays due.
"""

from __future__ import annotations

from contextlib import suppress

from celery import Task, shared_task

from django_telroi import conf, services
from django_telroi.errors import Unavailable


class PlacingTask(Task):
    """Its limits follow the site's timeouts as they stand when it runs. They end a call that hangs where none should.

    Above any conversation with Telroi, as the lease is: a call that is cut off half-way is nobody's but its phone's.
    """

    abstract = True

    @property
    def soft_time_limit(self) -> float:
        """At the end of the lease nobody waits for this call any more: it is written down as unknown."""
        return conf.lease().total_seconds()

    @property
    def time_limit(self) -> float:
        return self.soft_time_limit + 15

    @property
    def queue(self) -> str | None:
        return conf.celery_queue()


@shared_task(name="django_telroi.tasks.place_call", base=PlacingTask, acks_late=True, ignore_result=True, max_retries=0)
def place_call(attempt_id: int) -> None:
    """Place the call of a queued attempt, if nobody has yet."""
    with suppress(Unavailable):
        services.place_call(attempt_id)


@shared_task(
    name="django_telroi.tasks.sweep",
    acks_late=True,
    ignore_result=True,
    max_retries=0,
    soft_time_limit=300,
    time_limit=330,
)
def sweep() -> None:
    """Look after what is due. For beat, every ten seconds."""
    with suppress(Unavailable):
        services.sweep()


@shared_task(name="django_telroi.tasks.purge", acks_late=True, ignore_result=True, max_retries=0)
def purge() -> None:
    """Delete what is too old to be kept. For beat, once a day; one that was killed is gone on with by the next."""
    with suppress(Unavailable):
        services.purge()
