"""A site whose tasks are in the database: Django's own task framework, or the same in a package on Django 5.2."""

from __future__ import annotations

from importlib.util import find_spec

from tests.settings import *  # noqa: F403
from tests.settings import INSTALLED_APPS as STOCK_APPS

INSTALLED_APPS = [*STOCK_APPS, *([] if find_spec("django.tasks") else ["django_tasks"]), "django_tasks_db"]
TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend", "QUEUES": ["default", "calls"]}}
