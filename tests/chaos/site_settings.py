"""Settings of the site whose processes are killed: those of the tests, changed by environment variables."""

from __future__ import annotations

import json
import os

from tests.settings import *  # noqa: F403
from tests.settings import DATABASES

_stage = json.loads(os.environ["TELROI_TEST_STAGE"])
DATABASES["default"]["NAME"] = _stage["database"]
TELROI = _stage["telroi"]
CELERY = _stage["celery"]
if TELROI.get("DISPATCH") == "tasks":
    from tests.task_queue import settings as with_tasks

    INSTALLED_APPS, TASKS = with_tasks.INSTALLED_APPS, with_tasks.TASKS
GRAVES = _stage["graves"]
STOPPING = _stage["stopping"]
