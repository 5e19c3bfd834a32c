"""Time several functions in turns, so that other load on the machine affects all of them alike."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import median, quantiles
from time import perf_counter
from typing import Generic, TypeVar

T = TypeVar("T")

HEAD = f"{'':55} {'p10 ms':>7} {'median':>7} {'p90':>7} {'ratio':>6} {'bound':>6}"


@dataclass
class Timed(Generic[T]):
    """A repeated function. ``act`` is timed, in ms; ``prepare`` is not.

    ``bound``: the largest allowed ratio to the first one of the table. ``clock``: returns seconds, of this machine or
    of the processor.
    """

    title: str
    prepare: Callable[[], T]
    act: Callable[[T], object]
    bound: float | None = None
    clock: Callable[[], float] = perf_counter
    took: list[float] = field(default_factory=list)

    def run(self) -> None:
        prepared = self.prepare()
        started = self.clock()
        self.act(prepared)
        self.took.append((self.clock() - started) * 1000)


def take_turns(contestants: Sequence[Timed[T]], *, warm_up: int, rounds: int) -> None:
    """Run each once per round, in changing order. The warm-up rounds do not count."""
    order = random.Random(1)
    for number in range(warm_up + rounds):
        if number == warm_up:
            for timed in contestants:
                timed.took.clear()
        for timed in order.sample(contestants, len(contestants)):
            timed.run()


def print_table(contestants: Sequence[Timed[T]]) -> bool:
    """Print the times, and the ratio of each median to the first. Returns whether all bounds hold."""
    print(HEAD)
    one = median(contestants[0].took)
    held = [_print_line(timed, one) for timed in contestants]
    return all(held)


def _print_line(timed: Timed[T], one: float) -> bool:
    tenths = quantiles(timed.took, n=10)
    ratio = median(timed.took) / one
    holds = timed.bound is None or ratio <= timed.bound
    bound = "" if timed.bound is None else f"{timed.bound:6.1f}" + ("" if holds else " missed")
    figures = " ".join(f"{figure:7.2f}" for figure in (tenths[0], median(timed.took), tenths[-1]))
    print(f"{timed.title:55} {figures} {ratio:6.2f} {bound}".rstrip())
    return holds
