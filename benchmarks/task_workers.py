"""Measure how many calls the workers of Django's tasks place, with ``django-tasks-db`` on PostgreSQL.

A worker runs one task at a time. So at most workers ÷ latency are placed: the simulator answers after 300 ms.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

os.environ["TELROI_BENCH_DISPATCH"] = "tasks"

from throughput import LATENCY, WITHOUT_LIMIT, ask, forget, site, telroi

WARM_UP, TIMED = 60, 20
"""Seconds: at most until all workers have started, and then."""
LEAST = 0.8
"""The share of workers ÷ latency that one worker must reach. More of them share the machine with all else."""


@contextmanager
def workers(number: int) -> Iterator[None]:
    """Run workers. They are killed at the end; remaining work is not needed."""
    command = [sys.executable, "-m", "django", "db_worker", "--interval", "0.2", "--no-startup-delay", "-v", "0"]
    running = [
        subprocess.Popen(command, cwd=Path(__file__).parent, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT)
        for _ in range(number)
    ]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


def pace(folder: Path, number: int) -> float:
    """Return the calls per second of this many workers that always have work."""
    from django_tasks_db.models import DBTaskResult

    DBTaskResult.objects.all().delete()
    with telroi(folder, per_minute=WITHOUT_LIMIT) as simulator, site(simulator, KEY_REQUESTS_PER_MINUTE=WITHOUT_LIMIT):
        ask(int((WARM_UP + TIMED) * number / LATENCY))
        with workers(number):
            wait_for_all(number)
            begins = time.time()
            time.sleep(TIMED)
            moments = simulator.moments
    return sum(begins <= moment < begins + TIMED for moment in moments) / TIMED


def wait_for_all(number: int) -> None:
    """Wait until each worker has taken a task."""
    from django_tasks_db.models import DBTaskResult

    until = time.monotonic() + WARM_UP
    while time.monotonic() < until:
        taken = DBTaskResult.objects.exclude(status="READY").values_list("worker_ids", flat=True)
        if len({worker for workers in taken for worker in workers}) == number:
            return
        time.sleep(0.1)
    raise SystemExit(f"not all of {number} workers have started after {WARM_UP} s")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", default="1,4,8,16", help="(default: %(default)s)")
    chosen = parser.parse_args()

    import django

    django.setup()
    from django.db import connection

    connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    os.environ["TELROI_BENCH_DATABASE"] = str(connection.settings_dict["NAME"])
    shares = []
    try:
        with tempfile.TemporaryDirectory(prefix="django-telroi-bench-") as folder:
            forget()
            for number in map(int, chosen.workers.split(",")):
                calls, most = pace(Path(folder), number), number / LATENCY
                shares.append(calls / most)
                print(
                    f"{number:>3} workers: {calls:6.1f} calls a second, {calls / most:4.0%} of {most:.1f}", flush=True
                )
    finally:
        connection.close()
        connection.creation.destroy_test_db("django_telroi_throughput", verbosity=0)
    return 0 if shares[0] >= LEAST else 1


if __name__ == "__main__":
    sys.exit(main())
