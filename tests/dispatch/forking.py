"""A server that forks: ``python forking.py PORT``. Parent, child and parent again each publish once."""

from __future__ import annotations

import os
import sys

from celery import Celery
from django.conf import settings

from django_telroi.dispatch import celery_broker
from django_telroi.dispatch.celery_broker import send

HANGS = 120
TASK = "tests.dispatch.forking.task"

if __name__ == "__main__":
    settings.configure(TELROI={})
    celery_broker.PUBLISH_TIMEOUT = HANGS
    celery_broker.TRANSPORT_OPTIONS = {
        name: seconds and HANGS for name, seconds in celery_broker.TRANSPORT_OPTIONS.items()
    }
    app = Celery("site", broker=f"redis://127.0.0.1:{sys.argv[1]}/0")
    print(send(TASK, 1).name, flush=True)  # noqa: T201
    if (child := os.fork()) == 0:
        print(send(TASK, 2).name, flush=True)  # noqa: T201
        os._exit(0)
    os.waitpid(child, 0)
    print(send(TASK, 3).name, flush=True)  # noqa: T201
