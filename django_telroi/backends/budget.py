"""The budget of an API key: the requests that Telroi allows in a minute, counted for all processes in the cache.

The start of Telroi's minute is unknown. So requests are counted in short fixed windows. The limit of a window is so
small that all windows that can overlap one minute together stay within the limit of the minute. For 600 a minute that
is 27 in 3 s, so 540 a minute.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from functools import lru_cache

from django.core.cache import caches

from django_telroi import conf
from django_telroi.domain.states import CodeMaker
from django_telroi.errors import ApiRefused

MINUTE = 60
SLACK = 3
"""Seconds. The time between two requests may shrink by this much on the way to Telroi's counter."""

OVER_BUDGET = "rate_limited"
"""The error code of Telroi's own rate limit."""

logger = logging.getLogger("django_telroi")


@dataclass(frozen=True)
class Share:
    """The ``requests`` that may be sent in each window of ``seconds``.

    A tenth of them is reserved for checks while Telroi may judge the code of a call.
    """

    seconds: int
    requests: int

    @property
    def for_all(self) -> int:
        """Requests for calls and checks."""
        return max(1, self.requests - -(-self.requests // 10))

    @property
    def for_checks(self) -> int:
        """Requests for checks only."""
        return self.requests - self.for_all

    @property
    def per_minute(self) -> float:
        """Requests per minute, on average."""
        return self.requests * MINUTE / self.seconds


@lru_cache
def share_of(requests_per_minute: int) -> Share:
    """Return the window that allows the most requests a minute. Of equal ones, return the longest: it allows a burst.

    A window of one request comes last, because it can reserve nothing for checks.
    """
    # Requests that reach Telroi within one minute were sent within ``MINUTE + SLACK``. This time can overlap as many
    # windows as fit into it, rounded up, and one more.
    shares = [
        Share(seconds, requests_per_minute // (-(-(MINUTE + SLACK) // seconds) + 1))
        for seconds in range(1, MINUTE + SLACK + 1)
    ]
    return max(shares, key=lambda share: (min(share.requests, 2), share.per_minute, share.seconds))


@dataclass(frozen=True)
class Slot:
    """One request that was counted in a window of django-ratelimit."""

    group: str
    window: int
    rate: tuple[int, int]
    key_digest: str

    @property
    def cache_key(self) -> str:
        """The cache key of the window's counter. After the window it is gone, and giving back has no effect."""
        from django_telroi.backends.ratelimit_windows import cache_key_of

        return cache_key_of(self.group, self.window, self.rate, self.key_digest)


def expect_checks(key_digest: str, *, seconds: float) -> None:
    """Reserve a tenth of the budget for checks during ``seconds``, because Telroi may judge the code of a call.

    If the cache fails, nothing is reserved beyond the requests that are left.
    """
    try:
        caches[conf.rate_limit_cache()].set(_expectation_key(key_digest), 1, timeout=seconds)
    except Exception as error:  # noqa: BLE001 - a cache raises the errors of its client library
        logger.info("checks_not_expected error=%s", type(error).__name__)


def _expects_checks(key_digest: str) -> bool:
    """Return whether Telroi may judge a code now. Codes of the site need no request, and no part of the budget."""
    if conf.codes() == CodeMaker.TELROI:
        return True
    try:
        return bool(caches[conf.rate_limit_cache()].get(_expectation_key(key_digest)))
    except Exception:  # noqa: BLE001 - the count that follows reports the failing cache
        return True


def _expectation_key(key_digest: str) -> str:
    return f"django_telroi.expects_checks.{key_digest}"


def take_for_call(key_digest: str, *, requests_per_minute: int) -> Slot | None:
    """Count one call and return its slot. Return None if it cannot be given back.

    Raises ApiRefused: 429 with the seconds to wait if the budget is used up, 503 if the cache fails.
    """
    share = share_of(requests_per_minute)
    try:
        return _count_request("django_telroi.requests", key_digest, share.for_all, share.seconds)
    except ApiRefused as refused:
        # The same two counters as those of a check. A counter with another limit would be a new one for
        # django-ratelimit, and both together would let more requests through than the budget has.
        if refused.code != OVER_BUDGET or not share.for_checks or _expects_checks(key_digest):
            raise
        return _count_request("django_telroi.checks", key_digest, share.for_checks, share.seconds)


def give_back(slot: Slot | None) -> None:
    """Subtract the request from the window that counted it. If the cache fails, the request stays counted."""
    if slot is None:
        return
    try:
        caches[conf.rate_limit_cache()].decr(slot.cache_key)
    except Exception as error:  # noqa: BLE001 - a cache raises the errors of its client library
        logger.info("budget_not_returned error=%s", type(error).__name__)


def take_for_check(key_digest: str, *, requests_per_minute: int) -> None:
    """Count one check. Raises the same errors as ``take_for_call``.

    The requests reserved for checks have their own counter. With one common counter, rejected calls would use them up,
    because django-ratelimit counts rejected requests too.
    """
    share = share_of(requests_per_minute)
    try:
        _count_request("django_telroi.requests", key_digest, share.for_all, share.seconds)
    except ApiRefused as refused:
        if refused.code != OVER_BUDGET or not share.for_checks:
            raise
        _count_request("django_telroi.checks", key_digest, share.for_checks, share.seconds)


def requests_left(key_digest: str, *, requests_per_minute: int) -> int | None:
    """Return how many requests the current window still allows, calls and checks together. Counts nothing.

    Returns None if nothing is counted (``RATELIMIT_ENABLE``) or if the cache fails.
    """
    from django_telroi.backends.ratelimit_windows import usage_of

    share = share_of(requests_per_minute)
    left = 0
    for group, most in (("django_telroi.requests", share.for_all), ("django_telroi.checks", share.for_checks)):
        if not most:
            continue
        try:
            usage = usage_of(group, key_digest, (most, share.seconds), increment=False)
        except Exception:  # noqa: BLE001 - the next request reports the failing cache
            return None
        if usage is None or not usage["limit"]:
            return None
        left += max(0, most - usage["count"])  # rejected requests are counted too
    return left


def _count_request(group: str, key_digest: str, most: int, seconds: int) -> Slot | None:
    """Count one request in the window of ``seconds`` that admits ``most`` of them.

    Returns its slot, or None if it cannot be given back or counting is off. Raises ApiRefused: 429 if the window is
    full, 503 if the cache fails.
    """
    # Not above: the system checks import this module, also on a site without django-ratelimit.
    from django_telroi.backends.ratelimit_windows import usage_of, window_of

    # django-ratelimit returns no name of its counter, and a slot can be given back only by that name. So the window is
    # computed before and after.
    window = window_of(key_digest, seconds)
    try:
        usage = usage_of(group, key_digest, (most, seconds), increment=True)
    except Exception as error:  # noqa: BLE001 - a cache raises the errors of its client library
        raise _budget_unavailable(type(error).__name__) from None
    if usage is None:  # RATELIMIT_ENABLE is off
        return None
    if not usage["limit"]:  # django-ratelimit reports a cache failure this way
        raise _budget_unavailable("no_answer")
    if usage["should_limit"]:
        # + 1, because a window of django-ratelimit includes the second at its end. In that second 0 or less is left.
        wait = max(1, usage["time_left"] + 1)
        raise ApiRefused(429, OVER_BUDGET, "Over the key's own budget.", wait, "key")
    if window_of(key_digest, seconds) != window:  # a new window began: it is unknown which one counted the request
        return None
    return Slot(group, window, (most, seconds), key_digest)


def _budget_unavailable(error: str) -> ApiRefused:
    """Log the error and return the refusal. A request that cannot be counted is not sent."""
    logger.error("budget_unavailable error=%s", error)
    return ApiRefused(503, "service_unavailable", "The key's budget cannot be counted.")
