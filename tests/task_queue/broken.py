"""A backend whose queue accepts no task."""

from __future__ import annotations

from typing import Any

from django_telroi.conf import task_framework

if task_framework() == "django.tasks":
    from django.tasks.backends.base import BaseTaskBackend
else:
    from django_tasks.backends.base import BaseTaskBackend


class BrokenQueue(Exception):
    """The queue cannot be reached."""


class BrokenBackend(BaseTaskBackend):
    """Raises an error whose text has the password of the queue."""

    def enqueue(self, task: Any, args: Any, kwargs: Any) -> Any:
        raise BrokenQueue("queue://:Canary@127.0.0.1")


class SilentBackend(BaseTaskBackend):
    """Accepts tasks, and returns no results."""

    def enqueue(self, task: Any, args: Any, kwargs: Any) -> Any:
        return None
