"""The settings in the dict ``settings.TELROI``.

Every key is optional. ``DEFAULTS`` lists all keys. Each key has a function here that returns its value or default and
raises ``ImproperlyConfigured`` if the value is invalid. Settings are read at each call, so ``override_settings`` works.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from datetime import timedelta
from types import ModuleType

from django.conf import ENVIRONMENT_VARIABLE, settings

from django_telroi.conf import values
from django_telroi.conf.call_settings import OTHER_REGIONS as OTHER_REGIONS
from django_telroi.conf.call_settings import Timeouts as Timeouts
from django_telroi.conf.call_settings import base_url as base_url
from django_telroi.conf.call_settings import call_price_currency as call_price_currency
from django_telroi.conf.call_settings import call_prices as call_prices
from django_telroi.conf.call_settings import celery_queue as celery_queue
from django_telroi.conf.call_settings import code_length as code_length
from django_telroi.conf.call_settings import code_tries as code_tries
from django_telroi.conf.call_settings import code_ttl as code_ttl
from django_telroi.conf.call_settings import codes as codes
from django_telroi.conf.call_settings import dispatch as dispatch
from django_telroi.conf.call_settings import key_requests_per_minute as key_requests_per_minute
from django_telroi.conf.call_settings import number_encryption as number_encryption
from django_telroi.conf.call_settings import number_keys as number_keys
from django_telroi.conf.call_settings import proxy_url as proxy_url
from django_telroi.conf.call_settings import pumping_pause as pumping_pause
from django_telroi.conf.call_settings import task_framework as task_framework
from django_telroi.conf.call_settings import tasks_backend as tasks_backend
from django_telroi.conf.call_settings import tasks_queue as tasks_queue
from django_telroi.conf.call_settings import timeouts as timeouts
from django_telroi.conf.call_settings import wrong_codes as wrong_codes
from django_telroi.conf.key_settings import DEFAULT_KEY as DEFAULT_KEY
from django_telroi.conf.key_settings import KEY_FORMAT as KEY_FORMAT
from django_telroi.conf.key_settings import allow_test_key as allow_test_key
from django_telroi.conf.key_settings import api_key as api_key
from django_telroi.conf.key_settings import are_keys_read_by_function as are_keys_read_by_function
from django_telroi.conf.key_settings import are_secrets_read_by_function as are_secrets_read_by_function
from django_telroi.conf.key_settings import has_invalid_names as has_invalid_names
from django_telroi.conf.key_settings import has_key as has_key
from django_telroi.conf.key_settings import has_named_keys as has_named_keys
from django_telroi.conf.key_settings import is_key_name as is_key_name
from django_telroi.conf.key_settings import is_key_removed as is_key_removed
from django_telroi.conf.key_settings import key_function as key_function
from django_telroi.conf.key_settings import key_label as key_label
from django_telroi.conf.key_settings import key_names as key_names
from django_telroi.conf.key_settings import keys_named as keys_named
from django_telroi.conf.key_settings import named_keys as named_keys
from django_telroi.conf.key_settings import names_with_secrets as names_with_secrets
from django_telroi.conf.key_settings import names_with_test_key as names_with_test_key
from django_telroi.conf.key_settings import webhook_secrets as webhook_secrets
from django_telroi.conf.key_settings import webhook_secrets_by_key as webhook_secrets_by_key
from django_telroi.conf.site_settings import DEFAULT_RATES as DEFAULT_RATES
from django_telroi.conf.site_settings import LOGIN_PURPOSE as LOGIN_PURPOSE
from django_telroi.conf.site_settings import TELEMETRY_PACKAGES as TELEMETRY_PACKAGES
from django_telroi.conf.site_settings import alternative_url as alternative_url
from django_telroi.conf.site_settings import bot_check as bot_check
from django_telroi.conf.site_settings import consent_text as consent_text
from django_telroi.conf.site_settings import consent_version as consent_version
from django_telroi.conf.site_settings import country_choice as country_choice
from django_telroi.conf.site_settings import is_login as is_login
from django_telroi.conf.site_settings import login_alternative_url as login_alternative_url
from django_telroi.conf.site_settings import login_purposes as login_purposes
from django_telroi.conf.site_settings import login_response as login_response
from django_telroi.conf.site_settings import login_sign_up_url as login_sign_up_url
from django_telroi.conf.site_settings import may_log_in as may_log_in
from django_telroi.conf.site_settings import may_start_path as may_start_path
from django_telroi.conf.site_settings import phone_risk as phone_risk
from django_telroi.conf.site_settings import purpose_texts as purpose_texts
from django_telroi.conf.site_settings import rate_keys as rate_keys
from django_telroi.conf.site_settings import rates as rates
from django_telroi.conf.site_settings import reviewer_logins_per_day as reviewer_logins_per_day
from django_telroi.conf.site_settings import reviewer_numbers as reviewer_numbers
from django_telroi.conf.site_settings import reviewer_numbers_in_production as reviewer_numbers_in_production
from django_telroi.conf.site_settings import reviewer_secret_code as reviewer_secret_code
from django_telroi.conf.site_settings import site_name as site_name
from django_telroi.conf.site_settings import submit_last_digit as submit_last_digit
from django_telroi.conf.site_settings import success_url as success_url
from django_telroi.conf.site_settings import telemetry as telemetry
from django_telroi.conf.site_settings import trace_headers as trace_headers
from django_telroi.conf.values import DEFAULTS as DEFAULTS
from django_telroi.conf.values import MAX_DAYS
from django_telroi.conf.values import chosen as chosen
from django_telroi.domain.number_limits import Policy
from django_telroi.domain.phone import CallingRules, LineType
from django_telroi.domain.request_headers import language_tag

TELROI_BACKEND = "django_telroi.backends.telroi.TelroiBackend"
CONSOLE_BACKEND = "django_telroi.backends.console.ConsoleBackend"
LOCMEM_BACKEND = "django_telroi.backends.locmem.LocmemBackend"


def is_test_run() -> bool:
    """Return True in Django's test environment.

    It is detected by what ``setup_test_environment`` keeps. ``mail.outbox`` is no sign of it: the e-mail backend
    ``locmem`` creates it in any process, and a site that shows mails in production would then place no calls.
    """
    utils = sys.modules.get("django.test.utils")
    return utils is not None and hasattr(utils._TestState, "saved_data")


def is_settings_file() -> bool:
    """Return True if ``TELROI`` is the dict of the project's settings module, so no test has replaced it.

    Returns False if settings come from ``settings.configure()``.
    """
    module = _settings_module()
    return module is not None and getattr(settings, "TELROI", None) is getattr(module, "TELROI", object())


def counts_requests() -> bool:
    """Return whether requests are counted against ``RATES``.

    Always, except in a test run. All requests of a test suite come from one address, so it would soon reach a limit.
    There they are counted only if a test sets ``RATES`` itself, or asks for it (``django_telroi.testing.rate_limits``).
    """
    if not is_test_run():
        return True
    of_file = getattr(_settings_module(), "TELROI", None)
    rates_of_file = of_file.get("RATES", DEFAULTS["RATES"]) if isinstance(of_file, Mapping) else DEFAULTS["RATES"]
    return values.read("RATES") is not rates_of_file


def _settings_module() -> ModuleType | None:
    return sys.modules.get(os.environ.get(ENVIRONMENT_VARIABLE, ""))


def backend_path() -> str:
    """Return the dotted path of the backend.

    The default depends on the environment: a test suite must place no calls, and a new project can try the pages
    without a key.
    """
    if path := values.text("BACKEND"):
        return path
    if is_test_run():
        return LOCMEM_BACKEND
    return CONSOLE_BACKEND if settings.DEBUG and not has_key() else TELROI_BACKEND


def lease() -> timedelta:
    """Return the time after which a ``dialing`` attempt is recorded as unknown. It exceeds every request to Telroi."""
    # The total timeout does not include the DNS lookup, nor the statement that saves the result.
    return timedelta(seconds=timeouts().total + 15)


def queue_deadline() -> timedelta:
    """Return how long a call may wait in the queue. After that it expires and is not placed."""
    return timedelta(seconds=values.seconds("QUEUE_DEADLINE_SECONDS"))


def policy(*, is_known: bool | None = None) -> Policy:
    """Return the limits of calls to one number.

    ``is_known``: False for a requester who is not known with the number. The reserved calls are left out then.
    """
    per_hour, per_day = values.integer("CALLS_PER_HOUR"), values.integer("CALLS_PER_DAY")
    if is_known is False:
        of_hour, of_day = stranger_calls()
        per_hour, per_day = min(per_hour, of_hour or per_hour), min(per_day, of_day or per_day)
    return Policy(timedelta(seconds=values.seconds("COOLDOWN_SECONDS", least=0)), per_hour, per_day)


def stranger_calls() -> tuple[int | None, int | None]:
    """Return how many calls of an hour and of a day strangers may use. None is no limit of their own."""
    return (
        _count_or_none("STRANGER_CALLS_PER_HOUR", least=1),
        _count_or_none("STRANGER_CALLS_PER_DAY", least=1),
    )


def reserves_calls() -> bool:
    """Return whether calls of a number are reserved for the people who are known with it."""
    return any(stranger_calls())


def calls_per_day_total() -> int | None:
    """Return the limit of calls of the whole site in a UTC day. None is no limit, and 0 allows no calls."""
    return _count_or_none("CALLS_PER_DAY_TOTAL", least=0)


def _count_or_none(key: str, *, least: int) -> int | None:
    return None if values.read(key) is None else values.integer(key, least=least)


def rate_limit_cache() -> str:
    """Return the alias of the cache that counts requests and codes: the setting of django-ratelimit, or ``default``."""
    return getattr(settings, "RATELIMIT_USE_CACHE", "default")


def trusted_proxies() -> int | None:
    """Return the number of reverse proxies in front of Django, or None if it is not set."""
    return None if values.read("TRUSTED_PROXIES") is None else values.integer("TRUSTED_PROXIES", least=0)


def language() -> str | None:
    """Return the language of the spoken prompt as a BCP 47 tag. None selects the active language."""
    text = values.text("LANGUAGE")
    if not text:
        return None
    tag = language_tag(text)
    if tag is None:
        raise values.invalid_setting("LANGUAGE", 'a BCP 47 tag such as "en" or "pt-BR", or None')
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
    wanted = 'None, or a list of purposes that are all in TELROI["PURPOSES"]'
    values.refuse_unknown_purposes("ANONYMOUS_PURPOSES", anonymous, known=purposes(), wanted=wanted)
    return anonymous


def purposes_without_record() -> list[str]:
    """Return the purposes, such as a login, whose verifications do not write a ``VerifiedPhone``."""
    without = values.texts("PURPOSES_WITHOUT_RECORD")
    wanted = 'a list of purposes that are all in TELROI["PURPOSES"]'
    values.refuse_unknown_purposes("PURPOSES_WITHOUT_RECORD", without, known=purposes(), wanted=wanted)
    return without


def writes_record(purpose: str) -> bool:
    """Return True if a verification for ``purpose`` writes a ``VerifiedPhone`` for the user."""
    return purpose not in purposes_without_record()


def one_account_per_number() -> bool:
    """Return True if a number that is verified for one account must be rejected for another account."""
    return values.boolean("ONE_ACCOUNT_PER_NUMBER")


def retention() -> timedelta | None:
    """Return how long attempts and events are kept, or None to keep them forever.

    It is at least one day, because the limits count the calls of the last day.
    """
    if values.read("RETENTION_DAYS") is None:
        return None
    days = values.integer("RETENTION_DAYS")
    if days > MAX_DAYS:
        raise values.invalid_setting("RETENTION_DAYS", f"a whole number from 1 to {MAX_DAYS}, or None")
    return timedelta(days=days)


def _line_type(name: str) -> LineType:
    try:
        return LineType(name)
    except ValueError:
        raise values.invalid_setting("ALLOWED_LINE_TYPES", "a list out of " + ", ".join(LineType)) from None
