"""Shared by the long runs: their options and their own database."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterator
from contextlib import contextmanager


def options(doc: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=1000, help="in all (default: %(default)s)")
    parser.add_argument(
        "--database",
        default="postgres",
        choices=["postgres", "mariadb", "sqlite"],
        help="(default: %(default)s)",
    )
    return parser


@contextmanager
def database_of_its_own(name: str) -> Iterator[None]:
    """Set Django up on an empty test database, and drop it at the end."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.settings")
    os.environ["TELROI_TEST_DB"] = name

    import django

    django.setup()
    from django.conf import settings
    from django.db import connection

    before = settings.DATABASES["default"]["NAME"]
    connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    try:
        yield
    finally:
        connection.creation.destroy_test_db(before, verbosity=0)
