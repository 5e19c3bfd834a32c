"""Reading single values out of the dict ``settings.TELROI``, each of a kind."""

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
"""Some thirty years, in which no clock runs over."""

MOST_DAYS = 36_500
"""A century."""


def chosen() -> Mapping[str, Any]:
    """The site's dict as it stands, unknown keys and all."""
    site = getattr(settings, "TELROI", {})
    if not isinstance(site, Mapping):
        raise ImproperlyConfigured("settings.TELROI must be a dict.")
    return site


def read(key: str) -> Any:
    return chosen().get(key, DEFAULTS[key])


def wrong(key: str, wanted: str) -> ImproperlyConfigured:
    """The value itself is not shown: it may be a secret."""
    return ImproperlyConfigured(f'TELROI["{key}"] must be {wanted}.')


def text(key: str) -> str | None:
    value = read(key)
    if value is not None and not isinstance(value, str):
        raise wrong(key, "a string")
    return value


def flag(key: str) -> bool:
    value = read(key)
    if not isinstance(value, bool):
        raise wrong(key, "True or False")
    return value


def texts(key: str) -> list[str]:
    value = read(key)
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise wrong(key, "a list of strings")
    texts = list(value)
    if not all(isinstance(text, str) for text in texts):
        raise wrong(key, "a list of strings")
    return texts


def number(key: str, *, least: float = 0.001) -> float:
    value = read(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= MOST_SECONDS:
        raise wrong(key, "a number of seconds" + (" above 0" if least else ", 0 or more"))
    return value


def whole(key: str, *, least: int = 1) -> int:
    value = read(key)
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise wrong(key, f"a whole number, {least} or more")
    return value
