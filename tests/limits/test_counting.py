"""The count of one limit: never more than the rate in any window, for concurrent and stalled requests too."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from ipaddress import ip_address
from typing import Any
from unittest.mock import patch
from uuid import uuid4

import pytest
from django.core.cache import caches
from django.core.cache.backends.locmem import LocMemCache
from django.test import override_settings
from hypothesis import given, settings
from hypothesis import strategies as st

from django_telroi import conf
from django_telroi.errors import TooManyRequests, Unavailable
from django_telroi.limits.counting import SUB_WINDOWS, RateCounter, Window, admit
from django_telroi.services.requester import Requester
from tests.limits.caches import Breaking, Counting, Pools
from tests.limits.stepping import SteppedRequest, clock_ahead
from tests.limits.test_windows import most_in
from tests.manual_clocks import ManualClock

REDIS = os.environ.get("TELROI_TEST_REDIS", "redis://127.0.0.1:6379/4")
NOON = 1_800_144_000.0
"""The start of a sub-window of every rate here."""

ADA, BEN, EVE = (Requester(ip_address(f"198.51.100.{n}"), n) for n in (1, 2, 3))
ADA_ELSEWHERE = Requester(ip_address("198.51.100.9"), 1)
IN_A_HOUSE = Requester(ip_address("2001:db8::1"), 4)


POOLS = {"pool_class": "tests.limits.caches.Pools"}


@pytest.fixture(autouse=True)
def connections_are_closed() -> Iterator[None]:
    yield
    Pools.close()


@contextmanager
def counted_in(backend: str, rates: dict[str, Any], **options: Any) -> Iterator[ManualClock]:
    """A site with these rates of starts, whose empty cache has its clock. The clock stands until the test moves it."""
    clock = ManualClock(NOON)
    cache = {
        "BACKEND": backend,
        "LOCATION": str(uuid4()),
        "KEY_PREFIX": str(uuid4()),
        "OPTIONS": POOLS if "Redis" in backend else {"MAX_ENTRIES": 10**6},
    } | options
    starts = {"ip": None, "ipv6_56": None, "ipv6_48": None, "user": None, **rates}
    with (
        override_settings(CACHES={"default": cache}, TELROI={"RATES": {"start": starts}}),
        patch.object(time, "time", lambda: clock.now + clock_ahead()),
    ):
        yield clock


STEPPED, COUNTING = "tests.limits.stepping.SteppedLocMem", "tests.limits.caches.Counting"
LOCMEM = "django.core.cache.backends.locmem.LocMemCache"


def ask(requester: Requester = ADA) -> None:
    admit("start", requester, once=None)


def stepped(requester: Requester = ADA, *, clock_ahead: float = 0.0) -> SteppedRequest:
    return SteppedRequest(partial(ask, requester), clock_ahead=clock_ahead)


def wait_of_a_request(requester: Requester = ADA) -> int:
    """Send a request. Returns the seconds to wait if it is rejected, 0 if it is admitted."""
    try:
        ask(requester)
    except TooManyRequests as refused:
        return refused.retry_after or 0
    return 0


def admitted_of(requests: int, requester: Requester = ADA) -> int:
    """Return how many of so many requests are admitted, one after the other."""
    return sum(not wait_of_a_request(requester) for _ in range(requests))


def counts(requester: Requester, who: str) -> list[int]:
    """Return the counts that a request would read now."""
    rate, name = conf.rates()["start"][who], requester.name(who)
    assert rate
    assert name
    window = Window.of(RateCounter("start", who, name, rate), now=time.time())
    return window.counts(caches["default"].get_many(window.keys))


class TestTheCost:
    """The cache commands of one request, with the number of keys of each."""

    @pytest.mark.parametrize("rate", ["1/s", "20/h", "1000/h", "10000/h", "100000/d", "1000000/d", "20/30d"])
    def test_is_the_same_at_any_rate(self, rate: str) -> None:
        with counted_in(COUNTING, dict.fromkeys(("ip", "ipv6_56", "ipv6_48", "user"), rate)):
            Counting.commands.clear()
            ask(IN_A_HOUSE)

        assert Counting.commands == [4 * 14, 1, 1, 1, 1, 4 * 14]

    def test_is_one_command_for_a_rejected_request(self) -> None:
        with counted_in(COUNTING, {"ip": "3/h", "user": "900/h"}):
            assert admitted_of(3) == 3
            Counting.commands.clear()
            assert admitted_of(1) == 0

        assert Counting.commands == [2 * 14]

    def test_is_the_same_for_every_request_of_a_sub_window(self) -> None:
        with counted_in(COUNTING, {"ip": "1000/h"}):
            costs = []
            for _ in range(100):
                Counting.commands.clear()
                ask()
                costs.append(list(Counting.commands))

        assert costs == [[14, 1, 14]] * 100


class TestTheRate:
    def test_holds_for_requests_that_read_before_any_of_them_counts(self) -> None:
        with counted_in(STEPPED, {"ip": "2/h"}):
            requests = [stepped() for _ in range(5)]
            for request in requests:
                request.run_to("add")
            for request in requests:
                request.finish()

        assert [type(request.error) for request in requests] == [type(None)] * 2 + [TooManyRequests] * 3

    @pytest.mark.parametrize("steps", range(9))
    def test_admits_the_first_of_two_requests_for_the_last_place_of_two_limits(self, steps: int) -> None:
        """``steps``: the commands of the second one between the first one's counts for the address and for the user."""
        with counted_in(STEPPED, {"ip": "1/h", "user": "1/h"}):
            first, second = stepped(), stepped()
            for request in (first, second):
                request.run_to("add")
            first.step()
            second.step(steps)
            first.finish()
            second.finish()

        assert first.error is None
        assert isinstance(second.error, TooManyRequests)

    @pytest.mark.parametrize("stalled_before", range(1, 6))
    def test_holds_if_a_request_stalls_into_the_next_sub_window(self, stalled_before: int) -> None:
        with counted_in(STEPPED, {"ip": "1/h"}) as clock:
            slow = stepped()
            slow.step(stalled_before)
            clock.now += 300
            fast = stepped()
            fast.finish()
            slow.finish()

        assert sorted(str(type(request.error)) for request in (slow, fast)) == sorted(
            map(str, (type(None), TooManyRequests))
        )

    @pytest.mark.parametrize("is_slow_clock_first", [True, False])
    def test_holds_if_the_clocks_of_two_servers_differ(self, is_slow_clock_first: bool) -> None:
        """At noon a sub-window begins, for one server a minute later."""
        with counted_in(STEPPED, {"ip": "1/h"}):
            requests = [stepped(clock_ahead=-60), stepped()]
            if not is_slow_clock_first:
                requests.reverse()
            for request in requests:
                request.run_to("add")
            for request in requests:
                request.finish()

        assert requests[0].error is None
        assert isinstance(requests[1].error, TooManyRequests)

    @pytest.mark.parametrize("seconds", [3599, 3600, 3899])
    def test_counts_a_request_for_a_window_and_no_longer_than_a_twelfth_more(self, seconds: int) -> None:
        with counted_in(LOCMEM, {"ip": "1/h"}) as clock:
            ask()
            clock.now += seconds
            assert admitted_of(1) == 0
            clock.now = NOON + 3900
            assert admitted_of(1) == 1

    def test_of_zero_admits_no_request(self) -> None:
        with counted_in(LOCMEM, {"ip": "0/h"}), pytest.raises(TooManyRequests) as refused:
            ask()

        assert refused.value.retry_after == 3600

    def test_may_change_without_a_new_count(self) -> None:
        with counted_in(LOCMEM, {"ip": "5/h"}):
            assert admitted_of(9) == 5
            with override_settings(TELROI={"RATES": {"start": {"ip": "3/h", "user": None}}}):
                assert admitted_of(9) == 0
            with override_settings(TELROI={"RATES": {"start": {"ip": "6/h", "user": None}}}):
                assert admitted_of(9) == 1

    def test_is_exact_for_large_ipv6_networks_too(self) -> None:
        with counted_in(LOCMEM, {"ipv6_48": "5/h"}) as clock:
            clock.now += 3599
            assert admitted_of(9, IN_A_HOUSE) == 5
            clock.now += 2
            assert admitted_of(9, IN_A_HOUSE) == 0


class TestARejectedRequest:
    def test_uses_no_place_of_another_limit(self) -> None:
        with counted_in(LOCMEM, {"ip": "3/h", "user": "1/h"}):
            assert admitted_of(9) == 1
            assert sum(counts(ADA, "ip")) == 1
            assert admitted_of(9, Requester(ADA.address, None)) == 2

    def test_gives_back_what_it_counted(self) -> None:
        with counted_in(STEPPED, {"ip": "3/h", "user": "1/h"}):
            first, second = stepped(ADA), stepped(ADA_ELSEWHERE)
            for request in (first, second):
                request.run_to("add")
            for request in (first, second):
                request.finish()

            assert isinstance(second.error, TooManyRequests)
            assert sum(counts(ADA_ELSEWHERE, "ip")) == 0
            assert sum(counts(ADA, "user")) == 1

    def test_waits_no_longer_because_of_requests_that_are_being_counted(self) -> None:
        with counted_in(STEPPED, {"ip": "2/h"}) as clock:
            ask()
            clock.now += 1200
            requests = [stepped() for _ in range(4)]
            for request in requests:
                request.run_to("add")
            for request in requests:
                request.step(2)  # all have counted
            requests[-1].finish()
            late = stepped()
            late.finish()
            for request in requests:
                request.finish()

        assert [type(request.error) for request in requests] == [type(None)] + [TooManyRequests] * 3
        for request in (requests[-1], late):
            assert isinstance(request.error, TooManyRequests)
            assert request.error.retry_after == 3900 - 1200

    def test_stays_rejected_if_the_cache_fails_to_subtract_it(self, caplog: pytest.LogCaptureFixture) -> None:
        with counted_in(STEPPED, {"ip": "1/h"}):
            first, second = stepped(), stepped()
            for request in (first, second):
                request.run_to("add")
            first.finish()
            second.run_to("decr")
            with patch.object(LocMemCache, "decr", side_effect=ConnectionError):
                second.finish()

        assert isinstance(second.error, TooManyRequests)
        assert "count_not_returned error=ConnectionError" in caplog.text


class TestARequestWhoseSubWindowEnds:
    def test_is_counted_again_in_the_next(self) -> None:
        with counted_in(STEPPED, {"ip": "1/h"}) as clock:
            request = stepped()
            request.step(5)
            clock.now += 300
            request.finish()

            assert request.error is None
            assert counts(ADA, "ip")[-3:] == [0, 1, 0]

    @pytest.mark.parametrize("who", ["ip", "user"])
    @pytest.mark.parametrize("read_before", range(1, 7))
    def test_is_seen_once_by_a_request_that_reads_meanwhile(self, read_before: int, who: str) -> None:
        with counted_in(STEPPED, {"ip": "9/h", "user": "9/h"} | {who: "2/h"}) as clock:
            first, second = stepped(), stepped()
            first.run_to("add")
            first.step(2)  # it has counted for both
            clock.now += 300
            second.step(read_before)
            first.finish()
            second.finish()

        assert [first.error, second.error] == [None, None]

    def test_is_seen_once_by_a_server_whose_clock_is_behind(self) -> None:
        with counted_in(STEPPED, {"ip": "2/h"}) as clock:
            clock.now += 299
            first, second = stepped(), stepped(clock_ahead=-60)
            for request, command in ((first, "add"), (second, "incr")):
                request.run_to(command)
                request.step()  # it has counted
            clock.now += 2
            first.finish()
            second.finish()

        assert [first.error, second.error] == [None, None]

    def test_and_whose_shortest_window_ends_keeps_no_place_of_a_longer_one(self) -> None:
        with counted_in(STEPPED, {"ip": "1/m", "user": "1/d"}) as clock:
            request = stepped()
            request.run_to("add")
            request.step(2)  # it has counted for both
            clock.now += 90  # the key of the address expires
            request.finish()

            assert request.error is None
            assert sum(counts(ADA, "user")) == 1

    def test_every_time_is_unavailable(self) -> None:
        with counted_in(STEPPED, {"ip": "5/s"}) as clock:
            request, steps = stepped(), 0
            while not request.is_done:
                request.step()
                clock.now += 0.25
                steps += 1

            assert isinstance(request.error, Unavailable)
            assert steps < 30
            assert sum(counts(ADA, "ip")) == 0


@pytest.mark.parametrize("broken_command", range(5))
@pytest.mark.parametrize("breaks", [ConnectionError, KeyboardInterrupt])
def test_a_request_that_the_cache_fails_uses_no_place(breaks: type[BaseException], broken_command: int) -> None:
    """The commands are: read, count for the address, count for the user, read again, and then none."""
    with counted_in("tests.limits.caches.Breaking", {"ip": "2/h", "user": "2/h"}):
        with Breaking.at(broken_command, breaks):
            if broken_command == 4:
                ask()
            else:
                with pytest.raises(Unavailable if breaks is ConnectionError else breaks):
                    ask()

        assert admitted_of(9) == (1 if broken_command == 4 else 2)


def test_a_cache_that_loses_the_count_is_unavailable() -> None:
    with (
        counted_in(LOCMEM, {"ip": "2/h"}),
        patch.object(Window, "_lifetime", lambda window: -1),
        pytest.raises(Unavailable),
    ):
        ask()


def test_a_client_that_swallows_its_errors_is_unavailable(caplog: pytest.LogCaptureFixture) -> None:
    with counted_in("tests.limits.caches.Mute", {"ip": "2/h"}), pytest.raises(Unavailable):
        ask()

    assert "cache_unavailable error=NotCounted" in caplog.text


@pytest.mark.parametrize("rate", ["1/s", "2/m", "2/30d"])
def test_a_count_is_stored_until_its_last_window_ends(rate: str) -> None:
    with counted_in(LOCMEM, {"ip": rate}) as clock:
        seconds = conf.rates()["start"]["ip"].seconds  # type: ignore[union-attr]
        ask()
        clock.now += seconds * 13 / 12 - seconds / 1000

        assert sum(counts(ADA, "ip")) == 1


# The property: requests of several requesters, whose commands interleave and between whose commands time passes.

SECONDS = {"m": 60, "h": 3600, "d": 86400}
RATES = st.tuples(st.integers(1, 4), st.sampled_from("mhd"))
REQUESTERS = [ADA, BEN, ADA_ELSEWHERE, Requester(ADA.address, None)]
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("starts"), st.tuples(st.sampled_from(REQUESTERS), st.sampled_from([0, 0, 0, 6, -5]))),
        st.tuples(st.just("steps"), st.tuples(st.integers(0, 30), st.sampled_from([1, 1, 1, 2, 3, 9, 99]))),
        st.tuples(st.just("waits"), st.sampled_from([1, 3, 6, 7, 12, 13, 70, 71, 72, 73, 78, 79, 150])),
    ),
    max_size=90,
)
"""A wait, and by how much the clock of a request is ahead, are in twelfths of the shortest sub-window."""


@dataclass
class Seen:
    """One request: when it began and ended by its own clock, and how."""

    requester: Requester
    began: float
    request: SteppedRequest
    ahead: float
    ended: float = field(default=float("inf"))

    def note(self, now: float) -> None:
        if self.request.is_done and self.ended == float("inf"):
            self.ended = now + self.ahead


class Oracle:
    """Records each request, and knows from the times alone what the limits allow."""

    def __init__(self, rates: dict[str, tuple[int, str]], clock: ManualClock) -> None:
        self.rates, self.clock = rates, clock
        self.twelfth = min(SECONDS[unit] for _, unit in rates.values()) / SUB_WINDOWS / 12
        self.seen: list[Seen] = []

    def starts(self, requester: Requester, twelfths_ahead: int) -> None:
        ahead = twelfths_ahead * self.twelfth
        request = stepped(requester, clock_ahead=ahead)
        self.seen.append(Seen(requester, self.clock.now + ahead, request, ahead))

    def steps(self, which: int, times: int) -> None:
        running = [seen for seen in self.seen if not seen.request.is_done]
        if running:
            seen = running[which % len(running)]
            seen.request.step(times)
            seen.note(self.clock.now)

    def waits(self, twelfths: int) -> None:
        self.clock.now += twelfths * self.twelfth

    def ends(self) -> None:
        for seen in self.seen:
            seen.request.finish()
            seen.note(self.clock.now)

    def judge(self) -> None:
        for who, (requests, unit) in self.rates.items():
            for name in {seen.requester.name(who) for seen in self.seen} - {None}:
                moments = [seen.ended for seen in self._of(who, name) if seen.request.error is None]
                assert most_in(sorted(moments), SECONDS[unit]) <= requests
                self._compare_with_the_cache(who, name, moments)
        for seen in self.seen:
            assert isinstance(seen.request.error, TooManyRequests | Unavailable | None), seen.request.error
            if isinstance(seen.request.error, TooManyRequests):
                assert any(self._was_full(who, seen) for who in self.rates), "rejected below the rate"
                assert 1 <= seen.request.error.retry_after <= self._longest_wait()  # type: ignore[operator]

    def _of(self, who: str, name: str | None) -> list[Seen]:
        return [seen for seen in self.seen if seen.requester.name(who) == name]

    def _was_full(self, who: str, rejected: Seen) -> bool:
        """Whether the full rate was admitted within 13/12 of a window before the rejection, or was being counted.

        The moments are of clocks that differ by up to eleven twelfths of a sub-window.
        """
        (requests, unit), name = self.rates[who], rejected.requester.name(who)
        differ = 11 * self.twelfth
        since = rejected.began - SECONDS[unit] * 13 / 12
        others = [
            seen
            for seen in self._of(who, name)
            if seen is not rejected
            and seen.began <= rejected.ended + differ
            and (seen.ended > since if seen.request.error is None else seen.ended >= rejected.began - differ)
        ]
        return name is not None and len(others) >= requests

    def _longest_wait(self) -> float:
        return max(SECONDS[unit] for _, unit in self.rates.values()) * 13 / 12 + 1

    def _compare_with_the_cache(self, who: str, name: str | None, moments: Sequence[float]) -> None:
        """The cache counts the admitted requests, each in its sub-window, and no other."""
        length = SECONDS[self.rates[who][1]] / SUB_WINDOWS
        current = self.clock.now // length
        expected = [sum(moment // length == current - age for moment in moments) for age in range(SUB_WINDOWS, -2, -1)]
        (requester,) = {seen.requester.name(who): seen.requester for seen in self._of(who, name)}.values()
        assert counts(requester, who) == expected


def run_interleaved(backend: str, by_address: Any, by_user: Any, steps: Sequence[Any], **options: Any) -> None:
    rates = {"ip": by_address, "user": by_user}
    written = {who: f"{requests}/{unit}" for who, (requests, unit) in rates.items()}
    with counted_in(backend, written, **options) as clock:
        oracle = Oracle(rates, clock)
        try:
            for what, how in steps:
                getattr(oracle, what)(*(how if isinstance(how, tuple) else (how,)))
        finally:
            oracle.ends()
        oracle.judge()


@given(RATES, RATES, STEPS)
@settings(max_examples=int(os.environ.get("TELROI_COUNT_EXAMPLES", "150")))
def test_no_order_of_commands_exceeds_a_rate_or_loses_a_place(by_address: Any, by_user: Any, steps: Any) -> None:
    run_interleaved(STEPPED, by_address, by_user, steps)


@pytest.mark.services
@given(RATES, RATES, STEPS)
@settings(max_examples=40)
def test_no_order_of_commands_exceeds_a_rate_on_redis(by_address: Any, by_user: Any, steps: Any) -> None:
    run_interleaved("tests.limits.stepping.SteppedRedis", by_address, by_user, steps, LOCATION=REDIS)


@given(st.integers(1, 4), st.sampled_from("mhd"), st.lists(st.integers(0, 40), min_size=1, max_size=60))
@settings(max_examples=60)
def test_the_wait_is_true_within_a_twelfth(requests: int, unit: str, gaps: Sequence[int]) -> None:
    """Gaps in twelfths of a sub-window. After each rejection the test waits as long as it says."""
    seconds = SECONDS[unit]
    with counted_in(LOCMEM, {"ip": f"{requests}/{unit}"}) as clock:
        admitted: list[float] = []
        for gap in gaps:
            clock.now += gap * seconds / SUB_WINDOWS / 12
            if wait := wait_of_a_request():
                needed = admitted[-requests] + seconds - clock.now
                assert needed <= wait <= needed + seconds / SUB_WINDOWS + 1
                clock.now += wait - 1
                assert wait_of_a_request() == 1
                clock.now += 1
                assert wait_of_a_request() == 0
            admitted.append(clock.now)

        assert most_in(admitted, seconds) <= requests


def race_for(seconds: float) -> int:
    """Return how many requests of fifty threads are admitted. Each thread sends requests for so many seconds."""
    ready, until = threading.Barrier(50), time.monotonic() + seconds

    def send(_: int) -> int:
        ready.wait()
        admitted = admitted_of(1)
        while time.monotonic() < until:
            admitted += admitted_of(1)
        return admitted

    with ThreadPoolExecutor(50) as pool:
        return sum(pool.map(send, range(50)))


CACHES = [
    pytest.param("django.core.cache.backends.redis.RedisCache", REDIS, marks=pytest.mark.services, id="redis"),
    pytest.param(LOCMEM, "threads", id="locmem"),
]


@pytest.mark.parametrize(("backend", "location"), CACHES)
@pytest.mark.parametrize(("rate", "seconds"), [("20/h", 0), ("20/h", 1), ("20/12s", 3)])
def test_fifty_threads_get_exactly_the_rate(
    settings: Any, backend: str, location: str, rate: str, seconds: float
) -> None:
    """With 20/12s, sub-windows of a second end while the threads count."""
    settings.TELROI = {"RATES": {"start": {"ip": rate, "user": rate}}}
    for _ in range(1 if seconds else 10):
        options = POOLS if "redis" in backend else {}
        cache = {"BACKEND": backend, "LOCATION": location, "KEY_PREFIX": str(uuid4()), "OPTIONS": options}
        settings.CACHES = {"default": cache}

        assert race_for(seconds) == 20


@pytest.mark.django_db
def test_the_database_cache_counts_requests_that_come_one_after_the_other(settings: Any) -> None:
    """Its ``incr`` is not atomic, so concurrent requests are not tested: ``telroi.W020`` warns of it."""
    from django.core.management import call_command

    with counted_in("django.core.cache.backends.db.DatabaseCache", {"ip": "3/h"}, LOCATION="counts"):
        call_command("createcachetable", verbosity=0)
        assert admitted_of(9) == 3
