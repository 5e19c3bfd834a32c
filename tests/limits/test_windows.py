"""A day of random starts and checks: no window of any limit exceeds its cap."""

from __future__ import annotations

import os
import random
import time
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.test import RequestFactory

from django_telroi import limits
from django_telroi.domain.number_limits import HOUR
from django_telroi.errors import AttemptNotFound, VerificationRefused
from django_telroi.models import VerificationAttempt
from django_telroi.services.attempts import find
from django_telroi.services.calls import start
from django_telroi.services.shared import number_state
from django_telroi.testing import outbox
from tests.limits.conftest import Configure
from tests.services.world import wrong

DAY_SECONDS = 24 * 3600
STARTS_AT = datetime(2026, 5, 4, tzinfo=UTC).timestamp()
CEILING = 900


@dataclass
class Seen:
    """The times of allowed requests, in seconds, by the requester or number that they count for."""

    calls: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    starts: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    checks: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    refused: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    codes: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))


def most_in(moments: Sequence[float], seconds: float) -> int:
    """Return the largest number of times in a half-open window of this many seconds."""
    return max((bisect_left(moments, begin + seconds) - n for n, begin in enumerate(moments)), default=0)


def moment_of_the_day(chance: random.Random) -> float:
    """Half of all requests come in three bursts, each around a full hour."""
    if chance.random() < 0.5:
        return chance.uniform(0, DAY_SECONDS - 1)
    return chance.choice((7, 12, 20)) * 3600 + chance.uniform(-2400, 2400)


def live_a_day(requests: int, *, people: Sequence[User | None], seed: int) -> Seen:
    """Return requests at random moments of one day: a few requesters send far too many, most do not."""
    chance, seen, clock = random.Random(seed), Seen(), [STARTS_AT]
    addresses = [f"198.51.{n // 250}.{n % 250}" for n in range(max(6, requests // 400))]
    numbers = [f"+234803{n:07d}" for n in range(1, max(20, requests // 300))]
    flows: list[VerificationAttempt] = []
    moments = sorted(moment_of_the_day(chance) for _ in range(requests))

    def now() -> datetime:
        return datetime.fromtimestamp(clock[0], UTC)

    read_state, find_and_settle = number_state.read_state, find.find_and_settle

    def state_now(number: str, **options: Any) -> Any:
        return read_state(number, **{**options, "now": now()})

    def find_now(attempt_uuid: Any, **options: Any) -> Any:
        return find_and_settle(attempt_uuid, **{**options, "now": now()})

    with (
        patch.object(time, "time", lambda: clock[0]),
        patch.object(start, "read_state", state_now),
        patch.object(start, "find_and_settle", find_now),
        patch("django_telroi.services.codes.check.find_and_settle", find_now),
    ):
        for moment in moments:
            clock[0] = STARTS_AT + moment
            address, user = chance.choice(addresses), chance.choice(people)
            request = RequestFactory(REMOTE_ADDR=address).post("/")
            if flows and chance.random() < 0.6:
                _check(request, chance.choice(flows[-30:]), seen, chance, at=moment, address=address)
            else:
                number = chance.choice(numbers)
                placed = _start(request, number, user, seen, chance, at=moment, address=address, flows=flows)
                if placed:
                    flows.append(placed)
    return seen


def _start(
    request: Any,
    number: str,
    user: User | None,
    seen: Seen,
    chance: random.Random,
    *,
    at: float,
    address: str,
    flows: list[VerificationAttempt],
) -> VerificationAttempt | None:
    calls = len(outbox)
    is_again = flows and chance.random() < 0.2
    if is_again:
        old = chance.choice(flows[-30:])
        number, user = old.number, old.user
    try:
        if is_again:
            attempt = limits.call_again(request, old.uuid, user=user)
        else:
            attempt = limits.start_verification(request, number, user=user, attempt_uuid=chance.choice([None, uuid4()]))
    except VerificationRefused as refusal:
        seen.refused[refusal.code] += 1
        if refusal.code != "too_many_requests":
            _count(seen.starts, address, user, at)
        return None
    except AttemptNotFound:  # an id without a user is not found an hour after its code expired
        _count(seen.starts, address, user, at)
        return None
    if len(outbox) > calls:
        _count(seen.starts, address, user, at)
        seen.calls[number].append(at)
        seen.calls["all"].append(at)
    return attempt


def _check(
    request: Any,
    attempt: VerificationAttempt,
    seen: Seen,
    chance: random.Random,
    *,
    at: float,
    address: str,
) -> None:
    number = attempt.number
    code = next(call.code for call in reversed(outbox) if call.to == number)
    typed = code if chance.random() < 0.1 else wrong(code, by=chance.randrange(1, 999_999))
    try:
        result = limits.check_code(request, attempt.uuid, typed, user=attempt.user)
    except VerificationRefused as refusal:
        seen.refused[f"check {refusal.code}"] += 1
        return
    except AttemptNotFound:
        assert at + STARTS_AT > attempt.expires_at.timestamp() + 3600, "an attempt was lost"
        _count(seen.checks, address, attempt.user, at)
        return
    _count(seen.checks, address, attempt.user, at)
    if result.was_judged:
        seen.codes[number].append(at)


def _count(kept: dict[str, list[float]], address: str, user: User | None, at: float) -> None:
    kept[address].append(at)
    if user:
        kept[f"user {user.pk}"].append(at)


def assert_no_window_is_over_its_cap(seen: Seen) -> None:
    for number, moments in seen.calls.items():
        if number == "all":
            assert len(moments) <= CEILING
            continue
        assert most_in(moments, 60) <= 1, number
        assert most_in(moments, 3600) <= 5, number
        assert most_in(moments, DAY_SECONDS) <= 20, number
    for number, moments in seen.codes.items():
        # Tries belong to a call, so their number is limited by the calls of an hour plus the lifetime of a code.
        assert most_in(moments, 3600) <= 3 * 6, number
        assert len(moments) <= 3 * 20, number
    for who, moments in seen.starts.items():
        assert most_in(moments, HOUR.total_seconds()) <= (10 if who.startswith("user") else 20), who
    for who, moments in seen.checks.items():
        assert most_in(moments, HOUR.total_seconds()) <= 60, who


def settings_for_a_day(configure: Configure, settings: Any) -> None:
    configure(CALLS_PER_DAY_TOTAL=CEILING)
    settings.CACHES = {
        "default": {
            "BACKEND": "django.core.cache.backends.locmem.LocMemCache",
            "LOCATION": str(uuid4()),
            "OPTIONS": {"MAX_ENTRIES": 10**6},
        }
    }


def some_people(count: int) -> list[User | None]:
    return [*(User.objects.create_user(f"user{n}") for n in range(count)), *[None] * count]


@pytest.mark.django_db
def test_no_window_of_a_random_day_exceeds_its_cap(configure: Configure, settings: Any) -> None:
    settings_for_a_day(configure, settings)

    seen = live_a_day(700, people=some_people(1), seed=random.randrange(10**9))

    assert_no_window_is_over_its_cap(seen)
    assert seen.refused["too_many_requests"]


@pytest.mark.long
@pytest.mark.django_db
def test_no_window_of_a_hundred_thousand_requests_exceeds_its_cap(configure: Configure, settings: Any) -> None:
    settings_for_a_day(configure, settings)
    seed = int(os.environ.get("TELROI_SEED", "0")) or random.randrange(10**9)

    seen = live_a_day(100_000, people=some_people(60), seed=seed)

    print(f"seed {seed}: {len(seen.calls['all'])} calls, refused {dict(seen.refused)}")  # noqa: T201 - the figure
    assert_no_window_is_over_its_cap(seen)
    # With so few calls, the rate of checks is not reached. It has its own tests.
    assert {"cooldown", "hourly_limit", "too_many_requests", "site_limit"} <= set(seen.refused)
