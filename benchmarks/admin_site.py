"""A site with two admin sites for the same rows: ours, and a plain ``ModelAdmin`` that only lists them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import django
from django.conf import settings
from stage import ROUTER, database, made


def configure(databases: Sequence[str], *, folder: Path) -> None:
    settings.configure(
        SECRET_KEY="not a secret",
        USE_TZ=True,
        ALLOWED_HOSTS=["testserver"],
        ROOT_URLCONF="admin_urls",
        STATIC_URL="static/",
        INSTALLED_APPS=[
            "django.contrib.admin",
            "django.contrib.auth",
            "django.contrib.contenttypes",
            "django.contrib.sessions",
            "django.contrib.messages",
            "django.contrib.staticfiles",
            "django_telroi",
        ],
        MIDDLEWARE=[
            "django.contrib.sessions.middleware.SessionMiddleware",
            "django.middleware.common.CommonMiddleware",
            "django.middleware.csrf.CsrfViewMiddleware",
            "django.contrib.auth.middleware.AuthenticationMiddleware",
            "django.contrib.messages.middleware.MessageMiddleware",
        ],
        TEMPLATES=[
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
        ],
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
        DATABASES={"default": {}} | {name: database(name, folder=folder) for name in databases},
        DATABASE_ROUTERS=[ROUTER],
        TELROI={"API_KEY": "tlr_test_bench", "BACKEND": "django_telroi.backends.locmem.LocmemBackend"},
    )
    django.setup()


@contextmanager
def admin_site(databases: Sequence[str]) -> Iterator[None]:
    """Set Django up with these databases. They are empty, and dropped at the end."""
    with tempfile.TemporaryDirectory(prefix="django-telroi-bench-") as folder, ExitStack() as stack:
        configure(databases, folder=Path(folder))
        for name in databases:
            stack.enter_context(made(name))
        yield
