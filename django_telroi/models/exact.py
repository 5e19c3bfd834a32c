"""A text field that every database compares exactly, as Python does."""

from __future__ import annotations

from typing import Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper


class ExactCharField(models.CharField):  # type: ignore[type-arg] # it cannot be subscripted at run time
    """A ``CharField`` in which ``payout``, ``Payout``, ``payöut`` and ``payout `` are four values.

    The default collations of MariaDB and MySQL treat them as equal. A column's collation applies to every comparison
    and to every unique index. PostgreSQL and SQLite compare exactly by default. The name of a collation is valid for
    one kind of server only, so ``db_collation`` is not used: migrations would apply it to every database.
    """

    def db_parameters(self, connection: BaseDatabaseWrapper) -> Any:
        parameters = super().db_parameters(connection)
        if connection.vendor == "mysql":
            parameters["collation"] = exact_collation(is_mariadb=connection.mysql_is_mariadb)  # type: ignore[attr-defined]
        return parameters


def exact_collation(*, is_mariadb: bool) -> str:
    """Return a collation that compares code points and does not ignore trailing spaces, unlike ``utf8mb4_bin``."""
    return "utf8mb4_nopad_bin" if is_mariadb else "utf8mb4_0900_bin"
