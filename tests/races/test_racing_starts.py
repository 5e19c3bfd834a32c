"""Fifty concurrent starts."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from django_telroi.domain.states import Status
from django_telroi.errors import CooldownActive, HourlyLimitReached, SiteLimitReached
from django_telroi.models import CallControl, PhoneNumber, VerificationAttempt, VerifiedPhone
from django_telroi.services import call_again, start_verification
from tests.manual_clocks import SiteClock
from tests.races.racing import RACERS, Telroi, counted_from, errors, race, values

pytestmark = pytest.mark.django_db(transaction=True)

NUMBER = "+2348031234567"
MANY_NUMBERS = [f"+234803{line:07d}" for line in range(1, RACERS + 1)]


def called_before(number: str = NUMBER) -> PhoneNumber:
    """A number with earlier calls and no active limit."""
    row = PhoneNumber(number=number, last4=number[-4:], region="NG")
    row.moments = [datetime.now(UTC) - timedelta(hours=hours) for hours in (2, 3, 30)]
    row.save()
    return row


@pytest.mark.parametrize("history", ["new", "known"])
def test_fifty_starts_at_once_call_a_number_once(telroi: Telroi, history: str, repeat: int) -> None:
    if history == "known":
        called_before()

    finishes = race([partial(start_verification, NUMBER)] * RACERS)

    assert telroi.sends == [NUMBER]
    assert [attempt.status for attempt in values(finishes)] == [Status.PLACED]
    refusals = errors(finishes)
    assert Counter(map(type, refusals)) == {CooldownActive: RACERS - 1}
    assert all(1 <= refusal.retry_after <= 60 for refusal in refusals if isinstance(refusal, CooldownActive))
    attempt = VerificationAttempt.objects.get()
    assert attempt.status == Status.PLACED
    assert PhoneNumber.objects.get().moments[0] == counted_from(attempt)


def test_fifty_new_numbers_at_once_are_each_called_once(telroi: Telroi) -> None:
    finishes = race([partial(start_verification, number) for number in MANY_NUMBERS])

    assert errors(finishes) == []
    assert sorted(telroi.sends) == MANY_NUMBERS
    assert {attempt.status for attempt in values(finishes)} == {Status.PLACED}


@pytest.mark.parametrize("counted_before", [None, 0, 7], ids=["no row", "another day", "some calls"])
def test_the_daily_limit_of_the_site_is_exact(
    telroi: Telroi, settings: Any, site_clock: SiteClock, counted_before: int | None, repeat: int
) -> None:
    settings.TELROI["CALLS_PER_DAY_TOTAL"] = 10
    if counted_before is not None:
        day = site_clock.now.date() - (timedelta(0) if counted_before else timedelta(days=1))
        CallControl.objects.create(pk=CallControl.DAY, day=day, day_calls=counted_before or 10)
    room = 10 - (counted_before or 0)

    finishes = race([partial(start_verification, number) for number in MANY_NUMBERS])

    assert len(telroi.sends) == len(set(telroi.sends)) == room
    assert {attempt.status for attempt in values(finishes)} == {Status.PLACED}
    assert Counter(map(type, errors(finishes))) == {SiteLimitReached: RACERS - room}
    assert CallControl.objects.get().day_calls == 10
    assert VerificationAttempt.objects.count() == PhoneNumber.objects.count() == room


def test_fifty_requesters_that_retry_stop_at_a_limit_of_a_hundred(telroi: Telroi, settings: Any) -> None:
    settings.TELROI["CALLS_PER_DAY_TOTAL"] = 100
    numbers = [f"+234803{line:07d}" for line in range(1, 3 * RACERS + 1)]

    def ask(racer: int) -> list[str]:
        """Call three numbers in order, and return the results of each."""
        came_in = []
        for number in numbers[racer::RACERS]:
            try:
                came_in.append(start_verification(number).status)
            except SiteLimitReached as refusal:
                came_in.append(refusal.code)
        return came_in

    finishes = race([partial(ask, racer) for racer in range(RACERS)])

    assert errors(finishes) == []
    came_in = Counter(each for finish in values(finishes) for each in finish)
    assert came_in == {Status.PLACED: 100, SiteLimitReached.code: 50}
    assert len(telroi.sends) == len(set(telroi.sends)) == CallControl.objects.get().day_calls == 100


def test_one_request_that_is_sent_fifty_times_places_one_call_with_one_answer(telroi: Telroi) -> None:
    the_same = uuid4()

    finishes = race([partial(start_verification, NUMBER, attempt_uuid=the_same)] * RACERS)

    assert errors(finishes) == []
    assert telroi.sends == [NUMBER]
    assert {attempt.uuid for attempt in values(finishes)} == {the_same}


def test_fifty_strangers_at_once_leave_the_reserved_call(telroi: Telroi, settings: Any, repeat: int) -> None:
    settings.TELROI |= {"COOLDOWN_SECONDS": 0, "STRANGER_CALLS_PER_HOUR": 2, "CALLS_PER_HOUR": 3}
    telroi.throw("set_policy", cooldown=0)
    owner = User.objects.create_user("ada")
    VerifiedPhone.objects.create(user=owner, number=NUMBER, verified_at=timezone.now())

    for _ in range(3):
        race([partial(start_verification, NUMBER)] * RACERS)

    assert telroi.sends == [NUMBER] * 2
    assert start_verification(NUMBER, user=owner).status == Status.PLACED
    with pytest.raises(HourlyLimitReached):
        start_verification(NUMBER, user=owner)


def test_one_call_again_that_is_sent_fifty_times_places_one_more_call(telroi: Telroi, settings: Any) -> None:
    settings.TELROI["COOLDOWN_SECONDS"] = 0
    telroi.throw("set_policy", cooldown=0)
    first = start_verification(NUMBER)

    finishes = race([partial(call_again, first.uuid)] * RACERS)

    assert errors(finishes) == []
    assert telroi.sends == [NUMBER, NUMBER]
    [second] = {attempt.uuid for attempt in values(finishes)}
    assert {attempt.uuid: attempt.status for attempt in VerificationAttempt.objects.all()} == {
        first.uuid: Status.SUPERSEDED,
        second: Status.PLACED,
    }
