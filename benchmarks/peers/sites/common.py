"""What several sites share: the settings of ``django-admin startproject``, the database, and rows in bulk."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.db import connection
from django.db.models import Model

STOCK_APPS = [
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
]
STOCK_MIDDLEWARE = [
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
            ]
        },
    }
]
SEEDED = "'+' || (2348060000000 + n)"
"""SQL: the number of the seeded row ``n``. No measured request is about one of them."""


def stock_settings(**own: Any) -> dict[str, Any]:
    """Return the settings of a new project, and those of this site."""
    return {
        "SECRET_KEY": "not a secret, and the same in all processes of a benchmark",
        "ALLOWED_HOSTS": ["testserver", "127.0.0.1"],
        "USE_TZ": True,
        "LANGUAGE_CODE": "en-us",
        "DEFAULT_AUTO_FIELD": "django.db.models.BigAutoField",
        "INSTALLED_APPS": STOCK_APPS,
        "MIDDLEWARE": STOCK_MIDDLEWARE,
        "TEMPLATES": TEMPLATES,
        "STATIC_URL": "static/",
        "DATABASES": {"default": database()},
    } | own


def database() -> dict[str, Any]:
    """Return the database of this process. Connections stay open, as in a site with traffic."""
    name, is_sqlite = os.environ["PEERS_DATABASE_NAME"], os.environ["PEERS_DATABASE"] == "wal"
    if is_sqlite:
        wal = {"init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL"}
        file = Path(os.environ["PEERS_FOLDER"], f"{name}.sqlite3")
        return {"ENGINE": "django.db.backends.sqlite3", "NAME": file, "OPTIONS": wal, "CONN_MAX_AGE": None}
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": name,
        "HOST": os.environ.get("TELROI_TEST_DB_HOST", "127.0.0.1"),
        "USER": os.environ.get("TELROI_TEST_DB_USER", "root"),
        "PASSWORD": os.environ.get("TELROI_TEST_DB_PASSWORD", ""),
        "CONN_MAX_AGE": None,
    }


def insert(model: type[Model], rows: int, values: Mapping[str, str]) -> None:
    """Insert ``rows`` rows with one statement. ``values``: the SQL of some columns, of the row's index ``n`` from 1.

    Any other column that must not be NULL gets the default of its field.

    ``{now}``, ``{uuid}`` and ``{hex}`` are a moment a day ago, a random UUID, and 32 hexadecimal digits.
    """
    is_postgres = connection.vendor == "postgresql"
    words = {
        "now": "CURRENT_TIMESTAMP - INTERVAL '1 day'" if is_postgres else "datetime('now', '-1 day')",
        "uuid": "gen_random_uuid()" if is_postgres else "lower(hex(randomblob(16)))",
        "hex": "md5(n::text)" if is_postgres else "lower(hex(randomblob(16)))",
    }
    quote = connection.ops.quote_name
    others = [
        field
        for field in model._meta.concrete_fields
        if field.column not in values and not (field.null or field.primary_key)
    ]
    columns = ", ".join(map(quote, [*values, *(field.column for field in others)]))
    selected = ", ".join([*(value.format(**words) for value in values.values()), *["%s"] * len(others)])
    defaults = [field.get_db_prep_save(field.get_default(), connection) for field in others]
    numbers = "WITH RECURSIVE numbers(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < %s)"
    with connection.cursor() as cursor:
        cursor.execute(
            f"INSERT INTO {quote(model._meta.db_table)} ({columns}) {numbers} SELECT {selected} FROM numbers",
            [rows, *defaults],
        )


def set_sequences(*models: type[Model]) -> None:
    """Set the sequences behind the seeded ids, and let PostgreSQL count the rows."""
    from django.core.management.color import no_style

    with connection.cursor() as cursor:
        for statement in connection.ops.sequence_reset_sql(no_style(), list(models)):
            cursor.execute(statement)
        if connection.vendor == "postgresql":
            cursor.execute("VACUUM ANALYZE")
