"""The defaults, and functions that read one value of ``settings.TELROI`` and check its type.

Each reader raises ``ImproperlyConfigured`` for a wrong type. The message omits the value, which may be a secret.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

from django_telroi.domain.phone import CALLABLE_LINE_TYPES

RATES: Mapping[str, Mapping[str, str]] = {
    "start": {"ip": "20/h", "ipv6_56": "4x", "ipv6_48": "16x", "user": "10/h"},
    "check": {"ip": "60/h", "ipv6_56": "4x", "ipv6_48": "16x", "user": "60/h"},
}

DEFAULTS: Mapping[str, object] = {
    "API_KEY": None,
    "BASE_URL": "https://app.telroi.ai",
    "PROXY_URL": None,
    "BACKEND": None,
    "ALLOW_TEST_KEY": None,
    "CONNECT_TIMEOUT_SECONDS": 5,
    "READ_TIMEOUT_SECONDS": 25,
    "TOTAL_TIMEOUT_SECONDS": 30,
    "KEY_REQUESTS_PER_MINUTE": 600,
    "DISPATCH": "inline",
    "CELERY_QUEUE": None,
    "QUEUE_DEADLINE_SECONDS": 120,
    "COOLDOWN_SECONDS": 60,
    "CALLS_PER_HOUR": 5,
    "CALLS_PER_DAY": 20,
    "CALLS_PER_DAY_TOTAL": None,
    "RATES": RATES,
    "TRUSTED_PROXIES": None,
    "MAY_START": None,
    "CODE_LENGTH": 6,
    "CODE_TRIES": 3,
    "CODE_TTL_SECONDS": 300,
    "LANGUAGE": None,
    "DEFAULT_REGION": None,
    "ALLOWED_REGIONS": None,
    "BLOCKED_REGIONS": (),
    "BLOCKED_PREFIXES": (),
    "ALLOWED_LINE_TYPES": tuple(sorted(CALLABLE_LINE_TYPES)),
    "PURPOSES": ("",),
    "ANONYMOUS_PURPOSES": None,
    "PURPOSES_WITHOUT_RECORD": (),
    "ONE_ACCOUNT_PER_NUMBER": False,
    "RETENTION_DAYS": 90,
    "WEBHOOK_SECRETS": (),
    "SUCCESS_URL": None,
}

MOST_SECONDS = 10**9
"""About 30 years. Larger values would overflow dates."""

MOST_DAYS = 36_500
"""About 100 years. Larger values would overflow dates."""


def chosen() -> Mapping[str, Any]:
    """Return ``settings.TELROI`` unchanged, without the defaults and with unknown keys."""
    site = getattr(settings, "TELROI", {})
    if not isinstance(site, Mapping):
        raise ImproperlyConfigured("settings.TELROI must be a dict.")
    return site


def read(key: str) -> Any:
    """Return the value of ``key`` or its default, of any type."""
    return chosen().get(key, DEFAULTS[key])


def wrong(key: str, wanted: str) -> ImproperlyConfigured:
    """Return the exception for a value that is not ``wanted``."""
    return ImproperlyConfigured(f'TELROI["{key}"] must be {wanted}.')


def text(key: str) -> str | None:
    """Return a string or None."""
    value = read(key)
    if value is not None and not isinstance(value, str):
        raise wrong(key, "a string")
    return value


def flag(key: str) -> bool:
    """Return True or False."""
    value = read(key)
    if not isinstance(value, bool):
        raise wrong(key, "True or False")
    return value


def texts(key: str) -> list[str]:
    """Return a list of strings, made of any iterable except a string."""
    value = read(key)
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise wrong(key, "a list of strings")
    texts = list(value)
    if not all(isinstance(text, str) for text in texts):
        raise wrong(key, "a list of strings")
    return texts


def number(key: str, *, least: float = 0.001) -> float:
    """Return a number of seconds from ``least`` to ``MOST_SECONDS``."""
    value = read(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= MOST_SECONDS:
        raise wrong(key, "a number of seconds" + (" above 0" if least else ", 0 or more"))
    return value


def whole(key: str, *, least: int = 1) -> int:
    """Return an integer that is at least ``least``."""
    value = read(key)
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise wrong(key, f"a whole number, {least} or more")
    return value
