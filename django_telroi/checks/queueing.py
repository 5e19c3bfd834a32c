"""Checks of Celery, for sites with ``DISPATCH = "celery"``."""

from __future__ import annotations

from collections.abc import Iterator

from django.core import checks
from django.core.checks import CheckMessage, Error

from django_telroi import conf
from django_telroi.dispatch.celery_broker import broker_url, site_app
from django_telroi.domain.states import Dispatch
from django_telroi.packages import CELERY

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
