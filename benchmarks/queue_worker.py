"""A worker of ``queue_site``: ``python queue_worker.py POOL PLACES``."""

from __future__ import annotations

import os
import sys

os.environ["DJANGO_SETTINGS_MODULE"] = "queue_site"


def main(pool: str, places: str) -> None:
    if pool == "gevent":
        from gevent import monkey

        monkey.patch_all()
    from celery import Celery

    app = Celery("throughput")
    app.config_from_object("django.conf:settings", namespace="CELERY")
    app.set_default()

    import django
    from django.conf import settings

    django.setup()
    app.conf.update(settings.CELERY)
    import django_telroi.tasks  # noqa: F401 - the worker must know them

    app.worker_main(
        ["worker", "--pool", pool, "--concurrency", places, "--queues", settings.QUEUE, "--loglevel", "ERROR"]
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
