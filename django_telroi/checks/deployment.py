"""Checks for production. They run only with ``manage.py check --deploy``."""

from __future__ import annotations

from collections.abc import Iterator

from django.conf import settings
from django.core import checks
from django.core.cache import caches
from django.core.cache.backends.base import BaseCache
from django.core.cache.backends.db import DatabaseCache
from django.core.cache.backends.dummy import DummyCache
from django.core.cache.backends.filebased import FileBasedCache
from django.core.cache.backends.locmem import LocMemCache
from django.core.checks import CheckMessage

from django_telroi import conf
from django_telroi.backends import is_own_backend
from django_telroi.conf import values

REASONS_AGAINST: dict[type[BaseCache], str] = {
    LocMemCache: "each process counts separately",
    DatabaseCache: "two concurrent requests may count as one",
    FileBasedCache: "two concurrent requests may count as one",
    DummyCache: "it stores nothing, so every request is rejected",
}


def check_production_settings() -> Iterator[CheckMessage]:
    """Yield a warning for each setting that suits development but not production."""
    yield from _regions()
    yield from _test_key()
    yield from _rate_limits()
    yield from _cache()
    yield from _proxies()
    yield from _retention()


def _regions() -> Iterator[CheckMessage]:
    if conf.calling_rules().allowed_regions is None:
        yield checks.Warning(
            'TELROI["ALLOWED_REGIONS"] is not set. '
            "Calls to every country are allowed, including expensive destinations.",
            hint='List the countries of your users: TELROI["ALLOWED_REGIONS"] = ["NG", "GH"].',
            id="telroi.W009",
        )


def _test_key() -> Iterator[CheckMessage]:
    if conf.allow_test_key():
        reason = (
            "DEBUG is on and ALLOW_TEST_KEY is unset"
            if values.read("ALLOW_TEST_KEY") is None
            else "ALLOW_TEST_KEY is on"
        )
        yield checks.Warning(
            f"Test results are accepted here ({reason}). A result that the backend marks as a test (livemode=False) "
            "verifies a number."
            if is_own_backend()
            else f"Test keys are accepted here ({reason}). With a test key the code 000000 verifies any number.",
            hint='Turn DEBUG off, and set TELROI["ALLOW_TEST_KEY"] only where nothing depends on a verified number.',
            id="telroi.W010",
        )


def _rate_limits() -> Iterator[CheckMessage]:
    if not getattr(settings, "RATELIMIT_ENABLE", True):
        yield checks.Warning(
            "RATELIMIT_ENABLE is off, so the requests of visitors and users are not counted"
            + ("." if is_own_backend() else ". Requests with the API key are not counted either."),
            hint='Remove RATELIMIT_ENABLE. Use TELROI["RATES"] to disable single limits.',
            id="telroi.W015",
        )


def _cache() -> Iterator[CheckMessage]:
    alias = getattr(settings, "RATELIMIT_USE_CACHE", "default")
    cache = caches[alias]
    for kind, reason in REASONS_AGAINST.items():
        if isinstance(cache, kind):
            yield checks.Warning(
                f'The cache "{alias}" counts requests, but it is a {type(cache).__name__}: {reason}.',
                hint="Use Redis or Memcached. Set RATELIMIT_USE_CACHE to its alias if it is not the default cache.",
                id="telroi.W011",
            )


def _proxies() -> Iterator[CheckMessage]:
    if conf.trusted_proxies() is None:
        yield checks.Warning(
            'TELROI["TRUSTED_PROXIES"] is not set. Until it is, all visitors behind a proxy share one rate limit.',
            hint="Set it to the number of reverse proxies in front of Django (0 for none).",
            id="telroi.W012",
        )


def _retention() -> Iterator[CheckMessage]:
    if conf.retention() is None:
        yield checks.Warning(
            'TELROI["RETENTION_DAYS"] is None. '
            "Attempts are kept forever, with the number, the IP address and the time of each call.",
            hint="Set it to a number of days, such as 90, and run telroi_purge every day.",
            id="telroi.W013",
        )
