"""Other effects of a queue: stopped or late workers, calls that are too close, and a broker outage."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import timedelta

import pytest

from django_telroi.domain.states import Status
from django_telroi.models import PhoneNumber, VerificationAttempt
from tests.chaos.stage import HANGS, PREFORK, THREADS, Stage, Worker, until
from tests.services.world import let_time_pass

pytestmark = [pytest.mark.services, pytest.mark.django_db(transaction=True)]

NUMBER = "+2348039000001"
FIVE = [f"+23480390000{n:02d}" for n in range(10, 15)]


def statuses() -> set[str]:
    return set(VerificationAttempt.objects.values_list("status", flat=True))


def have(*wanted: Status) -> Callable[[], bool]:
    return lambda: statuses() == set(wanted)


@pytest.mark.parametrize("worker", [PREFORK, THREADS], ids=lambda worker: str(worker.pool))
def test_a_worker_that_is_stopped_during_a_call_finishes_it(standing: Stage, worker: Worker) -> None:
    standing.telroi.throw("fail_next", fault="hold")
    member = standing.start("worker", worker.pool, worker.places)
    standing.ask(NUMBER)
    until(lambda: NUMBER in standing.calls)

    member.terminate()
    until(standing.a_worker_is_stopping)
    during = statuses()
    standing.telroi.throw("release")
    member.wait(HANGS)

    assert during == {Status.DIALING}
    assert (statuses(), standing.calls) == ({Status.PLACED}, {NUMBER: 1})
    assert member.returncode == 0


def test_a_worker_that_returns_after_an_hour_places_no_late_call(standing: Stage) -> None:
    for number in FIVE:
        standing.ask(number)
    let_time_pass(3600)

    standing.start("worker", THREADS.pool, 4)
    standing.start("sweeper")
    until(have(Status.EXPIRED))

    assert (statuses(), standing.calls) == ({Status.EXPIRED}, {})
    assert {phone.moments for phone in PhoneNumber.objects.all()} == {()}


def test_a_queue_delay_never_brings_two_calls_closer_than_the_cooldown(
    on_stage: Callable[..., AbstractContextManager[Stage]],
) -> None:
    cooldown = timedelta(seconds=4)
    with on_stage(COOLDOWN_SECONDS=4, QUEUE_DEADLINE_SECONDS=HANGS) as standing:
        standing.telroi.throw("set_policy", cooldown=0)
        standing.ask(NUMBER)
        let_time_pass(5)  # in the queue
        standing.ask(NUMBER)

        standing.start("worker", THREADS.pool, 4)
        standing.start("sweeper")
        until(have(Status.PLACED))

        rings = dict(standing.calls)
    # By the clock of the rule. The time that each request needs to reach Telroi depends on the machine.
    first, second = sorted(PhoneNumber.objects.get().moments)
    assert (statuses(), rings) == ({Status.PLACED}, {NUMBER: 2})
    assert second - first >= cooldown


@pytest.mark.parametrize("trouble", ["cut", "mute"])
def test_a_broker_outage_delays_no_request_and_loses_none(standing: Stage, trouble: str) -> None:
    standing.start("worker", THREADS.pool, 4)
    standing.start("sweeper")
    standing.ask(FIVE[0])
    until(have(Status.PLACED))
    wire = standing.wire
    assert wire

    wire.cut() if trouble == "cut" else wire.mute()
    for number in FIVE[1:]:
        standing.ask(
            number
        )  # the connection is restored after the answers, so a request that waits for the broker would hang here
    assert statuses() == {Status.PLACED, Status.QUEUED}
    wire.mend()
    until(have(Status.PLACED))

    assert (statuses(), standing.calls) == ({Status.PLACED}, dict.fromkeys(FIVE, 1))
