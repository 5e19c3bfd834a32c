"""The Celery app of the example. It is not used without ``EXAMPLE_BROKER_URL``: the web request places the call.

With ``EXAMPLE_BROKER_URL=redis://127.0.0.1:6379/0``, run these commands in ``example_project/`` too::

    celery -A example worker --pool threads --concurrency 32 --prefetch-multiplier 1
    celery -A example beat
"""

from __future__ import annotations

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "example.settings")

# The usual set-up of Celery with Django. django-telroi finds the app, because example/__init__.py imports it.
app = Celery("example")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
