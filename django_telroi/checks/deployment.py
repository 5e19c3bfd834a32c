"""What a developer's machine may have and a site in front of the world should not."""

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

REASONS_AGAINST: dict[type[BaseCache], str] = {
    LocMemCache: "every process counts for itself",
    DatabaseCache: "two requests at once count as one",
    FileBasedCache: "two requests at once count as one",
    DummyCache: "it remembers nothing, so every request is refused",
}


def hasty_deployment() -> Iterator[CheckMessage]:
    """What ``manage.py check --deploy`` adds."""
    yield from _regions()
    yield from _test_key()
    yield from _counting()
    yield from _cache()
    yield from _requesters()
    yield from _retention()


def _regions() -> Iterator[CheckMessage]:
    if conf.calling_rules().allowed_regions is None:
        yield checks.Warning(
            "Numbers of every country are called, the dear ones too.",
            hint='List the countries of your people: TELROI["ALLOWED_REGIONS"] = ["NG", "GH"].',
            id="telroi.W009",
        )


def _test_key() -> Iterator[CheckMessage]:
    if conf.allow_test_key():
        yield checks.Warning(
            "ALLOW_TEST_KEY is on: what the backend marks as a test (livemode=False) verifies numbers."
            if is_own_backend()
            else "ALLOW_TEST_KEY is on: with a test key, 000000 verifies any number.",
            hint='Remove TELROI["ALLOW_TEST_KEY"], and DEBUG, wherever a verified number means something.',
            id="telroi.W010",
        )


def _counting() -> Iterator[CheckMessage]:
    if not getattr(settings, "RATELIMIT_ENABLE", True):
        yield checks.Warning(
            "django-ratelimit is switched off: nobody's requests are counted"
            + ("." if is_own_backend() else ", and neither are those with the key."),
            hint='Remove RATELIMIT_ENABLE; TELROI["RATES"] switches single limits off.',
            id="telroi.W015",
        )


def _cache() -> Iterator[CheckMessage]:
    alias = getattr(settings, "RATELIMIT_USE_CACHE", "default")
    cache = caches[alias]
    for kind, reason in REASONS_AGAINST.items():
        if isinstance(cache, kind):
            yield checks.Warning(
                f'Requests are counted in the cache "{alias}", a {type(cache).__name__}: {reason}.',
                hint="Use Redis or Memcached, and name it in RATELIMIT_USE_CACHE if it is not the default cache.",
                id="telroi.W011",
            )


def _requesters() -> Iterator[CheckMessage]:
    if conf.trusted_proxies() is None:
        yield checks.Warning(
            "It is not decided how many proxies stand in front of this site.",
            hint='Set TELROI["TRUSTED_PROXIES"], 0 for none. Until then all who come through a proxy share one limit.',
            id="telroi.W012",
        )


def _retention() -> Iterator[CheckMessage]:
    if conf.retention() is None:
        yield checks.Warning(
            "Whom this site called, from which address and when is kept for ever.",
            hint='Set TELROI["RETENTION_DAYS"], 90 say, and run telroi_purge every day.',
            id="telroi.W013",
        )
