"""The breaker: a pumped prefix or region is paused by the site itself, if ``PUMPING_PAUSE_SECONDS`` says so."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import pytest
from django.db import DEFAULT_DB_ALIAS
from django.db.models import F

from django_telroi import services
from django_telroi.models import AttemptEvent, BlockedDestination, VerificationAttempt
from django_telroi.services.staff.call_stops import pause_destination
from django_telroi.services.statistics.rankings import pumped_destinations
from tests.calling_site import Configure
from tests.services.test_pumping import NOW, calls
from tests.services.world import Heard, before_the_first, commit

pytestmark = pytest.mark.django_db

MINUTE = timedelta(minutes=1)


@pytest.fixture
def with_breaker(configure: Configure) -> None:
    configure(PUMPING_PAUSE_SECONDS=600)


def sweep_after(minutes: int) -> list[str]:
    """Sweep this many minutes after noon, and return the destinations that are paused then."""
    now = NOW + minutes * MINUTE
    services.sweep(now=now)
    return [row.destination for row in services.blocked_destinations(now=now)]


def calls_to_region(region: str, count: int, *, verified: int, prefix: str) -> None:
    """Spread the calls over prefixes with fewer than 30 calls each."""
    for start in range(0, count, 25):
        of_prefix = min(25, count - start)
        calls(f"{prefix}{start // 25:02}", of_prefix, verified=max(0, min(of_prefix, verified - start)))
    to_prefix = [each.pk for each in VerificationAttempt.objects.all() if each.prefix.startswith(f"+{prefix}")]
    VerificationAttempt.objects.filter(pk__in=to_prefix).update(region=region)


def test_it_is_off_unless_the_site_turns_it_on(configure: Configure) -> None:
    calls("2348031", 40)

    assert (sweep_after(0), BlockedDestination.objects.count()) == ([], 0)


def test_a_pumped_prefix_is_paused_for_the_chosen_time(with_breaker: None, heard: Heard) -> None:
    calls("2348031", 40, verified=1)
    calls("2348032", 40, verified=30)

    paused = sweep_after(0)
    commit()

    row = BlockedDestination.objects.get()
    assert (paused, row.until, row.blocked_by) == (["+2348031"], NOW + 10 * MINUTE, "")
    assert row.reason == "40 calls in an hour, 1 of them verified"
    assert heard.names == ["alert", "destination_blocked"]
    assert AttemptEvent.objects.filter(kind="destination_blocked", actor="").count() == 1


def test_it_is_not_paused_again_because_of_the_same_calls(with_breaker: None) -> None:
    calls("2348031", 40, minutes_ago=1)

    assert [sweep_after(minutes) for minutes in (0, 9, 10, 20)] == [["+2348031"], ["+2348031"], [], []]


def test_two_sweeps_that_found_no_block_pause_it_once() -> None:
    def pause(minutes: int) -> bool:
        now = NOW + minutes * MINUTE
        return pause_destination("+2348031", length=MINUTE, reason="", ended_at=None, now=now, using=DEFAULT_DB_ALIAS)

    with before_the_first("INSERT", partial(pause, 1)):
        is_second_one_written = pause(0)

    assert not is_second_one_written
    assert BlockedDestination.objects.get().until == NOW + 2 * MINUTE
    assert AttemptEvent.objects.filter(kind="destination_blocked").count() == 1


def test_it_is_paused_again_if_the_calls_go_on(with_breaker: None) -> None:
    calls("2348031", 40, minutes_ago=1)
    sweep_after(0)
    calls("2348031", 30, minutes_ago=-12)

    assert [sweep_after(minutes) for minutes in (11, 13)] == [[], ["+2348031"]]
    assert BlockedDestination.objects.get().reason == "70 calls in an hour, 0 of them verified"


def test_a_pause_that_staff_ended_does_not_come_back(with_breaker: None) -> None:
    calls("2348031", 40)
    sweep_after(0)

    services.unblock_destination("+2348031", actor="grace", now=NOW + MINUTE)

    assert sweep_after(2) == []


@pytest.mark.parametrize("staff_block", ["+2348031", "+234", "NG"])
def test_a_block_of_staff_is_kept(with_breaker: None, staff_block: str) -> None:
    calls("2348031", 40)
    services.block_destination(staff_block, reason="ours", actor="grace", now=NOW)

    paused = sweep_after(1)

    row = BlockedDestination.objects.get(pk=staff_block)
    assert paused == [staff_block]
    assert (row.until, row.blocked_by) == (None, "grace")


def test_a_pumped_region_is_paused_if_codes_are_typed_elsewhere(with_breaker: None) -> None:
    calls_to_region("LK", 100, verified=5, prefix="9471")
    calls_to_region("GB", 50, verified=40, prefix="4474")

    assert sweep_after(0) == ["LK"]


@pytest.mark.parametrize(
    ("count", "verified", "elsewhere", "verified_elsewhere"),
    [(99, 0, 50, 40), (100, 20, 50, 40), (100, 0, 50, 19), (100, 0, 29, 29), (100, 0, 0, 0)],
)
def test_a_region_is_not_pumped_by_chance_or_where_no_codes_are_typed_at_all(
    count: int, verified: int, elsewhere: int, verified_elsewhere: int
) -> None:
    calls_to_region("LK", count, verified=verified, prefix="9471")
    calls_to_region("GB", elsewhere, verified=verified_elsewhere, prefix="4474")

    assert pumped_destinations(now=NOW, using="default") == ()


def test_the_calls_to_a_pumped_prefix_do_not_make_its_region_pumped() -> None:
    calls("2348031", 300)
    calls_to_region("GB", 50, verified=40, prefix="4474")

    assert [each.destination for each in pumped_destinations(now=NOW, using="default")] == ["+2348031"]


def test_the_pause_begins_when_the_sweep_runs(with_breaker: None) -> None:
    calls("2348031", 40)
    VerificationAttempt.objects.update(created_at=F("created_at") + timedelta(minutes=29))

    sweep_after(5)

    assert BlockedDestination.objects.get().blocked_at == NOW + 5 * MINUTE
