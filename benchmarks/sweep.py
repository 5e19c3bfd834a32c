"""Measure a sweep with a million attempts. It must read only due attempts and the last hour.

Seeds a month of a busy site, gets the query plan of each statement of a sweep with work, and times sweeps without work.
The exit status is 1 if a plan scans all attempts, or if a sweep without work takes 50 ms or more.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from statistics import median
from time import perf_counter
from typing import Any

from seeding import Size, seed
from stage import ROUTER, TITLES, site, telroi

MAX_IDLE_SWEEP = 0.05
ROUNDS = 20
TABLE = "django_telroi_verificationattempt"


@dataclass
class Plans:
    """The query plan of each statement, read before it runs. ``rows`` only if the database reports them."""

    connection: Any
    statements: int = 0
    rows: int | None = None
    scans: list[str] = field(default_factory=list)
    is_asking: bool = False

    def __call__(self, execute: Callable[..., Any], sql: str, params: Any, *others: Any) -> Any:
        if not self.is_asking:
            self.statements += 1
            if TABLE in sql and sql.startswith(("SELECT", "UPDATE")):
                self.is_asking = True
                self._ask(sql, params)
                self.is_asking = False
        return execute(sql, params, *others)

    def _ask(self, sql: str, params: Any) -> None:
        with self.connection.cursor() as cursor:
            if self.connection.vendor == "sqlite":
                cursor.execute(f"EXPLAIN QUERY PLAN {sql}", params)
                self.scans += [step[-1] for step in cursor.fetchall() if step[-1].startswith(f"SCAN {TABLE}")]
                return
            runs = "ANALYZE, " if sql.startswith("SELECT") else ""  # ANALYZE would execute an UPDATE
            cursor.execute(f"EXPLAIN ({runs}FORMAT JSON) {sql}", params)
            [[answer]] = cursor.fetchall()
        for step in steps((json.loads(answer) if isinstance(answer, str) else answer)[0]["Plan"]):
            if step.get("Relation Name") == TABLE:
                if step["Node Type"] == "Seq Scan":
                    self.scans.append(sql)
                read = step.get("Actual Rows", 0) + step.get("Rows Removed by Filter", 0)
                self.rows = (self.rows or 0) + round(read * step.get("Actual Loops", 0))


def steps(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for part in plan.get("Plans", ()):
        yield from steps(part)


def timed(sweep: Callable[..., object], *, now: datetime) -> float:
    began = perf_counter()
    sweep(now=now)
    return perf_counter() - began


def measure(name: str, attempts: int) -> bool:
    """Measure one database. Returns whether the bounds hold."""
    from django.db import connections

    from django_telroi.models import VerificationAttempt
    from django_telroi.services import sweep

    ROUTER.current = name
    now = datetime.now(UTC)
    seed(name, Size(numbers=max(1, attempts // 10), attempts=attempts), now=now)
    later = now + timedelta(minutes=10)
    due = VerificationAttempt.objects.filter(due_at__lte=later).count()
    last_hour = VerificationAttempt.objects.filter(created_at__gt=later - timedelta(hours=1)).count()
    plans = Plans(connections[name])
    with connections[name].execute_wrapper(plans):
        swept = sweep(now=later)
    took = median(timed(sweep, now=later) for _ in range(ROUNDS))
    print(f"{TITLES[name]}: {attempts:,} attempts, {due} of them due, {last_hour:,} of the last hour")
    print(f"  {plans.statements} statements read {plans.rows or 'an unknown number of'} rows: {swept}")
    print(f"  a sweep without work: {took * 1000:.1f} ms   statements that read all attempts: {len(plans.scans)}")
    for scan in plans.scans:
        print(f"    {scan}")
    return not plans.scans and took < MAX_IDLE_SWEEP


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--databases", default="wal,postgres", help=f"some of {','.join(TITLES)} (default: %(default)s)"
    )
    parser.add_argument("--attempts", type=int, default=1_000_000, help="how many (default: %(default)s)")
    chosen = parser.parse_args()
    databases = chosen.databases.split(",")
    with telroi() as simulator, site(databases, simulator):
        results = [measure(name, chosen.attempts) for name in databases]
    return 0 if all(results) else 1


if __name__ == "__main__":
    sys.exit(main())
