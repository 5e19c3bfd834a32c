"""Text that every database compares as Python does: to the letter."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper


class ExactCharField(models.CharField):  # type: ignore[type-arg] # it cannot be subscripted at run time
    """A ``CharField`` in which ``payout``, ``Payout``, ``payöut`` and ``payout `` are four values.

    The default collations of MariaDB and MySQL take them for one, and the collation of a column decides on every
    comparison and on every unique index. PostgreSQL and SQLite compare to the letter by themselves. A collation's name
    is good for one kind of server only, so it is no ``db_collation``, which migrations would carry to every database.
    """

    def db_parameters(self, connection: BaseDatabaseWrapper) -> Any:
        parameters = super().db_parameters(connection)
        if connection.vendor == "mysql":
            parameters["collation"] = exact_collation(is_mariadb=connection.mysql_is_mariadb)  # type: ignore[attr-defined]
        return parameters


def exact_collation(*, is_mariadb: bool) -> str:
    """By code points, and without ignoring spaces at the end, as ``utf8mb4_bin`` does."""
    return "utf8mb4_nopad_bin" if is_mariadb else "utf8mb4_0900_bin"
