"""The settings about calls: Telroi's URL, who places calls, numbers at rest, codes, and what calls cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from functools import cache
from importlib.util import find_spec
from math import isfinite
from urllib.parse import urlsplit

import django
from django.core.exceptions import ImproperlyConfigured

from django_telroi.conf import values
from django_telroi.domain.number_cipher import MIN_KEY_LENGTH, NumberEncryption
from django_telroi.domain.number_limits import WrongCodeLimits, read_limits
from django_telroi.domain.states import CodeMaker, Dispatch
from django_telroi.redaction import Secret


@dataclass(frozen=True)
class Timeouts:
    """The limits of one request to Telroi, in seconds: to connect, for each read, and in total.

    ``client.deadline`` has a class of its own, because the client must not import ``conf``.
    """

    connect: float
    read: float
    total: float


def base_url() -> str:
    """Return the URL of Telroi, or ``""`` if it is None."""
    url = values.text("BASE_URL") or ""
    try:
        urlsplit(url)  # raises for a malformed IPv6 address, for example; the system checks report the rest
    except ValueError:
        raise values.invalid_setting("BASE_URL", "a URL like https://app.telroi.ai") from None
    return url


def proxy_url() -> str | None:
    """Return the URL of the forward proxy for requests to Telroi, or None."""
    return values.text("PROXY_URL")


def timeouts() -> Timeouts:
    """Return the timeouts of a request to Telroi, in seconds."""
    return Timeouts(
        connect=values.seconds("CONNECT_TIMEOUT_SECONDS"),
        read=values.seconds("READ_TIMEOUT_SECONDS"),
        total=values.seconds("TOTAL_TIMEOUT_SECONDS"),
    )


def key_requests_per_minute() -> int:
    """Return the limit of requests with one key, calls and checks together: 2 or more, to spread over a minute."""
    return values.integer("KEY_REQUESTS_PER_MINUTE", least=2)


TASK_FRAMEWORKS = ("django.tasks", "django_tasks")
"""Django's task framework, and the package that offers the same for Django 5.2."""


def dispatch() -> Dispatch:
    """Return which process places calls: the web request, a Celery worker or a worker of Django's tasks.

    Raises ImproperlyConfigured for ``"tasks"`` if there is no task framework.
    """
    try:
        chosen = Dispatch(values.text("DISPATCH") or "")
    except ValueError:
        raise values.invalid_setting("DISPATCH", "one of " + ", ".join(f'"{way}"' for way in Dispatch)) from None
    if chosen == Dispatch.TASKS:
        task_framework()
    return chosen


@cache
def task_framework() -> str:
    """Return the name of the package with the task framework.

    Django's own comes first: since Django 6.0 the other one is not needed. Raises ImproperlyConfigured if there is
    none.
    """
    for package in TASK_FRAMEWORKS:
        if find_spec(package):
            return package
    raise ImproperlyConfigured(
        f'TELROI["DISPATCH"] is "tasks", which needs Django 6.0 or newer, and this is Django {django.get_version()}. '
        'Upgrade Django, or install "django-tasks-db[compat]", which brings the task framework to Django 5.2.'
    )


def celery_queue() -> str | None:
    """Return the Celery queue for calls, or None for the site's default queue."""
    return values.text("CELERY_QUEUE") or None


def tasks_backend() -> str:
    """Return the name in Django's setting ``TASKS`` of the backend that gets the calls."""
    return values.text("TASKS_BACKEND") or "default"


def tasks_queue() -> str:
    """Return the queue of that backend for calls."""
    return values.text("TASKS_QUEUE") or "default"


def number_encryption() -> NumberEncryption:
    """Return how numbers are written and looked up. All but ``off`` need ``NUMBER_KEYS``."""
    chosen = values.read("NUMBER_ENCRYPTION")
    # Each number that is read or written asks this, so the default comes first.
    if chosen == "off":
        return NumberEncryption.OFF
    try:
        return NumberEncryption(chosen)
    except ValueError:
        modes = ", ".join(f'"{mode}"' for mode in NumberEncryption)
        raise values.invalid_setting("NUMBER_ENCRYPTION", f"one of {modes}") from None


def number_keys() -> list[str]:
    """Return the keys that encrypt numbers, the newest first. It encrypts, and all of them are looked up.

    Empty entries are removed: an empty environment variable gives one.
    """
    keys = [Secret(key.strip()) for key in values.texts("NUMBER_KEYS") if key.strip()]
    if any(len(key) < MIN_KEY_LENGTH for key in keys):
        raise values.invalid_setting("NUMBER_KEYS", f"a list of keys of at least {MIN_KEY_LENGTH} characters each")
    return list(dict.fromkeys(keys))


STANDARD_WRONG_CODES = read_limits("standard")


def codes() -> CodeMaker:
    """Return who makes the codes: this site, or Telroi."""
    try:
        return CodeMaker(values.text("CODES") or "")
    except ValueError:
        raise values.invalid_setting("CODES", "one of " + ", ".join(f'"{maker}"' for maker in CodeMaker)) from None


def code_length() -> int:
    """Return the number of digits in a code, 4 to 10."""
    length = values.integer("CODE_LENGTH", least=4)
    if length > 10:
        # Telroi answers 400 to any other length.
        raise values.invalid_setting("CODE_LENGTH", "a whole number from 4 to 10")
    return length


def code_tries() -> int:
    """Return the number of codes that may be tried for one call, 1 to 100."""
    tries = values.integer("CODE_TRIES")
    if tries > 100:
        # More is a mistake, and the column holds 32,767 at most.
        raise values.invalid_setting("CODE_TRIES", "a whole number from 1 to 100")
    return tries


def wrong_codes() -> WrongCodeLimits:
    """Return from how many consecutive wrong codes on a person is told, new calls wait, and new calls are locked."""
    chosen = values.read("WRONG_CODES")
    try:
        return STANDARD_WRONG_CODES if chosen == "standard" else read_limits(chosen)
    except ValueError as error:
        wanted = f'"standard", "strict", or a dict such as {{"warn": 5, "wait": 10, "lock": 100}}: {error}'
        raise values.invalid_setting("WRONG_CODES", wanted.rstrip(".")) from None


def code_ttl() -> timedelta:
    """Return how long a code is valid."""
    return timedelta(seconds=values.seconds("CODE_TTL_SECONDS"))


OTHER_REGIONS = ""
"""The key of the price for every region that ``CALL_PRICES`` does not name."""


def call_prices() -> Mapping[str, float]:
    """Return the price of a call by region, for the estimates of the admin. ``""`` is the price for other regions."""
    chosen = values.read("CALL_PRICES")
    if not isinstance(chosen, Mapping) or not all(_is_price(*item) for item in chosen.items()):
        raise values.invalid_setting("CALL_PRICES", 'a dict of prices, such as {"NG": 0.08, "": 0.15}')
    return {region.strip().upper(): float(price) for region, price in chosen.items()}


def _is_price(region: object, price: object) -> bool:
    if not isinstance(region, str) or isinstance(price, bool) or not isinstance(price, int | float | Decimal):
        return False
    return isfinite(price) and price >= 0


def call_price_currency() -> str:
    """Return the currency that is shown beside a price, such as ``USD``, or ``""``."""
    return values.text("CALL_PRICE_CURRENCY") or ""


def pumping_pause() -> timedelta | None:
    """Return how long a pumped prefix or region is paused by itself, or None if it is not."""
    seconds = values.integer("PUMPING_PAUSE_SECONDS", least=0)
    if seconds > values.MAX_SECONDS:
        raise values.invalid_setting("PUMPING_PAUSE_SECONDS", f"a whole number from 0 to {values.MAX_SECONDS}")
    return timedelta(seconds=seconds) if seconds else None
