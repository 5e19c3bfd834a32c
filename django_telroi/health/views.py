"""The health check: whether the database and the cache answer. It asks nothing outside of the site."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial

from django.contrib.auth.decorators import login_not_required
from django.core.cache import caches
from django.db import connections, transaction
from django.http import HttpRequest, JsonResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from django_telroi import conf
from django_telroi.services.shared.number_state import database_now
from django_telroi.services.shared.transactions import drop_if_broken, repeat_on_lost_connection, write_alias

logger = logging.getLogger("django_telroi")

CACHE_KEY = "django_telroi.health"
CACHE_SECONDS = 60


class CacheKeepsNothing(Exception):
    """The cache raises no error and does not return what was set, like ``DummyCache`` or a Memcached that is down."""


@login_not_required
@never_cache
@require_safe
def report_health(request: HttpRequest) -> JsonResponse:
    """Return 200 if calls can be counted now, 503 if not: ``{"ok": true, "database": true, "cache": true}``.

    Without the database or the cache every start is rejected. Telroi, the broker and workers are not asked: a probe
    must be fast, and a restart of this process would not help them. The cause of a failure is in the log only.
    """
    answers = {"database": _answers("database", ask_database), "cache": _answers("cache", ask_cache)}
    is_healthy = all(answers.values())
    return JsonResponse({"ok": is_healthy, **answers}, status=200 if is_healthy else 503)


for _alias in connections:
    # The transaction of ``ATOMIC_REQUESTS`` would fail before the view could answer.
    report_health = transaction.non_atomic_requests(using=_alias)(report_health)


def ask_database() -> None:
    """Read the clock and the switch of the site from the database. One statement. Raises the database's errors."""
    using = write_alias()
    try:
        # A connection that the server closed while it was idle is replaced, as in every other request.
        repeat_on_lost_connection(partial(database_now, using), using=using)
    finally:
        drop_if_broken(connections[using])


def ask_cache() -> None:
    """Set a key of the cache that counts requests, and read it. Raises the errors of the cache."""
    cache = caches[conf.rate_limit_cache()]
    cache.set(CACHE_KEY, 1, CACHE_SECONDS)
    if cache.get(CACHE_KEY) != 1:
        raise CacheKeepsNothing


def _answers(part: str, ask: Callable[[], None]) -> bool:
    try:
        ask()
    except Exception as error:  # noqa: BLE001 - databases and caches raise the errors of their libraries
        logger.error("health_failed part=%s error=%s", part, type(error).__name__)
        return False
    return True
