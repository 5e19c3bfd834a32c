"""A call that does not count is removed from the limits of the number and of the site's day, once."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.db import transaction

from django_telroi import services
from django_telroi.domain.states import Status
from django_telroi.models import CallControl, PhoneNumber, VerificationAttempt
from django_telroi.services.attempts.transitions import transition_with_number
from django_telroi.simulator import Simulator
from tests.calling_site import Configure
from tests.manual_clocks import SiteClock
from tests.services.world import NUMBER, OTHER_NUMBER, commit, moments, sends

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _ceiling(configure: Configure, telroi: Simulator, site_clock: SiteClock) -> None:
    """Set the clock to noon, so that a call is given back on the day on which it was counted."""
    configure(CALLS_PER_DAY_TOTAL=5)


def queued() -> VerificationAttempt:
    """Return a call that waits for its caller's commit."""
    with transaction.atomic():
        return services.start_verification(NUMBER)


def counted() -> tuple[int, int]:
    """Return the counted calls of the number and of the site's day."""
    return len(moments()), services.call_control().day_calls


def give_up(attempt: VerificationAttempt) -> bool:
    now = attempt.created_at + timedelta(seconds=1)
    canceled = {"status": Status.CANCELED, "closed_at": now, "due_at": None}
    return transition_with_number(attempt, canceled, from_=(Status.QUEUED,), now=now, using="default")


def test_a_placed_call_counts_for_its_number_and_for_the_site() -> None:
    services.start_verification(NUMBER)

    assert counted() == (1, 1)


@pytest.mark.parametrize("fault", ["insufficient_funds", "unauthorized", "rate_limited", "service_unavailable"])
def test_a_call_that_telroi_did_not_place_counts_for_neither(telroi: Simulator, fault: str) -> None:
    telroi.fail_next(fault)

    services.start_verification(NUMBER)

    assert counted() == (0, 0)


def test_a_call_without_a_reachable_telroi_counts_for_neither(telroi: Simulator) -> None:
    with telroi.refusing():
        services.start_verification(NUMBER)

    assert counted() == (0, 0)


@pytest.mark.parametrize("fault", ["close", "otp_failed"])
def test_a_call_that_may_have_rung_counts_for_both(telroi: Simulator, fault: str) -> None:
    telroi.fail_next(fault)

    services.start_verification(NUMBER)

    assert counted() == (1, 1)


def test_a_queued_call_counts_until_it_is_canceled() -> None:
    attempt = queued()
    before = counted()

    services.cancel_verification(attempt.uuid)

    assert (before, counted()) == ((1, 1), (0, 0))


def test_a_queued_call_counts_until_its_deadline(telroi: Simulator) -> None:
    attempt = queued()

    standing = services.follow(attempt.uuid, now=attempt.created_at + timedelta(seconds=120))

    assert (standing.attempt.status, standing.attempt.error_code, counted()) == ("expired", "deadline", (0, 0))
    commit()
    assert sends(telroi) == 0


def test_canceling_twice_gives_back_once() -> None:
    services.start_verification(OTHER_NUMBER)
    attempt = queued()
    again = VerificationAttempt.objects.get(pk=attempt.pk)

    assert (give_up(attempt), give_up(again)) == (True, False)
    assert counted() == (0, 1)


def test_canceling_a_call_that_was_placed_meanwhile_gives_nothing_back(site_clock: SiteClock) -> None:
    attempt = queued()
    as_it_was = VerificationAttempt.objects.get(pk=attempt.pk)
    site_clock.advance(1)
    commit()

    assert give_up(as_it_was) is False
    assert counted() == (1, 1)
    attempt.refresh_from_db()
    assert (attempt.status, moments()) == ("placed", (attempt.dialed_at,))


def test_a_queued_call_that_is_replaced_does_not_count_twice(telroi: Simulator) -> None:
    attempt = queued()

    again = services.call_again(attempt.uuid, now=attempt.created_at + timedelta(seconds=60))

    attempt.refresh_from_db()
    assert (attempt.status, again.status) == ("superseded", "placed")
    assert counted() == (1, 1)
    commit()
    assert sends(telroi) == 1


def test_the_last_call_of_the_day_can_be_replaced_while_it_is_queued(configure: Configure) -> None:
    configure(CALLS_PER_DAY_TOTAL=1)
    attempt = queued()

    again = services.call_again(attempt.uuid, now=attempt.created_at + timedelta(seconds=60))

    assert (again.status, counted()) == ("placed", (1, 1))


def test_a_number_is_callable_in_every_list_once_its_call_does_not_count(telroi: Simulator) -> None:
    telroi.fail_next("service_unavailable")

    services.start_verification(NUMBER)

    phone = PhoneNumber.objects.get()
    assert (phone.calls, phone.next_call_at, phone.limited_by) == ([], None, "")


def test_a_day_without_calls_has_no_call_to_give_back() -> None:
    attempt = queued()
    CallControl.objects.update(day_calls=0)

    services.cancel_verification(attempt.uuid)

    assert CallControl.objects.get().day_calls == 0


def test_a_call_of_yesterday_gives_nothing_back_today() -> None:
    attempt = queued()
    CallControl.objects.update(day=attempt.created_at.date() + timedelta(days=1), day_calls=3)

    services.cancel_verification(attempt.uuid)

    assert CallControl.objects.get().day_calls == 3
