"""Calls and checks when the key's budget, or Telroi's own limit of the key, is used up."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.cache import caches
from django.db import transaction

from django_telroi import services
from django_telroi.backends import get_backend
from django_telroi.domain.states import Dispatch
from django_telroi.errors import Misconfigured, Unavailable
from django_telroi.models import CallControl, VerificationAttempt
from django_telroi.services.shared import backend_calls
from django_telroi.simulator import Simulator
from tests.calling_site import Configure
from tests.manual_clocks import TICK, ManualClock, hold_clock
from tests.services.world import NUMBER, OTHER_NUMBER, Heard, checks, let_time_pass, moments, row_counts, sends

pytestmark = [pytest.mark.django_db, pytest.mark.codes("telroi")]

SECOND = timedelta(seconds=1)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[ManualClock]:
    yield hold_clock(monkeypatch, backend_calls, at=time.time())
    caches["default"].clear()


@pytest.fixture
def paced(telroi: Simulator, configure: Configure) -> Simulator:
    """The default budget of a site."""
    configure(KEY_REQUESTS_PER_MINUTE=600)
    return telroi


@pytest.fixture
def slow(telroi: Simulator, configure: Configure, clock: ManualClock) -> Simulator:
    """A budget with room for one call and one check in a window of 63 s, which is longer than any request waits."""
    configure(KEY_REQUESTS_PER_MINUTE=4)
    clock.begin_window(get_backend().key_digest, seconds=63)
    return telroi


def number(n: int) -> str:
    return f"+23480312{n:05d}"


def spend_the_calls() -> None:
    services.start_verification(number(0))


def queued(number: str = NUMBER, *, dispatch: Dispatch = Dispatch.CELERY) -> VerificationAttempt:
    """Return a call that is queued for a worker."""
    with transaction.atomic():
        attempt = services.start_verification(number)
    VerificationAttempt.objects.filter(pk=attempt.pk).update(dispatch=dispatch)
    return VerificationAttempt.objects.get(pk=attempt.pk)


def row(attempt: VerificationAttempt) -> VerificationAttempt:
    return VerificationAttempt.objects.get(pk=attempt.pk)


class TestABurst:
    """A burst is spread over a few seconds."""

    def test_of_calls_makes_short_waits(self, paced: Simulator, clock: ManualClock, heard: Heard) -> None:
        statuses = {services.start_verification(number(n)).status for n in range(60)}

        assert (statuses, sends(paced)) == ({"placed"}, 60)
        assert len(clock.waits) == 2
        assert max(clock.waits) <= 3
        assert set(heard.names) == {"call_placed"}
        assert not CallControl.objects.exists()

    def test_of_checks_makes_short_waits(self, paced: Simulator, clock: ManualClock) -> None:
        paced.set_policy(tries=100)
        attempt = services.start_verification(NUMBER)
        VerificationAttempt.objects.update(max_tries=100)

        outcomes = [services.check_code(attempt.uuid, "000000").outcome for _ in range(30)]

        assert outcomes[0] == "wrong_code"
        assert "unavailable" not in outcomes
        assert len(clock.waits) == 1

    def test_leaves_no_call_that_is_dated_before_it_rang(
        self, paced: Simulator, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for n in range(24):
            services.start_verification(number(n))
        waited: list[datetime] = []

        def sleep(seconds: float) -> None:
            clock.now += seconds
            time.sleep(0.01)  # long enough for databases that store milliseconds
            waited.append(datetime.now(UTC))

        monkeypatch.setattr(clock, "sleep", sleep)

        attempt = services.start_verification(NUMBER)

        assert attempt.dialed_at > waited[0] - timedelta(milliseconds=2)


class TestACallWithoutRoomInTheBudget:
    """The call is refused with the wait before anything is written."""

    def test_is_refused_with_a_wait(self, slow: Simulator, clock: ManualClock, heard: Heard) -> None:
        spend_the_calls()
        before = row_counts()

        with pytest.raises(Unavailable) as refused:
            services.start_verification(NUMBER)

        assert 1 <= refused.value.retry_after <= 63
        assert (sends(slow), clock.waits) == (1, [])
        assert row_counts() == before | {"AttemptEvent": 1, "RefusalTally": 1}
        assert sorted(heard.names) == ["alert", "call_placed", "verification_refused"]

    def test_does_not_delay_a_later_call_when_there_is_room(self, slow: Simulator, clock: ManualClock) -> None:
        spend_the_calls()
        with pytest.raises(Unavailable) as refused:
            services.start_verification(NUMBER)
        clock.now += refused.value.retry_after

        assert services.start_verification(NUMBER).status == "placed"

    def test_stays_in_its_queue(self, slow: Simulator) -> None:
        attempt = queued()
        spend_the_calls()

        services.place_call(attempt.pk, now=attempt.created_at)

        after = row(attempt)
        assert (after.status, moments(), sends(slow)) == ("queued", (attempt.created_at,), 1)
        assert attempt.created_at < after.due_at <= attempt.created_at + 63 * SECOND

    def test_is_placed_by_its_worker_after_a_short_wait(self, paced: Simulator, clock: ManualClock) -> None:
        attempt = queued()
        for n in range(24):
            services.start_verification(number(n))

        services.place_call(attempt.pk)

        assert (row(attempt).status, sends(paced), len(clock.waits)) == ("placed", 25, 1)

    def test_leaves_room_for_checks(self, slow: Simulator) -> None:
        attempt = services.start_verification(NUMBER)
        for _ in range(5):
            with pytest.raises(Unavailable):
                services.start_verification(OTHER_NUMBER)

        assert services.check_code(attempt.uuid, slow.last_code_for(NUMBER)).outcome == "verified"

    def test_that_lost_the_race_for_a_number_uses_no_place(self, slow: Simulator) -> None:
        services.start_verification(NUMBER)
        let_time_pass(61, slow)
        caches["default"].clear()
        services.start_verification(NUMBER)
        caches["default"].clear()

        for _ in range(5):
            with pytest.raises(Exception, match="cooldown"):
                services.start_verification(NUMBER)

        assert services.start_verification(OTHER_NUMBER).status == "placed"


def test_a_check_without_room_in_the_budget_gives_its_try_back(slow: Simulator) -> None:
    attempt = services.start_verification(NUMBER)
    services.check_code(attempt.uuid, "000000")

    result = services.check_code(attempt.uuid, slow.last_code_for(NUMBER))

    assert (result.outcome, result.tries_left, checks(slow)) == ("unavailable", 2, 1)


class TestABrokenCache:
    """If the cache cannot count a request, the request is not sent."""

    @pytest.fixture(autouse=True)
    def _attempt(self, telroi: Simulator, settings: Any) -> None:
        self.attempt = services.start_verification(OTHER_NUMBER)
        self.queued = queued("+2348039999999")
        settings.CACHES = {"default": {"BACKEND": "tests.backends.test_budget.BrokenCache"}}

    def test_refuses_calls(self, telroi: Simulator, clock: ManualClock) -> None:
        before = row_counts()

        with pytest.raises(Unavailable):
            services.start_verification(NUMBER)

        assert (sends(telroi), clock.waits) == (1, [])
        assert row_counts() == before | {"RefusalTally": 1}

    def test_gives_tries_back(self, telroi: Simulator) -> None:
        result = services.check_code(self.attempt.uuid, telroi.last_code_for(OTHER_NUMBER))

        assert (result.outcome, result.tries_left, checks(telroi)) == ("unavailable", 3, 0)

    def test_keeps_a_queued_call_queued(self, telroi: Simulator) -> None:
        now = self.queued.created_at + SECOND

        services.place_call(self.queued.pk, now=now)

        assert (row(self.queued).status, row(self.queued).due_at) == ("queued", now + 15 * SECOND)
        assert sends(telroi) == 1


class TestACallOfAWorkerThatTelroiDelays:
    """The call was not placed, so it is requeued until its deadline."""

    @pytest.mark.parametrize(
        ("fault", "options", "wait"),
        [
            ("key_limited", {"wait": 40}, 40 * SECOND + TICK),
            ("key_limited", {"wait": 3600}, 120 * SECOND),
            ("service_unavailable", {}, 15 * SECOND + TICK),
        ],
    )
    def test_is_requeued(
        self, telroi: Simulator, heard: Heard, fault: str, options: dict[str, Any], wait: timedelta
    ) -> None:
        attempt = queued()
        telroi.fail_next(fault, **options)
        now = attempt.created_at

        services.place_call(attempt.pk, now=now)

        after = row(attempt)
        assert (after.status, after.dialed_at, after.closed_at, after.error_code) == ("queued", None, None, "")
        assert after.due_at == now + wait
        assert (moments(), sends(telroi)) == ((attempt.created_at,), 1)
        assert "call_failed" not in heard.names

    def test_is_placed_when_its_wait_is_over(self, telroi: Simulator) -> None:
        attempt = queued()
        telroi.fail_next("key_limited", wait=40)
        services.place_call(attempt.pk, now=attempt.created_at)

        services.place_call(attempt.pk, now=attempt.created_at + 41 * SECOND)

        assert (row(attempt).status, sends(telroi)) == ("placed", 2)
        assert moments() == (attempt.created_at + 41 * SECOND,)

    def test_fails_if_it_was_not_placed_by_a_worker(self, telroi: Simulator) -> None:
        attempt = queued(dispatch=Dispatch.INLINE)
        telroi.fail_next("service_unavailable")

        services.place_call(attempt.pk)

        assert (row(attempt).status, row(attempt).error_code, moments()) == ("failed", "unavailable", ())


class TestAPause:
    """A pause ends at its time and not before."""

    def test_of_a_few_seconds_is_slept(
        self, telroi: Simulator, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        telroi.fail_next("key_limited", wait=2)
        services.start_verification(NUMBER)
        monkeypatch.setattr(clock, "sleep", lambda seconds: let_time_pass(seconds))

        assert services.start_verification(OTHER_NUMBER).status == "placed"

    def test_is_not_shortened_by_a_shorter_one(self, telroi: Simulator) -> None:
        attempt = services.start_verification(NUMBER)
        telroi.fail_next("key_limited", wait=50)
        services.start_verification(OTHER_NUMBER)
        telroi.fail_next("key_limited", wait=10)
        services.check_code(attempt.uuid, "000000")

        with pytest.raises(Unavailable) as refused:
            services.start_verification(number(1))

        assert refused.value.retry_after > 40

    def test_for_a_refused_key_is_not_replaced_by_one_for_the_budget(self, telroi: Simulator) -> None:
        attempt = services.start_verification(NUMBER)
        telroi.fail_next("unauthorized")
        services.start_verification(OTHER_NUMBER)
        telroi.fail_next("key_limited", wait=3000)
        services.check_code(attempt.uuid, "000000")

        with pytest.raises(Misconfigured) as refused:
            services.start_verification(number(1))

        assert refused.value.retry_after <= 60


class TestAKeyThatTelroiRefuses:
    """One call may use the key after a minute, and another key ends the pause at once. The same applies to workers."""

    @pytest.fixture(autouse=True)
    def _refused(self, telroi: Simulator) -> None:
        self.first, self.second, self.third = queued(number(1)), queued(number(2)), queued(number(3))
        telroi.fail_next("unauthorized")
        services.place_call(self.first.pk)

    def test_pauses_the_queue(self, telroi: Simulator, heard: Heard) -> None:
        services.place_call(self.second.pk)

        assert (row(self.first).status, row(self.first).error_code) == ("failed", "misconfigured")
        assert (row(self.second).status, sends(telroi)) == ("queued", 1)

    def test_is_probed_by_one_call_after_a_minute(self, telroi: Simulator) -> None:
        now = CallControl.objects.get().paused_until
        telroi.fail_next("unauthorized")

        for attempt in (self.second, self.third):
            services.place_call(attempt.pk, now=now)

        assert (row(self.second).error_code, row(self.third).status) == ("misconfigured", "queued")
        assert sends(telroi) == 2

    def test_is_used_by_all_calls_after_one_call_succeeded(self, telroi: Simulator) -> None:
        now = CallControl.objects.get().paused_until

        for attempt in (self.second, self.third):
            services.place_call(attempt.pk, now=now)

        assert {row(self.second).status, row(self.third).status} == {"placed"}

    def test_does_not_pause_another_key_and_queued_calls_retry_soon(
        self, telroi: Simulator, configure: Configure
    ) -> None:
        now = self.second.created_at + 5 * SECOND
        services.place_call(self.second.pk, now=now)
        telroi.add_key("tlr_live_another")
        configure(API_KEY="tlr_live_another")

        assert row(self.second).due_at <= now + 15 * SECOND
        services.place_call(self.second.pk, now=now + SECOND)
        assert row(self.second).status == "placed"

    @pytest.mark.parametrize("fault", ["service_unavailable", "close", "proxy_page"])
    def test_is_probed_by_the_next_call_when_a_probe_had_no_result(self, telroi: Simulator, fault: str) -> None:
        now = CallControl.objects.get().paused_until
        telroi.fail_next(fault)
        services.place_call(self.second.pk, now=now)
        telroi.fail_next("unauthorized")

        services.place_call(self.third.pk, now=now + SECOND)
        with pytest.raises(Misconfigured):
            services.start_verification(NUMBER)

        assert (row(self.third).error_code, sends(telroi)) == ("misconfigured", 3)
