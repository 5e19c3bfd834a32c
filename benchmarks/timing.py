"""Several things timed in turns, so that whatever else the machine does falls on all of them alike."""

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
    """Something that is done again and again: ``prepare`` is not timed, ``act`` is, in ms.

    ``bound`` is how many times as long as the first of a table it may take.
    """

    title: str
    prepare: Callable[[], T]
    act: Callable[[T], object]
    bound: float | None = None
    took: list[float] = field(default_factory=list)

    def run(self) -> None:
        prepared = self.prepare()
        started = perf_counter()
        self.act(prepared)
        self.took.append((perf_counter() - started) * 1000)


def take_turns(contestants: Sequence[Timed[T]], *, warm_up: int, rounds: int) -> None:
    """Each once a round, in an order that changes; the rounds that warm up do not count."""
    order = random.Random(1)
    for number in range(warm_up + rounds):
        if number == warm_up:
            for timed in contestants:
                timed.took.clear()
        for timed in order.sample(contestants, len(contestants)):
            timed.run()


def print_table(contestants: Sequence[Timed[T]]) -> bool:
    """How long each took, and how the medians compare with the first; True if every bound holds."""
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
