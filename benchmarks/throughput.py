"""Measure how many calls a worker places, and how much of its key's budget a site can use.

On PostgreSQL, with Redis as broker and cache, and a simulator that answers after 300 ms:

* a worker with 32 slots, without a budget, compared with slots ÷ latency, in the pools threads and gevent;
* with Telroi's 600 requests a minute: how many starts and checks succeed, and whether Telroi rejected any;
* the worker's memory after 1,000 and after 10,000 calls.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any

os.environ["DJANGO_SETTINGS_MODULE"] = "queue_site"

import requests

PLACES = 32
LATENCY = 0.3
PER_MINUTE = 600
WITHOUT_LIMIT = 10**9
LEAST_OF_PLACES, LEAST_OF_BUDGET = 0.95, 0.85
FLAT = 1.1
"""How much a worker's memory may grow after ten times as many calls."""
WARM_UP, TIMED = 5, 30
CALLS_TO_TIME = int((WARM_UP + TIMED + 1) * PLACES / LATENCY)
NUMBERS = count()


class Telroi:
    """A simulator in a separate process, with its ledger on disk."""

    def __init__(self, process: subprocess.Popen[str], ledger: Path) -> None:
        assert process.stdout
        said = dict(process.stdout.readline().strip().split("=", 1) for _ in range(3))
        self.base_url, self.api_key, self._ledger = said["TELROI_BASE_URL"], said["TELROI_API_KEY"], ledger

    def switch(self, name: str, **arguments: object) -> None:
        requests.post(f"{self.base_url}/_simulator/{name}", json=arguments, timeout=10).raise_for_status()

    @property
    def moments(self) -> list[float]:
        """Return the arrival time of each request, in seconds."""
        lines = map(json.loads, self._ledger.read_text().splitlines())
        return [datetime.fromisoformat(line["at"]).timestamp() for line in lines]


@contextmanager
def telroi(folder: Path, *, per_minute: int, latency: float = LATENCY) -> Iterator[Telroi]:
    ledger = folder / f"ledger-{time.monotonic()}"
    command = [sys.executable, "-m", "django_telroi.simulator", "--port", "0", "--ledger", str(ledger)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            simulator = Telroi(process, ledger)
            simulator.switch("set_policy", requests_per_minute=per_minute)
            simulator.switch("latency", seconds=latency)
            yield simulator
        finally:
            process.terminate()


@contextmanager
def site(simulator: Telroi, **settings: Any) -> Iterator[None]:
    """Configure this process as the site. Workers that it starts get the same settings."""
    from django.conf import settings as own

    told = {"API_KEY": simulator.api_key, "BASE_URL": simulator.base_url, **settings}
    os.environ["TELROI_BENCH_SETTINGS"] = json.dumps(told)
    before, own.TELROI = own.TELROI, own.TELROI | told
    try:
        yield
    finally:
        own.TELROI = before
        forget()


@contextmanager
def worker(pool: str = "threads", *, prefetch: int = 1) -> Iterator[int]:
    """Run a worker and yield its process id. It is killed at the end; remaining work is not needed."""
    command = [sys.executable, str(Path(__file__).parent / "queue_worker.py"), pool, str(PLACES)]
    environment = os.environ | {"TELROI_BENCH_PREFETCH": str(prefetch)}
    process = subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT, cwd=Path(__file__).parent
    )
    try:
        yield process.pid
    finally:
        process.kill()
        process.wait()


def ask(calls: int) -> None:
    """Start this many calls, each to a different number."""
    from django_telroi.services import start_verification

    for _ in range(calls):
        start_verification(f"+234803{next(NUMBERS):07d}")


def forget() -> None:
    """Delete the messages of the queue and all rows."""
    import redis
    from django.conf import settings
    from django.db import connection

    with redis.Redis.from_url(settings.REDIS) as client:
        for key in client.scan_iter(f"*{settings.QUEUE}*"):
            client.delete(key)
    with connection.cursor() as cursor:
        cursor.execute("TRUNCATE django_telroi_phonenumber CASCADE; TRUNCATE django_telroi_callcontrol")


def pace(folder: Path, pool: str, *, prefetch: int) -> float:
    """Return the calls per second of one worker that always has work."""
    with telroi(folder, per_minute=WITHOUT_LIMIT) as simulator, site(simulator, KEY_REQUESTS_PER_MINUTE=WITHOUT_LIMIT):
        ask(CALLS_TO_TIME)
        with worker(pool, prefetch=prefetch):
            wait_for(simulator, 1, seconds=60)
            time.sleep(WARM_UP + TIMED)
            moments = simulator.moments
    begins = moments[0] + WARM_UP
    return sum(begins <= moment < begins + TIMED for moment in moments) / TIMED


def wait_for(simulator: Telroi, calls: int, *, seconds: float) -> None:
    until = time.monotonic() + seconds
    while len(simulator.moments) < calls and time.monotonic() < until:
        time.sleep(0.5)


def within_budget(folder: Path, *, minutes: float) -> tuple[float, int]:
    """Return the requests per minute under overload, and the maximum in any 60 seconds."""
    with telroi(folder, per_minute=PER_MINUTE) as simulator, site(simulator):
        ask(int(PER_MINUTE * (minutes + 1)))
        over = threading.Event()
        checkers = [threading.Thread(target=check_on_and_on, args=(over,)) for _ in range(8)]
        with worker():
            wait_for(simulator, 30, seconds=60)
            for checker in checkers:
                checker.start()
            time.sleep(60 * minutes)
            moments = simulator.moments
            over.set()
            for checker in checkers:
                checker.join()
    moments = [moment for moment in moments if moment >= moments[-1] - 60 * minutes]
    most = max(bisect_left(moments, moment + 60) - position for position, moment in enumerate(moments))
    return len(moments) / minutes, most


def check_on_and_on(over: threading.Event) -> None:
    """Check wrong codes for the placed calls until ``over`` is set."""
    from django.db import connection

    from django_telroi.models import VerificationAttempt
    from django_telroi.services import check_code

    while not over.is_set():
        attempt = VerificationAttempt.objects.filter(status="placed", tries__lt=3).order_by("?").first()
        if attempt is None:
            time.sleep(0.1)
        else:
            check_code(attempt.uuid, "000000")
    connection.close()


def weights(folder: Path, *, calls: int) -> tuple[float, float]:
    """Return a worker's memory in MiB after a tenth of the calls and after all of them."""
    with (
        telroi(folder, per_minute=WITHOUT_LIMIT, latency=0.05) as simulator,
        site(simulator, KEY_REQUESTS_PER_MINUTE=WITHOUT_LIMIT),
        worker() as pid,
    ):
        ask(calls // 10)
        wait_for(simulator, calls // 10, seconds=120)
        early = weight_of(pid)
        ask(calls - calls // 10)
        wait_for(simulator, calls, seconds=300)
        return early, weight_of(pid)


def weight_of(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmRSS")).split()[1]) / 1024


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=2, help="under the budget (default: %(default)s)")
    parser.add_argument("--calls", type=int, default=10_000, help="before weighing (default: %(default)s)")
    parser.add_argument("--parts", default="pace,budget,weight", help="(default: %(default)s)")
    chosen = parser.parse_args()

    import django

    django.setup()
    from celery import Celery
    from django.conf import settings
    from django.db import connection

    app = Celery("asker", set_as_current=True)
    app.conf.update(settings.CELERY)
    connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    os.environ["TELROI_BENCH_DATABASE"] = str(connection.settings_dict["NAME"])
    try:
        with tempfile.TemporaryDirectory(prefix="django-telroi-bench-") as folder:
            within = [measure(Path(folder), chosen) for measure in measures(chosen.parts)]
        return 0 if all(within) else 1
    finally:
        connection.creation.destroy_test_db("django_telroi_throughput", verbosity=0)


def measures(parts: str) -> list[Any]:
    return [{"pace": print_pace, "budget": print_budget, "weight": print_weight}[part] for part in parts.split(",")]


def print_pace(folder: Path, chosen: argparse.Namespace) -> bool:
    most = PLACES / LATENCY
    print(f"{PLACES} places, {LATENCY} s: at most {most:.1f} calls a second", flush=True)
    shares = {}
    for pool, prefetch in (("threads", 1), ("gevent", 1), ("gevent", 4)):
        shares[pool, prefetch] = pace(folder, pool, prefetch=prefetch) / most
        print(f"  {pool:<8} prefetch {prefetch}: {shares[pool, prefetch]:7.1%}", flush=True)
    return shares["threads", 1] >= LEAST_OF_PLACES


def print_budget(folder: Path, chosen: argparse.Namespace) -> bool:
    a_minute, most = within_budget(folder, minutes=chosen.minutes)
    print(f"budget of {PER_MINUTE} a minute: {a_minute:.0f} used, {a_minute / PER_MINUTE:.1%}", flush=True)
    print(
        f"  most in any 60 s: {most}, so Telroi had nothing to refuse" if most <= PER_MINUTE else f"  {most} in 60 s!"
    )
    return a_minute >= LEAST_OF_BUDGET * PER_MINUTE and most <= PER_MINUTE


def print_weight(folder: Path, chosen: argparse.Namespace) -> bool:
    early, late = weights(folder, calls=chosen.calls)
    print(
        f"worker after {chosen.calls // 10:,} calls {early:.0f} MiB, after {chosen.calls:,} {late:.0f} MiB", flush=True
    )
    return late <= FLAT * early


if __name__ == "__main__":
    sys.exit(main())
