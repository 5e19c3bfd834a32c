"""The generated month of history is possible under the rules."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta
from io import StringIO
from itertools import pairwise
from random import Random
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_telroi.domain.number_limits import Rule
from django_telroi.domain.phone import parse_phone
from django_telroi.domain.states import FINAL, Status
from django_telroi.models import BlockedDestination, PhoneNumber, RefusalTally, VerificationAttempt, VerifiedPhone

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("example_site")]


def seed(calls: int = 400) -> str:
    told = StringIO()
    call_command("seed_demo", calls=calls, stdout=told)
    return told.getvalue()


def rows() -> list[tuple[Any, ...]]:
    return list(
        VerificationAttempt.objects.order_by("pk").values_list("uuid", "phone__number", "status", "tries", "region")
    )


def test_a_month_of_about_two_thousand_calls_takes_few_statements() -> None:
    with CaptureQueriesContext(connection) as queries:
        seed(calls=2000)

    assert 2186 <= VerificationAttempt.objects.count() <= 2286  # with the 186 calls of two attacks
    assert len(queries) <= 140  # Django 5.2 allows at most 999 values per statement on SQLite
    assert VerificationAttempt.objects.earliest("created_at").created_at > timezone.now() - timedelta(days=31)


def test_the_progress_is_printed() -> None:
    told = seed()

    assert "verification attempts: 250 of 6" in told
    assert "calls of 30 days" in told


def test_a_second_run_changes_nothing() -> None:
    seed()
    before = rows()

    told = seed()

    assert rows() == before
    assert "exists already" in told


def test_each_run_creates_the_same_month() -> None:
    now = timezone.now()

    first, second = (month(now) for _ in range(2))

    assert first == second


def month(now: datetime) -> list[tuple[Any, ...]]:
    from example.history import make_history
    from example.people import make_people

    rng = Random(1)
    people = make_people(rng, [], count=40)
    attempts = make_history(rng, people, regulars=5, calls=100, now=now).attempts
    return [(row.uuid, row.number, row.status, row.created_at, row.closed_at) for row in attempts]


def test_the_staff_user_can_log_in(client: Any) -> None:
    seed()

    assert client.login(username="staff", password="demo")
    assert client.get("/admin/").status_code == 200


def test_every_attempt_is_possible_in_the_state_machine() -> None:
    seed()
    closed = VerificationAttempt.objects.filter(status__in=FINAL)

    assert set(VerificationAttempt.objects.values_list("status", flat=True)) >= {
        Status.VERIFIED,
        Status.EXPIRED,
        Status.SUPERSEDED,
        Status.PLACED,
    }
    assert not closed.filter(closed_at=None).exists()
    assert not closed.exclude(due_at=None).exists()
    assert not closed.filter(closed_at__gt=timezone.now()).exists()
    assert not closed.filter(closed_at__gt=F("expires_at")).exists()
    assert not closed.filter(status=Status.VERIFIED).filter(verified_at=None).exists()
    assert not closed.filter(status=Status.VERIFIED, tries=0).exists()
    assert not VerificationAttempt.objects.exclude(status__in=FINAL).filter(due_at=None).exists()


def test_no_number_has_more_calls_than_the_limits_allow() -> None:
    seed(calls=800)

    calls: dict[str, list[datetime]] = defaultdict(list)
    rung = VerificationAttempt.objects.exclude(status=Status.FAILED)
    for number, at in rung.values_list("phone__number", "created_at"):
        calls[number].append(at)

    assert max(map(len, calls.values())) >= 20
    for moments in map(sorted, calls.values()):
        assert all(later - earlier >= timedelta(seconds=60) for earlier, later in pairwise(moments))
        assert all(later - earlier >= timedelta(hours=1) for earlier, later in zip(moments, moments[5:], strict=False))
        assert all(later - earlier >= timedelta(days=1) for earlier, later in zip(moments, moments[20:], strict=False))


def test_every_kind_of_limit_is_visible() -> None:
    seed()
    limited = PhoneNumber.objects.filter(next_call_at__gt=timezone.now())

    assert set(limited.values_list("limited_by", flat=True)) == set(Rule)
    assert PhoneNumber.objects.exclude(blocked_at=None).count() == 3
    assert PhoneNumber.objects.filter(held_until__gt=timezone.now()).exclude(held_reason="").count() == 2


def test_the_numbers_belong_to_several_regions() -> None:
    seed()
    numbers = PhoneNumber.objects.values_list("number", "last4", "region")

    assert len({region for _, _, region in numbers}) >= 6
    assert all(number.endswith(last4) for number, last4, _ in numbers)
    assert all(parse_phone(number).number == number for number, _, _ in numbers)


def test_users_with_names_have_verified_phones() -> None:
    seed()

    assert VerifiedPhone.objects.count() > 20
    assert not VerifiedPhone.objects.exclude(attempt__status=Status.VERIFIED).exists()
    assert not VerifiedPhone.objects.filter(user__first_name="").exists()


def test_wrong_codes_have_events() -> None:
    seed(calls=800)
    locked = VerificationAttempt.objects.filter(status=Status.LOCKED)

    assert locked
    assert {(attempt.tries, attempt.events.count()) for attempt in locked} == {(3, 2)}


def test_staff_find_an_attack_that_they_ended_and_one_that_goes_on(client: Any) -> None:
    seed()
    client.login(username="staff", password="demo")

    page = client.get("/admin/").content.decode()

    assert "+4411649: 46 calls in the last hour, 0 of them verified" in page
    ended = BlockedDestination.objects.get()
    assert (ended.destination, ended.blocked_by, ended.is_active(timezone.now())) == ("+3353649", "staff", False)
    assert VerificationAttempt.objects.filter(prefix=ended.destination, verified_at=None).count() == 140
    assert RefusalTally.objects.get(code="destination_paused").count == 61
    assert (
        VerificationAttempt.objects.filter(prefix=ended.destination).latest("created_at").created_at <= ended.blocked_at
    )


@pytest.mark.parametrize("calls", ["119", "0", "-5"])
def test_too_few_calls_are_rejected(calls: str) -> None:
    with pytest.raises(CommandError, match="is not a whole number from 120"):
        call_command("seed_demo", f"--calls={calls}")


def test_the_fewest_calls_make_a_history() -> None:
    assert "calls of 30 days added" in seed(calls=120)
