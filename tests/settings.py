"""A default Django project with the app, on the database of the environment variable ``TELROI_TEST_DB``."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

SECRET_KEY = "not a secret: these settings serve tests only"
USE_TZ = True
DEBUG = False
ALLOWED_HOSTS = ["testserver", "localhost", "127.0.0.1"]

INSTALLED_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "rest_framework",
    "django_telroi",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

ROOT_URLCONF = "tests.urls"
STATIC_URL = "/static/"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def sqlite() -> dict[str, Any]:
    """A file, because only one thread can use an in-memory database, and the race tests use many."""
    file = Path(tempfile.gettempdir(), f"django-telroi-test-{os.getpid()}.sqlite3")
    return {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:", "TEST": {"NAME": str(file)}}


def server(engine: str, *, charset: str | None = None) -> dict[str, Any]:
    return {
        "ENGINE": f"django.db.backends.{engine}",
        "NAME": os.environ.get("TELROI_TEST_DB_NAME", "django_telroi"),
        "HOST": os.environ.get("TELROI_TEST_DB_HOST", "127.0.0.1"),
        "USER": os.environ.get("TELROI_TEST_DB_USER", "root"),
        "PASSWORD": os.environ.get("TELROI_TEST_DB_PASSWORD", ""),
        "TEST": {"CHARSET": charset},
    }


ENGINES: dict[str, Callable[[], dict[str, Any]]] = {
    "sqlite": sqlite,
    "postgres": partial(server, "postgresql"),
    # Old installations use "utf8mb3", which cannot store emoji.
    "mariadb": partial(server, "mysql", charset=os.environ.get("TELROI_TEST_DB_CHARSET")),
}
DATABASES = {"default": ENGINES[os.environ.get("TELROI_TEST_DB", "sqlite")]()}
