"""The owner of a large IPv6 network has many /64 networks, and the limits of wider networks still apply."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from django_telroi.testing import outbox
from tests.limits.caches import Counting
from tests.limits.conftest import Clock, Configure
from tests.limits.faces import FACES, Api

pytestmark = pytest.mark.django_db

NUMBERS = [f"+234803123{line:04d}" for line in range(1, 200)]


def customers(network: str, count: int) -> list[str]:
    """Return one address in each of this many /64 networks."""
    return [f"{network}{n:02x}::1" for n in range(count)]


@pytest.fixture(params=FACES.values(), ids=FACES)
def face(request: pytest.FixtureRequest) -> Any:
    return request.param


def placed(face: Any, addresses: list[str]) -> int:
    before = len(outbox)
    for number, address in zip(NUMBERS[before:], addresses, strict=False):
        face().starts(number, REMOTE_ADDR=address)
    return len(outbox) - before


def test_a_56_has_four_times_the_rate_of_a_64(face: Any, configure: Configure, clock: Clock) -> None:
    clock.stop()
    configure(RATES={"start": {"ip": "2/h"}})

    assert placed(face, customers("2001:db8:0:1", 10)) == 8
    assert placed(face, customers("2001:db8:0:2", 10)) == 8


def test_a_48_has_sixteen_times_the_rate_of_a_64(configure: Configure, clock: Clock) -> None:
    clock.stop()
    configure(RATES={"start": {"ip": "1/h"}})
    addresses = [address for n in range(1, 7) for address in customers(f"2001:db8:0:{n}", 4)]

    assert placed(Api, addresses) == 16
    assert placed(Api, customers("2001:db8:1:1", 4)) == 4


def test_each_rate_of_a_network_can_be_set(configure: Configure, clock: Clock) -> None:
    clock.stop()
    configure(RATES={"start": {"ip": None, "ipv6_56": None, "ipv6_48": "3/h"}})
    assert placed(Api, customers("2001:db8:0:1", 5)) == 3

    configure(RATES={"start": {"ip": "1/h", "ipv6_56": "2x", "ipv6_48": None}})
    assert placed(Api, customers("2001:db8:5:1", 5)) == 2

    configure(RATES={"start": {"ip": None}})
    assert placed(Api, customers("2001:db8:6:1", 5)) == 5


def test_the_wait_ends_when_a_request_is_allowed(configure: Configure, clock: Clock) -> None:
    clock.stop()
    configure(RATES={"start": {"ip": "1/h", "ipv6_56": "2/h"}})
    placed(Api, customers("2001:db8:0:1", 2))

    refused = Api().starts(NUMBERS[5], REMOTE_ADDR="2001:db8:0:1ff::1")

    assert refused.is_too_many
    assert refused.wait
    clock.advance(refused.wait)
    assert Api().starts(NUMBERS[5], REMOTE_ADDR="2001:db8:0:1ff::1").status == 201


def test_checks_are_counted_by_network_too(configure: Configure) -> None:
    configure(RATES={"check": {"ip": "1/h", "ipv6_56": "2x"}})
    people = [Api() for _ in range(3)]
    for person, number in zip(people, NUMBERS, strict=False):
        person.starts(number)

    answers = [
        person.checks("000000", REMOTE_ADDR=address)
        for person, address in zip(people, customers("2001:db8:0:1", 3), strict=True)
    ]

    assert [answer.is_too_many for answer in answers] == [False, False, True]


@pytest.mark.parametrize(
    "addresses",
    [
        [f"2002:c633:6407:{n:x}::1" for n in range(5)],
        [f"2001:0:5ef5:{n:x}:0:fbff:39cc:9bf8" for n in range(5)],
        [f"::ffff:198.51.100.7%{n}" for n in range(5)],
    ],
    ids=["6to4", "Teredo", "mapped"],
)
def test_one_ipv4_address_is_one_requester_in_any_spelling(configure: Configure, addresses: list[str]) -> None:
    configure(RATES={"start": {"ip": "2/h"}})

    assert placed(Api, addresses) == 2


def test_people_behind_a_translator_are_separate_requesters(configure: Configure) -> None:
    configure(RATES={"start": {"ip": "1/h"}})

    assert placed(Api, [f"64:ff9b::c633:64{n:02x}" for n in range(20)]) == 20


@pytest.mark.parametrize("cache", ["tests.limits.caches.Mute", "django.core.cache.backends.dummy.DummyCache"])
def test_a_network_that_cannot_be_counted_is_refused(settings: Any, configure: Configure, cache: str) -> None:
    settings.CACHES = {"default": {"BACKEND": cache}}
    configure(RATES={"start": {"ip": None, "ipv6_48": "1000/h"}})

    assert Api().starts(NUMBERS[0], REMOTE_ADDR="2001:db8::1").status == 503


def test_a_large_rate_of_a_network_needs_no_more_keys_than_a_small_one(settings: Any, configure: Configure) -> None:
    settings.CACHES = {"default": {"BACKEND": "tests.limits.caches.Counting", "LOCATION": str(uuid4())}}
    costs = []
    for number, rate in zip(range(2), ("10/h", "90000/h"), strict=True):
        configure(RATES={"start": {"ip": "20/h", "ipv6_56": rate, "ipv6_48": rate}})
        Counting.commands.clear()
        assert Api().starts(NUMBERS[number], REMOTE_ADDR=f"2001:db8:{number}::1").status == 201
        costs.append((len(Counting.commands), sum(Counting.commands)))

    assert costs[0] == costs[1]
    assert 0 < costs[0][0] <= 24
