"""What slows the calls of Celery's workers: too few calls at once, a pool that acknowledges late, new connections.

The figures are of ``make bench-queue``: one worker that always has work, two cores, and Telroi answers in 300 ms.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from shlex import quote
from typing import Any, Final

from django.db import connections

from django_telroi.management.doctor.findings import Finding, note
from django_telroi.services.shared.transactions import write_alias

SUBJECT: Final = "queue"
SECONDS_OF_A_CALL: Final = 0.3
FEW_AT_ONCE: Final = 16
"""A worker with fewer processes or threads places less than half as many calls as the recommended 32 threads."""
START: Final = "celery -A yoursite worker --pool threads --concurrency 32 --prefetch-multiplier 1"
COOPERATIVE: Final = ("gevent", "eventlet")
ENOUGH_PREFETCHED: Final = 4


def start_of_worker(queue: str = "") -> str:
    """Return the command that starts a worker. ``queue``: the one that it reads, ``""`` for those of the site."""
    return f"{START} -Q {quote(queue)}" if queue else START


def examine_pools(stats: Mapping[str, Mapping[str, Any]], start: str = START) -> Iterator[Finding]:
    """Yield a note for each worker that is much slower than 32 threads.

    ``stats``: what Celery's ``inspect().stats()`` returns, by the names of the workers. ``start``: the command that
    starts a better one.
    """
    for worker, each in sorted(stats.items()):
        pool = each.get("pool") or {}
        kind = str(pool.get("implementation", "")).partition(":")[0].rpartition(".")[2]
        at_once = int(pool.get("max-concurrency") or 1)
        if kind in ("prefork", "solo", "thread") and at_once < FEW_AT_ONCE:
            yield _few_at_once(worker, "threads" if kind == "thread" else kind, at_once, start)
        elif kind in COOPERATIVE and int(each.get("prefetch_count") or 0) < ENOUGH_PREFETCHED * at_once:
            says = (
                f"{worker} uses the pool {kind}, which acknowledges late. With 1 prefetched task for each slot it uses "
                f"14 % of its slots, with {ENOUGH_PREFETCHED} it uses 90 %. Threads use 97 %."
            )
            yield note(SUBJECT, says, f"Use threads: {start}", worker=worker, pool=kind, at_once=at_once)


def examine_connections() -> Iterator[Finding]:
    """Yield a note if a worker connects to the database for every call."""
    connection = connections[write_alias()]
    # SQLite has no server to connect to.
    if connection.vendor == "sqlite" or connection.settings_dict["OPTIONS"].get("pool"):
        return
    says = (
        f'Celery closes the connection to the database "{connection.alias}" after each task, and there is no pool. '
        "So a worker connects again for every call."
    )
    cure = "Use a proxy that keeps connections open. Django has no pool for this database."
    if connection.vendor == "postgresql":
        says += " 32 threads then place 91 % of the calls that they could, instead of 97 %."
        cure = 'Set "OPTIONS": {"pool": {"max_size": 40, "timeout": 3}} of this database: a connection for each thread.'
    yield note(SUBJECT, says, cure, database=connection.alias, pool=False)


def _few_at_once(worker: str, kind: str, at_once: int, start: str) -> Finding:
    calls = "1 call" if at_once == 1 else f"{at_once} calls"
    says = (
        f"{worker} uses the pool {kind} and places {calls} at once. If Telroi answers in {SECONDS_OF_A_CALL} s, "
        f"that is at most {at_once / SECONDS_OF_A_CALL:.0f} a second. 32 threads of one process place 104."
    )
    cure = f"Use more threads: {start}" if kind == "threads" else f"Use threads: {start}"
    return note(SUBJECT, says, cure, worker=worker, pool=kind, at_once=at_once)
