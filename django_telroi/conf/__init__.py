"""The settings in the dict ``settings.TELROI``.

Every key is optional. ``DEFAULTS`` lists all keys. Each key has a function here that returns its value or default and
raises ``ImproperlyConfigured`` if the value is invalid. Settings are read at each call, so ``override_settings`` works.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlsplit

from django.conf import ENVIRONMENT_VARIABLE, settings
from django.core import mail
from django.utils.functional import Promise

from django_telroi.conf import values
from django_telroi.conf.values import DEFAULTS as DEFAULTS
from django_telroi.conf.values import MOST_DAYS, RATES
from django_telroi.conf.values import chosen as chosen
from django_telroi.domain.languages import language_tag
from django_telroi.domain.phone import CallingRules, LineType
from django_telroi.domain.policy import Policy
from django_telroi.domain.rates import Rates, read_rates
from django_telroi.domain.states import Dispatch
from django_telroi.redaction import Secret

TELROI_BACKEND = "django_telroi.backends.telroi.TelroiBackend"
CONSOLE_BACKEND = "django_telroi.backends.console.ConsoleBackend"
LOCMEM_BACKEND = "django_telroi.backends.locmem.LocmemBackend"

NO_SETTING = object()


@dataclass(frozen=True)
class Timeouts:
    """The limits of one request to Telroi, in seconds: to connect, for each read, and in total."""

    connect: float
    read: float
    total: float


def api_key() -> str:
    """Return the API key, or ``""``. The setting takes precedence over the environment variable ``TELROI_API_KEY``."""
    return Secret(values.text("API_KEY") or os.environ.get("TELROI_API_KEY", ""))


def base_url() -> str:
    """Return the URL of Telroi, or ``""`` if it is None."""
    url = values.text("BASE_URL") or ""
    try:
        urlsplit(url)
    except ValueError:
        raise values.wrong("BASE_URL", "a URL like https://app.telroi.ai") from None
    return url


def proxy_url() -> str | None:
    """Return the URL of the forward proxy for requests to Telroi, or None."""
    return values.text("PROXY_URL")


def is_test_run() -> bool:
    """Return True in Django's test environment. It is detected by ``mail.outbox``, which exists only there."""
    return hasattr(mail, "outbox")


def is_settings_file() -> bool:
    """Return True if ``TELROI`` is the dict of the project's settings module, so no test has replaced it.

    Returns False if settings come from ``settings.configure()``.
    """
    module = sys.modules.get(os.environ.get(ENVIRONMENT_VARIABLE, ""))
    return module is not None and getattr(settings, "TELROI", None) is getattr(module, "TELROI", NO_SETTING)


def backend_path() -> str:
    """Return the dotted path of the backend.

    The default depends on the environment: a test suite must place no calls, and a new project can try the pages
    without a key.
    """
    if path := values.text("BACKEND"):
        return path
    if is_test_run():
        return LOCMEM_BACKEND
    return CONSOLE_BACKEND if settings.DEBUG and not api_key() else TELROI_BACKEND


def allow_test_key() -> bool:
    """Return True if test keys are accepted. The default is ``DEBUG``.

    With a test key the code 000000 verifies any number, so test keys are for development only.
    """
    return bool(settings.DEBUG) if values.read("ALLOW_TEST_KEY") is None else values.flag("ALLOW_TEST_KEY")


def timeouts() -> Timeouts:
    """Return the timeouts of a request to Telroi, in seconds."""
    return Timeouts(
        connect=values.number("CONNECT_TIMEOUT_SECONDS"),
        read=values.number("READ_TIMEOUT_SECONDS"),
        total=values.number("TOTAL_TIMEOUT_SECONDS"),
    )


def key_requests_per_minute() -> int:
    """Return the limit of requests with one key, calls and checks together: 2 or more, to spread over a minute."""
    return values.whole("KEY_REQUESTS_PER_MINUTE", least=2)


def lease() -> timedelta:
    """Return the time after which a ``dialing`` attempt is recorded as unknown. It exceeds every request to Telroi."""
    return timedelta(seconds=timeouts().total + 15)


def dispatch() -> Dispatch:
    """Return which process places calls: the web request, or a Celery worker."""
    try:
        return Dispatch(values.text("DISPATCH") or "")
    except ValueError:
        raise values.wrong("DISPATCH", "one of " + ", ".join(f'"{way}"' for way in Dispatch)) from None


def celery_queue() -> str | None:
    """Return the Celery queue for calls, or None for the site's default queue."""
    return values.text("CELERY_QUEUE") or None


def queue_deadline() -> timedelta:
    """Return how long a call may wait in the queue. After that it expires and is not placed."""
    return timedelta(seconds=values.number("QUEUE_DEADLINE_SECONDS"))


def policy() -> Policy:
    """Return the limits of calls to one number."""
    return Policy(
        cooldown=timedelta(seconds=values.number("COOLDOWN_SECONDS", least=0)),
        per_hour=values.whole("CALLS_PER_HOUR"),
        per_day=values.whole("CALLS_PER_DAY"),
    )


def calls_per_day_total() -> int | None:
    """Return the limit of calls of the whole site in a UTC day. None is no limit, and 0 allows no calls."""
    return None if values.read("CALLS_PER_DAY_TOTAL") is None else values.whole("CALLS_PER_DAY_TOTAL", least=0)


def rates() -> Rates:
    """Return the rate limits of a visitor (IP address) and a user, by scope and requester. None is no limit."""
    try:
        return read_rates(values.read("RATES"), RATES)
    except ValueError as error:
        raise values.wrong("RATES", f"a dict of rates: {error}") from None


def trusted_proxies() -> int | None:
    """Return the number of reverse proxies in front of Django, or None if it is not set."""
    return None if values.read("TRUSTED_PROXIES") is None else values.whole("TRUSTED_PROXIES", least=0)


def may_start_path() -> str | None:
    """Return the dotted path of the site's function that may reject a start, or None."""
    return values.text("MAY_START")


def code_length() -> int:
    """Return the number of digits in a code, 4 to 10."""
    length = values.whole("CODE_LENGTH", least=4)
    if length > 10:
        raise values.wrong("CODE_LENGTH", "a whole number from 4 to 10")
    return length


def code_tries() -> int:
    """Return the number of codes that may be tried for one call."""
    return values.whole("CODE_TRIES")


def code_ttl() -> timedelta:
    """Return how long a code is valid."""
    return timedelta(seconds=values.number("CODE_TTL_SECONDS"))


def language() -> str | None:
    """Return the language of the spoken prompt as a BCP 47 tag. None selects the active language."""
    text = values.text("LANGUAGE")
    if not text:
        return None
    tag = language_tag(text)
    if tag is None:
        raise values.wrong("LANGUAGE", 'a BCP 47 tag such as "en" or "pt-BR", or None')
    return tag


def default_region() -> str | None:
    """Return the region of numbers that are typed without ``+``. With None every number needs its country code."""
    return values.text("DEFAULT_REGION")


def calling_rules() -> CallingRules:
    """Return the rules for numbers that may be called: regions, prefixes and line types."""
    allowed = values.read("ALLOWED_REGIONS")
    return CallingRules(
        allowed_regions=None if allowed is None else frozenset(values.texts("ALLOWED_REGIONS")),
        blocked_regions=frozenset(values.texts("BLOCKED_REGIONS")),
        blocked_prefixes=tuple(values.texts("BLOCKED_PREFIXES")),
        allowed_line_types=frozenset(_line_type(name) for name in values.texts("ALLOWED_LINE_TYPES")),
    )


def purposes() -> list[str]:
    """Return the purposes that a page or a REST client may request."""
    return values.texts("PURPOSES")


def anonymous_purposes() -> list[str] | None:
    """Return the purposes whose pages need no login under ``LoginRequiredMiddleware``. With None all pages need it."""
    if values.read("ANONYMOUS_PURPOSES") is None:
        return None
    anonymous = values.texts("ANONYMOUS_PURPOSES")
    if set(anonymous) - set(purposes()):
        raise values.wrong("ANONYMOUS_PURPOSES", 'a list of purposes that TELROI["PURPOSES"] names too, or None')
    return anonymous


def purposes_without_record() -> list[str]:
    """Return the purposes, such as a login, whose verifications do not write a ``VerifiedPhone``."""
    without = values.texts("PURPOSES_WITHOUT_RECORD")
    if set(without) - set(purposes()):
        raise values.wrong("PURPOSES_WITHOUT_RECORD", 'a list of purposes that TELROI["PURPOSES"] names too')
    return without


def writes_record(purpose: str) -> bool:
    """Return True if a verification for ``purpose`` writes a ``VerifiedPhone`` for the user."""
    return purpose not in purposes_without_record()


def one_account_per_number() -> bool:
    """Return True if a number that is verified for one account must be rejected for another account."""
    return values.flag("ONE_ACCOUNT_PER_NUMBER")


def retention() -> timedelta | None:
    """Return how long attempts and events are kept, or None to keep them forever.

    It is at least one day, because the limits count the calls of the last day.
    """
    if values.read("RETENTION_DAYS") is None:
        return None
    days = values.whole("RETENTION_DAYS")
    if days > MOST_DAYS:
        raise values.wrong("RETENTION_DAYS", f"a whole number from 1 to {MOST_DAYS}, or None")
    return timedelta(days=days)


def webhook_secrets() -> list[str]:
    """Return the secrets that a webhook may be signed with. Several are valid during a rotation.

    Empty entries are removed. Splitting an unset environment variable gives one, and an empty secret would accept
    forged webhooks.
    """
    return [Secret(secret.strip()) for secret in values.texts("WEBHOOK_SECRETS") if secret.strip()]


def success_url() -> str | Promise | None:
    """Return a path, a URL or the name of a URL pattern, for ``django.shortcuts.resolve_url``; or None.

    The result of ``reverse_lazy`` is returned unevaluated, because the URLconf may not be loaded yet.
    """
    value = values.read("SUCCESS_URL")
    return value if isinstance(value, Promise) else values.text("SUCCESS_URL")


def _line_type(name: str) -> LineType:
    try:
        return LineType(name)
    except ValueError:
        raise values.wrong("ALLOWED_LINE_TYPES", "a list out of " + ", ".join(LineType)) from None
