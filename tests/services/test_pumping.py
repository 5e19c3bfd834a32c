"""The alert for a range of numbers that is called often and hardly ever verified."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta

import pytest
from django.db import connection
from django.db.models import DateTimeField, Value

from django_telroi.domain.phone import prefix_of
from django_telroi.models import AttemptEvent, PhoneNumber, VerificationAttempt
from django_telroi.services import sweep
from django_telroi.services.statistics import rankings
from django_telroi.services.statistics.figures import current_counts
from django_telroi.services.statistics.rankings import PumpedDestination, alert_pumping, pumped_destinations
from tests.services.world import Heard, statements

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)


def calls(prefix: str, count: int, *, verified: int = 0, status: str = "expired", minutes_ago: float = 30) -> None:
    moment = NOW - timedelta(minutes=minutes_ago)
    is_call = status != "queued"
    for n in range(count):
        number = f"+{prefix}{n:06}"
        phone, _ = PhoneNumber.objects.get_or_create(number=number, defaults={"last4": number[-4:], "region": "NG"})
        VerificationAttempt.objects.create(
            phone=phone,
            region="NG",
            prefix=prefix_of(number),
            status="verified" if n < verified else status,
            dispatch="inline",
            max_tries=3,
            created_at=moment,
            dialed_at=moment if is_call else None,
            expires_at=moment,
        )


def pumped() -> list[PumpedDestination]:
    return list(pumped_destinations(now=NOW, using="default"))


def test_an_alert_needs_thirty_calls_of_which_less_than_a_fifth_were_verified() -> None:
    calls("2348031", 30, verified=5)
    calls("2348032", 30, verified=6)
    calls("2348033", 29)
    calls("4474001", 40, verified=1)

    assert pumped() == [PumpedDestination("+4474001", 40, 1), PumpedDestination("+2348031", 30, 5)]


def test_calls_with_a_test_key_are_not_counted() -> None:
    calls("2348031", 30)
    VerificationAttempt.objects.filter(phone__number="+2348031000000").update(livemode=False)
    calls("2348032", 31, verified=6)
    VerificationAttempt.objects.filter(phone__number="+2348032000000").update(livemode=False)

    assert pumped() == [PumpedDestination("+2348032", 30, 5)]


def test_a_prefix_has_seven_digits() -> None:
    calls("23480311", 15)
    calls("23480312", 15)
    calls("23480321", 15)
    calls("23480221", 15)

    assert pumped() == [PumpedDestination("+2348031", 30, 0)]


@pytest.mark.parametrize(("minutes_ago", "found"), [(0, 1), (59, 1), (60, 0), (61, 0), (-1, 0)])
def test_only_the_last_hour_counts(minutes_ago: float, found: int) -> None:
    calls("2348031", 30, minutes_ago=minutes_ago)

    assert len(pumped()) == found


@pytest.mark.parametrize("status", ["failed", "queued"])
def test_calls_that_did_not_ring_are_not_counted(status: str) -> None:
    calls("2348031", 30, status=status)

    assert pumped() == []


def test_the_alert_is_raised_once_an_hour_and_the_log_names_the_prefix(
    heard: Heard, caplog: pytest.LogCaptureFixture
) -> None:
    calls("2348031", 31, verified=2)

    with caplog.at_level(logging.INFO, "django_telroi"):
        for minute in (0, 1, 14):
            alert_pumping(now=NOW + timedelta(minutes=minute), using="default")

    assert [told["kind"] for _, told in heard.told] == ["pumping"]
    assert [event.detail for event in AttemptEvent.objects.all()] == ["pumping"]
    assert caplog.messages == ["alert kind=pumping", "pumping destination=2348031 calls=31 verified=2"]


def test_a_sweep_raises_the_alert_and_the_current_counts_have_the_prefix(monkeypatch: pytest.MonkeyPatch) -> None:
    calls("2348031", 31, verified=2)
    monkeypatch.setattr(rankings, "DbNow", lambda: Value(NOW, output_field=DateTimeField()))

    sweep()
    told = [event.detail for event in AttemptEvent.objects.all()]

    assert told == ["pumping"]
    assert current_counts(now=NOW).pumped == (PumpedDestination("+2348031", 31, 2),)


def test_no_alert_is_raised_without_pumping(heard: Heard) -> None:
    calls("2348031", 29)

    assert (alert_pumping(now=NOW, using="default"), heard.told, AttemptEvent.objects.count()) == ((), [], 0)


def test_the_check_is_two_queries_of_the_last_hour_by_their_index() -> None:
    with statements() as asked:
        pumped()

    assert len(asked) == 2
    for query in asked if connection.vendor == "sqlite" else []:
        with connection.cursor() as cursor:
            cursor.execute("EXPLAIN QUERY PLAN " + query)
            plan = " ".join(row[-1] for row in cursor.fetchall())
        assert "telroi_attempt_by_moment (created_at>? AND created_at<?)" in plan
