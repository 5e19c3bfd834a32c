"""Settings of a site whose workers place the calls. ``throughput.py`` sets the environment variables."""

from __future__ import annotations

import json
import os
from importlib.util import find_spec

SECRET_KEY = "not a secret"
USE_TZ = True
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes", "django_telroi"]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": os.environ.get("TELROI_BENCH_DATABASE", "django_telroi_throughput"),
        "HOST": os.environ.get("TELROI_TEST_DB_HOST", "127.0.0.1"),
        "USER": os.environ.get("TELROI_TEST_DB_USER", "root"),
        "PASSWORD": os.environ.get("TELROI_TEST_DB_PASSWORD", ""),
        "OPTIONS": {"pool": {"min_size": 4, "max_size": 40}},
    }
}
DISPATCH = os.environ.get("TELROI_BENCH_DISPATCH", "celery")
if DISPATCH == "tasks":
    # Part of Django since 6.0.
    INSTALLED_APPS += ["django_tasks_db"] if find_spec("django.tasks") else ["django_tasks", "django_tasks_db"]
    # A worker has one thread. Django would open a connection for each task.
    DATABASES["default"] |= {"OPTIONS": {}, "CONN_MAX_AGE": 600}
    TASKS = {"default": {"BACKEND": "django_tasks_db.DatabaseBackend"}}
REDIS = os.environ.get("TELROI_TEST_REDIS", "redis://127.0.0.1:6379/0")
QUEUE = "telroi_throughput"
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS,
        "KEY_PREFIX": QUEUE,
        "OPTIONS": {"socket_connect_timeout": 1, "socket_timeout": 1},
    }
}
CELERY = {
    "broker_url": REDIS,
    "broker_transport_options": {"global_keyprefix": f"{QUEUE}:"},
    "worker_prefetch_multiplier": int(os.environ.get("TELROI_BENCH_PREFETCH", "1")),
}
TELROI = {
    "BACKEND": "django_telroi.backends.telroi.TelroiBackend",
    "DISPATCH": DISPATCH,
    "CELERY_QUEUE": QUEUE,
    "QUEUE_DEADLINE_SECONDS": 3600,  # no call may expire: only the pace is measured
    **json.loads(os.environ.get("TELROI_BENCH_SETTINGS", "{}")),
}
