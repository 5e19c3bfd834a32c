"""The clock of the database, which all processes of a site share."""

from __future__ import annotations

from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models.functions import Now
from django.db.models.sql.compiler import SQLCompiler


class DbNow(Now):
    """Django's ``Now()``, in UTC on every database.

    On MariaDB and MySQL ``Now()`` is ``CURRENT_TIMESTAMP``, which follows the session's time zone: a session at +05:00
    would be five hours ahead of the rows that Django wrote in UTC.
    """

    def as_mysql(
        self, compiler: SQLCompiler, connection: BaseDatabaseWrapper, **extra_context: Any
    ) -> tuple[str, tuple[str | int, ...]]:
        sql, params = self.as_sql(compiler, connection, template="UTC_TIMESTAMP(6)", **extra_context)
        return sql, tuple(params)
