"""Every order of steps of people, workers, time and connection faults with two numbers, checked for four promises.

Each plan runs with codes of the site and with codes of Telroi (``CODES``).

1. One request is one call.
2. No request and no right code is lost silently.
3. Only the right code verifies, once. The site judges its own codes, without a request. Telroi judges the others.
4. No code and no full number is stored or logged.

``make long`` tries every order up to the depth of each plan, except the deepest plan. ``make test`` tries at most a
tenth of the later steps, chosen by a seed (``TELROI_SEED``).
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
from tests.model.telroi import (
    CODE_IGNORED,
    CODE_IGNORED_LOST,
    CODE_REFUSED,
    CODES,
    KILLED_AFTER,
    KILLED_BEFORE,
    LOST,
    REFUSED,
    TEST_CODE,
    TEST_KEY,
    UNDONE,
    UNSENT,
)
from tests.model.world import World
from tests.tenths import TENTHS

SEED = int(os.environ.get("TELROI_SEED", "1"))
FIRST, SECOND = CODES
MAKERS = [pytest.param(maker, marks=pytest.mark.codes(maker)) for maker in ("site", "telroi")]


@dataclass(frozen=True)
class Plan:
    """A plan, and how many of a thousand later steps ``make long`` and ``make test`` try.

    With codes of the site a call can end in more ways, so ``make test`` tries a smaller part of them. In ``make long``
    a plan is ten tests, each with a tenth of the last steps. So ``make tenth`` runs a tenth of each plan, and takes
    about the same time with every seed. A plan that is not ``divided`` is short.
    """

    scope: Scope
    in_long: int = 1000
    in_test: int = 20
    in_test_with_site: int = 10
    divided: bool = True


PLANS = {
    "two steps": Plan(Scope(depth=2), in_test=1000, in_test_with_site=1000, divided=False),
    "troubles": Plan(Scope(depth=3, has_trouble=True)),
    "steps inside of others": Plan(Scope(depth=2, has_trouble=True, has_inside=True), in_test=60, in_test_with_site=20),
    "four steps": Plan(Scope(depth=4), in_long=300, in_test=15, in_test_with_site=5),
    "two numbers": Plan(Scope(depth=3, numbers=2), in_test=8, in_test_with_site=2),
    "workers": Plan(Scope(depth=4, has_workers=True), in_test=60, in_test_with_site=80),
    "workers, and steps inside of others": Plan(Scope(depth=3, has_workers=True, has_trouble=True, has_inside=True)),
}

IN_TWO_STEPS = {"canceled", "failed", "placed", "unknown"}
IN_EVERY_PLAN = IN_TWO_STEPS | {"superseded", "verified"}
"""The statuses that attempts must reach. A site that refuses every start breaks no promise and proves nothing."""

START = Step("start", what=str(uuid4()))
LOST_START = replace(START, mode=LOST)
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
    "two calls again after one that was not sent, beside a lost call": (
        LOST_START,
        Step("again", 0, mode=UNSENT),
        Step("again", 1, mode=UNSENT),
        Step("again", 1, mode=UNDONE),
    ),
    "call again beside a lost call": (
        replace(START, mode=UNDONE),
        Step("check", 0, FIRST, inside=Step("again", 0), is_before=True),
    ),
}
"""Sequences that broke a promise before a fix, or differ from one by a step."""

WITH_CODES_OF_THE_SITE = {
    "the right code after the wrong one": (START, Step("check", 0, SECOND), Step("check", 0, FIRST)),
    "the right code, then the wrong one and the right one": (
        START,
        Step("check", 0, FIRST),
        Step("check", 0, SECOND),
        Step("check", 0, FIRST),
    ),
    "four wrong codes": (START, *[Step("check", 0, SECOND)] * 4),
    "killed before the right code was written down": (START, Step("check", 0, FIRST, trouble=DIES, at_write=1)),
    "cut off before a wrong code was written down": (START, Step("check", 0, SECOND, trouble=CUT, at_write=1)),
    "the right code of a call whose answer was lost": (LOST_START, Step("check", 0, FIRST)),
    "a wrong code of a call whose answer was lost, and Telroi is down": (
        LOST_START,
        Step("check", 0, SECOND, UNSENT),
        Step("check", 0, FIRST),
    ),
    "an event says that the code of the lost call is the site's": (
        LOST_START,
        Step("check", 0, SECOND),
        Step("event", 0),
        Step("check", 0, FIRST),
    ),
    "the event comes while a wrong code is with Telroi": (
        LOST_START,
        Step("check", 0, SECOND, inside=Step("event", 0)),
        Step("check", 0, FIRST),
    ),
    "the event comes while the phone is called, and the answer is lost": (
        replace(LOST_START, inside=Step("event", 0)),
        Step("check", 0, FIRST),
    ),
    "the answer comes after the lease": (
        replace(START, inside=Step("wait", what=61)),
        Step("check", 0, FIRST),
    ),
    "killed while the last try was the right code of a lost call": (
        LOST_START,
        Step("check", 0, SECOND),
        Step("check", 0, SECOND),
        Step("check", 0, FIRST, trouble=DIES, at_write=2),
        Step("wait", what=61),
    ),
    "killed with the right code, before an event says that it is the site's": (
        LOST_START,
        Step("check", 0, SECOND),
        Step("check", 0, SECOND),
        Step("check", 0, FIRST, trouble=DIES, at_write=2),
        Step("event", 0),
    ),
    "a server that ignores the code": (
        replace(START, mode=CODE_IGNORED),
        Step("check", 0, FIRST),
        Step("check", 0, SECOND),
    ),
    "a server that ignores the code, and its answer is lost": (
        replace(START, mode=CODE_IGNORED_LOST),
        Step("event", 0),
        Step("check", 0, SECOND),
    ),
    "a server that refuses the code, and another call": (
        replace(START, mode=CODE_REFUSED),
        Step("again", 0),
        Step("check", 1, SECOND),
    ),
    "a test key": (replace(START, mode=TEST_KEY), Step("check", 0, TEST_CODE), Step("check", 0, FIRST)),
    "the right code of the first call while the second one is refused": (
        START,
        Step("again", 0, mode=REFUSED),
        Step("check", 0, FIRST),
    ),
}
"""Sequences in which it matters who checks the code."""


@pytest.mark.codes("telroi")
@pytest.mark.parametrize("way", FOUND)
def test_a_sequence_that_once_broke_a_promise_keeps_them_all(world: World, way: str) -> None:
    broken = []
    for step in FOUND[way]:
        world.do(step)
        broken += [*world.broken, *broken_in(world)]

    assert world.did_happen
    assert broken == []


@pytest.mark.codes("site")
@pytest.mark.parametrize("way", WITH_CODES_OF_THE_SITE)
def test_a_sequence_with_codes_of_the_site_keeps_all_promises(world: World, way: str) -> None:
    broken = []
    for step in WITH_CODES_OF_THE_SITE[way]:
        world.do(step)
        assert world.did_happen, step
        broken += [*world.broken, *broken_in(world)]

    assert broken == []


@pytest.mark.parametrize("maker", MAKERS)
@pytest.mark.parametrize("name", PLANS)
def test_some_of_all_orders_keep_every_promise(world: World, name: str, maker: str, settings: Any) -> None:
    plan = PLANS[name]

    part = plan.in_test_with_site if maker == "site" else plan.in_test
    assert_kept(world, replace(plan.scope, part=part, seed=SEED), settings, reaching=IN_TWO_STEPS)


PARTS = [(name, tenth) for name, plan in PLANS.items() for tenth in (range(TENTHS) if plan.divided else [None])]


@pytest.mark.long
@pytest.mark.parametrize(("name", "tenth"), PARTS)
@pytest.mark.parametrize("maker", MAKERS)
def test_every_order_keeps_every_promise(world: World, name: str, tenth: int | None, maker: str, settings: Any) -> None:
    plan = PLANS[name]

    scope = replace(plan.scope, part=plan.in_long, seed=SEED, tenth=tenth)
    assert_kept(world, scope, settings, reaching=IN_EVERY_PLAN)


def test_the_tenths_of_a_plan_are_the_whole() -> None:
    scope = replace(PLANS["troubles"].scope, part=300, seed=SEED)
    before = (Step("start", what="a"), Step("check", 0, FIRST))
    last = [(before, Step("wait", what=seconds)) for seconds in range(1000)]

    taken = [[way for way in last if replace(scope, tenth=tenth).takes(*way)] for tenth in range(TENTHS)]

    whole = [way for way in last if scope.takes(*way)]
    assert sorted((way for part in taken for way in part), key=last.index) == whole
    assert all(0 < len(part) < len(whole) / 5 for part in taken)


def test_a_site_that_refuses_every_start_fails_the_test(world: World, settings: Any) -> None:
    CallControl.objects.create(pk=CallControl.SWITCH, stopped_at=world.clock.now)

    with pytest.raises(AssertionError, match="were never reached"):
        assert_kept(world, Scope(depth=2), settings, reaching=IN_TWO_STEPS)


def assert_kept(world: World, scope: Scope, settings: Any, *, reaching: set[str]) -> None:
    if scope.has_workers:
        settings.TELROI = {**settings.TELROI, "DISPATCH": "celery"}

    found = search(world, scope)

    print(f"{scope}\n{found}")  # noqa: T201 - the figures, and the seed of a part
    assert found.broken == {}, str(found)
    assert reaching <= found.statuses, f"{reaching - found.statuses} were never reached: {found}"
