"""Time one request that is counted at several rates, on Redis and in memory.

Each request is one ``limits.counting.admit`` with the default limits: an IPv6 address with its /56 and /48, and a user.
All have the same rate. Half of it, at most 500 requests, is counted before. The exit status is 1 if a median is above
1.3 times that of ``20/h`` on the same cache.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import IPv6Address
from itertools import count
from typing import Any
from uuid import uuid4

import django
from django.conf import settings
from timing import Timed, print_table, take_turns

REDIS = os.environ.get("TELROI_TEST_REDIS", "redis://127.0.0.1:6379/4")
CACHES = {
    "Redis": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS,
        "KEY_PREFIX": f"telroi_limits_{uuid4()}",
    },
    "LocMem": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "OPTIONS": {"MAX_ENTRIES": 10**6}},
}
RATES = {"20/h": 10, "1000/h": 500, "100000/d": 500}
"""Each rate, and how many requests of a requester are counted before one is timed: at most half of the rate."""
LIMITS = ("ip", "ipv6_56", "ipv6_48", "user")
BOUND = 1.3
NETWORKS = count(1)


def site(cache: str, rate: str) -> None:
    """Set the cache and the rate of this process."""
    settings.RATELIMIT_USE_CACHE = cache
    settings.TELROI = {"RATES": {"start": dict.fromkeys(LIMITS, rate)}}


def new_requester() -> Any:
    """Return a requester whose user, address and networks have no counts."""
    from django_telroi.services.requester import Requester

    number = next(NETWORKS)
    return Requester(IPv6Address((0x20010DB8 << 96) + (number << 80) + 1), number)


def one_rate(cache: str, rate: str, before: int) -> Timed[Any]:
    from django_telroi.limits.counting import admit

    site(cache, rate)
    requester, used = new_requester(), 0

    def prepare() -> Any:
        """Return a requester with as many counted requests. No timed request may be rejected: it would be cheaper."""
        nonlocal requester, used
        site(cache, rate)
        if used >= 2 * before - 1:
            requester, used = new_requester(), 0
        # At least one each time. Otherwise a rate that needs more of them here would find the connection awake.
        for _ in range(max(1, before - used)):
            admit("start", requester, once=None)
            used += 1
        used += 1
        return requester

    def act(requester: Any) -> None:
        admit("start", requester, once=None)

    return Timed(f"{cache}, {rate}", prepare, act, bound=None if rate == "20/h" else BOUND)


@contextmanager
def emptied(caches: list[str]) -> Iterator[None]:
    """Delete the keys of this run at the end, and no others: the Redis server may have other users."""
    yield
    if "Redis" in caches:
        import redis

        with redis.Redis.from_url(REDIS) as client:
            for key in client.scan_iter(f"{CACHES['Redis']['KEY_PREFIX']}*", count=1000):
                client.delete(key)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--caches", default=",".join(CACHES), help="some of %(default)s")
    parser.add_argument("--rounds", type=int, default=500, help="how often each is timed (default: %(default)s)")
    chosen = parser.parse_args()
    caches = chosen.caches.split(",")
    if unknown := set(caches) - CACHES.keys():
        parser.error(f"no such cache: {', '.join(sorted(unknown))}")
    settings.configure(
        SECRET_KEY="not a secret",
        USE_TZ=True,
        INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django_telroi"],
        CACHES={"default": CACHES["LocMem"], **CACHES},
    )
    django.setup()
    held: list[bool] = []
    with emptied(caches):
        contestants = {cache: [one_rate(cache, rate, used) for rate, used in RATES.items()] for cache in caches}
        take_turns([timed for group in contestants.values() for timed in group], warm_up=20, rounds=chosen.rounds)
        held = [print_table(group) for group in contestants.values()]
    return 0 if all(held) else 1


if __name__ == "__main__":
    sys.exit(main())
