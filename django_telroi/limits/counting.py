"""Count requests in the cache: each request once, and never more than the rate in any window of its length."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from operator import methodcaller
from typing import Any

from django.conf import settings
from django.core.cache import BaseCache, caches
from django.utils.crypto import salted_hmac
from django.views.decorators.debug import sensitive_variables
from django_ratelimit.core import get_usage

from django_telroi import conf
from django_telroi.domain.rates import MULTIPLIED, Rate
from django_telroi.errors import TooManyRequests, Unavailable, VerificationRefused
from django_telroi.redaction import Secret
from django_telroi.services.requester import Requester

logger = logging.getLogger("django_telroi")

COUNTING, ADMITTED = "counting", "admitted"
COUNT_TIMEOUT_SECONDS = 10
RETRY_LIFETIME_SECONDS = 600
POLL_INTERVAL_SECONDS = 0.02
MOST_CACHE_MISSES = 3
"""Give up on the cache after this many contradictory answers: ``add`` says the key exists, ``get`` does not find it."""


class NotCounted(Exception):
    """The cache accepted a count but did not store it."""


@dataclass(frozen=True)
class Counter:
    """One rate limit of one requester. The keys contain a digest of ``name``, so the cache stores no IP address.

    django-ratelimit uses fixed windows, which let up to twice the rate through around a boundary. We add a sliding
    window: each request also takes one of ``rate.requests`` places for ``rate.seconds``. Each place is one cache key.
    So the rate is never exceeded in any window of that length, and the wait is exact to the second.
    """

    scope: str
    who: str
    name: str = field(repr=False)
    rate: Rate

    def wait(self) -> int:
        """Return the seconds until a place is free, 0 if one is free. Counts nothing."""
        taken = self._taken_places()
        if len(taken) < self.rate.requests:
            return 0
        first_free = min(taken.values(), default=math.inf) - time.time()
        return math.ceil(min(max(first_free, 1), self.rate.seconds))

    def take(self) -> int:
        """Count one request. Returns 0 if it took a place, else the seconds until one is free. Raises NotCounted."""
        usage = self._usage(increment=True)
        if usage["should_limit"]:
            return max(self.wait(), int(usage["time_left"]) + 1)
        return 0 if self._take_place(first=usage["count"] - 1) else max(1, self.wait())

    def _usage(self, *, increment: bool) -> dict[str, Any]:
        """Return django-ratelimit's count of the current window. Raises NotCounted."""
        usage: dict[str, Any] | None = get_usage(
            None,
            group=f"telroi.{self.scope}.{self.who}",
            key=lambda group, request: self._digest,
            rate=(self.rate.requests, self.rate.seconds),
            increment=increment,
        )
        if usage is None or usage["time_left"] < 0:
            raise NotCounted
        return usage

    def _take_place(self, *, first: int) -> bool:
        """Take a free place by adding its key. Returns whether one was free.

        Concurrent requests begin at different places, so that they do not compete for the same key.
        """
        cache, taken = _cache(), self._taken_places()
        for number in range(first, first + self.rate.requests):
            place = self._place_key(number % self.rate.requests)
            free_at = time.time() + self.rate.seconds
            if place not in taken and cache.add(place, free_at, self.rate.seconds):
                if cache.get(place) is None and time.time() < free_at:
                    raise NotCounted
                return True
        return False

    def _taken_places(self) -> dict[str, float]:
        """Return the keys of the places that are taken, with the time when each is free (seconds since the epoch)."""
        taken: dict[str, float] = _cache().get_many([self._place_key(number) for number in range(self.rate.requests)])
        return taken

    def _place_key(self, number: int) -> str:
        return f"telroi:{self.scope}:{self.who}:{self.rate.requests}:{self.rate.seconds}:{self._digest}:{number}"

    @cached_property
    def _digest(self) -> str:
        return cache_digest(self.scope, self.who, self.name)


class NetworkCounter(Counter):
    """A rate limit for a large IPv6 network. It uses only django-ratelimit's fixed windows, without places.

    These rates are high. With one key per place, each request would have to read very many keys. Up to twice the rate
    may pass around a window boundary. That is acceptable, because this rate only limits an attacker who has very many
    /64 networks, and each of those networks has its own exact limit.
    """

    def wait(self) -> int:
        usage = self._usage(increment=False)
        return int(usage["time_left"]) + 1 if usage["count"] >= self.rate.requests else 0

    def take(self) -> int:
        usage = self._usage(increment=True)
        if usage["should_limit"]:
            return int(usage["time_left"]) + 1
        if not self._usage(increment=False)["count"] and int(usage["time_left"]) > 0:
            raise NotCounted  # for example, a cache that stores nothing
        return 0


def admit(scope: str, requester: Requester, *, once: str | None) -> None:
    """Count one request. Raises TooManyRequests if a limit is reached, Unavailable if the cache fails.

    ``scope``: "start" or "check". ``once``: a digest of the request. A retry with the same digest is not counted again.
    None counts each request.
    """
    counters = list(_counters(scope, requester))
    if not counters or not getattr(settings, "RATELIMIT_ENABLE", True):  # django-ratelimit's switch for the whole site
        return
    with _reject_if_cache_fails():
        if once is None:
            _count(counters)
        else:
            _count_once(counters, once=once)


def forget(scope: str, requester: Requester, *, once: str | None) -> None:
    """Delete the mark of a rejected request, so that the same request counts when it is sent again.

    If the cache fails, the mark expires within ``RETRY_LIFETIME_SECONDS``.
    """
    if once is None:
        return
    try:
        _cache().delete(_mark(list(_counters(scope, requester)), once=once))
    except Exception as error:  # noqa: BLE001 - each cache's client has errors of its own
        logger.error("cache_unavailable error=%s", type(error).__name__)


def _counters(scope: str, requester: Requester) -> Iterator[Counter]:
    for who, rate in conf.rates()[scope].items():
        name = requester.name(who) if rate else None
        if rate and name is not None:
            yield (NetworkCounter if who in MULTIPLIED else Counter)(scope, who, name, rate)


def _count(counters: Sequence[Counter]) -> None:
    """Take one place of each rate, or none. A request that one rate rejects does not use up another rate."""
    _reject_if_any_waits(counters, methodcaller("wait"))
    _reject_if_any_waits(counters, methodcaller("take"))


def _reject_if_any_waits(counters: Sequence[Counter], wait_of: Callable[[Counter], int]) -> None:
    waits = {counter: wait for counter in counters if (wait := wait_of(counter))}
    if waits:
        counter = max(waits, key=waits.__getitem__)
        logger.warning("rate_limited scope=%s by=%s retry_after=%s", counter.scope, counter.who, waits[counter])
        raise TooManyRequests(waits[counter])


def _count_once(counters: Sequence[Counter], *, once: str) -> None:
    """Count the requests of a double click once. The second request waits (sleeps) until the first one is counted.

    This does not bypass the limit. ``once`` includes the number, and one id requests at most one call.
    """
    cache, mark, misses = _cache(), _mark(counters, once=once), 0
    while not cache.add(mark, COUNTING, COUNT_TIMEOUT_SECONDS):
        seen = cache.get(mark)
        if seen == ADMITTED:
            return
        misses += seen is None
        if misses > MOST_CACHE_MISSES:
            raise NotCounted
        time.sleep(POLL_INTERVAL_SECONDS)
    try:
        _count(counters)
    except BaseException:
        cache.delete(mark)
        raise
    cache.set(mark, ADMITTED, RETRY_LIFETIME_SECONDS)


def _mark(counters: Sequence[Counter], *, once: str) -> str:
    return "telroi:once:" + cache_digest(once, *(counter.name for counter in counters))


@contextmanager
def _reject_if_cache_fails() -> Iterator[None]:
    """Raise Unavailable if the cache fails. A request that cannot be counted is rejected."""
    try:
        yield
    except VerificationRefused:
        raise
    except Exception as error:  # noqa: BLE001 - each cache's client has errors of its own
        logger.error("cache_unavailable error=%s", type(error).__name__)
        raise Unavailable from None


def _cache() -> BaseCache:
    """Return the cache that django-ratelimit uses."""
    return caches[getattr(settings, "RATELIMIT_USE_CACHE", "default")]


@sensitive_variables()
def cache_digest(*parts: object) -> str:
    text = Secret("\0".join(str(part) for part in parts))
    return salted_hmac("django_telroi.limits", text, algorithm="sha256").hexdigest()
