"""Measure a purge of a million attempts that is killed half-way and run again.

Seeds a month of a busy site, purges all but the last day in a separate process, kills the process half-way (SIGKILL)
and purges the rest. The exit status is 1 if a batch took a second or more, or if a limit changed.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from time import perf_counter
from typing import Any

from seeding import Size, seed
from stage import ROUTER, TITLES, site, telroi

MAX_BATCH = 1.0
KEPT_DAYS = 1
LIMITS = ("number", "calls", "last_call_at", "next_call_at", "limited_by", "held_until", "blocked_at", "version")


def purge(kept_since: datetime, told: Connection) -> None:
    """Purge, and report the time and the number of deleted attempts of each batch."""
    from django.db import connections

    from django_telroi.services import Purged, purge

    connections.close_all()
    began = perf_counter()

    def tell(gone: Purged) -> None:
        nonlocal began
        told.send((perf_counter() - began, gone.attempts, gone.total))
        began = perf_counter()

    purge(now=kept_since + timedelta(days=KEPT_DAYS), progress=tell)
    told.send(None)


def run(kept_since: datetime, *, kill_after: int | None = None) -> list[tuple[float, int, int]]:
    """Run a purge in a separate process and return its batches. It may be killed after a number of attempts."""
    from django.db import connections

    connections.close_all()  # the child must not inherit a connection
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=purge, args=(kept_since, theirs))
    process.start()
    theirs.close()
    batches = []
    while batch := ours.recv():
        batches.append(batch)
        if kill_after is not None and batch[1] >= kill_after:
            process.kill()
            break
    process.join()
    return batches


def limits(now: datetime) -> dict[str, tuple[Any, ...]]:
    """Return the state of each limited number. A day after the last call a number has no limits."""
    from django.db.models import Q

    from django_telroi.models import PhoneNumber

    counts = Q(last_call_at__gt=now - timedelta(days=1)) | Q(held_until__gt=now) | Q(blocked_at__isnull=False)
    return {row[0]: row for row in PhoneNumber.objects.filter(counts).values_list(*LIMITS)}


def report(title: str, batches: list[tuple[float, int, int]]) -> float:
    took = sorted(seconds for seconds, _, _ in batches)
    print(
        f"{title:10} {batches[-1][1]:9,} attempts {batches[-1][2]:9,} rows {len(batches):4} batches {sum(took):7.2f} s"
        f"   median {took[len(took) // 2]:.3f} s   slowest {took[-1]:.3f} s"
    )
    return took[-1]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", default="postgres", help=f"one of {', '.join(TITLES)} (default: %(default)s)")
    parser.add_argument("--attempts", type=int, default=1_000_000, help="how many (default: %(default)s)")
    chosen = parser.parse_args()
    now = datetime.now(UTC)
    with telroi() as simulator, site([chosen.database], simulator):
        from django.conf import settings

        from django_telroi.models import VerificationAttempt

        settings.TELROI["RETENTION_DAYS"] = KEPT_DAYS
        ROUTER.current = chosen.database
        seed(chosen.database, Size(numbers=max(1, chosen.attempts // 10), attempts=chosen.attempts), now=now)
        before = limits(now)
        print(f"{TITLES[chosen.database]}: {chosen.attempts:,} attempts, {len(before):,} numbers with a limit or block")
        kept_since = now - timedelta(days=KEPT_DAYS)
        slowest = max(
            report("killed", run(kept_since, kill_after=chosen.attempts // 2)),
            report("gone on", run(kept_since)),
        )
        left = VerificationAttempt.objects.filter(created_at__lt=kept_since).count()
        same = limits(now) == before
    print(f"too old and still there: {left}; limits as they were: {same}")
    return 0 if slowest < MAX_BATCH and same and not left else 1


if __name__ == "__main__":
    sys.exit(main())
