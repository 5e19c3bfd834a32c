"""The requests that Telroi allows a key in a minute, shared fairly by every process that uses it.

Telroi's minute begins when it likes, so what is counted here are short windows, small enough that as many of them as
can touch one minute hold no more than the minute allows. At 600 a minute that is 27 in 3 s: 540 a minute in all.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import lru_cache

from django.conf import settings
from django.core.cache import caches
from django_ratelimit.core import ALL, _get_window, _make_cache_key, get_usage

from django_telroi.errors import ApiRefused

MINUTE = 60
SLACK = 3
"""Seconds by which two requests may come closer to each other on their way from here to Telroi's counter."""

OVER_BUDGET = "rate_limited"
"""The code with which Telroi's own limit would refuse."""

logger = logging.getLogger("django_telroi")


@dataclass(frozen=True)
class Share:
    """What may be sent in each window of so many seconds; a tenth of it is kept for checks."""

    seconds: int
    requests: int

    @property
    def for_all(self) -> int:
        """What calls may use as well as checks."""
        return max(1, self.requests - -(-self.requests // 10))

    @property
    def for_checks(self) -> int:
        return self.requests - self.for_all

    @property
    def a_minute(self) -> float:
        return self.requests * MINUTE / self.seconds


@lru_cache
def share_of(requests_per_minute: int) -> Share:
    """The windows that waste least of the minute; of equal ones the longest, for it takes the largest burst.

    A window for one request only, which could keep nothing for checks, is the last resort.
    """
    shares = [
        Share(seconds, requests_per_minute // _windows_in_a_minute(seconds)) for seconds in range(1, MINUTE + SLACK + 1)
    ]
    return max(shares, key=lambda share: (min(share.requests, 2), share.a_minute, share.seconds))


@dataclass(frozen=True)
class Slot:
    """One request that was counted, by the key of its count in the cache; a window that is over takes none back."""

    cache_key: str


def take_for_call(key_digest: str, *, requests_per_minute: int) -> Slot | None:
    """Count one call; the place that it got, None where nothing is counted. Raises ApiRefused as Telroi would."""
    share = share_of(requests_per_minute)
    return _take("django_telroi.requests", key_digest, share.for_all, share.seconds)


def give_back(place: Slot | None) -> None:
    """Count one request less, in the window that it was counted in. A cache that fails keeps the count."""
    if place is None:
        return
    try:
        caches[getattr(settings, "RATELIMIT_USE_CACHE", "default")].decr(place.cache_key)
    except Exception as error:  # noqa: BLE001 - a cache raises whatever its client library does
        logger.info("budget_not_returned error=%s", type(error).__name__)


def take_for_check(key_digest: str, *, requests_per_minute: int) -> None:
    """Count one check. Raises as ``take_for_call``.

    What is kept for checks has a count of its own, which no call that is refused uses up.
    """
    share = share_of(requests_per_minute)
    try:
        _take("django_telroi.requests", key_digest, share.for_all, share.seconds)
    except ApiRefused as refused:
        if refused.code != OVER_BUDGET or not share.for_checks:
            raise
        _take("django_telroi.checks", key_digest, share.for_checks, share.seconds)


def _windows_in_a_minute(seconds: int) -> int:
    """How many windows can be touched by what reaches Telroi within one minute."""
    return -(-(MINUTE + SLACK) // seconds) + 1


def _take(group: str, key_digest: str, most: int, seconds: int) -> Slot | None:
    window = _get_window(key_digest, seconds)
    try:
        usage = get_usage(
            None, group=group, key=lambda group, request: key_digest, rate=(most, seconds), increment=True
        )
    except Exception as error:  # noqa: BLE001 - a cache raises whatever its client library does
        raise _uncounted(type(error).__name__) from None
    if usage is None:  # RATELIMIT_ENABLE is off
        return None
    if not usage["limit"]:  # how django-ratelimit says that the cache failed
        raise _uncounted("no_answer")
    if usage["should_limit"]:
        # Its windows end with the second that they are named after.
        raise ApiRefused(429, OVER_BUDGET, "Over the key's own budget.", usage["time_left"] + 1, "key")
    if _get_window(key_digest, seconds) != window:  # it ended while this was counted: which one counted, is not told
        return None
    return Slot(_make_cache_key(group, window, (most, seconds), key_digest, ALL))


def _uncounted(error: str) -> ApiRefused:
    """What cannot be counted is not sent."""
    logger.error("budget_unavailable error=%s", error)
    return ApiRefused(503, "service_unavailable", "The key's budget cannot be counted.")
