"""What the site chose: the dict ``settings.TELROI``, read at each access so that ``override_settings`` works.

Every key is optional. ``DEFAULTS`` is the whole list; a key that depends on something else has a function of its own.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core import mail
from django.core.exceptions import ImproperlyConfigured

from django_telroi.domain.phone import CALLABLE_LINE_TYPES, CallingRules, LineType
from django_telroi.domain.policy import Policy
from django_telroi.domain.rates import Rates, read_rates
from django_telroi.domain.states import Dispatch
from django_telroi.quiet import Quiet

TELROI_BACKEND = "django_telroi.backends.telroi.TelroiBackend"
CONSOLE_BACKEND = "django_telroi.backends.console.ConsoleBackend"
LOCMEM_BACKEND = "django_telroi.backends.locmem.LocmemBackend"

RATES: Mapping[str, Mapping[str, str]] = {
    "start": {"ip": "20/h", "user": "10/h"},
    "check": {"ip": "60/h", "user": "60/h"},
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
    "ONE_ACCOUNT_PER_NUMBER": False,
    "RETENTION_DAYS": 90,
    "WEBHOOK_SECRETS": (),
    "SUCCESS_URL": None,
}

MOST_SECONDS = 10**9
"""Some thirty years, in which no clock runs over."""

MOST_DAYS = 36_500
"""A century."""


@dataclass(frozen=True)
class Timeouts:
    """Seconds a conversation with Telroi may take: to connect, for each read, and in all."""

    connect: float
    read: float
    total: float


def chosen() -> Mapping[str, Any]:
    """The site's dict as it stands, unknown keys and all."""
    site = getattr(settings, "TELROI", {})
    if not isinstance(site, Mapping):
        raise ImproperlyConfigured("settings.TELROI must be a dict.")
    return site


def api_key() -> str:
    """The key, or ``""``. The setting wins over the environment's ``TELROI_API_KEY``."""
    return Quiet(_text("API_KEY") or os.environ.get("TELROI_API_KEY", ""))


def base_url() -> str:
    url = _text("BASE_URL") or ""
    try:
        urlsplit(url)
    except ValueError:
        raise _wrong("BASE_URL", "a URL like https://app.telroi.ai") from None
    return url


def proxy_url() -> str | None:
    return _text("PROXY_URL")


def is_test_run() -> bool:
    """Whether Django's test environment is set up, which is when its mail goes to an outbox."""
    return hasattr(mail, "outbox")


def backend_path() -> str:
    """The dotted path of the backend: no suite rings anybody, and a new project needs no key to try the page."""
    if path := _text("BACKEND"):
        return path
    if is_test_run():
        return LOCMEM_BACKEND
    return CONSOLE_BACKEND if settings.DEBUG and not api_key() else TELROI_BACKEND


def allow_test_key() -> bool:
    """A test key approves everyone, so it is for development: the default is ``DEBUG``."""
    return bool(settings.DEBUG) if _read("ALLOW_TEST_KEY") is None else _flag("ALLOW_TEST_KEY")


def timeouts() -> Timeouts:
    return Timeouts(
        connect=_number("CONNECT_TIMEOUT_SECONDS"),
        read=_number("READ_TIMEOUT_SECONDS"),
        total=_number("TOTAL_TIMEOUT_SECONDS"),
    )


def key_requests_per_minute() -> int:
    """Calls and checks together that one key may send; fewer than two cannot be spread over a minute."""
    return _whole("KEY_REQUESTS_PER_MINUTE", least=2)


def lease() -> timedelta:
    """How long a call may be in the placing before it counts as lost: longer than any conversation with Telroi."""
    return timedelta(seconds=timeouts().total + 15)


def dispatch() -> Dispatch:
    """Who places the calls: the request itself, or a worker of the site's Celery."""
    try:
        return Dispatch(_text("DISPATCH") or "")
    except ValueError:
        raise _wrong("DISPATCH", "one of " + ", ".join(f'"{way}"' for way in Dispatch)) from None


def celery_queue() -> str | None:
    """The queue that calls are handed to; None is the one that the site's Celery chooses."""
    return _text("CELERY_QUEUE") or None


def queue_deadline() -> timedelta:
    """How long a call may wait to be placed. Nobody is rung later than that."""
    return timedelta(seconds=_number("QUEUE_DEADLINE_SECONDS"))


def policy() -> Policy:
    """How often one number may be rung."""
    return Policy(
        cooldown=timedelta(seconds=_number("COOLDOWN_SECONDS", least=0)),
        per_hour=_whole("CALLS_PER_HOUR"),
        per_day=_whole("CALLS_PER_DAY"),
    )


def calls_per_day_total() -> int | None:
    """Calls the whole site may place in one UTC day; None means no ceiling, 0 means none at all."""
    return None if _read("CALLS_PER_DAY_TOTAL") is None else _whole("CALLS_PER_DAY_TOTAL", least=0)


def rates() -> Rates:
    """How often one address and one user may start and check, by scope and by who is counted; None is no limit."""
    try:
        return read_rates(_read("RATES"), RATES)
    except ValueError as error:
        raise _wrong("RATES", f"a dict of rates: {error}") from None


def trusted_proxies() -> int | None:
    """How many proxies of our own stand in front; None means that nobody has said so yet."""
    return None if _read("TRUSTED_PROXIES") is None else _whole("TRUSTED_PROXIES", least=0)


def may_start_path() -> str | None:
    """The dotted path of the site's own veto."""
    return _text("MAY_START")


def code_length() -> int:
    """Digits, 4 to 10."""
    length = _whole("CODE_LENGTH", least=4)
    if length > 10:
        raise _wrong("CODE_LENGTH", "a whole number from 4 to 10")
    return length


def code_tries() -> int:
    return _whole("CODE_TRIES")


def code_ttl() -> timedelta:
    return timedelta(seconds=_number("CODE_TTL_SECONDS"))


def language() -> str | None:
    """The prompt's language as a BCP 47 tag; None means whatever language is active."""
    return _text("LANGUAGE")


def default_region() -> str | None:
    """The region of a number typed without ``+``; None means that every number needs its country code."""
    return _text("DEFAULT_REGION")


def calling_rules() -> CallingRules:
    """Which numbers this site rings."""
    allowed = _read("ALLOWED_REGIONS")
    return CallingRules(
        allowed_regions=None if allowed is None else frozenset(_texts("ALLOWED_REGIONS")),
        blocked_regions=frozenset(_texts("BLOCKED_REGIONS")),
        blocked_prefixes=tuple(_texts("BLOCKED_PREFIXES")),
        allowed_line_types=frozenset(_line_type(name) for name in _texts("ALLOWED_LINE_TYPES")),
    )


def purposes() -> list[str]:
    """The labels that a page or a REST client may ask for."""
    return _texts("PURPOSES")


def one_account_per_number() -> bool:
    """Whether a number that one account verified is refused to every other account."""
    return _flag("ONE_ACCOUNT_PER_NUMBER")


def retention() -> timedelta | None:
    """How long attempts and events are kept; None means for ever. Never less than the day that limits look back on."""
    if _read("RETENTION_DAYS") is None:
        return None
    days = _whole("RETENTION_DAYS")
    if days > MOST_DAYS:
        raise _wrong("RETENTION_DAYS", f"a whole number from 1 to {MOST_DAYS}, or None")
    return timedelta(days=days)


def webhook_secrets() -> list[str]:
    """What Telroi may sign its webhooks with: several while one takes over from another.

    An empty one is none. Anybody can sign with nothing, and it is what splitting an unset environment variable gives.
    """
    return [Quiet(secret.strip()) for secret in _texts("WEBHOOK_SECRETS") if secret.strip()]


def success_url() -> str | None:
    return _text("SUCCESS_URL")


def _read(key: str) -> Any:
    return chosen().get(key, DEFAULTS[key])


def _wrong(key: str, wanted: str) -> ImproperlyConfigured:
    """The value itself is not shown: it may be a secret."""
    return ImproperlyConfigured(f'TELROI["{key}"] must be {wanted}.')


def _text(key: str) -> str | None:
    value = _read(key)
    if value is not None and not isinstance(value, str):
        raise _wrong(key, "a string")
    return value


def _flag(key: str) -> bool:
    value = _read(key)
    if not isinstance(value, bool):
        raise _wrong(key, "True or False")
    return value


def _texts(key: str) -> list[str]:
    value = _read(key)
    if isinstance(value, str) or not isinstance(value, Iterable):
        raise _wrong(key, "a list of strings")
    texts = list(value)
    if not all(isinstance(text, str) for text in texts):
        raise _wrong(key, "a list of strings")
    return texts


def _number(key: str, *, least: float = 0.001) -> float:
    value = _read(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= MOST_SECONDS:
        raise _wrong(key, "a number of seconds" + (" above 0" if least else ", 0 or more"))
    return value


def _whole(key: str, *, least: int = 1) -> int:
    value = _read(key)
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise _wrong(key, f"a whole number, {least} or more")
    return value


def _line_type(name: str) -> LineType:
    try:
        return LineType(name)
    except ValueError:
        raise _wrong("ALLOWED_LINE_TYPES", "a list out of " + ", ".join(LineType)) from None
