"""The settings that choose who places calls, and the queue for calls."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec

import django
from django.core.exceptions import ImproperlyConfigured

from django_telroi.conf import values
from django_telroi.domain.states import Dispatch

TASK_FRAMEWORKS = ("django.tasks", "django_tasks")
"""Django's task framework, and the package that offers the same for Django 5.2."""


def dispatch() -> Dispatch:
    """Return which process places calls: the web request, a Celery worker or a worker of Django's tasks.

    Raises ImproperlyConfigured for ``"tasks"`` if there is no task framework.
    """
    try:
        chosen = Dispatch(values.text("DISPATCH") or "")
    except ValueError:
        raise values.invalid_setting("DISPATCH", "one of " + ", ".join(f'"{way}"' for way in Dispatch)) from None
    if chosen == Dispatch.TASKS:
        task_framework()
    return chosen


@cache
def task_framework() -> str:
    """Return the name of the package with the task framework.

    Django's own comes first: since Django 6.0 the other one is not needed. Raises ImproperlyConfigured if there is
    none.
    """
    for package in TASK_FRAMEWORKS:
        if find_spec(package):
            return package
    raise ImproperlyConfigured(
        f'TELROI["DISPATCH"] is "tasks", which needs Django 6.0 or newer, and this is Django {django.get_version()}. '
        'Upgrade Django, or install "django-tasks-db[compat]", which brings the task framework to Django 5.2.'
    )


def celery_queue() -> str | None:
    """Return the Celery queue for calls, or None for the site's default queue."""
    return values.text("CELERY_QUEUE") or None


def tasks_backend() -> str:
    """Return the name in Django's setting ``TASKS`` of the backend that gets the calls."""
    return values.text("TASKS_BACKEND") or "default"


def tasks_queue() -> str:
    """Return the queue of that backend for calls."""
    return values.text("TASKS_QUEUE") or "default"
