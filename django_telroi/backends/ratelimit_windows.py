"""The windows of django-ratelimit, in which the budget of a key is counted.

django-ratelimit returns neither the window nor the cache key of its counter, and a request can be given back only by
that key. So this module uses two private functions, last seen in 4.1.0: ``_get_window`` and ``_make_cache_key``. No
other module may use them. ``tests/project/test_private_names.py`` fails if a new version changes them.
"""

from __future__ import annotations

from typing import Any

from django_telroi.packages import DJANGO_RATELIMIT

with DJANGO_RATELIMIT.needed_for("The request budget of the API key"):
    from django_ratelimit import core

__all__ = ["cache_key_of", "usage_of", "window_of"]


def window_of(value: str, seconds: int) -> int:
    """Return the end of the window that ``value`` is counted in now, in seconds since 1970."""
    return int(core._get_window(value, seconds))


def cache_key_of(group: str, window: int, rate: tuple[int, int], value: str) -> str:
    """Return the cache key of the counter of a window. ``rate``: requests and seconds."""
    return str(core._make_cache_key(group, window, rate, value, core.ALL))


def usage_of(group: str, value: str, rate: tuple[int, int], *, increment: bool) -> Any:
    """Return the usage of the current window as django-ratelimit's dict, or None if ``RATELIMIT_ENABLE`` is off.

    ``increment``: count one request first. Raises the errors of the cache's client.
    """
    return core.get_usage(None, group=group, key=lambda group, request: value, rate=rate, increment=increment)
