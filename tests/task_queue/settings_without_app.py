"""A site that names the database backend and has forgotten its app."""

from __future__ import annotations

from tests.task_queue.settings import *  # noqa: F403
from tests.task_queue.settings import INSTALLED_APPS as COMPLETE

INSTALLED_APPS = [each for each in COMPLETE if each != "django_tasks_db"]
TELROI = {"DISPATCH": "tasks"}
