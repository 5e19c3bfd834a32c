"""Where the database of a bridge's site has a text."""

from __future__ import annotations

from django.db import connection

OURS = ("django_telroi", "telroi_")


def columns_with(secret: str) -> set[tuple[str, str]]:
    """Return the tables and columns of ours that have the text somewhere."""
    found = set()
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            if not table.startswith(OURS):
                continue
            for column in connection.introspection.get_table_description(cursor, table):
                quoted_column, quoted_table = map(connection.ops.quote_name, (column.name, table))
                cursor.execute(f"SELECT {quoted_column} FROM {quoted_table}")
                if any(secret in str(value) for (value,) in cursor.fetchall()):
                    found.add((table, column.name))
    return found
