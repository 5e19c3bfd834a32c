"""The example project with its own queue, because other programs may use the same broker."""

from __future__ import annotations

import os

from example.settings import *  # noqa: F403

CELERY_TASK_DEFAULT_QUEUE = os.environ["TELROI_TEST_QUEUE"]
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
TELROI = {**TELROI, "QUEUE_DEADLINE_SECONDS": 600, "CODES": os.environ["TELROI_TEST_CODES"]}  # noqa: F405
# The deadline is as long as a slow machine takes.
