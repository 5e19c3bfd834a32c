"""Databases that are unreachable or read-only."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from django.db import connection

from tests.outages.proxy import reached_at

Outage = Callable[[], AbstractContextManager[None]]

TO_READ_ONLY = {
    "sqlite": "PRAGMA query_only = ON",
    "postgresql": "SET default_transaction_read_only = on",
    "mysql": "SET SESSION TRANSACTION READ ONLY",
}


@contextmanager
def unreachable() -> Iterator[None]:
    """Make the database unreachable: a port on which nothing listens, or a file in a missing folder."""
    if connection.vendor != "sqlite":
        with reached_at("127.0.0.1", closed_port()):
            yield
        return
    file = connection.settings_dict["NAME"]
    connection.close()
    connection.settings_dict["NAME"] = "/nonexistent/database.sqlite3"
    try:
        yield
    finally:
        connection.close()
        connection.settings_dict["NAME"] = file


@contextmanager
def read_only() -> Iterator[None]:
    """Make the database read-only, like a primary that became a replica."""
    with connection.cursor() as cursor:
        cursor.execute(TO_READ_ONLY[connection.vendor])
    try:
        yield
    finally:
        connection.close()


def closed_port() -> int:
    """Return a port of this machine on which nothing listens."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port: int = unused.getsockname()[1]
    return port
