"""The base class of our commands. Their output also works on terminals without UTF-8, and they name missing tables."""

from __future__ import annotations

import sys
from typing import Any, TextIO, cast

from django.apps import apps
from django.core.management.base import BaseCommand, CommandError
from django.db import Error, ProgrammingError, connections

from django_telroi.services.shared.transactions import DATABASE_LOST, close_lost_connections, write_alias
from django_telroi.terminal import printable

DATABASE_DOWN = "The database does not answer. The log has the cause."
TABLES_MISSING = 'The tables of django_telroi are missing in the database. Run "manage.py migrate".'


class PrintableStream:
    """A wrapper that replaces characters which the encoding of the wrapped stream does not have."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def write(self, text: str) -> int:
        return self._stream.write(printable(text, getattr(self._stream, "encoding", None)))


class PrintableCommand(BaseCommand):
    """A command whose output replaces characters that cannot be encoded. Django's would raise UnicodeEncodeError.

    ``needs_tables``: the command fails without our tables. Its error is then that they are missing: to services, a
    missing table is a database that does not answer on SQLite, and a ProgrammingError on PostgreSQL and MariaDB.
    """

    needs_tables = True

    def __init__(self, stdout: Any = None, stderr: Any = None, **options: Any) -> None:
        super().__init__(_printable(stdout or sys.stdout), _printable(stderr or sys.stderr), **options)

    def execute(self, *args: Any, **options: Any) -> str | None:
        wrapped = {name: _printable(options[name]) for name in ("stdout", "stderr") if options.get(name)}
        try:
            return super().execute(*args, **options | wrapped)
        except (CommandError, ProgrammingError):
            if self.needs_tables and are_tables_missing():
                raise CommandError(TABLES_MISSING) from None
            raise
        except DATABASE_LOST as error:
            # Django's system checks ask SQLite and MariaDB whether they support JSON, before the command runs.
            close_lost_connections(error)
            raise CommandError(DATABASE_DOWN) from None


def are_tables_missing() -> bool:
    """Return whether the database answers and has not all of our tables, because ``migrate`` did not run."""
    tables = {model._meta.db_table for model in apps.get_app_config("django_telroi").get_models()}
    try:
        return not tables.issubset(connections[write_alias()].introspection.table_names())
    except Error:
        return False


def _printable(stream: TextIO) -> TextIO:
    return cast("TextIO", PrintableStream(stream))
