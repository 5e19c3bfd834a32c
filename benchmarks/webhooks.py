"""Measure the response time of webhooks through gunicorn: one after another, as Telroi sends them, and eight at once.

The site has default settings, on each database. The answers to its calls were lost, so each event settles an attempt.
The exit status is 1 if an authentic webhook gets no 2xx, or if the slowest of a hundred takes 100 ms or more.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from statistics import median, quantiles
from time import perf_counter, sleep
from urllib.parse import urlsplit
from uuid import uuid4

from webhook_site import NUMBER_OF_LINE, SECRET

from django_telroi.client.webhooks import sign

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Answered:
    status: int
    ms: float


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--databases", default="wal,sqlite,postgres,mariadb", help="default: %(default)s")
    parser.add_argument("--deliveries", type=int, default=1000, help="default: %(default)s")
    parser.add_argument("--bound", type=float, default=100, help="for p99, in ms (default: %(default)s)")
    chosen = parser.parse_args()
    print(f"{'':34} {'median ms':>9} {'p99 ms':>7} {'most':>7} {'not 2xx':>7}   load {os.getloadavg()[0]:.1f}")
    held = [
        show(f"{name}, {senders} at once", deliver(name, chosen.deliveries, senders=senders), bound=chosen.bound)
        for name in chosen.databases.split(",")
        for senders in (1, 8)
    ]
    return 0 if all(held) else 1


def show(title: str, answers: list[Answered], *, bound: float) -> bool:
    took = [answer.ms for answer in answers]
    failed = sum(not 200 <= answer.status < 300 for answer in answers)
    p99 = quantiles(took, n=100)[-1]
    print(f"{title:34} {median(took):9.2f} {p99:7.2f} {max(took):7.2f} {failed:7d}")
    return failed == 0 and p99 < bound


def deliver(database: str, deliveries: int, *, senders: int) -> list[Answered]:
    """Deliver each run to a new site. A few go first, because a worker's first request is slow."""
    with site(database, lines=deliveries) as home:
        url, lines = f"{home}/webhook", count()
        send(url, lines, 8)
        answers: list[Answered] = []
        in_turns(lambda: answers.extend(send(url, lines, deliveries // senders)), senders)
    return answers


def in_turns(act: Callable[[], object], senders: int) -> None:
    threads = [threading.Thread(target=act) for _ in range(senders)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def send(url: str, lines: Iterator[int], deliveries: int) -> list[Answered]:
    """Send each on a new connection, as Telroi does."""
    return [post(url, body_about(next(lines))) for _ in range(deliveries)]


def post(url: str, body: bytes) -> Answered:
    parts = urlsplit(url)
    headers = {"Content-Type": "application/json", "telroi-signature": sign(body, SECRET)}
    started = perf_counter()
    with closing(http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=30)) as connection:
        connection.request("POST", parts.path, body, headers)
        answer = connection.getresponse()
        answer.read()
    return Answered(answer.status, (perf_counter() - started) * 1000)


def body_about(line: int) -> bytes:
    at = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    data = {"id": str(uuid4()), "to": NUMBER_OF_LINE.format(line), "status": "delivered", "client_supplied": False}
    return json.dumps({"event": "otp.completed", "created_at": at, "data": data}, separators=(",", ":")).encode()


@contextmanager
def site(database: str, *, lines: int, conn_max_age: int = 0) -> Iterator[str]:
    """Run gunicorn with two workers of four threads, and this many calls whose answer was lost. Yields its address."""
    with tempfile.TemporaryDirectory(prefix="django-telroi-bench-") as folder:
        environ = os.environ | {
            "BENCH_CONN_MAX_AGE": str(conn_max_age),
            "BENCH_DATABASE": database,
            "BENCH_FOLDER": folder,
            "PYTHONPATH": os.pathsep.join(sys.path),
        }
        run = [sys.executable, str(HERE / "webhook_site.py")]
        subprocess.run([*run, "make", str(lines + 8)], env=environ, check=True)
        workers = ["--workers", "2", "--threads", "4", "--log-level", "warning", "--chdir", str(HERE)]
        gunicorn = [sys.executable, "-m", "gunicorn", "webhook_site:application", "--bind", "127.0.0.1:0", *workers]
        log = Path(folder, "gunicorn.log")
        with subprocess.Popen([*gunicorn, "--log-level", "info", "--error-logfile", str(log)], env=environ) as process:
            try:
                yield address_in(log)
            finally:
                process.terminate()
                process.wait()
                subprocess.run([*run, "drop"], env=environ, check=True)


def address_in(log: Path) -> str:
    """Return the address that gunicorn logs. It chose a free port."""
    for _ in range(600):
        told = log.read_text() if log.exists() else ""
        if "Booting worker" in told:
            return "http://" + told.partition("Listening at: http://")[2].partition(" ")[0]
        sleep(0.05)
    raise SystemExit(f"gunicorn does not start: {told}")


if __name__ == "__main__":
    sys.exit(main())
