"""Concurrent requests: serialized by default, and with ``race`` all successful as on Telroi's server."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from django_telroi.simulator.accounts import LIVE, Accounts, Clock, Key
from django_telroi.simulator.fault_rules import FAITHFUL
from django_telroi.simulator.otp_requests import OtpRequest
from django_telroi.simulator.otp_store import OtpStore
from django_telroi.simulator.responses import Refusal

NUMBER = "+2348031234567"


def at_once(count: int, act: Callable[[], object]) -> Counter[object]:
    """Return the results of this many concurrent threads."""
    barrier = threading.Barrier(count)

    def set_out() -> object:
        barrier.wait()
        return act()

    with ThreadPoolExecutor(count) as pool:
        return Counter(each.result() for each in [pool.submit(set_out) for _ in range(count)])


def test_by_default_one_of_ten_concurrent_sends_succeeds(simulator, telroi) -> None:
    assert at_once(10, lambda: telroi.send().status) == {200: 1, 429: 9}
    assert len(simulator.calls) == 1
    assert len(simulator.requests) == 10


def test_by_default_deciding_and_storing_are_atomic() -> None:
    accounts = Accounts(Clock())
    world = OtpStore(Clock(), accounts, pause=lambda seconds: time.sleep(0.02))
    key = Key("tlr_live_any", LIVE, frozenset({"*"}))

    def send() -> str:
        try:
            return world.send(key, OtpRequest(NUMBER, None, None, None), FAITHFUL).to
        except Refusal as refusal:
            return refusal.code

    assert at_once(10, send) == {NUMBER: 1, "rate_limited": 9}


def test_by_default_all_concurrent_guesses_are_counted(simulator, telroi) -> None:
    sent = telroi.send().json()

    outcomes = at_once(10, lambda: telroi.outcome("0000", id=sent["id"]))

    assert outcomes == {("mismatch", 2): 1, ("mismatch", 1): 1, ("locked", 0): 1, ("locked", None): 7}


def test_by_default_one_of_ten_concurrent_right_codes_verifies(simulator, telroi) -> None:
    sent = telroi.send().json()

    outcomes = at_once(10, lambda: telroi.outcome(simulator.calls[0].code, id=sent["id"])[0])

    assert outcomes == {"verified": 1, "already_verified": 9}


@pytest.mark.parametrize("count", [2, 10])
def test_racing_sends_all_succeed_ring_and_are_charged(simulator, telroi, count) -> None:
    simulator.race(1)
    wallet = simulator.wallet()

    assert at_once(count, lambda: telroi.send().status) == {200: count}
    assert len(simulator.calls) == count
    assert simulator.wallet() == wallet - count
    assert telroi.send().status == 429, "who comes later does not race"


def test_racing_right_codes_all_verify(simulator, telroi) -> None:
    sent = telroi.send().json()
    simulator.race(1, on="verify")

    outcomes = at_once(20, lambda: telroi.outcome(simulator.calls[0].code, id=sent["id"])[0])

    assert outcomes == {"verified": 20}


def test_racing_wrong_codes_count_as_one(simulator, telroi) -> None:
    sent = telroi.send().json()
    simulator.race(1, NUMBER, on="verify", times=10)

    assert at_once(10, lambda: telroi.outcome("0000", id=sent["id"])) == {("mismatch", 2): 10}
    assert telroi.outcome("0000", id=sent["id"]) == ("mismatch", 1)
