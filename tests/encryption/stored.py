"""What the database has: the text of all columns of all tables, as a person sees it who has a copy without the keys."""

from __future__ import annotations

from django.db import connection


def everything_stored() -> str:
    """Return all values of all tables, one row on each line."""
    quote = connection.ops.quote_name
    lines = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f"SELECT * FROM {quote(table)}")
            lines += [f"{table}: {row}" for row in cursor.fetchall()]
    return "\n".join(lines)


def columns(*names: str) -> list[tuple[object, ...]]:
    """Return columns of a table as they are stored: ``columns("table", "column", …)``."""
    table, *columns = (connection.ops.quote_name(name) for name in names)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {', '.join(columns)} FROM {table} ORDER BY id")
        return list(cursor.fetchall())
