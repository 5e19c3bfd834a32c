"""The parts of ``scale.py`` about upkeep, each on the million attempts that ``seeding.py`` wrote before.

* ``sweep``: the time in which a sweep forgets the codes of verified attempts, and the time of a sweep without work
  after a busy hour, when all attempts of that hour and of the last ten minutes are read.
* ``purge``: the deletion of the older half, and the VACUUM after it.
* ``partitions``: a copy of the attempts, partitioned by month: the same deletion, and what a look-up costs.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from statistics import median
from time import perf_counter

from scale_counters import query, timed

ATTEMPTS = "django_telroi_verificationattempt"
COPY = f"{ATTEMPTS}_by_month"
ROUNDS = 5
LOOK_UPS = 2000


def measure_purge(attempts: int) -> tuple[float, float]:
    """Delete the older half. Returns the attempts per second and the median seconds of a batch."""
    from django.conf import settings

    from django_telroi.models import VerificationAttempt
    from django_telroi.services import Purged, purge

    settings.TELROI["RETENTION_DAYS"] = 15
    took: list[float] = []
    began = perf_counter()
    deleted = [0]

    def note(purged: Purged) -> None:
        nonlocal began
        if purged.attempts > deleted[-1]:
            took.append(perf_counter() - began)
            deleted.append(purged.attempts)
        began = perf_counter()

    all_of_it = timed(lambda: purge(progress=note))
    rate = deleted[-1] / sum(took)
    [(dead,)] = query("SELECT pg_stat_get_dead_tuples(%s::regclass)", ATTEMPTS)
    size = query("SELECT pg_total_relation_size(%s::regclass)", ATTEMPTS)[0][0]
    vacuum = timed(lambda: query(f"VACUUM ANALYZE {ATTEMPTS}"))
    left = query("SELECT pg_total_relation_size(%s::regclass)", ATTEMPTS)[0][0]
    print(
        f"purge: {deleted[-1]:,} attempts in {len(took)} batches, {sum(took):.1f} s ({rate:,.0f} a second),"
        f" median {median(took):.3f} s, slowest {max(took):.3f} s; with events and numbers {all_of_it:.1f} s"
    )
    print(
        f"  VACUUM of {dead:,} dead rows: {vacuum:.1f} s; the table and its indexes have {size / 1e6:.0f} MB before,"
        f" {left / 1e6:.0f} MB after"
    )
    assert VerificationAttempt.objects.count() == attempts - deleted[-1]
    return rate, median(took)


def measure_partitions() -> None:
    """Copy the attempts into partitions by half month, drop one, and time look-ups in the copy and in the table."""
    [(first, last)] = query(f"SELECT min(created_at), max(created_at) FROM {ATTEMPTS}")
    middle = first + (last - first) / 2
    # No unique column, no primary key and no foreign key of the table can be copied as it is: PostgreSQL demands
    # ``created_at`` in each unique index of a partitioned table.
    query(f"CREATE TABLE {COPY} (LIKE {ATTEMPTS} INCLUDING DEFAULTS) PARTITION BY RANGE (created_at)")
    query(f"CREATE TABLE {COPY}_1 PARTITION OF {COPY} FOR VALUES FROM (MINVALUE) TO ('{middle}')")
    query(f"CREATE TABLE {COPY}_2 PARTITION OF {COPY} FOR VALUES FROM ('{middle}') TO (MAXVALUE)")
    query(f"INSERT INTO {COPY} SELECT * FROM {ATTEMPTS}")
    for columns in ("id, created_at", "uuid, created_at", "telroi_id, created_at"):
        query(f"CREATE UNIQUE INDEX ON {COPY} ({columns})")
    for columns in (
        *("phone_id, created_at DESC", "created_at", "status, created_at", "error_code, created_at", "due_at"),
        *("purpose, created_at", "region, created_at", "livemode, created_at", "user_id"),
    ):
        query(f"CREATE INDEX ON {COPY} ({columns})")
    query("VACUUM ANALYZE")
    uuids = [str(uuid) for (uuid,) in query(f"SELECT uuid FROM {ATTEMPTS} ORDER BY uuid LIMIT {LOOK_UPS}")]
    took = {
        table: [timed(lambda table=table: look_up(table, uuids)) for _ in range(ROUNDS)] for table in (ATTEMPTS, COPY)
    }
    plain, parted = (median(each) / LOOK_UPS * 1000 for each in (took[ATTEMPTS], took[COPY]))
    rows = query(f"SELECT count(*) FROM {COPY}_1")[0][0]
    drop = timed(lambda: query(f"DROP TABLE {COPY}_1"))
    print(f"partitions: a partition of {rows:,} attempts is dropped in {drop:.2f} s")
    print(f"  a look-up by uuid: {plain:.3f} ms in the table, {parted:.3f} ms in 2 partitions")
    query(f"DROP TABLE {COPY}")


def look_up(table: str, uuids: list[str]) -> None:
    from django.db import connections

    with connections["postgres"].cursor() as cursor:
        for uuid in uuids:
            cursor.execute(f"SELECT id, status FROM {table} WHERE uuid = %s", [uuid])
            cursor.fetchall()


def measure_sweep(*, peak_hour: int, waiting: int) -> float:
    """Time sweeps after an hour with this many attempts, the last of which wait for the end of their ten minutes.

    Returns how many due attempts a sweep processes in a second.
    """
    from django.db import connections

    from django_telroi.services import sweep

    now = datetime.now(UTC)
    hour = f"(SELECT id FROM {ATTEMPTS} ORDER BY id DESC LIMIT {peak_hour})"
    query(
        f"UPDATE {ATTEMPTS} SET created_at = %s - random() * interval '1 hour', status = 'verified', due_at = NULL,"
        f" code_digest = repeat('0', 64) WHERE id IN {hour}",
        now,
    )
    later = now + timedelta(minutes=5)
    query(
        f"UPDATE {ATTEMPTS} SET due_at = %s + random() * interval '10 minutes' WHERE id IN"
        f" (SELECT id FROM {ATTEMPTS} ORDER BY created_at DESC LIMIT {waiting})",
        later,
    )
    query("VACUUM ANALYZE")
    connections["postgres"].close()
    idle = [timed(lambda: sweep(now=now)) for _ in range(ROUNDS)]
    busy = timed(lambda: sweep(now=later + timedelta(minutes=10)))
    print(
        f"sweep: without work {median(idle):.2f} s, with {peak_hour:,} attempts in the last hour and {waiting:,} that"
        " are due within ten minutes"
    )
    rate = waiting / max(busy - median(idle), 0.001)
    print(f"  {waiting:,} due attempts in {busy:.1f} s: {rate:,.0f} a second")
    return rate
