"""A site that receives webhooks and has the health URL, for gunicorn.

As a program: ``make LINES`` and ``drop`` its database.
"""

from __future__ import annotations

import os
import sys
from datetime import timedelta
from pathlib import Path
from typing import Any

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application

SECRET = "whsec_64643ac3b7fb686d9923df10f812c7605b723bbe6ec7c74e"
NUMBER_OF_LINE = "+234803{:07d}"
ENGINES = {"wal": "sqlite3", "sqlite": "sqlite3", "postgres": "postgresql", "mariadb": "mysql"}
WAL = {"init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL"}


def database() -> dict[str, Any]:
    chosen = os.environ["BENCH_DATABASE"]
    file = Path(os.environ["BENCH_FOLDER"], "db.sqlite3")
    return {
        "ENGINE": f"django.db.backends.{ENGINES[chosen]}",
        "NAME": file
        if ENGINES[chosen] == "sqlite3"
        else f"telroi_webhook_bench_{os.environ['BENCH_FOLDER'][-8:].lower()}",
        "HOST": os.environ.get("TELROI_TEST_DB_HOST", "127.0.0.1"),
        "USER": os.environ.get("TELROI_TEST_DB_USER", "root"),
        "PASSWORD": os.environ.get("TELROI_TEST_DB_PASSWORD", ""),
        "CONN_MAX_AGE": int(os.environ.get("BENCH_CONN_MAX_AGE", "0")),
        "OPTIONS": WAL if chosen == "wal" else {},
        "TEST": {"NAME": file} if ENGINES[chosen] == "sqlite3" else {},
    }


def configure() -> None:
    settings.configure(
        SECRET_KEY="not a secret",
        ALLOWED_HOSTS=["127.0.0.1"],
        USE_TZ=True,
        ROOT_URLCONF="webhook_urls",
        INSTALLED_APPS=[
            *("django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "django_telroi"),
        ],
        MIDDLEWARE=[
            "django.middleware.security.SecurityMiddleware",
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.common.CommonMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
        ],
        DATABASES={"default": database()},
        TELROI={"WEBHOOK_SECRETS": [SECRET], "API_KEY": "tlr_live_x"},
        LOGGING_CONFIG=None,
    )
    django.setup()


def make(lines: int) -> None:
    """Create the database, with this many calls whose answer was lost."""
    from django.core.management import call_command
    from django.db import connection

    if connection.vendor != "sqlite":
        name = connection.settings_dict["NAME"]
        with connection._nodb_cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {connection.ops.quote_name(name)}")
    call_command("migrate", verbosity=0)
    _lose_answers(lines)


def _lose_answers(lines: int) -> None:
    from django.utils import timezone

    from django_telroi.models import PhoneNumber, VerificationAttempt

    now = timezone.now()
    numbers = [NUMBER_OF_LINE.format(line) for line in range(lines)]
    PhoneNumber.objects.bulk_create(PhoneNumber(number=number, last4=number[-4:], region="NG") for number in numbers)
    VerificationAttempt.objects.bulk_create(
        VerificationAttempt(
            phone=phone,
            last4=phone.last4,
            status="unknown",
            dispatch="inline",
            max_tries=3,
            created_at=now,
            dialed_at=now,
            expires_at=now + timedelta(minutes=5),
            due_at=now + timedelta(minutes=5),
        )
        for phone in PhoneNumber.objects.all()
    )


def drop() -> None:
    from django.db import connection

    if connection.vendor != "sqlite":
        name = connection.settings_dict["NAME"]
        connection.close()
        with connection._nodb_cursor() as cursor:
            cursor.execute(f"DROP DATABASE {connection.ops.quote_name(name)}")


if __name__ == "__main__":
    configure()
    make(int(sys.argv[2])) if sys.argv[1] == "make" else drop()
elif "BENCH_FOLDER" in os.environ:
    configure()
    application = get_wsgi_application()
