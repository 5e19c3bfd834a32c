"""Count requests in the cache: each request once, and never more than the rate in any window of its length.

``Window`` has the arithmetic: which keys of the cache count the requests, and how long a full limit lasts.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from operator import itemgetter

from django.conf import settings
from django.core.cache import caches
from django.utils.crypto import salted_hmac
from django.views.decorators.debug import sensitive_variables

from django_telroi import conf
from django_telroi.domain.rates import Rate
from django_telroi.errors import TooManyRequests, Unavailable, VerificationRefused
from django_telroi.redaction import Secret
from django_telroi.services.requester import Requester

logger = logging.getLogger("django_telroi")


SUB_WINDOWS = 12
"""More would make the wait more exact, and each request would read as many more keys."""


class NotCounted(Exception):
    """The cache did not store a count, or took too long."""


@dataclass(frozen=True)
class RateCounter:
    """One rate limit of one requester. The keys contain a digest of ``name``, so the cache stores no IP address."""

    scope: str
    who: str
    name: str = field(repr=False)
    rate: Rate

    @cached_property
    def prefix(self) -> str:
        """The beginning of all keys. The number of the sub-window follows."""
        digest = cache_digest(self.scope, self.who, self.name)
        # Without the number of requests: a site that lowers a rate during an attack must not reset its counts.
        return f"telroi:{self.scope}:{self.who}:{self.rate.seconds}:{digest}:"


@dataclass(frozen=True)
class Window:
    """The sub-windows in which one limit counts, at one moment.

    The time is divided into sub-windows of a twelfth of the rate's window. Each has a count in the cache. A window that
    ends now overlaps the ``current`` sub-window and the twelve before it. A request counts in the current one, and is
    admitted if these thirteen counts together are at most the rate. So no window has more than the rate, and a request
    is rejected only if the full rate was admitted in the last 13/12 of a window. The number of keys does not depend on
    the rate. One key for each request of the rate would make the wait exact, but ``10000/h`` would read 10,000 keys.

    The sub-window after the current one counts too. It has a count only if another server's clock is ahead.
    """

    counter: RateCounter
    current: int

    @classmethod
    def of(cls, counter: RateCounter, *, now: float) -> Window:
        return cls(counter, int(now * SUB_WINDOWS // counter.rate.seconds))

    @property
    def current_key(self) -> str:
        return self.keys[SUB_WINDOWS]

    @cached_property
    def keys(self) -> list[str]:
        """The keys of twelve earlier sub-windows, the current one and the one after it, in this order."""
        prefix = self.counter.prefix
        return [f"{prefix}{number}" for number in range(self.current - SUB_WINDOWS, self.current + 2)]

    def counts(self, found: Mapping[str, int]) -> list[int]:
        return [found.get(key, 0) for key in self.keys]

    def others(self, found: Mapping[str, int], count: int) -> list[int]:
        """Return the counts without this request and without later ones.

        ``count``: the count of the current sub-window after this request was added, the result of its ``add_one``.
        """
        counts = self.counts(found)
        counts[SUB_WINDOWS] = count - 1
        return counts

    def add_one(self, *, exists: bool) -> int:
        """Count one request in the current sub-window, and return its count. Raises NotCounted, and the cache's errors.

        ``exists``: the key was in the cache a moment ago.
        """
        cache = caches[conf.rate_limit_cache()]
        # ``add`` and ``incr`` are atomic on shared caches. If two requests add the key at once, one of them increments.
        if not exists and cache.add(self.current_key, 1, self._lifetime()):
            return 1
        count: int | None = cache.incr(self.current_key)
        if count is None:  # a client that swallows its errors
            raise NotCounted
        return count

    def _lifetime(self) -> int:
        """Return the seconds for which the cache stores the current count. No window reads it after that."""
        # 13 sub-windows suffice. One more, because servers' clocks differ; and a second, because memcached's clock has
        # whole seconds. Redis accepts whole seconds only.
        return math.ceil(self.counter.rate.seconds * (SUB_WINDOWS + 2) / SUB_WINDOWS) + 1

    def seconds_to_wait(self, counts: Sequence[int]) -> int:
        """Return the seconds until a request would be admitted after these ``counts``, 0 if it would be admitted now.

        Other limits and later requests are not considered.
        """
        requests, seconds = self.counter.rate.requests, self.counter.rate.seconds
        if sum(counts) < requests:
            return 0
        older, newer = counts[:SUB_WINDOWS], sum(counts[SUB_WINDOWS:])
        # More than the rate is never admitted. What is above it are requests that are still being counted and will be
        # subtracted. They must not make the wait longer.
        left = sum(older) + max(0, min(newer, requests - sum(older)))
        for age, count in enumerate(older):
            left -= count
            if left < requests:
                return self._seconds_until(self.current + age + 1)
        return self._seconds_until(self.current + SUB_WINDOWS + 1) if requests else seconds

    def _seconds_until(self, sub_window: int) -> int:
        begins_at = sub_window * self.counter.rate.seconds / SUB_WINDOWS
        return max(1, math.ceil(begins_at - time.time()))


@sensitive_variables()
def cache_digest(*parts: object) -> str:
    text = Secret("\0".join(str(part) for part in parts))
    return salted_hmac("django_telroi.limits", text, algorithm="sha256").hexdigest()


COUNTING, ADMITTED = "counting", "admitted"
COUNT_TIMEOUT_SECONDS = 10
"""If a process dies while it counts, its mark expires, and a retry counts."""
RETRY_LIFETIME_SECONDS = 600
MAX_ROUNDS = 3
"""A request that a sub-window's end interrupts is counted again, at most this often in all."""
POLL_INTERVAL_SECONDS = 0.02
MAX_CACHE_MISSES = 3
"""Give up on the cache after this many contradictory answers: ``add`` says the key exists, ``get`` does not find it."""


class SubWindowEnded(Exception):
    """A sub-window ended while a request was counted in it."""


def admit(scope: str, requester: Requester, *, once: str | None, ask: Callable[[], None] | None = None) -> None:
    """Count one request. Raises TooManyRequests if a limit is reached, Unavailable if the cache fails.

    ``scope``: "start" or "check". ``once``: a digest of the request. A retry with the same digest is not counted again.
    None counts each request. ``ask``: raises the refusal of the site's bot check. It is called before anything is
    counted, and not for a retry: of a double click, whose requests have the same token, only one is asked about.
    """
    counters = _counters_in_use(scope, requester)
    if not counters and ask is None:
        return
    with reject_if_cache_fails():
        if once is None:
            _ask_and_count(counters, ask)
        else:
            _count_once(counters, once=once, ask=ask)


def _ask_and_count(counters: Sequence[RateCounter], ask: Callable[[], None] | None) -> None:
    if ask:
        ask()
    if counters:
        _count(counters)


def refuse_if_full(scope: str, requester: Requester) -> None:
    """Raise what ``admit`` would raise for a new request now. Counts nothing."""
    with reject_if_cache_fails():
        windows = [Window.of(counter, now=time.time()) for counter in _counters_in_use(scope, requester)]
        found = _read(windows)
        _reject_if_full([(window, window.counts(found)) for window in windows])


def forget(scope: str, requester: Requester, *, once: str | None) -> None:
    """Delete the mark of a rejected request, so that the same request counts when it is sent again.

    If the cache fails, the mark expires within ``RETRY_LIFETIME_SECONDS``.
    """
    if once is None:
        return
    try:
        caches[conf.rate_limit_cache()].delete(_mark(_counters_in_use(scope, requester), once=once))
    except Exception as error:  # noqa: BLE001 - each cache's client has errors of its own
        logger.error("cache_unavailable error=%s", type(error).__name__)


def _counters_in_use(scope: str, requester: Requester) -> list[RateCounter]:
    # ``RATELIMIT_ENABLE`` is django-ratelimit's switch for the whole site.
    is_on = conf.counts_requests() and getattr(settings, "RATELIMIT_ENABLE", True)
    return list(_counters(scope, requester)) if is_on else []


def _counters(scope: str, requester: Requester) -> Iterator[RateCounter]:
    for who, rate in conf.rates()[scope].items():
        name = requester.name(who) if rate else None
        if rate and name is not None:
            yield RateCounter(scope, who, name, rate)


def _count(counters: Sequence[RateCounter]) -> None:
    """Count one request for each rate, or for none: a request that one rate rejects does not use up another rate.

    Raises TooManyRequests, NotCounted and the cache's errors.
    """
    for _ in range(MAX_ROUNDS):
        with suppress(SubWindowEnded):
            return _count_in([Window.of(counter, now=time.time()) for counter in counters])
    raise NotCounted  # the cache needs longer than a sub-window


def _count_in(windows: Sequence[Window]) -> None:
    """Count one request in the current sub-windows. Raises SubWindowEnded if one of them ended meanwhile."""
    found = _read(windows)
    # Before anything is written: requests that are rejected again and again must not keep the counts high.
    _reject_if_full([(window, window.counts(found)) for window in windows])
    counted: list[tuple[Window, int]] = []
    try:
        for window in windows:
            count = window.add_one(exists=window.current_key in found)
            counted.append((window, count))
            # The first read may be out of date: concurrent requests read the same counts. But each gets another count
            # from ``incr``, so of two requests for the last place the first is admitted.
            # Not only after the loop: all requests count in the same order, so the one that this limit rejects has not
            # counted for the next ones. Otherwise each of two requests could be the first for one limit and the second
            # for another, and both would be rejected.
            if window.seconds_to_wait(window.others(found, count)):
                # Not rejected yet. The first read may contain a request that was subtracted since and counted again.
                _check_what_is_counted(windows, counted)
        # Clocks of servers differ. At the end of a sub-window two servers may count in different ones, and neither sees
        # the other in its first read. The one that counts later sees the other here.
        _check_what_is_counted(windows, counted)
    except BaseException:
        _give_back(window for window, _ in counted)
        raise


def _check_what_is_counted(windows: Sequence[Window], counted: Sequence[tuple[Window, int]]) -> None:
    """Read again, and raise TooManyRequests if a limit is reached without this request.

    ``counted``: the windows in which this request is counted, each with the result of its ``add_one``. Raises
    SubWindowEnded and NotCounted too.
    """
    found = _read(windows)
    # A request that stalled into a later sub-window has not read what others counted since. It is not admitted there
    # either: it would be admitted later than it is counted, and a window could have more than the rate.
    if any(window != Window.of(window.counter, now=time.time()) for window in windows):
        raise SubWindowEnded
    if not all(window.current_key in found for window, _ in counted):
        raise NotCounted  # for example, a cache that stores nothing
    # Without requests that counted after this one, and without those that counted before it and were subtracted since.
    before = [(window, min(count, found[window.current_key])) for window, count in counted]
    _reject_if_full([(window, window.others(found, count)) for window, count in before])


def _read(windows: Sequence[Window]) -> dict[str, int]:
    """Read the counts of all limits with one command."""
    # The newest first, because on some caches the command is not atomic. A request that the end of a sub-window
    # interrupts is subtracted and counted again in a newer one. With the oldest first it could be seen in both.
    keys = [key for window in windows for key in reversed(window.keys)]
    found: dict[str, int] = caches[conf.rate_limit_cache()].get_many(keys)
    return found


def _reject_if_full(counts: Sequence[tuple[Window, Sequence[int]]]) -> None:
    """Raise TooManyRequests if the counts of other requests reach a rate. Of several waits the longest is returned."""
    waits = [(wait, window.counter) for window, others in counts if (wait := window.seconds_to_wait(others))]
    if waits:
        wait, counter = max(waits, key=itemgetter(0))
        logger.warning("rate_limited scope=%s by=%s retry_after=%s", counter.scope, counter.who, wait)
        raise TooManyRequests(wait)


def _give_back(windows: Iterable[Window]) -> None:
    """Subtract a request that was counted and not admitted. If the cache fails, it stays counted until its key expires.

    The same happens if the process dies before. That uses up one place for a window, and never admits too many.
    """
    try:
        for window in windows:
            with suppress(ValueError):  # the request took longer than the window, so its key has expired
                caches[conf.rate_limit_cache()].decr(window.current_key)
    except Exception as error:  # noqa: BLE001 - each cache's client has errors of its own
        # Not one attempt for each key: with a cache that does not answer, each would take a time-out.
        logger.error("count_not_returned error=%s", type(error).__name__)


def _count_once(counters: Sequence[RateCounter], *, once: str, ask: Callable[[], None] | None) -> None:
    """Count the requests of a double click once. The second request waits (sleeps) until the first one is counted.

    This does not bypass the limit. ``once`` includes the number, and one id requests at most one call.
    """
    cache, mark, misses = caches[conf.rate_limit_cache()], _mark(counters, once=once), 0
    while not cache.add(mark, COUNTING, COUNT_TIMEOUT_SECONDS):
        seen = cache.get(mark)
        if seen == ADMITTED:
            return
        misses += seen is None
        if misses > MAX_CACHE_MISSES:
            raise NotCounted
        time.sleep(POLL_INTERVAL_SECONDS)
    try:
        _ask_and_count(counters, ask)
    except BaseException:
        cache.delete(mark)
        raise
    cache.set(mark, ADMITTED, RETRY_LIFETIME_SECONDS)


def _mark(counters: Sequence[RateCounter], *, once: str) -> str:
    return "telroi:once:" + cache_digest(once, *(counter.name for counter in counters))


@contextmanager
def reject_if_cache_fails() -> Iterator[None]:
    """Raise Unavailable if the cache fails. A request that cannot be counted is rejected."""
    try:
        yield
    except VerificationRefused:
        raise
    except Exception as error:  # noqa: BLE001 - each cache's client has errors of its own
        logger.error("cache_unavailable error=%s", type(error).__name__)
        raise Unavailable from None
