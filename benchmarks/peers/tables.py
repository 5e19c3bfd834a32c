"""Create and fill the database of a contestant (``fill ROWS``), or drop it (``drop``)."""

from __future__ import annotations

import sys

from setting_up import set_up


def fill(rows: int) -> None:
    """Create the database and its tables, with ``rows`` seeded rows in each table that grows with the calls."""
    from django.core.management import call_command
    from django.db import connection

    site = set_up()[0]
    if connection.vendor == "postgresql":
        with connection._nodb_cursor() as cursor:
            cursor.execute(f"CREATE DATABASE {connection.ops.quote_name(connection.settings_dict['NAME'])}")
    call_command("migrate", run_syncdb=True, verbosity=0)
    if rows:
        site.fill(rows)


def drop() -> None:
    from django.db import connection

    set_up()
    if connection.vendor == "postgresql":
        name = connection.ops.quote_name(connection.settings_dict["NAME"])
        connection.close()
        with connection._nodb_cursor() as cursor:
            cursor.execute(f"DROP DATABASE IF EXISTS {name}")


if __name__ == "__main__":
    fill(int(sys.argv[2])) if sys.argv[1] == "fill" else drop()
