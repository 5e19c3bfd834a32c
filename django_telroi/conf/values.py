"""The defaults, and functions that read one value of ``settings.TELROI`` and check its type.

Each reader raises ``ImproperlyConfigured`` for a wrong type. The message omits the value, which may be a secret.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from typing import Any

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.utils.functional import Promise
from django.utils.module_loading import import_string

from django_telroi.domain.phone import CALLABLE_LINE_TYPES

RATES: Mapping[str, Mapping[str, str]] = {
    "start": {"ip": "20/h", "ipv6_56": "4x", "ipv6_48": "16x", "user": "10/h"},
    "check": {"ip": "60/h", "ipv6_56": "4x", "ipv6_48": "16x", "user": "60/h"},
}

DEFAULTS: Mapping[str, object] = {
    # None: the environment variable TELROI_API_KEY, so that the key need not be in a file under version control.
    "API_KEY": None,
    "API_KEYS": {},
    "BASE_URL": "https://app.telroi.ai",
    "PROXY_URL": None,
    # None: it depends on the environment. A test run must place no calls.
    "BACKEND": None,
    # None: the value of DEBUG. With a test key the code 000000 verifies any number.
    "ALLOW_TEST_KEY": None,
    # Telroi waits up to 20 s for its carrier. If we stopped earlier, calls that ring would be recorded as unknown.
    "CONNECT_TIMEOUT_SECONDS": 5,
    "READ_TIMEOUT_SECONDS": 25,
    "TOTAL_TIMEOUT_SECONDS": 30,
    # Telroi's own limit of a key.
    "KEY_REQUESTS_PER_MINUTE": 600,
    "DISPATCH": "inline",
    "CELERY_QUEUE": None,
    "TASKS_BACKEND": "default",
    "TASKS_QUEUE": "default",
    # A phone that rings later rings a person who does not expect it any more.
    "QUEUE_DEADLINE_SECONDS": 120,
    # Telroi's own defaults. With looser limits Telroi would reject calls that this site allows.
    "COOLDOWN_SECONDS": 60,
    "CALLS_PER_HOUR": 5,
    "CALLS_PER_DAY": 20,
    # None: people who are not known with the number may use all of its calls.
    "STRANGER_CALLS_PER_HOUR": None,
    "STRANGER_CALLS_PER_DAY": None,
    "CALLS_PER_DAY_TOTAL": None,
    # Off, because a site with few users whose codes are often not typed would pause its own calls.
    "PUMPING_PAUSE_SECONDS": 0,
    "CALL_PRICES": {},
    "CALL_PRICE_CURRENCY": None,
    "RATES": RATES,
    # None and not 0, so that a site behind a proxy is told to decide. See the alert ``proxies_undecided``.
    "TRUSTED_PROXIES": None,
    "RATE_KEYS": None,
    "BOT_CHECK": None,
    "MAY_START": None,
    "PHONE_RISK": None,
    "CODES": "site",
    # Six digits, three tries and five minutes are Telroi's own defaults. Telroi ends a code after its own limits too.
    "CODE_LENGTH": 6,
    "CODE_TRIES": 3,
    "CODE_TTL_SECONDS": 300,
    # NIST SP 800-63B-4 allows no more than 100 consecutive failures.
    "WRONG_CODES": "standard",
    "LANGUAGE": None,
    "DEFAULT_REGION": None,
    "COUNTRY_CHOICE": False,
    "ALLOWED_REGIONS": None,
    "BLOCKED_REGIONS": (),
    "BLOCKED_PREFIXES": (),
    "ALLOWED_LINE_TYPES": tuple(sorted(CALLABLE_LINE_TYPES)),
    "PURPOSES": ("",),
    "ANONYMOUS_PURPOSES": None,
    "PURPOSES_WITHOUT_RECORD": (),
    "ONE_ACCOUNT_PER_NUMBER": False,
    "RETENTION_DAYS": 90,
    # Off, because a site that loses its keys loses its numbers.
    "NUMBER_ENCRYPTION": "off",
    "NUMBER_KEYS": (),
    "WEBHOOK_SECRETS": (),
    "SUCCESS_URL": None,
    # "": the current site of django.contrib.sites, else the host of the request.
    "SITE_NAME": "",
    "PURPOSE_TEXTS": {},
    "CONSENT_TEXT": "",
    # "": the text is shown, and neither required from the API nor recorded.
    "CONSENT_VERSION": "",
    # A form that sends itself surprises people who use a screen reader or check what they typed.
    "SUBMIT_LAST_DIGIT": False,
    "ALTERNATIVE_URL": "",
    "LOGIN_ALTERNATIVE_URL": "",
    "LOGIN_SIGN_UP_URL": "",
    # The number that an account verified without a special purpose is the account's phone.
    "LOGIN_PURPOSES": ("", "login"),
    # None: everybody whom the authentication backends let in.
    "MAY_LOG_IN": None,
    # None: Django's session.
    "LOGIN_RESPONSE": None,
    # Django hides a setting in error reports if its name contains SECRET.
    "REVIEWER_SECRET_NUMBERS": (),
    # A second list, because a number whose code never changes must not reach production by a copied setting.
    "REVIEWER_SECRET_NUMBERS_IN_PRODUCTION": (),
    "REVIEWER_SECRET_CODE": None,
    "REVIEWER_LOGINS_PER_DAY": 20,
    # Off, also where these packages are installed: gauges cost statements, and Prometheus may serve them to others.
    "TELEMETRY": (),
    # Telroi needs no part of a site's traces, and baggage may hold anything.
    "TRACE_HEADERS": False,
}

MAX_SECONDS = 10**9
"""About 30 years. Larger values would overflow dates."""

MAX_DAYS = 36_500
"""About 100 years. Larger values would overflow dates."""


def chosen() -> Mapping[str, Any]:
    """Return ``settings.TELROI`` unchanged, without the defaults and with unknown keys."""
    site = getattr(settings, "TELROI", {})
    # ``isinstance`` asks the abstract class, and a request reads forty settings.
    if type(site) is not dict and not isinstance(site, Mapping):
        # An error page shows the variables of each frame, and a value of the wrong type may contain a secret. The same
        # applies below.
        del site
        raise ImproperlyConfigured("settings.TELROI must be a dict.")
    return site


def read(key: str) -> Any:
    """Return the value of ``key`` or its default, of any type."""
    return chosen().get(key, DEFAULTS[key])


def hint_for_unknown(key: object) -> str:
    """Return what to do about a key that is not a setting. Most are misspelt."""
    near = get_close_matches(str(key).upper(), DEFAULTS, n=1)
    return f'Did you mean "{near[0]}"?' if near else "The settings page of the documentation lists every setting."


def invalid_setting(key: str, wanted: str) -> ImproperlyConfigured:
    """Return the exception for a value that is not ``wanted``."""
    return ImproperlyConfigured(f'TELROI["{key}"] must be {wanted}.')


def refuse_unknown_purposes(key: str, named: Iterable[object], *, known: Iterable[str], wanted: str) -> None:
    """Raise the exception for a value with purposes that are not ``known``. It shows their names, no secrets."""
    if unknown := sorted(f'"{name}"' for name in {*named} - {*known}):
        are = "is" if len(unknown) == 1 else "are"
        raise invalid_setting(key, f"{wanted}: {' and '.join(unknown)} {are} not")


def text(key: str) -> str | None:
    """Return a string or None."""
    value = read(key)
    if value is not None and not isinstance(value, str):
        del value
        raise invalid_setting(key, "a string")
    return value


def function(key: str) -> str | Callable[..., Any] | None:
    """Return a function, its dotted path, or None. ``load_function`` imports it. ``""`` is None."""
    value = read(key)
    if not (value is None or isinstance(value, str) or callable(value)):
        del value
        raise invalid_setting(key, "a function, its dotted path, or None")
    return value or None


def load_function(chosen: str | Callable[..., Any]) -> Callable[..., Any]:
    """Return the function of a setting that ``function`` returned. Raises ImportError if there is none."""
    found: Any = import_string(chosen) if isinstance(chosen, str) else chosen
    if not callable(found):
        raise ImportError("The dotted path of a setting names no function.")
    return found  # type: ignore[no-any-return]


def lazy_text(key: str) -> str:
    """Return a string that people read. It may be a lazy translation, for a site in several languages."""
    value = read(key)
    if not isinstance(value, str | Promise):
        raise invalid_setting(key, "a string")
    return str(value)


def boolean(key: str) -> bool:
    """Return True or False."""
    value = read(key)
    if not isinstance(value, bool):
        raise invalid_setting(key, "True or False")
    return value


def texts(key: str) -> list[str]:
    """Return a list of strings, made of any iterable except a string."""
    value = read(key)
    if isinstance(value, str) or not isinstance(value, Iterable):
        del value
        raise invalid_setting(key, "a list of strings")
    texts = list(value)  # an iterator can be read only once
    if not all(isinstance(text, str) for text in texts):
        del value, texts
        raise invalid_setting(key, "a list of strings")
    return texts


def seconds(key: str, *, least: float = 0.001) -> float:
    """Return a number of seconds from ``least`` to ``MAX_SECONDS``."""
    value = read(key)
    # True is an int in Python, and would be one second.
    if isinstance(value, bool) or not isinstance(value, int | float) or not least <= value <= MAX_SECONDS:
        raise invalid_setting(key, "a number of seconds" + (" above 0" if least else ", 0 or more"))
    return value


def integer(key: str, *, least: int = 1) -> int:
    """Return an integer that is at least ``least``."""
    value = read(key)
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise invalid_setting(key, f"a whole number, {least} or more")
    return value
