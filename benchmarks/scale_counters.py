"""Sizes of the tables, and what the PostgreSQL server did during a block: WAL, flushes, commits, updates."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

PREFIX = "django_telroi_"
TABLES = ("verificationattempt", "phonenumber", "attemptevent", "verifiedphone", "refusaltally", "callcontrol")


def query(sql: str, *parameters: object) -> list[Any]:
    from django.db import connections

    with connections["postgres"].cursor() as cursor:
        cursor.execute(sql, parameters or None)
        return cursor.fetchall() if cursor.description else []


def timed(act: Callable[[], object]) -> float:
    """Return how long it took, in seconds."""
    began = perf_counter()
    act()
    return perf_counter() - began


@dataclass(frozen=True)
class Table:
    """A table's rows and bytes. ``heap`` includes values that are stored apart."""

    rows: int
    heap: int
    indexes: int

    def __sub__(self, other: Table) -> Table:
        return Table(self.rows - other.rows, self.heap - other.heap, self.indexes - other.indexes)


def sizes() -> dict[str, Table]:
    return {
        table: Table(
            query(f"SELECT count(*) FROM {PREFIX}{table}")[0][0],
            *query(f"SELECT pg_table_size('{PREFIX}{table}'), pg_indexes_size('{PREFIX}{table}')")[0],
        )
        for table in TABLES
    }


def print_sizes(tables: dict[str, Table]) -> None:
    print(f"  {'':22}{'rows':>11}{'bytes a row':>13}{'of indexes':>12}{'table MB':>10}{'indexes MB':>12}")
    for name, table in tables.items():
        if table.rows > 0 and name != "callcontrol":
            print(
                f"  {name:22}{table.rows:11,}{table.heap / table.rows:13.0f}{table.indexes / table.rows:12.0f}"
                f"{table.heap / 1e6:10.1f}{table.indexes / 1e6:12.1f}"
            )


@dataclass
class Cost:
    """What the server did during a block: WAL, flushes of the WAL, commits, and updates by table."""

    wal: int = 0
    flushes: int = 0
    commits: int = 0
    updates: dict[str, tuple[int, int]] = field(default_factory=dict)
    """By table: all updates, and those that changed no index (HOT)."""


@contextmanager
def cost_of() -> Iterator[Cost]:
    cost, before = Cost(), counters()
    yield cost
    after = counters()
    cost.wal, cost.flushes, cost.commits = (now - then for now, then in zip(after[0], before[0], strict=True))
    cost.updates = {
        table: (all_ - before[1][table][0], hot - before[1][table][1]) for table, (all_, hot) in after[1].items()
    }


def counters() -> tuple[Sequence[int], dict[str, tuple[int, int]]]:
    from django.db import connections

    # A session reports its counts when it ends at the latest, and another one reads them without a cache.
    connections["postgres"].close()
    query("SELECT pg_stat_clear_snapshot()")
    [totals] = query(
        "SELECT wal_bytes::bigint, wal_sync, (SELECT xact_commit FROM pg_stat_database"
        " WHERE datname = current_database()) FROM pg_stat_wal"
    )
    rows = query("SELECT relname, n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables")
    return totals, {name.removeprefix(PREFIX): (all_, hot) for name, all_, hot in rows if name.startswith(PREFIX)}
