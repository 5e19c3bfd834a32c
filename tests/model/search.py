"""Every order of steps up to a depth: breadth first, each state once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import UUID, uuid5

from django_telroi.domain.states import Judge
from tests.model import rows
from tests.model.ledger import CUT, DIES, NUMBERS, Step
from tests.model.promises import broken_in
from tests.model.telroi import (
    CALL_MODES,
    CALL_MODES_WITH_CODE,
    CHECK_MODES,
    CODE_IGNORED,
    CODES,
    KILLED_AFTER,
    LOST,
    OK,
    REFUSED,
    TEST_CODE,
)
from tests.model.world import World

SPACE = UUID("00000000-0000-4000-8000-00000000c0de")
ATTEMPTS = 3
WAITS = (61, 301, 601)
MAX_WAITS = 2
ALWAYS_ALL = 2
"""Up to this depth, no step is omitted except the last one."""
MAX_REPORTS = 2
MAX_WRITES = 8
"""The maximum number of write statements of a step before and after its request to Telroi."""

Trace = tuple[Step, ...]


@dataclass
class Found:
    """The results of a search, with the shortest sequence for each broken promise."""

    states: int = 0
    transitions: int = 0
    statuses: set[str] = field(default_factory=set)
    """Statuses of attempts. A site that cannot call or check breaks no promise, but few statuses occur there."""
    broken: dict[str, Trace] = field(default_factory=dict)

    def __str__(self) -> str:
        statuses = ", ".join(sorted(self.statuses))
        lines = [f"{self.states:,} states, {self.transitions:,} transitions; attempts are {statuses}"]
        for promise, trace in sorted(self.broken.items()):
            lines += [promise, *(f"    {step}" for step in trace)]
        return "\n".join(lines)


@dataclass(frozen=True)
class Scope:
    """The plan of a search: its depth, the number of nested steps, and the fraction that is tried.

    ``part`` of a thousand steps are tried, chosen by ``seed``: of the last steps, and of all from the third on.
    ``tenth``: the number of the tenth of the last steps that is tried, None for all. The ten tenths are the whole.
    """

    depth: int
    numbers: int = 1
    has_workers: bool = False
    has_trouble: bool = False
    has_inside: bool = False
    part: int = 1000
    seed: int = 0
    tenth: int | None = None

    def takes(self, trace: Trace, step: Step) -> bool:
        is_last = len(trace) == self.depth - 1
        if not is_last and (self.part >= 1000 or len(trace) < ALWAYS_ALL):
            return True
        text = f"{self.seed} {' / '.join(map(str, trace))} / {step}"
        tenth, drawn = divmod(int.from_bytes(hashlib.sha256(text.encode()).digest()[:4]) % 10_000, 1000)
        return drawn < self.part and (self.tenth is None or not is_last or tenth == self.tenth)


def search(world: World, scope: Scope) -> Found:
    """Try all sequences from the empty state, up to the length of the shortest one that breaks a promise."""
    found = Found()
    seen = {world.shape()}
    level: list[tuple[Any, Trace]] = [(world.keep(), ())]
    for _ in range(scope.depth):
        level = list(_next_level(world, scope, level, seen, found))
        if found.broken:
            break
    found.states = len(seen)
    return found


def _next_level(
    world: World, scope: Scope, level: Sequence[tuple[Any, Trace]], seen: set[int], found: Found
) -> Iterator[tuple[Any, Trace]]:
    for kept, trace in level:
        for step in _steps_that_happen(world, scope, kept, trace):
            found.transitions += 1
            way = (*trace, step)
            broken = list(world.broken)
            shape = world.shape()
            if shape not in seen:
                seen.add(shape)
                after = world.keep()
                found.statuses |= {row["status"] for row in rows.attempts(after[0])}
                broken += broken_in(world)
                if not broken:
                    yield after, way
            for promise in broken:
                found.broken.setdefault(promise, way)


def _steps_that_happen(world: World, scope: Scope, kept: Any, trace: Trace) -> Iterator[Step]:
    """Do each chosen step from the state ``kept``, and yield it in the state after it, if it happened."""
    world.bring_back(kept)
    too_late: set[Step] = set()
    for step in list(steps_from(world, scope, kept[0])):
        if replace(step, at_write=0) in too_late or not scope.takes(trace, step):
            continue
        world.bring_back(kept)
        world.do(step)
        if world.did_happen:
            yield step
        elif step.is_stopped:
            # It has fewer writes. A fault at a later one does not happen either.
            too_late.add(replace(step, at_write=0))


def steps_from(world: World, scope: Scope, kept: rows.Rows) -> Iterator[Step]:
    """Return all possible next steps."""
    for step in plain_steps(world, scope, kept):
        yield step
        modes = _modes_of(world, step, kept)
        for mode in modes[1:]:
            yield Step(step.name, step.who, step.what, mode)
        if scope.has_trouble and step.name not in ("wait", "redeem", "repeat"):
            for trouble in (DIES, CUT):
                for write in range(1, MAX_WRITES):
                    yield Step(step.name, step.who, step.what, trouble=trouble, at_write=write)
        if scope.has_inside and modes:
            yield from _with_others_inside(world, scope, kept, step)


def _modes_of(world: World, step: Step, kept: rows.Rows) -> tuple[str, ...]:
    """Return how Telroi may end the request of a step. Empty if it sends none."""
    if step.name in ("start", "again", "place"):
        return CALL_MODES_WITH_CODE if world.maker == "site" else CALL_MODES
    if step.name != "check" or rows.attempts(kept)[step.who]["judge"] == Judge.SITE:
        return ()
    return CHECK_MODES


def _with_others_inside(world: World, scope: Scope, kept: rows.Rows, step: Step) -> Iterator[Step]:
    modes = (OK, LOST, KILLED_AFTER) if step.name == "check" else (OK, REFUSED, LOST, KILLED_AFTER)
    if step.name != "check" and world.maker == "site":
        modes = (*modes, CODE_IGNORED)
    for inside in steps_inside(world, scope, kept, step):
        for mode in modes:
            for is_before in (True, False):
                yield Step(step.name, step.who, step.what, mode, inside, is_before)


def plain_steps(world: World, scope: Scope, kept: rows.Rows) -> Iterator[Step]:
    """Return the possible next steps without faults."""
    ledger, attempts = world.ledger, rows.attempts(kept)
    if len(attempts) < ATTEMPTS:
        for number in range(scope.numbers):
            yield Step("start", number, str(uuid5(SPACE, str(len(attempts)))))
    for row in attempts:
        yield from _steps_with(world, scope, row["uuid"], has_room=len(attempts) < ATTEMPTS)
    for n, otp in enumerate(ledger.telroi.otps):
        if ledger.reported.get(otp.id, 0) < MAX_REPORTS:
            yield Step("event", n)
    if attempts:
        yield Step("sweep")
    if attempts and ledger.waits < MAX_WAITS:
        yield from (Step("wait", what=seconds) for seconds in WAITS)


def _steps_with(world: World, scope: Scope, attempt: str, *, has_room: bool) -> Iterator[Step]:
    ledger = world.ledger
    who = ledger.attempts.index(attempt)
    yield Step("repeat", who)
    if has_room or ledger.followed_by.get(attempt):
        yield Step("again", who)
    for code in (*CODES, *[TEST_CODE] * (attempt in ledger.test_calls)):
        yield Step("check", who, code)
    yield Step("cancel", who)
    if scope.has_workers:
        yield Step("place", who)
    if attempt in ledger.proofs:
        yield Step("redeem", who)


def steps_inside(world: World, scope: Scope, kept: rows.Rows, step: Step) -> Iterator[Step]:
    """Return the steps that may happen while Telroi handles a request of ``step``: those with its number or attempt."""
    ledger = world.ledger
    attempts = rows.attempts(kept)
    if step.name == "start":
        number, target = NUMBERS[step.who], len(attempts)
    else:
        number = ledger.number_of[ledger.attempts[step.who]]
        target = len(attempts) if step.name == "again" else step.who
    others = [n for n, uuid in enumerate(ledger.attempts) if ledger.number_of[uuid] == number]
    for who in sorted({*others, target}):
        yield Step("cancel", who)
        if len(attempts) < ATTEMPTS:
            yield Step("again", who)
        for code in CODES:
            yield Step("check", who, code)
            yield Step("check", who, code, LOST)
        if scope.has_workers:
            yield Step("place", who)
    yield Step("repeat", target)
    yield Step("event", len(ledger.telroi.otps) if step.name != "check" else max(0, len(ledger.telroi.otps) - 1))
    yield Step("sweep")
    yield Step("wait", what=WAITS[0])
