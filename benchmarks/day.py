"""Simulate a day of verifications at Telroi's limit of requests per key: how many keys, and how long calls wait.

Needs no database and no network. The arrivals of each window follow the rhythm of ``seeding.RHYTHM``, at random with a
fixed seed. Each key allows the requests of ``budget.share_of(600)``: 27 in 3 seconds. Requests of all keys are served
in the order of their arrival, as if each call went to the key with the most room.

Two ways to place calls: a web request waits at most 6 seconds for the budget, then the call is rejected. A worker waits
until ``QUEUE_DEADLINE_SECONDS`` (120). With codes of the provider, the check of a code needs a request too, 30 seconds
after its call.
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from random import Random

from seeding import RHYTHM

from django_telroi.backends.budget import share_of

DAY = 24 * 3600
SEED = 20
WEB_WAIT, QUEUE_WAIT = 6, 120
CHECK_AFTER = 30
SHARE = share_of(600)
WINDOW = SHARE.seconds
"""Seconds. One step of the simulation."""


@dataclass
class Day:
    """The result of a day. ``waits`` counts calls by the seconds that they waited."""

    waits: Counter[int] = field(default_factory=Counter)
    lost: int = 0
    longest_queue: int = 0

    def wait_of(self, share: float) -> int:
        """Return the seconds within which this share of the placed calls was placed."""
        left = share * self.waits.total()
        for seconds in sorted(self.waits):
            left -= self.waits[seconds]
            if left <= 0:
                return seconds
        return 0


def arrivals(a_day: int, *, burst: float, random: Random) -> Iterator[int]:
    """Yield the calls that are requested in each window of the day.

    ``burst`` multiplies those of the first ten minutes of the busiest hour. A count of many independent requests is
    about normal, with a variance equal to its mean.
    """
    busiest = RHYTHM.index(max(RHYTHM)) * 3600
    for second in range(0, DAY, WINDOW):
        mean = a_day * RHYTHM[second // 3600] / sum(RHYTHM) / 3600 * WINDOW
        mean *= burst if busiest <= second < busiest + 600 else 1
        yield max(0, round(random.gauss(mean, mean**0.5)))


def simulate(a_day: int, *, keys: int, longest_wait: int, has_checks: bool, burst: float = 1.0) -> Day:
    """Return what becomes of a day's calls. The same arguments give the same day."""
    day, random = Day(), Random(SEED)
    queue: deque[tuple[int, int]] = deque()  # (when they came, how many), oldest first
    checks: deque[int] = deque([0] * (CHECK_AFTER // WINDOW))
    for second, came in zip(range(0, DAY, WINDOW), arrivals(a_day, burst=burst, random=random), strict=True):
        queue.append((second, came))
        # Checks first: their calls were paid for, and a part of the budget is reserved for them.
        room, placed = keys * SHARE.requests, 0
        if has_checks:
            due = checks.popleft()
            sent = min(due, room)
            checks[0] += due - sent
            room = min(room - sent, keys * SHARE.for_all)
        while queue and queue[0][0] < second - longest_wait:
            day.lost += queue.popleft()[1]
        while queue and placed < room:
            since, waiting = queue.popleft()
            served = min(waiting, room - placed)
            day.waits[second - since] += served
            placed += served
            if served < waiting:
                queue.appendleft((since, waiting - served))
        checks.append(placed)
        day.longest_queue = max(day.longest_queue, sum(waiting for _, waiting in queue))
    return day


def fewest_keys(a_day: int, *, longest_wait: int, has_checks: bool) -> int:
    """Return the fewest keys with which no call of the day is lost."""
    keys = max(1, int(a_day * (1 + has_checks) / (SHARE.per_minute * DAY / 60)))  # what an even day would need
    while simulate(a_day, keys=keys, longest_wait=longest_wait, has_checks=has_checks).lost:
        keys += 1
    return keys


def print_days(a_day: int, *, has_checks: bool) -> None:
    requests = 2 if has_checks else 1
    peak = a_day * max(RHYTHM) / sum(RHYTHM) / 60
    print(
        f"\ncodes of {'the provider' if has_checks else 'the site'}: {requests} request(s) a verification,"
        f" {peak * requests:,.0f} requests a minute in the busiest hour ÷ {SHARE.per_minute:.0f} ="
        f" {peak * requests / SHARE.per_minute:.1f} keys"
    )
    print(f"{'':30}{'keys':>5}{'at once':>9}{'p99 wait':>10}{'longest':>9}{'lost':>11}{'share lost':>11}{'queue':>9}")
    for title, longest_wait in (("web request", WEB_WAIT), ("worker", QUEUE_WAIT)):
        fewest = fewest_keys(a_day, longest_wait=longest_wait, has_checks=has_checks)
        for name, keys, burst in (
            (title, fewest, 1.0),
            (f"{title}, 10 % fewer keys", fewest - max(1, fewest // 10), 1.0),
            (f"{title}, burst of 2 ×", fewest, 2.0),
        ):
            day = simulate(a_day, keys=keys, longest_wait=longest_wait, has_checks=has_checks, burst=burst)
            total = day.waits.total() + day.lost
            print(
                f"{name:30}{keys:5}{day.waits[0] / total:9.1%}{day.wait_of(0.99):8} s{max(day.waits):7} s"
                f"{day.lost:11,}{day.lost / total:11.2%}{day.longest_queue:9,}"
            )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--verifications", type=int, default=10_000_000, help="in a day (default: %(default)s)")
    chosen = parser.parse_args()
    print(
        f"{chosen.verifications:,} verifications a day; a key: {SHARE.requests} requests in {WINDOW} s,"
        f" {SHARE.per_minute:.0f} a minute, {SHARE.per_minute * 1440:,.0f} a day"
    )
    for has_checks in (False, True):
        print_days(chosen.verifications, has_checks=has_checks)
    return 0


if __name__ == "__main__":
    sys.exit(main())
