"""Every order of steps up to a depth: breadth first, each state once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid5

from tests.model import rows
from tests.model.ledger import CUT, DIES, NUMBERS, Step
from tests.model.promises import broken_in
from tests.model.telroi import (
    CALL_MODES,
    CHECK_MODES,
    CODES,
    KILLED_AFTER,
    LOST,
    OK,
    REFUSED,
)
from tests.model.world import World

SPACE = UUID("00000000-0000-4000-8000-00000000c0de")
ATTEMPTS = 3
WAITS = (61, 301, 601)
MOST_WAITS = 2
ALWAYS_ALL = 2
"""So many steps are never left out, but for the last one."""
MOST_REPORTS = 2
MOST_WRITES = 8
"""No step writes more statements than these before it asks Telroi and after it."""

Trace = tuple[Step, ...]


@dataclass
class Found:
    """What a search has seen, and the shortest way to each broken promise."""

    states: int = 0
    transitions: int = 0
    statuses: set[str] = field(default_factory=set)
    """Of attempts. Where nothing can be called or checked, no promise is broken either, and few of these are seen."""
    broken: dict[str, Trace] = field(default_factory=dict)

    def __str__(self) -> str:
        statuses = ", ".join(sorted(self.statuses))
        lines = [f"{self.states:,} states, {self.transitions:,} transitions; attempts are {statuses}"]
        for promise, trace in sorted(self.broken.items()):
            lines += [promise, *(f"    {step}" for step in trace)]
        return "\n".join(lines)


@dataclass(frozen=True)
class Scope:
    """What is tried: how deep, how many steps inside of others, and which part of all of it.

    ``part`` of a thousand of the steps are taken, chosen by ``seed``: of the last ones, and of all from the third on.
    """

    depth: int
    numbers: int = 1
    has_workers: bool = False
    has_trouble: bool = False
    has_inside: bool = False
    part: int = 1000
    seed: int = 0

    def takes(self, trace: Trace, step: Step) -> bool:
        if self.part >= 1000 or len(trace) < min(self.depth - 1, ALWAYS_ALL):
            return True
        text = f"{self.seed} {' / '.join(map(str, trace))} / {step}"
        return int.from_bytes(hashlib.sha256(text.encode()).digest()[:4]) % 1000 < self.part


def search(world: World, scope: Scope) -> Found:
    """Try everything from the empty state on, but nothing longer than the shortest way to a broken promise."""
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
        world.bring_back(kept)
        for step in list(steps_from(world, scope, kept[0])):
            if not scope.takes(trace, step):
                continue
            world.bring_back(kept)
            world.do(step)
            if not world.did_happen:
                continue
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


def steps_from(world: World, scope: Scope, kept: rows.Rows) -> Iterator[Step]:
    """All that can happen next."""
    for step in plain_steps(world, scope, kept):
        yield step
        modes = CALL_MODES if step.name in ("start", "again", "place") else CHECK_MODES if step.name == "check" else ()
        for mode in modes[1:]:
            yield Step(step.name, step.who, step.what, mode)
        if scope.has_trouble and step.name not in ("wait", "redeem", "repeat"):
            for trouble in (DIES, CUT):
                for write in range(1, MOST_WRITES):
                    yield Step(step.name, step.who, step.what, trouble=trouble, at_write=write)
        if scope.has_inside and modes:
            yield from _with_others_inside(world, scope, kept, step)


def _with_others_inside(world: World, scope: Scope, kept: rows.Rows, step: Step) -> Iterator[Step]:
    modes = (OK, LOST, KILLED_AFTER) if step.name == "check" else (OK, REFUSED, LOST, KILLED_AFTER)
    for inside in steps_inside(world, scope, kept, step):
        for mode in modes:
            for is_before in (True, False):
                yield Step(step.name, step.who, step.what, mode, inside, is_before)


def plain_steps(world: World, scope: Scope, kept: rows.Rows) -> Iterator[Step]:
    """What can happen next, without anything that goes wrong."""
    ledger, attempts = world.ledger, rows.attempts(kept)
    if len(attempts) < ATTEMPTS:
        for number in range(scope.numbers):
            yield Step("start", number, str(uuid5(SPACE, str(len(attempts)))))
    for row in attempts:
        yield from _steps_with(world, scope, row["uuid"], has_room=len(attempts) < ATTEMPTS)
    for n, otp in enumerate(ledger.telroi.otps):
        if ledger.reported.get(otp.id, 0) < MOST_REPORTS:
            yield Step("event", n)
    if attempts:
        yield Step("sweep")
    if attempts and ledger.waits < MOST_WAITS:
        yield from (Step("wait", what=seconds) for seconds in WAITS)


def _steps_with(world: World, scope: Scope, attempt: str, *, has_room: bool) -> Iterator[Step]:
    ledger = world.ledger
    who = ledger.attempts.index(attempt)
    yield Step("repeat", who)
    if has_room or ledger.followed_by.get(attempt):
        yield Step("again", who)
    for code in CODES:
        yield Step("check", who, code)
    yield Step("cancel", who)
    if scope.has_workers:
        yield Step("place", who)
    if attempt in ledger.proofs:
        yield Step("redeem", who)


def steps_inside(world: World, scope: Scope, kept: rows.Rows, step: Step) -> Iterator[Step]:
    """What may happen while Telroi holds a request of ``step``: all about its number, its attempt above all."""
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
