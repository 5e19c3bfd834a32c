"""Which attempt an event without a known id is about: its own or none, and never another one.

Moments are seconds after the first call. Telroi stamps an event when it has placed the call, at most 20 s after the
request came, and its clock and the database's differ by up to 30 s.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import product
from typing import TypeVar

import pytest
from django.db import transaction
from django.utils import timezone

from django_telroi.models import AttemptEvent, PhoneNumber, VerificationAttempt
from django_telroi.services import EventEffect, record_event
from django_telroi.services.attempts.find import settle_attempt
from tests.services.conftest import Configure
from tests.services.world import NUMBER, statements
from tests.webhooks.telroi import CALL_ID, event_of

pytestmark = [pytest.mark.django_db, pytest.mark.codes("telroi")]

COMPLETED, FAILED, CHECKED = "otp.completed", "otp.failed", "otp.verified"
OVER = ("expired", "superseded", "canceled", "locked", "verified")
SKEWS = (-30, 0, 30)
PLACED_AFTER = (0, 10, 20)
LATEST = 10 + 30 + 20
"""Seconds from the claim to the call: a second request begins as late as it may, and both take their limits."""

T = TypeVar("T")


@pytest.fixture
def start() -> datetime:
    return datetime.now(UTC).replace(microsecond=0) - timedelta(minutes=30)


class Calls:
    """Rows of attempts of one number."""

    def __init__(self, start: datetime) -> None:
        self.start = start
        self.phone = PhoneNumber.objects.create(number=NUMBER, last4=NUMBER[-4:], region="NG")

    def at(self, seconds: float, status: str, *, ttl: int = 300, telroi_id: str | None = None) -> VerificationAttempt:
        moment = self.start + timedelta(seconds=seconds)
        return VerificationAttempt.objects.create(
            phone=self.phone,
            status=status,
            dispatch="inline",
            max_tries=3,
            created_at=moment,
            dialed_at=None if status == "queued" else moment,
            expires_at=moment + timedelta(seconds=ttl),
            telroi_id=telroi_id,
        )

    def told(self, name: str, seconds: float, *, after: float = 1) -> EventEffect:
        """Record an event that Telroi dates at ``seconds``. It arrives ``after`` seconds later."""
        at = self.start + timedelta(seconds=seconds)
        return record_event(event_of(name, at=at), now=at + timedelta(seconds=after))

    def moved(self) -> dict[int, str]:
        """Return the attempts that have the event's id after all leases ended."""
        for dialing in VerificationAttempt.objects.filter(status="dialing"):
            VerificationAttempt.objects.filter(pk=dialing.pk).update(due_at=self.start)
            settle_attempt(dialing.pk, now=dialing.created_at + timedelta(seconds=46))
        return dict(VerificationAttempt.objects.filter(telroi_id=CALL_ID).values_list("pk", "status"))


@pytest.fixture
def calls(start: datetime) -> Calls:
    return Calls(start)


def undone(cases: Iterable[T]) -> Iterator[T]:
    """Yield each case, and undo what was done with it. It is faster than deleting the rows."""
    for case in cases:
        with transaction.atomic():
            yield case
            transaction.set_rollback(True)


@pytest.mark.parametrize("name", [COMPLETED, FAILED])
@pytest.mark.parametrize("second_status", ["dialing", "unknown"])
@pytest.mark.parametrize("first_status", ["unknown", *OVER])
def test_an_event_of_the_first_call_never_changes_the_second(
    calls: Calls, first_status: str, second_status: str, name: str
) -> None:
    for gap, placed_after, skew in undone(product((60, 75, 90, 120, 250), PLACED_AFTER, SKEWS)):
        first, second = calls.at(0, first_status), calls.at(gap, second_status)

        calls.told(name, placed_after + skew, after=gap + 1)

        moved = calls.moved()
        assert second.pk not in moved, (gap, placed_after, skew)
        assert set(moved) <= {first.pk}


@pytest.mark.parametrize("name", [COMPLETED, FAILED])
@pytest.mark.parametrize("first_status", ["dialing", "unknown"])
def test_an_event_of_the_second_call_never_changes_the_first(calls: Calls, first_status: str, name: str) -> None:
    for gap, placed_after, skew in undone(product((60, 75, 90, 120, 250), PLACED_AFTER, SKEWS)):
        first, second = calls.at(0, first_status), calls.at(gap, "unknown")

        calls.told(name, gap + placed_after + skew)

        moved = calls.moved()
        assert first.pk not in moved, (gap, placed_after, skew)
        assert set(moved) <= {second.pk}


@pytest.mark.parametrize("status", ["dialing", "unknown"])
@pytest.mark.parametrize(("name", "becomes"), [(COMPLETED, "placed"), (FAILED, "failed")])
def test_an_event_settles_the_only_call_although_the_clocks_differ(
    calls: Calls, status: str, name: str, becomes: str
) -> None:
    for placed_after, skew in undone(product((*PLACED_AFTER, LATEST), SKEWS)):
        only = calls.at(0, status)

        calls.told(name, placed_after + skew, after=max(0, -skew))

        assert calls.moved() == {only.pk: becomes}, (placed_after, skew)


@pytest.mark.parametrize("hours", [0.1, 1.4, 23])
@pytest.mark.parametrize("name", [COMPLETED, FAILED])
def test_a_webhook_that_is_hours_late_does_not_settle_a_call_of_that_hour(
    calls: Calls, name: str, hours: float
) -> None:
    calls.at(0, "expired")
    now = calls.at(3600 * hours, "dialing")

    calls.told(name, 5, after=3600 * hours)

    now.refresh_from_db()
    assert (now.status, now.telroi_id) == ("dialing", None)


@pytest.mark.parametrize("name", [COMPLETED, FAILED])
@pytest.mark.parametrize("seconds", [-45, 100, 200, 299, 400])
def test_an_event_of_another_system_with_the_same_key_settles_nothing(calls: Calls, seconds: int, name: str) -> None:
    """Telroi requires a minute between two calls to a number, so a call of another time is not ours."""
    calls.at(0, "unknown")

    effect = calls.told(name, seconds)

    assert (effect, calls.moved()) == (EventEffect.UNMATCHED, {})


@pytest.mark.parametrize("name", [COMPLETED, FAILED])
def test_a_call_with_a_known_id_does_not_make_an_event_ambiguous(calls: Calls, name: str) -> None:
    calls.at(0, "placed", telroi_id="11111111-2222-4333-8444-555555555555")
    second = calls.at(60, "unknown")

    calls.told(name, 61)

    assert set(calls.moved()) == {second.pk}


@pytest.mark.parametrize("status", ["failed", "queued"])
def test_a_call_that_certainly_did_not_ring_does_not_make_an_event_ambiguous(calls: Calls, status: str) -> None:
    calls.at(0, status)
    second = calls.at(20, "unknown")

    calls.told(COMPLETED, 21)

    assert set(calls.moved()) == {second.pk}


@pytest.mark.parametrize("ttl", [5, 30])
def test_a_short_code_lifetime_does_not_hide_a_call_from_matching(calls: Calls, ttl: int) -> None:
    calls.at(0, "expired", ttl=ttl)
    second = calls.at(60, "unknown", ttl=ttl)

    calls.told(COMPLETED, 20 + 30)

    second.refresh_from_db()
    assert second.telroi_id is None


def test_a_slow_site_does_not_hide_a_call_from_matching(calls: Calls, configure: Configure) -> None:
    configure(TOTAL_TIMEOUT_SECONDS=60)
    calls.at(0, "superseded")
    second = calls.at(90, "unknown")

    calls.told(COMPLETED, LATEST + 30 + 30)  # 30 more for the request, and 30 because the clocks differ

    second.refresh_from_db()
    assert second.telroi_id is None


def test_a_check_event_that_comes_later_is_stored_with_its_call(calls: Calls) -> None:
    only = calls.at(0, "unknown")

    effect = calls.told(CHECKED, 250)

    only.refresh_from_db()
    assert (effect, only.status, only.telroi_id) == (EventEffect.NOTED, "unknown", None)
    assert AttemptEvent.objects.get().attempt_id == only.pk


class TestAHostWithAWrongClock:
    @pytest.fixture(autouse=True, params=[-48, 48], ids=["behind", "ahead"])
    def _its_clock(self, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
        wrong = datetime.now(UTC) + timedelta(hours=request.param)
        monkeypatch.setattr(timezone, "now", lambda: wrong)

    def test_settles_an_event_that_came_in_time(self, start: datetime) -> None:
        only = Calls(datetime.now(UTC)).at(0, "unknown")

        effect = record_event(event_of(COMPLETED, at=datetime.now(UTC)))

        only.refresh_from_db()
        assert (effect, only.status) == (EventEffect.PLACED, "placed")

    def test_ignores_an_event_that_is_too_old(self) -> None:
        old = datetime.now(UTC) - timedelta(hours=25)

        with statements() as seen:
            effect = record_event(event_of(COMPLETED, at=old))

        assert (effect, len(seen), AttemptEvent.objects.count()) == (EventEffect.TOO_OLD, 1, 0)
