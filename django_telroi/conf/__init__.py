"""What the site chose: the dict ``settings.TELROI``, read at each access so that ``override_settings`` works.

Every key is optional. ``DEFAULTS`` is the whole list, and each key has a function here that says what it comes to.
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
    """Seconds a conversation with Telroi may take: to connect, for each read, and in all."""

    connect: float
    read: float
    total: float


def api_key() -> str:
    """The key, or ``""``. The setting wins over the environment's ``TELROI_API_KEY``."""
    return Secret(values.text("API_KEY") or os.environ.get("TELROI_API_KEY", ""))


def base_url() -> str:
    url = values.text("BASE_URL") or ""
    try:
        urlsplit(url)
    except ValueError:
        raise values.wrong("BASE_URL", "a URL like https://app.telroi.ai") from None
    return url


def proxy_url() -> str | None:
    return values.text("PROXY_URL")


def is_test_run() -> bool:
    """Whether Django's test environment is set up, which is when its mail goes to an outbox."""
    return hasattr(mail, "outbox")


def is_settings_file() -> bool:
    """Whether ``TELROI`` is the dict of the project's settings module: no test has replaced it.

    False also where settings come from ``settings.configure()``.
    """
    module = sys.modules.get(os.environ.get(ENVIRONMENT_VARIABLE, ""))
    return module is not None and getattr(settings, "TELROI", None) is getattr(module, "TELROI", NO_SETTING)


def backend_path() -> str:
    """The dotted path of the backend: no suite rings anybody, and a new project needs no key to try the page."""
    if path := values.text("BACKEND"):
        return path
    if is_test_run():
        return LOCMEM_BACKEND
    return CONSOLE_BACKEND if settings.DEBUG and not api_key() else TELROI_BACKEND


def allow_test_key() -> bool:
    """With a test key the code 000000 verifies any number, so it is for development: the default is ``DEBUG``."""
    return bool(settings.DEBUG) if values.read("ALLOW_TEST_KEY") is None else values.flag("ALLOW_TEST_KEY")


def timeouts() -> Timeouts:
    return Timeouts(
        connect=values.number("CONNECT_TIMEOUT_SECONDS"),
        read=values.number("READ_TIMEOUT_SECONDS"),
        total=values.number("TOTAL_TIMEOUT_SECONDS"),
    )


def key_requests_per_minute() -> int:
    """Calls and checks together that one key may send; fewer than two cannot be spread over a minute."""
    return values.whole("KEY_REQUESTS_PER_MINUTE", least=2)


def lease() -> timedelta:
    """How long a call may be in the placing before it counts as lost: longer than any conversation with Telroi."""
    return timedelta(seconds=timeouts().total + 15)


def dispatch() -> Dispatch:
    """Who places the calls: the request itself, or a worker of the site's Celery."""
    try:
        return Dispatch(values.text("DISPATCH") or "")
    except ValueError:
        raise values.wrong("DISPATCH", "one of " + ", ".join(f'"{way}"' for way in Dispatch)) from None


def celery_queue() -> str | None:
    """The queue that calls are handed to; None is the one that the site's Celery chooses."""
    return values.text("CELERY_QUEUE") or None


def queue_deadline() -> timedelta:
    """How long a call may wait to be placed. Nobody is rung later than that."""
    return timedelta(seconds=values.number("QUEUE_DEADLINE_SECONDS"))


def policy() -> Policy:
    """How often one number may be rung."""
    return Policy(
        cooldown=timedelta(seconds=values.number("COOLDOWN_SECONDS", least=0)),
        per_hour=values.whole("CALLS_PER_HOUR"),
        per_day=values.whole("CALLS_PER_DAY"),
    )


def calls_per_day_total() -> int | None:
    """Calls the whole site may place in one UTC day; None means no ceiling, 0 means none at all."""
    return None if values.read("CALLS_PER_DAY_TOTAL") is None else values.whole("CALLS_PER_DAY_TOTAL", least=0)


def rates() -> Rates:
    """How often one address and one user may start and check, by scope and by who is counted; None is no limit."""
    try:
        return read_rates(values.read("RATES"), RATES)
    except ValueError as error:
        raise values.wrong("RATES", f"a dict of rates: {error}") from None


def trusted_proxies() -> int | None:
    """How many proxies of our own stand in front; None means that nobody has said so yet."""
    return None if values.read("TRUSTED_PROXIES") is None else values.whole("TRUSTED_PROXIES", least=0)


def may_start_path() -> str | None:
    """The dotted path of the site's own veto."""
    return values.text("MAY_START")


def code_length() -> int:
    """Digits, 4 to 10."""
    length = values.whole("CODE_LENGTH", least=4)
    if length > 10:
        raise values.wrong("CODE_LENGTH", "a whole number from 4 to 10")
    return length


def code_tries() -> int:
    return values.whole("CODE_TRIES")


def code_ttl() -> timedelta:
    return timedelta(seconds=values.number("CODE_TTL_SECONDS"))


def language() -> str | None:
    """The prompt's language as a BCP 47 tag; None means whatever language is active."""
    text = values.text("LANGUAGE")
    if not text:
        return None
    tag = language_tag(text)
    if tag is None:
        raise values.wrong("LANGUAGE", 'a BCP 47 tag such as "en" or "pt-BR", or None')
    return tag


def default_region() -> str | None:
    """The region of a number typed without ``+``; None means that every number needs its country code."""
    return values.text("DEFAULT_REGION")


def calling_rules() -> CallingRules:
    """Which numbers this site rings."""
    allowed = values.read("ALLOWED_REGIONS")
    return CallingRules(
        allowed_regions=None if allowed is None else frozenset(values.texts("ALLOWED_REGIONS")),
        blocked_regions=frozenset(values.texts("BLOCKED_REGIONS")),
        blocked_prefixes=tuple(values.texts("BLOCKED_PREFIXES")),
        allowed_line_types=frozenset(_line_type(name) for name in values.texts("ALLOWED_LINE_TYPES")),
    )


def purposes() -> list[str]:
    """The labels that a page or a REST client may ask for."""
    return values.texts("PURPOSES")


def anonymous_purposes() -> list[str] | None:
    """Under ``LoginRequiredMiddleware``: the purposes whose pages need no login; None means that all of them do."""
    if values.read("ANONYMOUS_PURPOSES") is None:
        return None
    anonymous = values.texts("ANONYMOUS_PURPOSES")
    if set(anonymous) - set(purposes()):
        raise values.wrong("ANONYMOUS_PURPOSES", 'a list of purposes that TELROI["PURPOSES"] names too, or None')
    return anonymous


def purposes_without_record() -> list[str]:
    """The purposes, such as a login, whose verifications never write a ``VerifiedPhone``."""
    without = values.texts("PURPOSES_WITHOUT_RECORD")
    if set(without) - set(purposes()):
        raise values.wrong("PURPOSES_WITHOUT_RECORD", 'a list of purposes that TELROI["PURPOSES"] names too')
    return without


def writes_record(purpose: str) -> bool:
    """Whether verifying a number for ``purpose`` makes it the user's."""
    return purpose not in purposes_without_record()


def one_account_per_number() -> bool:
    """Whether a number that is in the record of one account is refused where another account's would be written."""
    return values.flag("ONE_ACCOUNT_PER_NUMBER")


def retention() -> timedelta | None:
    """How long attempts and events are kept; None means for ever. Never less than the day that limits look back on."""
    if values.read("RETENTION_DAYS") is None:
        return None
    days = values.whole("RETENTION_DAYS")
    if days > MOST_DAYS:
        raise values.wrong("RETENTION_DAYS", f"a whole number from 1 to {MOST_DAYS}, or None")
    return timedelta(days=days)


def webhook_secrets() -> list[str]:
    """What Telroi may sign its webhooks with: several while one takes over from another.

    An empty one is none. Anybody can sign with nothing, and it is what splitting an unset environment variable gives.
    """
    return [Secret(secret.strip()) for secret in values.texts("WEBHOOK_SECRETS") if secret.strip()]


def success_url() -> str | Promise | None:
    """A path, a URL or the name of a URL pattern, for ``django.shortcuts.resolve_url``.

    What ``reverse_lazy`` made is returned as it is: the URLconf may not be loaded yet.
    """
    value = values.read("SUCCESS_URL")
    return value if isinstance(value, Promise) else values.text("SUCCESS_URL")


def _line_type(name: str) -> LineType:
    try:
        return LineType(name)
    except ValueError:
        raise values.wrong("ALLOWED_LINE_TYPES", "a list out of " + ", ".join(LineType)) from None
