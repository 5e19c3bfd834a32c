"""Measure 64 threads that start calls to 64 numbers and to one number, and what the single row of the day costs.

On PostgreSQL, against a simulator in a separate process. The threads are divided among processes, because the threads
of one process share its interpreter lock. Each round has one slice of each load, in changing order:

* 64 numbers, each of which may be called again at once, without and with ``CALLS_PER_DAY_TOTAL``;
* one number that may be called again at once, without and with ``CALLS_PER_DAY_TOTAL``;
* one number that was just called: every start is rejected;
* 64 numbers with ``CALLS_PER_DAY_TOTAL`` while staff stop and resume all calls.

The ratio of a load is its starts per second divided by those of the same load without ``CALLS_PER_DAY_TOTAL`` in the
same round. "wait for" is the mean number of sessions that wait for the row of the day or of a number, from
``pg_stat_activity``. The exit status is 1 if a bound is exceeded.
"""

from __future__ import annotations

import argparse
import multiprocessing
import os
import random
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from statistics import median, quantiles
from time import monotonic, sleep
from typing import Any

from stage import ROUTER, site, telroi

THREADS = 64
SLICE = 4.0
NUMBERS = [f"+234803{line:07d}" for line in range(1, THREADS + 1)]
MAX_HOLD = 0.55
"""Of the time for which a start locks its number's row: the time for which it locks the row of the day."""
STOPPED_FOR = 2.0
MAX_STOP = 1.0
DAY, NUMBER = "django_telroi_callcontrol", "django_telroi_phonenumber"
Start = tuple[str, float, float]
"""The outcome of a start, when it began and when it ended."""


@dataclass(frozen=True)
class Load:
    title: str
    numbers: int
    settings: dict[str, Any]
    compared: str = ""
    is_switched: bool = False


MANY, ONE = "64 numbers", "one number"
WITHOUT, WITH = {"CALLS_PER_DAY_TOTAL": None}, {"CALLS_PER_DAY_TOTAL": 10**9}
LOADS = [
    Load(MANY, THREADS, WITHOUT),
    Load(f"{MANY}, daily total", THREADS, WITH, MANY),
    Load(f"{MANY}, daily total, switch", THREADS, WITH, is_switched=True),
    Load(ONE, 1, WITHOUT),
    Load(f"{ONE}, daily total", 1, WITH, ONE),
    Load(f"{ONE}, just called", 1, WITHOUT | {"COOLDOWN_SECONDS": 3600}),
]


@dataclass
class Slices:
    """What was measured with one load: starts per second by slice, and the times of all slices in ms."""

    placed: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    took_placed: list[float] = field(default_factory=list)
    took_refused: list[float] = field(default_factory=list)
    waiting: dict[str, list[float]] = field(default_factory=lambda: {DAY: [], NUMBER: []})
    stops: list[float] = field(default_factory=list)
    last_calls: list[float] = field(default_factory=list)

    def add(self, starts: list[Start], seconds: float) -> None:
        placed = [(ended - began) * 1000 for outcome, began, ended in starts if outcome == "placed"]
        refused = [(ended - began) * 1000 for outcome, began, ended in starts if outcome != "placed"]
        self.placed.append(len(placed) / seconds)
        self.refused.append(len(refused) / seconds)
        self.took_placed += placed
        self.took_refused += refused


def work(threads: int, first: int, load: Load, told: Connection, begin: Any, over: Any) -> None:
    """Run threads of one process until the slice is over, and send what became of their starts."""
    from django.db import connections

    from django_telroi.errors import VerificationRefused
    from django_telroi.services import start_verification

    starts: list[Start] = []

    def run(line: int) -> None:
        number = NUMBERS[line % load.numbers]
        connections["postgres"].ensure_connection()
        begin.wait()
        while not over.is_set():
            began = monotonic()
            try:
                outcome = str(start_verification(number).status)
            except VerificationRefused as refusal:
                outcome = refusal.code
            starts.append((outcome, began, monotonic()))
        connections.close_all()

    running = [threading.Thread(target=run, args=(line,)) for line in range(first, first + threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    told.send(starts)


@contextmanager
def workers(processes: int, load: Load) -> Iterator[tuple[Callable[[], None], list[Start]]]:
    """Run the threads of a slice. Yields what ends the slice, and the list that then gets all starts."""
    from django.db import connections

    connections.close_all()  # a child must not inherit a connection
    context = multiprocessing.get_context("fork")
    begin, over, pipes = context.Barrier(THREADS + 1), context.Event(), []
    starts: list[Start] = []
    for index in range(processes):
        ours, theirs = context.Pipe(duplex=False)
        first, last = (THREADS * each // processes for each in (index, index + 1))
        process = context.Process(target=work, args=(last - first, first, load, theirs, begin, over), daemon=True)
        process.start()
        pipes.append((process, ours))

    def end() -> None:
        over.set()
        for process, ours in pipes:
            starts.extend(ours.recv())
            process.join()

    begin.wait()
    yield end, starts


def prepare(load: Load) -> None:
    """Give every number a row without calls, or with a call that limits it. Delete the attempts of other slices."""
    from django.conf import settings
    from django.db import connections

    from django_telroi.models import PhoneNumber
    from django_telroi.services import start_verification

    settings.TELROI |= {"COOLDOWN_SECONDS": 0} | load.settings
    with connections["postgres"].cursor() as cursor:
        cursor.execute(f"TRUNCATE {NUMBER}, {DAY}, django_telroi_refusaltally CASCADE")
    for number in NUMBERS[: load.numbers]:
        start_verification(number)
    if not load.settings.get("COOLDOWN_SECONDS"):
        PhoneNumber.objects.update(calls=[], next_call_at=None, limited_by="")
    with connections["postgres"].cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")


def watch(load: Load, slices: Slices) -> list[tuple[float, float]]:
    """Count the sessions that wait for a row, until the slice is over. Returns when calls were stopped and resumed."""
    from django.db import connections
    from django.db.models import F

    from django_telroi.models import PhoneNumber
    from django_telroi.services import resume_calls, stop_calls

    over, found, stopped = monotonic() + SLICE, [], []
    next_reset = next_stop = monotonic() + 0.5
    while monotonic() < over:
        with connections["postgres"].cursor() as cursor:
            cursor.execute(
                "SELECT query FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
            )
            found.append([query for (query,) in cursor.fetchall()])
        if load.numbers == 1 and monotonic() > next_reset:
            # No number has thousands of calls a day, and each of them makes its row longer.
            PhoneNumber.objects.filter(limited_by="").update(calls=[], version=F("version") + 1)
            next_reset += 0.25
        if load.is_switched and monotonic() > next_stop:
            began = monotonic()
            stop_calls(reason="a benchmark", actor="benchmark")
            slices.stops.append((monotonic() - began) * 1000)
            at = monotonic()
            sleep(STOPPED_FOR)
            stopped.append((at, monotonic()))
            resume_calls(actor="benchmark")
            next_stop = monotonic() + 0.5
        sleep(0.02)
    for table, shares in slices.waiting.items():
        shares.append(sum(query.startswith(f'UPDATE "{table}"') for each in found for query in each) / len(found))
    return stopped


def run_slice(load: Load, slices: Slices, processes: int) -> None:
    prepare(load)
    with workers(processes, load) as (end, starts):
        began = monotonic()
        stopped = watch(load, slices)
        seconds = monotonic() - began
        end()
    slices.add(starts, seconds)
    for at, until in stopped:
        ends = [ended for outcome, _, ended in starts if outcome == "placed" and at < ended < until]
        slices.last_calls.append((max(ends, default=at) - at) * 1000)


def hold_of_the_row(rounds: int) -> tuple[float, float]:
    """Return how long a start holds the number's row, and the row of the day, in ms, without other load."""
    from django.db import connections

    from django_telroi.services import start_verification

    prepare(LOADS[1])
    connection = connections["postgres"]
    locked: dict[str, float] = {}
    held: dict[str, list[float]] = {NUMBER: [], DAY: []}
    commit = connection.commit

    def note(execute: Callable[..., Any], sql: str, params: Any, *others: Any) -> Any:
        result = execute(sql, params, *others)
        for table in held:
            if sql.startswith(f'UPDATE "{table}"'):
                locked[table] = monotonic()
        return result

    def timed_commit() -> None:
        commit()
        for table, since in locked.items():
            held[table].append((monotonic() - since) * 1000)
        locked.clear()

    connection.commit = timed_commit  # type: ignore[method-assign]
    with connection.execute_wrapper(note):
        for line in range(rounds):
            start_verification(NUMBERS[line % THREADS])
    connection.commit = commit  # type: ignore[method-assign]
    return median(held[NUMBER]), median(held[DAY])


def figures(took: list[float]) -> str:
    if len(took) < 2:
        return f"{'':8} {'':8}"
    hundredths = quantiles(took, n=100)
    return f"{median(took):8.1f} {hundredths[98]:8.1f}"


def print_table(measured: dict[str, Slices]) -> None:
    print(f"{'':32} {'calls/s':>8} {'p50 ms':>8} {'p99':>8} {'refused/s':>9} {'p50 ms':>8} {'p99':>8}  ratio  wait for")
    print(f"{'':32} {'':52}          day number")
    for load in LOADS:
        slices = measured[load.title]
        base = measured[load.compared].placed if load.compared else []
        ratio = median(ours / theirs for ours, theirs in zip(slices.placed, base, strict=True)) if base else None
        print(
            f"{load.title:32} {median(slices.placed):8.1f} {figures(slices.took_placed)} {median(slices.refused):9.1f}"
            f" {figures(slices.took_refused)}  {'' if ratio is None else f'{ratio:.2f}':>5}"
            f" {median(slices.waiting[DAY]):5.1f} {median(slices.waiting[NUMBER]):6.1f}"
        )


def print_switch(slices: Slices) -> bool:
    slowest = max(slices.stops) / 1000
    print(
        f"stop_calls during that load: median {median(slices.stops):.1f} ms, slowest {max(slices.stops):.1f} ms of"
        f" {len(slices.stops)}. Below {MAX_STOP:.0f} s: {'holds' if slowest < MAX_STOP else 'falls short'}"
    )
    print(f"the last call ended {max(slices.last_calls):.0f} ms after stop_calls returned")
    return slowest < MAX_STOP


def print_holds(number: float, row: float) -> bool:
    holds = row <= MAX_HOLD * number
    print(
        f"without other load a start locks its number's row for {number:.2f} ms, the row of the day for {row:.2f} ms:"
        f" {row / number:.2f}, at most {MAX_HOLD}: {'holds' if holds else 'falls short'}"
    )
    print(f"so the row of the day allows at most {1000 / row:.0f} starts a second")
    return holds


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5, help="slices of each load (default: %(default)s)")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 2, help="(default: %(default)s)")
    chosen = parser.parse_args()
    ROUTER.current = "postgres"
    measured = {load.title: Slices() for load in LOADS}
    order = random.Random(1)
    with telroi() as simulator, site(["postgres"], simulator):
        for _ in range(chosen.rounds):
            for load in order.sample(LOADS, len(LOADS)):
                run_slice(load, measured[load.title], chosen.processes)
        number, row = hold_of_the_row(200)
    print_table(measured)
    holds = [print_switch(measured[LOADS[2].title]), print_holds(number, row)]
    return 0 if all(holds) else 1


if __name__ == "__main__":
    sys.exit(main())
