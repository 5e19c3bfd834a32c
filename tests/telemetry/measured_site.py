"""A site with pages, API, metrics and the health check, for servers and workers in processes of their own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import django
from django.conf import settings

from tests import settings as base

MIDDLEWARE_OF_PAGES = base.MIDDLEWARE


def configure_site(*, telemetry: list[str], dispatch: str = "inline") -> None:
    """Configure Django with the simulator and the database of the environment, and an empty database file."""
    settings.configure(
        SECRET_KEY="not a secret",
        ALLOWED_HOSTS=["127.0.0.1", "testserver"],
        USE_TZ=True,
        ROOT_URLCONF="tests.telemetry.measured_urls",
        INSTALLED_APPS=base.INSTALLED_APPS,
        MIDDLEWARE=list(MIDDLEWARE_OF_PAGES),
        TEMPLATES=base.TEMPLATES,
        DEFAULT_AUTO_FIELD=base.DEFAULT_AUTO_FIELD,
        STATIC_URL="/static/",
        REST_FRAMEWORK={"DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.AllowAny"]},
        DATABASES={"default": database_file(Path(os.environ["TELROI_TEST_FOLDER"], "db.sqlite3"))},
        LOGGING_CONFIG=None,
        TELROI={
            "BACKEND": "django_telroi.backends.telroi.TelroiBackend",
            "API_KEY": os.environ["TELROI_TEST_KEY"],
            "BASE_URL": os.environ["TELROI_TEST_URL"],
            "KEY_REQUESTS_PER_MINUTE": 10**6,
            "RATES": {"start": {"ip": None, "user": None}, "check": {"ip": None, "user": None}},
            "TRUSTED_PROXIES": 0,
            "DISPATCH": dispatch,
            "TELEMETRY": telemetry,
            "TRACE_HEADERS": True,
        },
    )
    django.setup()


def database_file(file: Path) -> dict[str, Any]:
    """SQLite that several processes write to: each waits for its turn instead of failing."""
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": file,
        "OPTIONS": {
            "timeout": 120,
            "transaction_mode": "IMMEDIATE",
            "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF",
        },
    }
