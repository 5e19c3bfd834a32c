"""Requests per second of each contestant behind gunicorn, on PostgreSQL, in slices that take turns."""

from __future__ import annotations

import http.client
import random
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from statistics import median
from time import monotonic, perf_counter, sleep

from posting import Expected, Posting
from processes import HERE, Simulator, Worker

WARM_UP = 32
"""Requests to a gunicorn that has just started, which are not timed."""


@dataclass(frozen=True)
class Column:
    """One way to run gunicorn. ``latency``: of the provider, in seconds. ``clients``: requests at the same time."""

    title: str
    options: tuple[str, ...]
    clients: int
    latency: float


COLUMNS = (
    Column("2 sync workers, provider 0 ms", ("--workers", "2"), 4, 0.0),
    Column(
        "gthread 2 x 8, provider 50 ms", ("--workers", "2", "--worker-class", "gthread", "--threads", "8"), 24, 0.05
    ),
)


@dataclass
class Served:
    """Starts per second of each slice, by contestant, in the same order."""

    rates: dict[str, list[float]] = field(default_factory=dict)

    def rate(self, name: str) -> float:
        return median(self.rates[name])

    def ratio(self, name: str, to: str) -> float:
        return median(one / other for one, other in zip(self.rates[name], self.rates[to], strict=True))


def serve(workers: Sequence[Worker], column: Column, provider: Simulator, *, slices: int, requests: int) -> Served:
    """Measure each worker's contestant ``slices`` times, with ``requests`` starts each, in changing order."""
    served = Served()
    order = random.Random(2)
    for number in range(slices):
        for worker in order.sample(list(workers), len(workers)):
            provider.answer_after(0)  # the pages that come before a start are loaded here, without the latency
            prepared = worker.tell("prepare", WARM_UP + requests)
            postings, expected = [Posting(**each) for each in prepared["postings"]], Expected(**prepared["expected"])
            provider.answer_after(column.latency)
            name = worker.contestant.name
            with gunicorn(worker, column) as port:
                send(port, postings[:WARM_UP], expected, clients=column.clients, to=f"{name}, before it is timed")
                seconds = send(port, postings[WARM_UP:], expected, clients=column.clients, to=name)
            served.rates.setdefault(name, []).append(requests / seconds)
        print(f"  {column.title}: slice {number + 1} of {slices}", file=sys.stderr, flush=True)
    provider.answer_after(0)
    return served


@contextmanager
def gunicorn(worker: Worker, column: Column) -> Iterator[int]:
    """Run gunicorn with the site of the worker and yield its port. It runs only now: an idle one would hold memory."""
    log = Path(worker.environ["PEERS_FOLDER"], "gunicorn.log")
    log.unlink(missing_ok=True)
    command = [str(worker.python), "-m", "gunicorn", "wsgi:application", "--chdir", str(HERE), "--bind", "127.0.0.1:0"]
    options = [*column.options, "--log-level", "info", "--error-logfile", str(log)]
    with subprocess.Popen([*command, *options], env=worker.environ) as process:
        try:
            yield port_in(log)
        finally:
            process.terminate()


OURS = ("rest-", "page-")
"""How the names of django-telroi's contestants begin."""


def port_in(log: Path) -> int:
    """Return the port that gunicorn logs after both of its workers have started. Exits after a minute."""
    until = monotonic() + 60
    told = ""
    while monotonic() < until:
        told = log.read_text() if log.exists() else ""
        if told.count("Booting worker") == 2:
            return int(told.partition("Listening at: http://127.0.0.1:")[2].partition(" ")[0])
        sleep(0.05)
    raise SystemExit(f"gunicorn does not start: {told}")


def send(port: int, postings: Sequence[Posting], expected: Expected, *, clients: int, to: str) -> float:
    """Send the requests over ``clients`` connections and return the seconds.

    Exits and names ``to`` if one of ours fails, or more than one in a hundred of another package.
    """
    waiting: SimpleQueue[Posting] = SimpleQueue()
    for each in postings:
        waiting.put(each)
    refused: list[str] = []
    threads = [threading.Thread(target=_client, args=(port, waiting, expected, refused)) for _ in range(clients)]
    started = perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seconds = perf_counter() - started
    if refused:
        told = f"{to}: {len(refused)} of {len(postings)} starts were refused. The first: {refused[0]}"
        if to.startswith(OURS) or len(refused) > len(postings) // 100:
            raise SystemExit(told)
        print(told)
    return seconds


def _client(port: int, waiting: SimpleQueue[Posting], expected: Expected, refused: list[str]) -> None:
    """Send requests one after another. The connection stays open if the server keeps it open; sync workers do not."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    while True:
        try:
            posting = waiting.get_nowait()
        except Empty:
            connection.close()
            return
        try:
            connection.request("POST", posting.path, posting.body.encode(), posting.all_headers)
            reply = connection.getresponse()
            status, location, body = reply.status, reply.headers.get("Location", ""), reply.read()
        except (OSError, http.client.HTTPException) as error:
            connection.close()
            status, location, body = 0, "", repr(error).encode()
        if not expected.fits(status, location, body):
            refused.append(f"{status} {location} {body[:300]!r}")
