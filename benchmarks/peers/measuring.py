"""Time all workers in turns, so that other load on the machine affects all of them alike."""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from statistics import median, quantiles

from contestants import BARE
from processes import Worker

WHAT = ("start", "check")
TIMES_BARE = 3
"""How often a round has the bare POST. The round's ratios are to its median, which varies less than one POST."""
Key = tuple[str, int, str]
"""A contestant, its rows, and what was timed."""
BARE_KEY: Key = (BARE.name, 0, "start")


@dataclass
class Rounds:
    """The seconds of each round, in the same order for each key, and the statements of one request."""

    bare: list[float] = field(default_factory=list)
    took: dict[Key, list[float]] = field(default_factory=dict)
    statements: dict[Key, dict[str, int]] = field(default_factory=dict)

    def ratios(self, key: Key, to: Key | None = None) -> list[float]:
        """Return the ratio of each round to ``to``, or to the bare POST."""
        below = self.bare if to is None else self.took[to]
        return [one / other for one, other in zip(self.took[key], below, strict=True)]

    def ratio(self, key: Key, to: Key | None = None) -> float:
        return median(self.ratios(key, to))

    def spread(self, key: Key) -> tuple[float, float, float]:
        """Return the tenth percentile, the median and the ninetieth percentile of the ratios."""
        ratios = self.ratios(key)
        tenths = quantiles(ratios, n=10, method="inclusive")
        return tenths[0], median(ratios), tenths[-1]


def take_turns(workers: Sequence[Worker], *, warm_up: int, rounds: int) -> Rounds:
    """Run each worker's start and check once per round, in changing order. The warm-up rounds do not count."""
    result = Rounds()
    order = random.Random(1)
    keys: dict[Key, Worker] = {
        (each.contestant.name, each.rows, what): each
        for each in workers
        for what in (WHAT if each.contestant.has_tables else WHAT[:1])
    }
    for key, worker in keys.items():
        result.statements[key] = worker.tell("count", key[2])
    for number in range(warm_up + rounds):
        took: dict[Key, list[float]] = {}
        turns = [*keys, *[BARE_KEY] * (TIMES_BARE - 1)]
        for key in order.sample(turns, len(turns)):
            took.setdefault(key, []).append(keys[key].tell("time", key[2]))
        if number >= warm_up:
            for key, seconds in took.items():
                result.took.setdefault(key, []).append(median(seconds))
        if number % 10 == 9:
            print(f"  round {number + 1} of {warm_up + rounds}", file=sys.stderr, flush=True)
    result.bare = result.took.pop(BARE_KEY)
    return result
