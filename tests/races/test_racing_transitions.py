"""All actions on one attempt, many of them concurrently."""

from __future__ import annotations

import random
from functools import partial
from typing import Any

import pytest
from django.db import connection, transaction

from django_telroi.domain.states import FINAL, Status
from django_telroi.errors import VerificationRefused
from django_telroi.models import PhoneNumber, VerificationAttempt
from django_telroi.services import (
    call_again,
    cancel_verification,
    check_code,
    follow,
    place_call,
    start_verification,
)
from tests.races.racing import RACERS, Telroi, counted_from, errors, race

pytestmark = pytest.mark.django_db(transaction=True)

NUMBER = "+2348031234567"


@pytest.fixture
def queued(telroi: Telroi) -> VerificationAttempt:
    """A queued call whose process was killed after the commit and before placing it."""
    with transaction.atomic():
        attempt = start_verification(NUMBER)
        connection.run_on_commit.clear()
    return attempt


def test_fifty_workers_place_a_queued_call_once(telroi: Telroi, queued: VerificationAttempt) -> None:
    finishes = race([partial(place_call, queued.pk)] * RACERS)

    assert errors(finishes) == []
    assert telroi.sends == [NUMBER]
    queued.refresh_from_db()
    assert (queued.status, PhoneNumber.objects.get().moments) == (Status.PLACED, (counted_from(queued),))


def test_a_call_that_is_canceled_while_workers_place_it_counts_once_or_not_at_all(
    telroi: Telroi, queued: VerificationAttempt
) -> None:
    acts = [partial(place_call, queued.pk), partial(cancel_verification, queued.uuid)] * (RACERS // 2)

    finishes = race(acts)

    assert errors(finishes) == []
    queued.refresh_from_db()
    assert queued.status == Status.CANCELED
    assert len(telroi.sends) == len(PhoneNumber.objects.get().moments) <= 1


def test_all_actions_on_a_call_at_once_have_consistent_results(
    telroi: Telroi, settings: Any, verified: list[VerificationAttempt], repeat: int
) -> None:
    settings.TELROI["COOLDOWN_SECONDS"] = 0
    telroi.throw("set_policy", cooldown=0, requests_per_minute=10_000)
    first = start_verification(NUMBER)
    right = telroi.code_of(NUMBER)
    wrong = f"{(int(right) + 1) % 1_000_000:06d}"
    acts = [
        partial(check_code, first.uuid, right),
        partial(check_code, first.uuid, wrong),
        partial(call_again, first.uuid),
        partial(cancel_verification, first.uuid),
        partial(follow, first.uuid),
    ] * (RACERS // 5)

    finishes = race(random.Random(repeat).sample(acts, len(acts)))

    assert [error for error in errors(finishes) if not isinstance(error, VerificationRefused)] == []
    first.refresh_from_db()
    attempts = list(VerificationAttempt.objects.all())
    assert len(telroi.sends) == len(PhoneNumber.objects.get().moments) == len(attempts) <= 2
    assert telroi.checks <= 3
    assert first.status in FINAL
    assert [attempt.pk for attempt in verified] == [each.pk for each in attempts if each.status == Status.VERIFIED]
    assert all((each.closed_at is None) == (each.status not in FINAL) for each in attempts)
    # A verified attempt is due too: the digest of its right code is deleted then.
    without_due = FINAL - {Status.VERIFIED}
    assert all((each.due_at is None) == (each.status in without_due) for each in attempts)
