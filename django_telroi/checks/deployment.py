"""Checks for production. They run only with ``manage.py check --deploy``."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from django.conf import settings
from django.core import checks
from django.core.cache import caches
from django.core.cache.backends.base import BaseCache
from django.core.cache.backends.dummy import DummyCache
from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCache
from django.core.checks import CheckMessage

from django_telroi import conf
from django_telroi.backends import is_own_backend
from django_telroi.checks.project import has_pages
from django_telroi.conf import values
from django_telroi.domain.phone import LineType

# Subclasses too. A cache of another package may be shared, so it is not in this table.
REASONS_AGAINST: dict[type[BaseCache], str] = {
    LocMemCache: "each process counts separately",
    DummyCache: "it stores nothing, so every request is rejected",
}


def check_production_settings() -> Iterator[CheckMessage]:
    """Yield a warning for each setting that suits development but not production."""
    yield from _regions()
    yield from _line_types()
    yield from _other_way()
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


def _line_types() -> Iterator[CheckMessage]:
    if conf.calling_rules().allowed_line_types & {LineType.VOIP, LineType.PERSONAL}:
        # NIST SP 800-63B-4, section 3.1.3.1: an authenticator is bound to a SIM card or to a wired line.
        yield checks.Warning(
            "VoIP and personal numbers are called. Anyone with the password of such an account hears the code, "
            "on any device.",
            hint='If codes protect accounts, set TELROI["ALLOWED_LINE_TYPES"] to ["either", "fixed_line", "mobile"].',
            id="telroi.W026",
        )


def _other_way() -> Iterator[CheckMessage]:
    # Only the card links to it. A client of the API shows its own other way.
    if not conf.alternative_url() and has_pages():
        # NIST SP 800-63B-4, section 3.2.9, and WCAG 2.2, criterion 3.3.8: another way is offered beside the call.
        yield checks.Warning(
            "ALTERNATIVE_URL is not set, so people have no other way than a call. A call proves only that a person "
            "heard it. Voicemail, call forwarding or a SIM swap can bring it to others, and not everyone can hear it.",
            hint='Set TELROI["ALTERNATIVE_URL"] to a page with another way, such as a passkey or your support. '
            '"What a call proves" in the documentation says what to offer.',
            id="telroi.W027",
        )


def _test_key() -> Iterator[CheckMessage]:
    if conf.allow_test_key() or conf.names_with_test_key():
        reason = "ALLOW_TEST_KEY is on"
        if values.read("ALLOW_TEST_KEY") is None:
            reason = "DEBUG is on and ALLOW_TEST_KEY is unset"
        elif names := conf.names_with_test_key():
            keys = "1 key" if len(names) == 1 else f"{len(names)} keys"
            reason = f"ALLOW_TEST_KEY names {keys}"
        message = f"Test keys are accepted here ({reason}). With a test key the code 000000 verifies any number."
        if is_own_backend():
            message = (
                f"Test results are accepted here ({reason}). A result that the backend marks as a test "
                "(livemode=False) verifies a number."
            )
        yield checks.Warning(
            message,
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
    alias = conf.rate_limit_cache()
    cache = caches[alias]
    for kind, reason in REASONS_AGAINST.items():
        if isinstance(cache, kind):
            yield checks.Warning(
                f'The cache "{alias}" counts requests, but it is a {type(cache).__name__}: {reason}.',
                hint="Use Redis or Memcached. Set RATELIMIT_USE_CACHE to its alias if it is not the default cache.",
                id="telroi.W011",
            )
            return
    if reason := _reason_for_wrong_counts(cache, settings.CACHES[alias].get("LOCATION") or ""):
        yield checks.Warning(
            f'The cache "{alias}" counts requests, but {reason}. Concurrent requests can exceed the limits.',
            hint="Use Memcached, or Redis with one server in LOCATION. "
            "Set RATELIMIT_USE_CACHE to its alias if it is not the default cache.",
            id="telroi.W020",
        )


def _reason_for_wrong_counts(cache: BaseCache, location: str | Sequence[str]) -> str:
    # By the method and not by the class, so that a cache of another package is judged too. The base class has no atomic
    # command to use: its ``incr`` reads the value and sets it. Django's database and file caches use it.
    if type(cache).incr is BaseCache.incr:
        return f"the incr of {type(cache).__name__} is not atomic"
    # Django writes to the first server and reads from a random one of the others, which may be behind.
    servers = re.split("[;,]", location) if isinstance(location, str) else location
    if isinstance(cache, RedisCache) and len(servers) > 1:
        return "Redis is read from replicas"
    return ""


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
