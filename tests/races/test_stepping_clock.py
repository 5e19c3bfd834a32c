"""The database's clock jumps back and forth: no window of a number's calls exceeds its limit."""

from __future__ import annotations

import random
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest

from django_telroi import conf
from django_telroi.errors import SiteLimitReached, VerificationRefused
from django_telroi.models import PhoneNumber, VerificationAttempt
from django_telroi.services.calls.request import count_nothing
from django_telroi.services.calls.start import StartRequest, _start
from tests.races.racing import RACERS, Telroi, errors, race, values

pytestmark = pytest.mark.django_db(transaction=True)

NUMBER = "+2348031234567"
NOON = datetime(2025, 3, 30, 12, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture
def lenient(telroi: Telroi) -> Telroi:
    """A Telroi without limits, so that only ours apply."""
    telroi.throw("faithful")
    telroi.throw("set_policy", cooldown=0, per_hour=10_000, per_day=10_000, requests_per_minute=100_000)
    return telroi


def start_at(now: datetime, number: str = NUMBER) -> VerificationAttempt:
    """Start a call at this time of the database's clock."""
    start_request = StartRequest(
        number=number, user=None, user_id=None, purpose="", language=None, requester_ip=None, attempt_uuid=None
    )
    return _start(start_request, count_nothing, using="default", now=now)


def refusal_at(now: datetime, number: str = NUMBER) -> VerificationRefused | None:
    """Return the code of the refusal. None means that a call was placed."""
    try:
        start_at(now, number)
    except VerificationRefused as refusal:
        return refusal
    return None


def assert_no_window_is_over_a_cap(moments: Sequence[datetime]) -> None:
    """Return whether no window contains more calls than its cap."""
    policy, ordered = conf.policy(), sorted(moments)
    for cap, window in ((1, policy.cooldown), (policy.per_hour, HOUR), (policy.per_day, DAY)):
        spans = [later - earlier for earlier, later in zip(ordered, ordered[cap:], strict=False)]
        assert all(span >= window for span in spans), f"more than {cap} calls within {window}: {ordered}"


def rung_at() -> list[datetime]:
    return [attempt.dialed_at for attempt in VerificationAttempt.objects.all() if attempt.dialed_at]


def test_a_clock_that_steps_allows_no_additional_calls(lenient: Telroi, repeat: int) -> None:
    chance = random.Random(repeat)
    now, refusals = NOON, []

    for _ in range(80):
        now += timedelta(seconds=chance.choice((chance.uniform(0, 300), chance.uniform(-4000, 4000))))
        refusals.append(refusal_at(now))

    assert_no_window_is_over_a_cap(rung_at())
    assert refusals.count(None) == len(rung_at()) == len(lenient.sends)
    assert all(refusal.retry_after and refusal.retry_after >= 1 for refusal in refusals if refusal)
    assert 5 <= refusals.count(None) < 80, "the test needs calls that are placed and calls that are refused"


def test_a_person_who_waits_as_long_as_shown_is_called_although_the_clock_stepped(lenient: Telroi, repeat: int) -> None:
    chance = random.Random(repeat)
    now, refused = NOON, 0

    for _ in range(25):
        now += timedelta(seconds=chance.uniform(-3600, 60))
        if refusal := refusal_at(now):
            refused += 1
            now += timedelta(seconds=refusal.retry_after or 0)
            start_at(now)

    assert_no_window_is_over_a_cap(rung_at())
    assert len(lenient.sends) == 25
    assert refused > 0


def test_concurrent_starts_with_different_clocks_call_a_number_no_more_often(lenient: Telroi, repeat: int) -> None:
    chance = random.Random(repeat)
    start_at(NOON - 2 * HOUR)

    finishes = race([partial(start_at, NOON + timedelta(seconds=chance.uniform(-3600, 3600))) for _ in range(RACERS)])

    assert {isinstance(error, VerificationRefused) for error in errors(finishes)} == {True}
    moments = rung_at()
    assert_no_window_is_over_a_cap(moments)
    assert len(moments) == len(lenient.sends) == len(values(finishes)) + 1
    # A call counts from its answer if that took more than a second, as on a busy machine.
    counted = PhoneNumber.objects.get().moments
    assert len(counted) == len(moments)
    assert all({attempt.dialed_at, attempt.placed_at} & {*counted} for attempt in VerificationAttempt.objects.all())


def test_a_clock_that_steps_back_over_midnight_does_not_restart_the_day(lenient: Telroi, settings: Any) -> None:
    settings.TELROI["CALLS_PER_DAY_TOTAL"] = 3
    midnight = NOON + 12 * HOUR
    seconds = (-20, 10, -10, 20, -5, 30, 40)

    refusals = [
        refusal_at(midnight + timedelta(seconds=second), number=f"+234803{line:07d}")
        for line, second in enumerate(seconds)
    ]

    assert len(lenient.sends) == 1 + 3, "one on the day before, three on the day after"
    assert [refusal and type(refusal) for refusal in refusals] == [None] * 4 + [SiteLimitReached] * 3
    start_at(midnight + DAY)
    assert len(lenient.sends) == 5
