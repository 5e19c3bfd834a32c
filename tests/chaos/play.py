"""Kill processes at every point and count the results of their calls."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from django_telroi.domain.states import Status
from tests.chaos.points import BEFORE_ANY_CLAIM, POINTS, TASKS, Point, number_for, point_of
from tests.chaos.stage import PREFORK, TASK_WORKER, THREADS, Stage, database_for, stage, until

TRANSPORTS: tuple[str | None, ...] = ("Redis", "RabbitMQ", None)
MAX_WAITING, AT_ONCE = 30, 35
TASK_WORKERS = 4
"""Each runs one task at a time."""
OPEN = (Status.QUEUED, Status.DIALING)
SERIALS = count()


@dataclass
class Outcome:
    """The results of one point over one transport: kills, and calls by the number of times that the phone rang."""

    kills: int = 0
    one: int = 0
    none: int = 0
    two: int = 0
    unknown: int = 0
    lost: int = 0

    def add(self, rings: int, status: str, *, was_killed: bool) -> None:
        self.kills += was_killed
        self.none += rings == 0
        self.one += rings == 1
        self.two += rings > 1
        self.unknown += status == Status.UNKNOWN
        self.lost += status in OPEN


Outcomes = dict[tuple[Point, str], Outcome]


def play(folder: Path, transports: Sequence[str | None], *, kills_each: int, **settings: object) -> Outcomes:
    """Start this many calls for each point over each transport. The process of each is killed there once."""
    outcomes: Outcomes = defaultdict(Outcome)
    with ExitStack() as ends:
        scenes: dict[Stage, list[str]] = {}
        for transport in transports:
            name = transport or "inline"
            scene = folder / name
            scene.mkdir()
            numbers = [number_for(point, next(SERIALS)) for _ in range(kills_each) for point in POINTS]
            database = ends.enter_context(database_for(name.lower()))
            standing = ends.enter_context(stage(scene, broker=transport, database=database, **settings))
            scenes[standing] = numbers
        for standing in scenes:
            _people_it(standing)
        _ask_for_all(scenes)
        _settle(scenes)
        for standing, numbers in scenes.items():
            _count(standing, numbers, outcomes)
    return outcomes


def problems(outcomes: Outcomes) -> Iterator[str]:
    """Return the violations."""
    for (point, transport), outcome in outcomes.items():
        calls = outcome.one + outcome.none + outcome.two
        where = f"{transport}, {point}"
        if outcome.kills != calls:
            yield f"{where}: {outcome.kills} of {calls} were killed"
        if outcome.two:
            yield f"{where}: {outcome.two} phones rang twice"
        if outcome.lost:
            yield f"{where}: {outcome.lost} requests are in no state that anybody can see"
        if point in BEFORE_ANY_CLAIM and outcome.one != calls:
            yield f"{where}: {calls - outcome.one} phones did not ring"


def table(outcomes: Outcomes) -> str:
    heads = ("kills", "one call", "none", "two", "unknown", "lost")
    lines = [f"{'killed':<28}{'transport':<10}" + "".join(f"{head:>10}" for head in heads)]
    for (point, transport), told in sorted(outcomes.items(), key=lambda item: (item[0][1], POINTS.index(item[0][0]))):
        figures = (told.kills, told.one, told.none, told.two, told.unknown, told.lost)
        lines.append(f"{point:<28}{transport:<10}" + "".join(f"{figure:>10}" for figure in figures))
    every = list(outcomes.values())
    sums = [sum(getattr(told, name) for told in every) for name in ("kills", "one", "none", "two", "unknown", "lost")]
    return "\n".join([*lines, f"{'in all':<38}" + "".join(f"{figure:>10}" for figure in sums)])


def _people_it(standing: Stage) -> None:
    if standing.broker == TASKS:
        for _ in range(TASK_WORKERS):
            standing.start("worker", TASK_WORKER.pool, TASK_WORKER.places)
    elif standing.broker:
        # One pool loses its children, the other dies as a whole. Each recovers its lost tasks differently.
        for worker in (PREFORK, THREADS, THREADS):
            standing.start("worker", worker.pool, worker.places)
    standing.start("sweeper")


def _ask_for_all(scenes: Mapping[Stage, list[str]]) -> None:
    """Run on all stages at once, with no more calls than their workers can place. Otherwise calls would expire."""

    def few_wait() -> bool:
        return all(standing.attempts.filter(status=Status.QUEUED).count() < MAX_WAITING for standing in scenes)

    for position in range(0, max(map(len, scenes.values())), AT_ONCE):
        with ThreadPoolExecutor() as threads:
            for standing, numbers in scenes.items():
                threads.submit(_ask_for, standing, numbers[position : position + AT_ONCE])
        until(few_wait)


def _ask_for(standing: Stage, numbers: Iterable[str]) -> None:
    for number in numbers:
        standing.ask(number)


def _settle(scenes: Iterable[Stage]) -> None:
    """Wait until no row is due: the leases of killed calls are over, and these calls are unknown."""

    def all_are() -> bool:
        return not any(standing.attempts.filter(status__in=OPEN).exists() for standing in scenes)

    until(all_are)
    time.sleep(1)  # a second call would be in progress now


def _count(standing: Stage, numbers: list[str], outcomes: Outcomes) -> None:
    statuses = dict(standing.attempts.values_list("phone__number", "status"))
    calls, kills = standing.calls, standing.kills
    for number in numbers:
        point = point_of(number)
        assert point
        outcome = outcomes[point, standing.broker or "inline"]
        outcome.add(calls.get(number, 0), statuses.get(number, Status.QUEUED), was_killed=number in kills)
