"""Publishes a call to the workers of this site: to Celery, or to Django's tasks.

A message is only a hint: if it is lost, the sweep enqueues the call again. Each kind of worker has a module here, which
is imported when it is first needed: a site that places its calls in the web request loads neither. See "A call" in
docs/explanation/how.rst.
"""

from __future__ import annotations

from django_telroi import conf
from django_telroi.dispatch.published import Published
from django_telroi.domain.states import Dispatch

__all__ = ["Published", "send"]


def send(attempt_id: int) -> Published:
    """Publish the call of a queued attempt, as ``DISPATCH`` says. ``attempt_id`` is its primary key. Never raises."""
    if conf.dispatch() == Dispatch.TASKS:
        from django_telroi.dispatch import task_backend

        return task_backend.send(attempt_id)
    from django_telroi.dispatch import celery_broker

    return celery_broker.send(celery_broker.TASK, attempt_id)
