"""The arithmetic of one rate limit: which keys of the cache count its requests, and how long a full limit lasts."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from django.core.cache import caches
from django.utils.crypto import salted_hmac
from django.views.decorators.debug import sensitive_variables

from django_telroi import conf
from django_telroi.domain.rates import Rate
from django_telroi.redaction import Secret

SUB_WINDOWS = 12
"""More would make the wait more exact, and each request would read as many more keys."""


class NotCounted(Exception):
    """The cache did not store a count, or took too long."""


@dataclass(frozen=True)
class Counter:
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

    counter: Counter
    current: int

    @classmethod
    def of(cls, counter: Counter, *, now: float) -> Window:
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
        """Return the counts without this request and without later ones. ``count``: the result of its ``add_one``."""
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
        """Return the seconds for which the current count is stored: longer than any window reads it."""
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
