"""The key's request budget: no period of a minute has more requests than Telroi allows, and most of it can be used."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest
from django.core.cache import caches
from django.core.cache.backends.locmem import LocMemCache
from django_ratelimit import core

from django_telroi.backends import get_backend
from django_telroi.backends.budget import SLACK, share_of, take_for_call, take_for_check
from django_telroi.errors import ApiRefused
from django_telroi.simulator import Simulator
from tests.calling_site import Configure
from tests.manual_clocks import ManualClock, hold_clock
from tests.services.world import NUMBER

KEY = "a digest of a key"
START = 1_900_000_000.25
MINUTES = 3


class SlowClock(ManualClock):
    """A clock that moves on by ``step`` seconds each time it is read."""

    def __init__(self, now: float, step: float) -> None:
        super().__init__(now)
        self.step = step

    def time(self) -> float:
        self.now += self.step
        return self.now


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[ManualClock]:
    yield hold_clock(monkeypatch, at=START)
    caches["default"].clear()


def as_many_as_there_are(take: Callable[..., None], limit: int, *, key: str = KEY) -> int:
    taken = 0
    while True:
        try:
            take(key, requests_per_minute=limit)
        except ApiRefused:
            return taken
        taken += 1


def most_within(seconds: float, moments: list[float]) -> int:
    """Return the largest number of the sorted ``moments`` in any period of that length."""
    return max(bisect_left(moments, moment + seconds) - position for position, moment in enumerate(moments))


@pytest.mark.parametrize("limit", [2, 3, 9, 10, 33, 60, 100, 599, 600, 1200])
@pytest.mark.parametrize("step", [0.35, 1.7])
def test_no_minute_has_more_requests_than_the_key_allows_even_after_network_delays(
    clock: ManualClock, limit: int, step: float
) -> None:
    sent: list[float] = []
    while clock.now < START + 60 * MINUTES:
        sent += [clock.now] * as_many_as_there_are(take_for_check, limit)
        clock.now += step

    assert most_within(60 + SLACK, sent) <= limit


@pytest.mark.parametrize("limit", [60, 100, 300, 600, 1200, 6000])
def test_at_least_85_percent_of_the_limit_can_be_used(clock: ManualClock, limit: int) -> None:
    sent = 0
    while clock.now < START + 60 * MINUTES:
        sent += as_many_as_there_are(take_for_call, limit)
        sent += as_many_as_there_are(take_for_check, limit)
        clock.now += 1

    assert sent / MINUTES >= 0.85 * limit


@pytest.mark.parametrize("limit", [4, 10, 60, 600, 1200])
def test_a_tenth_is_reserved_for_checks(limit: int) -> None:
    calls = as_many_as_there_are(take_for_call, limit)
    calls += sum(as_many_as_there_are(take_for_call, limit) for _ in range(50))
    checks = as_many_as_there_are(take_for_check, limit)

    assert calls + checks == share_of(limit).requests
    assert checks >= 0.1 * share_of(limit).requests
    assert calls >= 1


def test_checks_can_use_the_whole_budget() -> None:
    assert as_many_as_there_are(take_for_check, 600) == 27
    assert as_many_as_there_are(take_for_call, 600) == 0


def test_a_request_after_the_named_wait_finds_room(clock: ManualClock) -> None:
    for _ in range(7):
        as_many_as_there_are(take_for_call, 600)
        with pytest.raises(ApiRefused) as refused:
            take_for_call(KEY, requests_per_minute=600)
        clock.now += refused.value.retry_after or 0

        take_for_call(KEY, requests_per_minute=600)

        assert 1 <= (refused.value.retry_after or 0) <= 3
        clock.now += 0.5


def test_a_full_budget_names_a_wait_also_if_its_window_ends_while_it_is_counted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """django-ratelimit reads the clock again after the cache has answered, which may be slow."""
    monkeypatch.setattr(core, "time", SlowClock(START, 0.4))

    waits = []
    for _ in range(300):
        try:
            take_for_call(KEY, requests_per_minute=10)
        except ApiRefused as refused:
            waits.append(refused.retry_after)

    assert len(waits) > 30
    assert all(wait is not None and wait >= 1 for wait in waits)


def test_a_full_budget_raises_the_same_error_as_telroi() -> None:
    as_many_as_there_are(take_for_call, 600)

    with pytest.raises(ApiRefused) as refused:
        take_for_call(KEY, requests_per_minute=600)

    assert (refused.value.status, refused.value.code, refused.value.scope) == (429, "rate_limited", "key")


def test_another_key_has_its_own_budget() -> None:
    as_many_as_there_are(take_for_check, 600)

    assert as_many_as_there_are(take_for_check, 600, key="another") == 27


def test_a_site_with_rate_limits_off_has_no_budget(settings: Any) -> None:
    settings.RATELIMIT_ENABLE = False

    for _ in range(100):
        take_for_call(KEY, requests_per_minute=2)


class TestTheBackend:
    """The backend takes a place in the budget before it sends."""

    @pytest.fixture(autouse=True)
    def _a_small_budget(self, telroi: Simulator, configure: Configure) -> None:
        telroi.set_policy(cooldown=0, per_hour=1000, per_day=1000)
        configure(KEY_REQUESTS_PER_MINUTE=60)  # 6 in 7 s, 5 of them calls

    def call(self) -> str:
        return get_backend().place_call(NUMBER, code_length=6, language=None).id

    def test_sends_no_call_beyond_its_budget(self, telroi: Simulator) -> None:
        for _ in range(5):
            self.call()
        with pytest.raises(ApiRefused):
            self.call()

        assert len(telroi.requests) == 5

    def test_sends_no_check_beyond_its_budget(self, telroi: Simulator) -> None:
        for _ in range(6):
            get_backend().check_code("123456", call_id=None, to=NUMBER)
        with pytest.raises(ApiRefused):
            get_backend().check_code("123456", call_id=None, to=NUMBER)

        assert len(telroi.requests) == 6

    def test_counts_a_reserved_place_only_once(self, telroi: Simulator) -> None:
        for _ in range(5):
            backend = get_backend()
            backend.admit_call()
            backend.admit_call()
            backend.place_call(NUMBER, code_length=6, language=None)

        assert len(telroi.requests) == 5

    def test_reserves_a_place_for_each_request_of_a_backend(self, telroi: Simulator) -> None:
        backend = get_backend()
        backend.admit_call()
        for _ in range(5):
            backend.place_call(NUMBER, code_length=6, language=None)
        with pytest.raises(ApiRefused):
            backend.place_call(NUMBER, code_length=6, language=None)

        assert len(telroi.requests) == 5

    @pytest.mark.codes("site")
    def test_reserves_nothing_for_checks_while_the_site_judges_all_codes(self, telroi: Simulator) -> None:
        for _ in range(6):
            get_backend().place_call(NUMBER, code_length=6, language=None, code="482913")
        with pytest.raises(ApiRefused):
            get_backend().place_call(NUMBER, code_length=6, language=None, code="482913")

        assert len(telroi.requests) == 6

    @pytest.mark.codes("site")
    @pytest.mark.parametrize("confirmed", range(1, 6))
    def test_is_one_budget_before_and_after_a_code_is_not_confirmed(self, telroi: Simulator, confirmed: int) -> None:
        for _ in range(confirmed):
            get_backend().place_call(NUMBER, code_length=6, language=None, code="482913")
        for _ in range(9):
            with suppress(ApiRefused):
                self.call()
        for _ in range(9):
            with suppress(ApiRefused):
                get_backend().check_code("123456", call_id=None, to=NUMBER)

        paths = [request.path for request in telroi.requests]
        assert (len(paths), paths.count("/v1/otp/verify") > 0) == (6, confirmed < 5)

    def test_stores_no_key_in_the_cache(self, telroi: Simulator) -> None:
        self.call()

        cache = caches["default"]
        assert isinstance(cache, LocMemCache)
        kept = [*cache._cache, *cache._cache.values()]  # type: ignore[attr-defined]
        assert kept
        assert not any(secret in str(entry) for entry in kept for secret in (telroi.api_key, NUMBER[1:]))


class BrokenCache(LocMemCache):
    """A cache whose server cannot be reached."""

    def add(self, *args: Any, **kwargs: Any) -> bool:
        raise ConnectionError("redis://:password@cache:6379 is gone")


class SilentCache(LocMemCache):
    """A cache that stores nothing and raises no error, like clients of memcached."""

    def add(self, *args: Any, **kwargs: Any) -> bool:
        return False


@pytest.mark.parametrize("cache", [BrokenCache, SilentCache])
def test_a_request_that_cannot_be_counted_is_not_sent(
    telroi: Simulator, settings: Any, caplog: pytest.LogCaptureFixture, cache: type[LocMemCache]
) -> None:
    settings.CACHES = {"default": {"BACKEND": f"{__name__}.{cache.__name__}"}}

    for ask in (
        lambda: get_backend().place_call(NUMBER, code_length=6, language=None),
        lambda: get_backend().check_code("123456", call_id=None, to=NUMBER),
    ):
        with pytest.raises(ApiRefused, match="503 service_unavailable"):
            ask()

    assert telroi.requests == []
    assert "budget_unavailable" in caplog.text
    assert "password" not in caplog.text
