"""The figures of the overview, compared with a count of all rows."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from random import Random
from statistics import median
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.core.cache import cache
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_telroi import services
from django_telroi.domain.states import Dispatch, Status
from django_telroi.models import AttemptEvent, EventKind, PhoneNumber, RefusalTally, VerificationAttempt
from django_telroi.services.attempts.transitions import apply_overdue_unsaved
from django_telroi.services.statistics import figures
from django_telroi.services.statistics.figures import MAX_GROUPS, current_counts, statistics_of
from django_telroi.services.statistics.periods import Outcome, Period, Statistics, cut, next_day, next_hour

pytestmark = pytest.mark.django_db

BERLIN = ZoneInfo("Europe/Berlin")
# In this night the clocks in Berlin go back, so 02:00 comes twice.
NOW = datetime(2026, 10, 25, 11, 23, 45, tzinfo=UTC)
ZONES = ["UTC", "Europe/Berlin", "Asia/Kathmandu", "Australia/Lord_Howe", "America/St_Johns"]
LIFE = timedelta(minutes=5)


@pytest.fixture(autouse=True)
def nothing_kept() -> None:
    cache.clear()


def phone() -> PhoneNumber:
    return PhoneNumber.objects.get_or_create(number="+2348031234567", last4="4567", region="NG")[0]


def row(at: datetime, status: Status = Status.VERIFIED, **fields: Any) -> VerificationAttempt:
    """Return an attempt with the fields that its status requires."""
    is_dialed = status != Status.QUEUED
    is_placed = status not in (Status.QUEUED, Status.DIALING, Status.UNKNOWN, Status.FAILED)
    due = {Status.QUEUED: at, Status.DIALING: at + timedelta(seconds=45)}.get(status, at + LIFE)
    given = {
        "phone": phone(),
        "region": "NG",
        "status": status,
        "dispatch": Dispatch.INLINE,
        "max_tries": 3,
        "created_at": at,
        "dialed_at": at if is_dialed else None,
        "placed_at": at + timedelta(seconds=1) if is_placed else None,
        "expires_at": at + LIFE,
        "verified_at": at + timedelta(seconds=30) if status == Status.VERIFIED else None,
        "due_at": due if status in (Status.QUEUED, Status.DIALING, Status.PLACED, Status.UNKNOWN) else None,
    }
    return VerificationAttempt(**(given | fields))


def history(seed: int, *, days: float, count: int = 150) -> list[VerificationAttempt]:
    """Create rows of every kind: some before the period, many around now, a few exactly on a boundary."""
    rng = Random(seed)
    rows = []
    for _ in range(count):
        age = rng.choice(
            (rng.uniform(0, days * 86400 * 1.1), rng.uniform(0, 600), rng.randrange(int(days * 24)) * 3600)
        )
        at = NOW - timedelta(seconds=age)
        at = at if rng.random() < 0.8 else at.replace(minute=0, second=0, microsecond=0)
        status = rng.choice(list(Status))
        lost = {"placed_at": None} if status != Status.VERIFIED and rng.random() < 0.2 else {}
        took = {"verified_at": at + timedelta(seconds=rng.uniform(5, 90))} if status == Status.VERIFIED else {}
        named = {
            "livemode": rng.choice((True, True, None, False)),
            "region": rng.choice(("NG", "US", "")),
            "purpose": rng.choice(("", "pay", "sign-up")),
        }
        rows.append(row(at, status, **named, **lost, **took))
    VerificationAttempt.objects.bulk_create(rows)
    return rows


def outcome_by_hand(attempt: VerificationAttempt) -> Outcome:
    if attempt.livemode is False:
        return Outcome.TEST_KEY
    shown = apply_overdue_unsaved(attempt, now=NOW)
    if shown.status in (Status.VERIFIED, Status.FAILED):
        return Outcome(shown.status)
    if shown.status in (Status.QUEUED, Status.DIALING, Status.PLACED):
        return Outcome.OPEN
    was_lost = shown.dialed_at is not None and shown.placed_at is None and shown.status != Status.LOCKED
    return Outcome.UNKNOWN if was_lost else Outcome.NOT_VERIFIED


def groups_by_hand(rows: list[VerificationAttempt], field: str) -> dict[str, tuple[int, int, int]]:
    counted: dict[str, Counter[str]] = {}
    for each in rows:
        counter = counted.setdefault(getattr(each, field), Counter())
        counter["calls"] += 1
        is_test = each.livemode is False
        counter["placed"] += bool(each.placed_at or each.verified_at) and not is_test
        counter["verified"] += each.status == Status.VERIFIED and not is_test
    return {name: (counter["calls"], counter["placed"], counter["verified"]) for name, counter in counted.items()}


def named(groups: Any) -> dict[str, tuple[int, int, int]]:
    return {group.name: (group.calls, group.placed, group.verified) for group in groups}


class TestStatisticsEqualACountByHand:
    @pytest.mark.parametrize("zone", ZONES)
    @pytest.mark.parametrize("period", Period)
    def test_in_bars_groups_and_median(self, period: Period, zone: str) -> None:
        everything = history(len(zone), days=period.length / timedelta(days=1))
        rows = [each for each in everything if NOW - period.length <= each.created_at <= NOW]

        with timezone.override(zone):
            counted = statistics_of(period, now=NOW)

        starts = [bar.start for bar in counted.bars]
        by_hand = Counter((bisect_right(starts, each.created_at) - 1, outcome_by_hand(each)) for each in rows)
        seconds = [
            (e.verified_at - e.created_at).total_seconds() for e in rows if e.verified_at and e.livemode is not False
        ]
        assert {
            (place, outcome): count for place, bar in enumerate(counted.bars) for outcome, count in bar.counts.items()
        } == dict(by_hand)
        assert named(counted.regions) == groups_by_hand(rows, "region")
        assert named(counted.purposes) == groups_by_hand(rows, "purpose")
        assert counted.median_seconds == pytest.approx(median(seconds))
        assert (counted.total.calls, sum(counted.counts.values())) == (len(rows), len(rows))

    def test_shares_are_of_placed_attempts_and_of_all(self) -> None:
        statuses = [Status.VERIFIED, Status.EXPIRED, Status.FAILED, Status.UNKNOWN]
        VerificationAttempt.objects.bulk_create(row(NOW - timedelta(minutes=1), status) for status in statuses)

        counted = statistics_of(Period.DAY, now=NOW)

        assert (counted.total.share, counted.unknown_share) == (0.5, 0.25)

    def test_an_unknown_call_that_a_code_settled_counts_as_placed(self) -> None:
        row(NOW - timedelta(minutes=1), placed_at=None).save()

        assert statistics_of(Period.DAY, now=NOW).total.share == 1

    def test_an_attempt_with_a_test_key_counts_only_as_a_request(self) -> None:
        row(NOW - timedelta(minutes=1), livemode=False).save()
        row(NOW - timedelta(minutes=2), Status.EXPIRED, livemode=True).save()

        counted = statistics_of(Period.DAY, now=NOW)

        assert (counted.total.calls, counted.total.placed, counted.total.verified) == (2, 1, 0)
        assert (counted.counts[Outcome.TEST_KEY], counted.counts[Outcome.VERIFIED]) == (1, 0)
        assert (counted.total.share, counted.median_seconds, counted.purposes[0].verified) == (0, None, 0)

    def test_an_empty_site_has_bars_and_no_shares(self) -> None:
        counted = statistics_of(Period.DAY, now=NOW)

        assert (counted.total.calls, counted.total.share, counted.unknown_share) == (0, None, None)
        assert (counted.median_seconds, counted.refusals, counted.alerts) == (None, (), ())
        assert sum(bar.total for bar in counted.bars) == 0

    def test_many_purposes_are_shown_as_the_largest_and_the_rest(self) -> None:
        wanted = [f"order-{number}" for number in range(30) for _ in range(30 - number)]
        VerificationAttempt.objects.bulk_create(row(NOW - LIFE, purpose=purpose) for purpose in wanted)

        purposes = statistics_of(Period.DAY, now=NOW).purposes

        assert (len(purposes), purposes[0].name, purposes[-1].is_rest) == (MAX_GROUPS, "order-0", True)
        assert sum(group.calls for group in purposes) == len(wanted)


class TestTheMedian:
    def test_uses_only_the_newest_attempts(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(figures, "NEWEST", 3)
        for minutes, seconds in ((9, 80), (8, 80), (3, 10), (2, 20), (1, 30)):
            at = NOW - timedelta(minutes=minutes)
            row(at, verified_at=at + timedelta(seconds=seconds)).save()

        assert statistics_of(Period.DAY, now=NOW).median_seconds == 20


class TestRefusalsAndAlerts:
    def test_refusals_are_summed_by_code(self) -> None:
        hour = NOW.replace(minute=0, second=0, microsecond=0)
        for age, code, count in ((0, "held", 2), (1, "cooldown", 7), (24, "held", 3), (25, "cooldown", 90)):
            RefusalTally.objects.create(hour=hour - timedelta(hours=age), code=code, region="NG", count=count)

        counted = statistics_of(Period.DAY, now=NOW)

        assert (dict(counted.refusals), counted.refused) == ({"cooldown": 7, "held": 5}, 12)

    def test_alerts_of_the_period_are_grouped_by_kind_newest_first(self) -> None:
        for minutes, kind in ((5, "pumping"), (10, "key_limited"), (50, "pumping"), (60 * 25, "waiting")):
            at = NOW - timedelta(minutes=minutes)
            AttemptEvent.objects.create(kind=EventKind.ALERT, at=at, detail=kind)
        AttemptEvent.objects.create(kind=EventKind.CALLS_STOPPED, at=NOW, detail="pumping")

        alerts = statistics_of(Period.DAY, now=NOW).alerts

        assert [tuple(alert) for alert in alerts] == [
            ("pumping", 2, NOW - timedelta(minutes=5)),
            ("key_limited", 1, NOW - timedelta(minutes=10)),
        ]


class TestBucketsOfAPeriod:
    @pytest.mark.parametrize("zone", ZONES)
    @pytest.mark.parametrize("period", Period)
    def test_follow_each_other_without_a_gap(self, period: Period, zone: str) -> None:
        since = NOW - period.length

        starts = cut(since, NOW, next_edge=period.next_edge, zone=ZoneInfo(zone))

        walls = [start.astimezone(ZoneInfo(zone)) for start in starts[1:]]
        assert starts[0] == since
        assert all(earlier < later < NOW for earlier, later in pairwise(starts))
        assert all(wall.minute == wall.second == wall.microsecond == 0 for wall in walls)
        assert period is Period.DAY or all(wall.hour == 0 for wall in walls)

    def test_include_both_hours_when_the_clock_goes_back(self) -> None:
        starts = cut(NOW - timedelta(hours=24), NOW, next_edge=next_hour, zone=BERLIN)

        walls = [f"{start.astimezone(BERLIN):%H:%M %Z}" for start in starts]
        assert walls[0] == "13:23 CEST"
        assert walls[12:16] == ["01:00 CEST", "02:00 CEST", "02:00 CET", "03:00 CET"]
        assert len(starts) == 25

    def test_have_days_of_23_24_and_25_hours(self) -> None:
        since, until = datetime(2026, 3, 1, tzinfo=BERLIN), datetime(2026, 11, 1, tzinfo=BERLIN)

        starts = cut(since, until, next_edge=next_day, zone=BERLIN)

        lengths = Counter((end - start) / timedelta(hours=1) for start, end in pairwise(starts))
        assert lengths == {24.0: 242, 23.0: 1, 25.0: 1}

    def test_handle_a_clock_change_at_midnight(self) -> None:
        cairo = ZoneInfo("Africa/Cairo")  # on 24 April 2026 the clocks go from 00:00 to 01:00

        edge = next_day(datetime(2026, 4, 23, 12, tzinfo=cairo), cairo)

        assert f"{edge.astimezone(cairo):%d %H:%M}" == "24 01:00"


class TestCachedStatistics:
    def test_are_cached_for_a_month_and_not_for_a_day(self) -> None:
        row(timezone.now() - LIFE).save()
        first = {period: statistics_of(period) for period in Period}
        row(timezone.now() - LIFE).save()

        calls = {
            period: (statistics_of(period).total.calls, statistics_of(period).until == first[period].until)
            for period in Period
        }

        assert calls == {Period.DAY: (2, False), Period.WEEK: (1, True), Period.MONTH: (1, True)}

    def test_are_read_without_a_query_of_the_rows(self) -> None:
        statistics_of(Period.MONTH)

        from django.db import connection

        with CaptureQueriesContext(connection) as captured:
            statistics_of(Period.MONTH)

        assert len(captured) == 0

    def test_have_one_entry_per_time_zone(self) -> None:
        statistics_of(Period.MONTH)

        with timezone.override("Asia/Kathmandu"):
            starts = [bar.start for bar in statistics_of(Period.MONTH).bars]

        assert f"{starts[1].astimezone(ZoneInfo('Asia/Kathmandu')):%H:%M}" == "00:00"

    def test_are_computed_when_the_cache_is_down(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*_: object) -> None:
            raise ConnectionError("no cache")

        monkeypatch.setattr(figures.cache, "get", fail)

        assert isinstance(statistics_of(Period.MONTH), Statistics)

    def test_ignore_a_cache_value_of_another_kind(self) -> None:
        statistics_of(Period.MONTH)
        zone = timezone.get_current_timezone_name()
        cache.set(f"django_telroi:figures:{figures.SHAPE}:30d:{zone}", "of another release")

        assert isinstance(statistics_of(Period.MONTH), Statistics)


class TestRightNow:
    def test_counts_limited_numbers_by_their_limit(self) -> None:
        for number, (minutes, rule) in enumerate(
            ((5, "cooldown"), (50, "hourly_limit"), (7, "cooldown"), (-1, "held"))
        ):
            at = NOW + timedelta(minutes=minutes)
            PhoneNumber.objects.create(number=f"+23480312345{number:02}", last4="0", next_call_at=at, limited_by=rule)
        phone()

        assert current_counts(now=NOW).limited == {"cooldown": 2, "hourly_limit": 1}

    def test_counts_queued_requests(self) -> None:
        for age in (10, 60, 500):
            row(NOW - timedelta(seconds=age), Status.QUEUED).save()
        row(NOW - timedelta(seconds=10), Status.DIALING).save()

        assert current_counts(now=NOW).waiting == 2

    def test_shows_that_all_calls_are_stopped(self) -> None:
        services.stop_calls(reason="an attack", actor="grace")

        assert current_counts().control.stopped_reason == "an attack"
