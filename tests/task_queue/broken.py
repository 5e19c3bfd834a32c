"""Backends whose queue accepts no task, returns no result or has no worker."""

from __future__ import annotations

from types import SimpleNamespace
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


class WaitingBackend(BaseTaskBackend):
    """Accepts tasks, which no worker runs."""

    supports_get_result = True

    def enqueue(self, task: Any, args: Any, kwargs: Any) -> Any:
        return SimpleNamespace(is_finished=False)
