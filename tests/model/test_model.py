"""Every order of what people, workers, time and a bad line can do to two numbers, against the four promises.

1. One request is one call.
2. No request and no right code is lost in silence.
3. Only the code that Telroi judged right verifies, once.
4. No code and no full number is written down or logged.

``make long`` tries every order up to the depth of each plan, but for the deepest one. ``make test`` tries a tenth or
less of the later steps, which a seed chooses (``TELROI_SEED``).
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4

import pytest

from django_telroi.models import CallControl
from tests.model.ledger import CUT, DIES, Step
from tests.model.promises import broken_in
from tests.model.search import Scope, search
from tests.model.telroi import CODES, KILLED_AFTER, KILLED_BEFORE, LOST, REFUSED, UNDONE, UNSENT
from tests.model.world import World

SEED = int(os.environ.get("TELROI_SEED", "1"))
FIRST, SECOND = CODES


@dataclass(frozen=True)
class Plan:
    """What is tried, and how many of a thousand of the later steps by ``make long`` and by ``make test``."""

    scope: Scope
    in_long: int = 1000
    in_test: int = 100


PLANS = {
    "two steps": Plan(Scope(depth=2), in_test=1000),
    "troubles": Plan(Scope(depth=3, has_trouble=True)),
    "steps inside of others": Plan(Scope(depth=2, has_trouble=True, has_inside=True)),
    "four steps": Plan(Scope(depth=4), in_long=300, in_test=40),
    "two numbers": Plan(Scope(depth=3, numbers=2), in_test=30),
    "workers": Plan(Scope(depth=4, has_workers=True)),
    "workers, and steps inside of others": Plan(Scope(depth=3, has_workers=True, has_trouble=True, has_inside=True)),
}

IN_TWO_STEPS = {"canceled", "failed", "placed", "unknown"}
IN_EVERY_PLAN = IN_TWO_STEPS | {"superseded", "verified"}
"""The statuses that attempts must come to. A site that refuses every start breaks no promise, and proves nothing."""

START = Step("start", what=str(uuid4()))
FOUND = {
    "another code on a verified attempt": (START, Step("check", 0, FIRST), Step("check", 0, SECOND)),
    "another code while the right one is judged": (
        START,
        Step("check", 0, SECOND, inside=Step("check", 0, FIRST), is_before=True),
    ),
    "killed while the right code was judged": (START, Step("check", 0, FIRST, KILLED_AFTER)),
    "killed before the right code was written down": (START, Step("check", 0, FIRST, trouble=DIES, at_write=2)),
    "cut off before the right code was written down": (START, Step("check", 0, FIRST, trouble=CUT, at_write=2)),
    "the right code twice at once, and one answer lost": (
        START,
        Step("check", 0, FIRST, inside=Step("check", 0, FIRST, LOST), is_before=True),
    ),
    "a slip after the right code's answer was lost": (START, Step("check", 0, FIRST, LOST), Step("check", 0, SECOND)),
    "three slips of which one answer was lost": (
        START,
        Step("check", 0, FIRST, LOST),
        Step("check", 0, SECOND),
        Step("check", 0, SECOND),
    ),
    "call again was not sent": (START, Step("again", 0, mode=UNSENT)),
    "call again was refused": (START, Step("again", 0, mode=REFUSED)),
    "call again twice": (START, Step("again", 0), Step("again", 0)),
    "two calls again that were killed": (
        replace(START, mode=UNDONE),
        Step("again", 0, trouble=DIES, at_write=5),
        Step("again", 1, mode=KILLED_AFTER),
    ),
    "a late repeat of a call again that rang": (
        replace(START, mode=KILLED_BEFORE),
        Step("again", 0, mode=KILLED_AFTER),
        Step("again", 1, mode=UNSENT),
        Step("again", 0),
    ),
    "a third call while the second one is placed, which is refused then": (
        START,
        Step("again", 0, mode=REFUSED, inside=Step("again", 1), is_before=True),
    ),
    "a third call while the second one is placed": (START, Step("again", 0, mode=LOST, inside=Step("again", 1))),
    "killed before the first of three calls was closed": (
        START,
        Step("again", 0, mode=KILLED_BEFORE),
        Step("again", 1, trouble=DIES, at_write=5),
    ),
    "call again was killed": (START, Step("again", 0, mode=KILLED_AFTER)),
    "the right code while another call is placed": (
        START,
        Step("again", 0, inside=Step("check", 0, FIRST), is_before=True),
    ),
    "call again after a lost answer was not sent": (
        START,
        Step("check", 0, FIRST, LOST),
        Step("again", 0, mode=UNSENT),
    ),
    "call again beside a lost call": (
        replace(START, mode=UNDONE),
        Step("check", 0, FIRST, inside=Step("again", 0), is_before=True),
    ),
}
"""Ways that broke a promise before they were mended, or are one step from one that did."""


@pytest.mark.parametrize("way", FOUND)
def test_what_once_broke_a_promise_keeps_them_all(world: World, way: str) -> None:
    broken = []
    for step in FOUND[way]:
        world.do(step)
        broken += [*world.broken, *broken_in(world)]

    assert world.did_happen
    assert broken == []


@pytest.mark.parametrize("name", PLANS)
def test_some_of_all_orders_keep_every_promise(world: World, name: str, settings: Any) -> None:
    plan = PLANS[name]

    assert_kept(world, replace(plan.scope, part=plan.in_test, seed=SEED), settings, reaching=IN_TWO_STEPS)


@pytest.mark.long
@pytest.mark.parametrize("name", PLANS)
def test_every_order_keeps_every_promise(world: World, name: str, settings: Any) -> None:
    plan = PLANS[name]

    assert_kept(world, replace(plan.scope, part=plan.in_long, seed=SEED), settings, reaching=IN_EVERY_PLAN)


def test_a_site_that_refuses_every_start_is_no_evidence(world: World, settings: Any) -> None:
    CallControl.objects.create(pk=CallControl.ONLY, stopped_at=world.clock.now)

    with pytest.raises(AssertionError, match="were never reached"):
        assert_kept(world, Scope(depth=2), settings, reaching=IN_TWO_STEPS)


def assert_kept(world: World, scope: Scope, settings: Any, *, reaching: set[str]) -> None:
    if scope.has_workers:
        settings.TELROI = {**settings.TELROI, "DISPATCH": "celery"}

    found = search(world, scope)

    print(f"{scope}\n{found}")  # noqa: T201 - the figures, and the seed of a part
    assert found.broken == {}, str(found)
    assert reaching <= found.statuses, f"{reaching - found.statuses} were never reached: {found}"
