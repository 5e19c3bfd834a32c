"""Celery, where calls go through it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django.core import checks
from django.core.checks import CheckMessage, Error

from django_telroi import conf
from django_telroi.dispatch import broker_url, site_app
from django_telroi.domain.states import Dispatch

# Redis and SQS deliver again what nobody has acknowledged for so long; Celery's own figure.
VISIBILITY_TIMEOUT = 3600
FORGETFUL_TRANSPORTS = ("redis", "rediss", "sentinel", "sqs")


def unfit_queue() -> Iterator[CheckMessage]:
    """What would leave calls waiting, or have one message delivered while its call is being placed."""
    if conf.dispatch() != Dispatch.CELERY:
        return
    app = site_app()
    settings = app.conf
    if settings.task_always_eager:
        return
    url = broker_url(app)
    if not url:
        yield Error(
            'TELROI["DISPATCH"] is "celery", and Celery has no broker.',
            hint="Set CELERY_BROKER_URL, create a Celery app that reads Django's settings, and import it in your "
            "project's __init__.py.",
            id="telroi.E012",
        )
    elif _visibility_timeout(settings, url) <= _longest_task():
        yield checks.Warning(
            f"The broker delivers a message again before its call can have ended ({_longest_task():.0f} s).",
            hint="Raise visibility_timeout in Celery's broker_transport_options; 3600 is its default.",
            id="telroi.W014",
        )


def _visibility_timeout(settings: Any, url: str) -> float:
    if url.partition(":")[0] not in FORGETFUL_TRANSPORTS:
        return float("inf")
    return float(settings.broker_transport_options.get("visibility_timeout", VISIBILITY_TIMEOUT))


def _longest_task() -> float:
    return conf.lease().total_seconds() + 15
