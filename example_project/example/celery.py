"""The example's Celery. Without ``EXAMPLE_BROKER_URL`` nobody uses it, and calls are placed at once.

With it, for example ``EXAMPLE_BROKER_URL=redis://127.0.0.1:6379/0``, run beside the site, in ``example_project/``::

    celery -A example worker --pool threads --concurrency 32 --prefetch-multiplier 1
    celery -A example beat
"""

from __future__ import annotations

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "example.settings")

app = Celery("example")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
