"""Counting requests in the cache: no more than a rate allows in any of its windows, each request once."""

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
SECONDS_TO_COUNT = 10
SECONDS_OF_REPEATS = 600
BETWEEN_LOOKS = 0.02
MOST_CACHE_MISSES = 3
"""How often a mark that cannot be made may not be there either, before the cache is not believed any more."""


class NotCounted(Exception):
    """The cache took a count and has nothing to show for it."""


@dataclass(frozen=True)
class Counter:
    """One rate for one requester, whose ``name`` is digested: no cache ever holds an address.

    The library counts in fixed windows, and around the edge of two of them twice the rate would pass. So whoever it
    lets through also holds one of the rate's places, each a key of its own, for as long as the rate says: no more than
    that many in *any* such time, and a wait that is true to the second.
    """

    scope: str
    who: str
    name: str = field(repr=False)
    rate: Rate

    def wait(self) -> int:
        """Seconds until a place is free, 0 if one is. Counts nothing."""
        held = self._held()
        if len(held) < self.rate.requests:
            return 0
        first_free = min(held.values(), default=math.inf) - time.time()
        return math.ceil(min(max(first_free, 1), self.rate.seconds))

    def take(self) -> int:
        """Count one request; 0 if it got a place, else the seconds until there is one."""
        usage = self._usage(increment=True)
        if usage["should_limit"]:
            return max(self.wait(), int(usage["time_left"]) + 1)
        return 0 if self._take_place(first=usage["count"] - 1) else max(1, self.wait())

    def _usage(self, *, increment: bool) -> dict[str, Any]:
        """What the library counted in its window of now. Raises NotCounted."""
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
        """Whoever adds a place's key has it. Those who come at once each begin with another one."""
        cache, held = _cache(), self._held()
        for number in range(first, first + self.rate.requests):
            place = self._place(number % self.rate.requests)
            free_at = time.time() + self.rate.seconds
            if place not in held and cache.add(place, free_at, self.rate.seconds):
                if cache.get(place) is None and time.time() < free_at:
                    raise NotCounted
                return True
        return False

    def _held(self) -> dict[str, float]:
        """When each place that is taken will be free."""
        held: dict[str, float] = _cache().get_many([self._place(number) for number in range(self.rate.requests)])
        return held

    def _place(self, number: int) -> str:
        return f"telroi:{self.scope}:{self.who}:{self.rate.requests}:{self.rate.seconds}:{self._digest}:{number}"

    @cached_property
    def _digest(self) -> str:
        return cache_digest(self.scope, self.who, self.name)


class NetworkCounter(Counter):
    """A rate for a network of many customers: counted in the library's windows alone, with no place for each request.

    A place is a key, and these rates are large: what is read before each request would grow with them. Around the edge
    of two windows twice the rate may pass, which is no harm here. The rate bounds what one can do with very many
    networks of 64 bits; each of those has its own exact limit.
    """

    def wait(self) -> int:
        usage = self._usage(increment=False)
        return int(usage["time_left"]) + 1 if usage["count"] >= self.rate.requests else 0

    def take(self) -> int:
        usage = self._usage(increment=True)
        if usage["should_limit"]:
            return int(usage["time_left"]) + 1
        if not self._usage(increment=False)["count"] and int(usage["time_left"]) > 0:
            raise NotCounted  # such as by a cache that keeps nothing
        return 0


def admit(scope: str, requester: Requester, *, once: str | None) -> None:
    """Count one request, or refuse it. ``once`` digests what makes it the same request when it comes again."""
    counters = list(_counters(scope, requester))
    if not counters or not getattr(settings, "RATELIMIT_ENABLE", True):  # the library's switch for a whole site
        return
    with _refused_without_cache():
        if once is None:
            _count(counters)
        else:
            _count_once(counters, once=once)


def forget(scope: str, requester: Requester, *, once: str | None) -> None:
    """Let the next request like this one count: it was refused after all, and a repeat of nothing needs its own place.

    Where the cache fails, the mark is gone within minutes by itself.
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
    """One place of each rate, or none: whoever must wait for one has not used up the other."""
    _refuse_until(counters, methodcaller("wait"))
    _refuse_until(counters, methodcaller("take"))


def _refuse_until(counters: Sequence[Counter], wait_of: Callable[[Counter], int]) -> None:
    waits = {counter: wait for counter in counters if (wait := wait_of(counter))}
    if waits:
        counter = max(waits, key=waits.__getitem__)
        logger.warning("rate_limited scope=%s by=%s retry_after=%s", counter.scope, counter.who, waits[counter])
        raise TooManyRequests(waits[counter])


def _count_once(counters: Sequence[Counter], *, once: str) -> None:
    """A double click is one request: its second half waits for what the first one comes to.

    It is no way around the count: ``once`` is of the number too, and one id is one call at the most.
    """
    cache, mark, misses = _cache(), _mark(counters, once=once), 0
    while not cache.add(mark, COUNTING, SECONDS_TO_COUNT):
        seen = cache.get(mark)
        if seen == ADMITTED:
            return
        misses += seen is None
        if misses > MOST_CACHE_MISSES:
            raise NotCounted
        time.sleep(BETWEEN_LOOKS)
    try:
        _count(counters)
    except BaseException:
        cache.delete(mark)
        raise
    cache.set(mark, ADMITTED, SECONDS_OF_REPEATS)


def _mark(counters: Sequence[Counter], *, once: str) -> str:
    return "telroi:once:" + cache_digest(once, *(counter.name for counter in counters))


@contextmanager
def _refused_without_cache() -> Iterator[None]:
    """What cannot be counted is refused, not waved through."""
    try:
        yield
    except VerificationRefused:
        raise
    except Exception as error:  # noqa: BLE001 - each cache's client has errors of its own
        logger.error("cache_unavailable error=%s", type(error).__name__)
        raise Unavailable from None


def _cache() -> BaseCache:
    """The one that the library counts in."""
    return caches[getattr(settings, "RATELIMIT_USE_CACHE", "default")]


@sensitive_variables()
def cache_digest(*parts: object) -> str:
    text = Secret("\0".join(str(part) for part in parts))
    return salted_hmac("django_telroi.limits", text, algorithm="sha256").hexdigest()
