"""Measure encrypted numbers: a start, and the conversion of a million attempts that is killed half-way.

Seeds a month of a busy site, and times a start with numbers in clear and with encrypted ones, in turns, in processor
time. Then it encrypts all rows in a separate process, kills the process half-way (SIGKILL) and encrypts the rest, and
decrypts them in the same way. The exit status is 1 if a row was lost, doubled or left in the other form, or if the
ratio of the starts exceeds its bound.
"""

from __future__ import annotations

import argparse
import multiprocessing
import sys
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from itertools import count
from multiprocessing.connection import Connection
from time import perf_counter, process_time
from typing import Any

from seeding import Size, seed
from stage import ROUTER, TITLES, site, telroi
from timing import Timed, print_table, take_turns

KEYS = {"NUMBER_KEYS": ["a key of the benchmark, which has 32 characters"]}
CLEAR: Mapping[str, Any] = {"NUMBER_ENCRYPTION": "off", "NUMBER_KEYS": []}
ENCRYPTED: Mapping[str, Any] = {"NUMBER_ENCRYPTION": "on", **KEYS}
MAX_RATIO = 1.25
NUMBERS = (f"+2348{line:09}" for line in count(100_000_000))


def choose(values: Mapping[str, Any]) -> str:
    """Set the settings, and return a number that was not called before."""
    from django.conf import settings

    settings.TELROI.update(values)
    return next(NUMBERS)


def time_starts(rounds: int) -> bool:
    from django_telroi.services import start_verification

    contestants = [
        Timed("a start, numbers in clear", partial(choose, CLEAR), start_verification, clock=process_time),
        Timed("a start, encrypted numbers", partial(choose, ENCRYPTED), start_verification, MAX_RATIO, process_time),
    ]
    take_turns(contestants, warm_up=20, rounds=rounds)
    return print_table(contestants)


def convert(told: Connection) -> None:
    """Convert all rows, and report the number of read rows after each batch."""
    from django.db import connections

    from django_telroi.services import convert_numbers

    connections.close_all()
    convert_numbers(progress=lambda converted: told.send(converted.rows))
    told.send(None)


def run(title: str, *, kill_after: int | None = None) -> None:
    """Convert in a separate process. It may be killed after a number of rows."""
    from django.db import connections

    connections.close_all()  # the child must not inherit a connection
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe(duplex=False)
    process = context.Process(target=convert, args=(theirs,))
    began = perf_counter()
    process.start()
    theirs.close()
    rows = 0
    while (read := ours.recv()) is not None:
        rows = read
        if kill_after is not None and rows >= kill_after:
            process.kill()
            break
    process.join()
    print(f"{title:25} {rows:9,} rows read in {perf_counter() - began:7.1f} s")


def stored() -> tuple[int, ...]:
    """Return the number of rows of each table, and how many of the numbers are different."""
    from django_telroi.models import PhoneNumber, VerificationAttempt, VerifiedPhone

    numbers = {*PhoneNumber.objects.values_list("number", flat=True)}
    return (len(numbers), *(model.objects.count() for model in (PhoneNumber, VerificationAttempt, VerifiedPhone)))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--database", default="postgres", help=f"one of {', '.join(TITLES)} (default: %(default)s)")
    parser.add_argument("--attempts", type=int, default=1_000_000, help="how many (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=200, help="how often a start is timed (default: %(default)s)")
    chosen = parser.parse_args()
    with telroi() as simulator, site([chosen.database], simulator):
        from django_telroi.services import convert_numbers

        ROUTER.current = chosen.database
        print(TITLES[chosen.database])
        size = Size(numbers=max(1, chosen.attempts // 10), attempts=chosen.attempts)
        seed(chosen.database, size, now=datetime.now(UTC))
        holds = time_starts(chosen.rounds)
        choose({"NUMBER_ENCRYPTION": "prepare", **KEYS})
        convert_numbers()
        before = stored()
        print(f"{chosen.attempts:,} attempts, {before[1]:,} numbers")
        left = 0
        for title, setting in (("encrypt", "migrate"), ("decrypt", "prepare")):
            choose({"NUMBER_ENCRYPTION": setting})
            run(f"{title}, killed", kill_after=sum(before[1:]) // 2)
            run(f"{title}, gone on")
            left += convert_numbers(dry_run=True).changed
        same = stored() == before
    print(f"rows left in the other form: {left}; rows and numbers as they were: {same}")
    return 0 if holds and same and not left else 1


if __name__ == "__main__":
    sys.exit(main())
