"""``kill -9`` of workers of Django's tasks: never two calls, and no request is lost."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from django_telroi.domain.states import Status
from django_telroi.models import PhoneNumber, VerificationAttempt
from tests.chaos.play import play, problems, table
from tests.chaos.points import TASKS
from tests.chaos.stage import HANGS, TASK_WORKER, Stage, stage, until
from tests.services.world import let_time_pass

pytestmark = pytest.mark.django_db(transaction=True)

KILLS_EACH = 4
"""28 kills. The long version is ``make chaos``, with default settings."""
NUMBER = "+2348039000001"
FIVE = [f"+23480390000{n:02d}" for n in range(10, 15)]


@pytest.fixture
def standing(tmp_path: Path) -> Iterator[Stage]:
    """A site with default settings, except that its calls may wait long enough for a slow machine."""
    with stage(tmp_path, broker=TASKS, QUEUE_DEADLINE_SECONDS=HANGS) as raised:
        yield raised


def statuses() -> set[str]:
    return set(VerificationAttempt.objects.values_list("status", flat=True))


def test_after_any_kill_no_phone_rings_twice_and_no_request_is_lost(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    outcomes = play(tmp_path, [TASKS], kills_each=KILLS_EACH, TOTAL_TIMEOUT_SECONDS=3, QUEUE_DEADLINE_SECONDS=HANGS)

    with capsys.disabled():
        print(f"\n{table(outcomes)}")  # noqa: T201 - the figures are the point of it
    assert sum(outcome.kills for outcome in outcomes.values()) >= 28
    assert list(problems(outcomes)) == []


def test_a_worker_that_is_stopped_during_a_call_finishes_it(standing: Stage) -> None:
    standing.telroi.throw("fail_next", fault="hold")
    member = standing.start("worker", TASK_WORKER.pool, TASK_WORKER.places)
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

    standing.start("worker", TASK_WORKER.pool, TASK_WORKER.places)
    standing.start("sweeper")
    until(lambda: statuses() == {Status.EXPIRED})

    assert (statuses(), standing.calls) == ({Status.EXPIRED}, {})
    assert {phone.moments for phone in PhoneNumber.objects.all()} == {()}
