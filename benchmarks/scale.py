"""Measure what a verification costs PostgreSQL, and derive the figures of a day with ten million of them.

Use a PostgreSQL server that nothing else uses, because WAL and its flushes are counted for the whole server.

* ``real``: verifications through the services, one after the other, against a simulator. Every tenth person types a
  wrong code first, seven in ten have an account. Once with new numbers, and once more with the same numbers.
* ``seeded``: bytes per row with 100,000 and with a million attempts of ``seeding.py``.
* ``sweep``, ``purge``, ``partitions``: see ``scale_upkeep.py``.

Each derived figure is printed with its calculation. ``day.py`` simulates how long calls wait for the key.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import requests
from scale_counters import Cost, Table, cost_of, print_sizes, query, sizes, timed
from scale_upkeep import measure_partitions, measure_purge, measure_sweep
from seeding import RHYTHM, Size, seed
from stage import ROUTER, Telroi, site, telroi

A_DAY = 10_000_000
MEAN = A_DAY / 86400
PEAK = A_DAY * max(RHYTHM) / sum(RHYTHM) / 3600
"""Verifications a second in the mean and in the busiest hour."""


def verify(numbers: Sequence[str], users: Sequence[Any], simulator: Telroi) -> tuple[Cost, Cost]:
    """Verify each number once. Returns the cost of the starts and of the checks."""
    from django_telroi.services import CheckOutcome, check_code, start_verification

    with cost_of() as of_starts:
        started = [start_verification(number, user=user) for number, user in zip(numbers, users, strict=True)]
    listed = requests.get(f"{simulator.base_url}/_simulator/calls", timeout=60).json()["calls"]
    codes = {call["to"]: call["code"] for call in listed}  # the last call of each number
    with cost_of() as of_checks:
        for line, (attempt, number, user) in enumerate(zip(started, numbers, users, strict=True)):
            if line % 10 == 0:
                check_code(attempt.uuid, f"{(int(codes[number]) + 1) % 10**6:06d}", user=user)
            outcome = check_code(attempt.uuid, codes[number], user=user).outcome
            assert outcome == CheckOutcome.VERIFIED, outcome
    return of_starts, of_checks


def print_cost(title: str, costs: Sequence[Cost], times: int) -> None:
    wal, flushes, commits = (sum(getattr(cost, name) for cost in costs) for name in ("wal", "flushes", "commits"))
    print(f"  {title:12} WAL {wal / times:8,.0f} bytes, {flushes / times:.2f} flushes, {commits / times:.2f} commits")


def print_updates(costs: Sequence[Cost]) -> None:
    for table in ("verificationattempt", "phonenumber", "callcontrol"):
        all_, hot = (sum(cost.updates[table][index] for cost in costs) for index in (0, 1))
        print(f"  updates of {table:20} {all_:8,}, of which {hot / max(1, all_):6.1%} changed no index (HOT)")


def measure_real(simulator: Telroi, *, times: int) -> tuple[dict[str, float], float, float]:
    """Return the rows of each table, the bytes of WAL and its flushes, for a verification of a number called before."""
    from django.conf import settings
    from django.contrib.auth.models import User

    settings.TELROI["CALLS_PER_DAY_TOTAL"] = 10**9
    owners = [User(username=f"owner{line}", password="!") for line in range(times)]
    User.objects.bulk_create(owners)
    users = [user if line % 10 < 7 else None for line, user in enumerate(owners)]
    numbers = [f"+234803{line:07d}" for line in range(times)]
    print(f"real: {times:,} verifications, one after the other, with CALLS_PER_DAY_TOTAL")
    per_table: dict[str, float] = {}
    wal = flushes = 0.0
    for title in ("new number", "known number"):
        query("CHECKPOINT")
        before = sizes()
        costs = verify(numbers, users, simulator)
        query("VACUUM ANALYZE")
        grown = {name: table - before[name] for name, table in sizes().items()}
        print(f" {title}")
        print_cost("a start", costs[:1], times)
        print_cost("a check", costs[1:], times)
        print_cost("both", costs, times)
        print_updates(costs)
        print_sizes(grown)
        per_table = {name: table.rows / times for name, table in grown.items()}
        wal, flushes = (sum(getattr(cost, name) for cost in costs) / times for name in ("wal", "flushes"))
    return per_table, wal, flushes


def empty() -> None:
    query(
        "TRUNCATE auth_user, django_telroi_phonenumber, django_telroi_refusaltally, django_telroi_callcontrol CASCADE"
    )


def measure_seeded(attempts: int) -> dict[str, Table]:
    """Fill empty tables with a month of a busy site, and return their sizes."""
    empty()
    took = timed(lambda: seed("postgres", Size(numbers=attempts // 10, attempts=attempts), now=datetime.now(UTC)))
    print(f"seeded: {attempts:,} attempts in {took:.0f} s")
    tables = sizes()
    print_sizes(tables)
    return tables


def derive_day(rows: dict[str, float], wal: float, flushes: float, tables: dict[str, Table]) -> None:
    print(f"derived for {A_DAY:,} verifications a day: {MEAN:.0f} a second, {PEAK:.0f} in the busiest hour")
    total_heap = total_indexes = 0.0
    for name in ("verificationattempt", "attemptevent"):
        table, a_day = tables[name], rows[name] * A_DAY
        heap, indexes = (each / table.rows * a_day / 1e9 for each in (table.heap, table.indexes))
        total_heap, total_indexes = total_heap + heap, total_indexes + indexes
        print(
            f"  {name}: {rows[name]:.2f} rows × {A_DAY:,} = {a_day:,.0f} rows;"
            f" × {table.heap / table.rows:.0f} = {heap:.1f} GB, indexes × {table.indexes / table.rows:.0f} ="
            f" {indexes:.1f} GB"
        )
    a_day_all = total_heap + total_indexes
    print(f"  growth a day {a_day_all:.1f} GB; × 90 days = {a_day_all * 90:.0f} GB, × 7 days = {a_day_all * 7:.0f} GB")
    print(
        f"  WAL {wal:,.0f} bytes × {A_DAY:,} = {wal * A_DAY / 1e9:.0f} GB a day,"
        f" {wal * PEAK / 1e6:.1f} MB/s in the busiest hour"
    )
    print(
        f"  flushes of the WAL {flushes:.2f} × {MEAN:.0f} = {flushes * MEAN:.0f} a second, in the busiest hour"
        f" {flushes * PEAK:.0f}. This is the most: commits at the same time share a flush"
    )
    print(
        f"  the row of the day: one update a call, {MEAN:.0f} a second, in the busiest hour {PEAK:.0f}, one at a time"
    )


def derive_upkeep(*, swept: float, purged: float, batch: float) -> None:
    print(
        f"  sweep: each verified attempt is written once more, {A_DAY:,} ÷ {swept:,.0f} rows/s ="
        f" {A_DAY / swept / 3600:.1f} h a day; in the busiest hour {PEAK:.0f} ÷ {swept:,.0f} = {PEAK / swept:.1%}"
    )
    print(
        f"  purge: {A_DAY:,} ÷ 5,000 = {A_DAY // 5000:,} batches of attempts a day, {batch:.3f} s each;"
        f" {A_DAY:,} ÷ {purged:,.0f} attempts/s = {A_DAY / purged / 3600:.1f} h a day"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=2000, help="real verifications (default: %(default)s)")
    parser.add_argument("--attempts", type=int, default=1_000_000, help="seeded (default: %(default)s)")
    chosen = parser.parse_args()
    ROUTER.current = "postgres"
    with telroi() as simulator, site(["postgres"], simulator):
        rows, wal, flushes = measure_real(simulator, times=chosen.times)
        measure_seeded(chosen.attempts // 10)
        tables = measure_seeded(chosen.attempts)
        purged, batch = measure_purge(chosen.attempts)
        measure_seeded(chosen.attempts)
        measure_partitions()
        swept = measure_sweep(
            peak_hour=min(chosen.attempts, round(PEAK * 3600)), waiting=min(chosen.attempts, round(PEAK * 600))
        )
        derive_day(rows, wal, flushes, tables)
        derive_upkeep(swept=swept, purged=purged, batch=batch)
    return 0


if __name__ == "__main__":
    sys.exit(main())
