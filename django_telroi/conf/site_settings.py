"""The settings about the site's people and pages: logins, app reviewers, pages, requesters and telemetry."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.apps import apps
from django.conf import settings
from django.utils.functional import Promise

from django_telroi.conf import values
from django_telroi.conf.values import RATES
from django_telroi.domain.rates import Rates, read_rates
from django_telroi.redaction import Secret

LOGIN_APP = "django_telroi.contrib.login"

LOGIN_PURPOSE = "login"
"""The purpose of the calls that log in. It need not be in ``PURPOSES``, which is for other pages and the API."""


def is_login(purpose: str) -> bool:
    """Return whether calls of this purpose log in: the app is installed, and the purpose is its own."""
    return purpose == LOGIN_PURPOSE and apps.is_installed(LOGIN_APP)


def login_alternative_url() -> str | Promise:
    """Return the URL of the site's other way to log in, for ``django.shortcuts.resolve_url``; ``""`` for none."""
    return _url("LOGIN_ALTERNATIVE_URL")


def login_sign_up_url() -> str | Promise:
    """Return the URL of the site's sign-up, for ``django.shortcuts.resolve_url``; ``""`` for none."""
    return _url("LOGIN_SIGN_UP_URL")


def login_purposes() -> list[str]:
    """Return the purposes whose verified numbers log in to their account."""
    return values.texts("LOGIN_PURPOSES")


def login_response() -> str | Callable[..., Any] | None:
    """Return the site's function that makes the body of the API's answer, or its dotted path. None logs in a session.

    It is called with the request and the user.
    """
    return values.function("LOGIN_RESPONSE")


def may_log_in() -> str | Callable[..., Any] | None:
    """Return the site's function that decides which users may log in by phone, its dotted path, or None.

    It is called with the request and the user.
    """
    return values.function("MAY_LOG_IN")


def reviewer_numbers() -> list[str]:
    """Return the numbers (E.164) of app reviewers, which are never called."""
    return [Secret(number) for number in values.texts("REVIEWER_SECRET_NUMBERS")]


def reviewer_numbers_in_production() -> list[str]:
    """Return the reviewer numbers that the site has named a second time."""
    return [Secret(number) for number in values.texts("REVIEWER_SECRET_NUMBERS_IN_PRODUCTION")]


def may_review(number: str) -> bool:
    """Return whether the reviewer's code of this reviewer number is accepted. Without ``DEBUG`` it is named twice."""
    return bool(settings.DEBUG) or number in reviewer_numbers_in_production()


def reviewer_secret_code() -> str:
    """Return the fixed code of the reviewer numbers, ``""`` for none."""
    return Secret(values.text("REVIEWER_SECRET_CODE") or "")


def reviewer_logins_per_day() -> int:
    """Return how many logins of all reviewer numbers are allowed in a UTC day."""
    return values.integer("REVIEWER_LOGINS_PER_DAY")


def _url(key: str) -> str | Promise:
    # The result of ``reverse_lazy`` is returned unevaluated, because the URLconf may not be loaded yet.
    value = values.read(key)
    return value if isinstance(value, Promise) else values.text(key) or ""


MAX_VERSION_LENGTH = 64


def country_choice() -> bool:
    """Return True if the form for a number has a choice of the country."""
    return values.boolean("COUNTRY_CHOICE")


def site_name() -> str:
    """Return the name of the site for people, ``""`` if it is not set."""
    return values.lazy_text("SITE_NAME")


def purpose_texts() -> Mapping[str, str]:
    """Return the sentences that tell what a number is for, by purpose. They may be lazy translations."""
    texts = values.read("PURPOSE_TEXTS")
    if not isinstance(texts, Mapping) or not all(isinstance(text, str | Promise) for text in texts.values()):
        raise values.invalid_setting("PURPOSE_TEXTS", "a dict of purposes and sentences")
    known = [*values.texts("PURPOSES"), LOGIN_PURPOSE]
    wanted = 'a dict whose keys are all in TELROI["PURPOSES"]'
    values.refuse_unknown_purposes("PURPOSE_TEXTS", texts, known=known, wanted=wanted)
    return texts


def consent_text() -> str:
    """Return the line of consent in the form that requests a call, ``""`` for none."""
    return values.lazy_text("CONSENT_TEXT")


def consent_version() -> str:
    """Return the site's name for the version of ``CONSENT_TEXT``, ``""`` if the consent is not recorded."""
    version = values.text("CONSENT_VERSION") or ""
    if len(version) > MAX_VERSION_LENGTH or not version.isprintable():
        raise values.invalid_setting(
            "CONSENT_VERSION", f"a printable string of at most {MAX_VERSION_LENGTH} characters"
        )
    return version


def submit_last_digit() -> bool:
    """Return True if the script sends the code when its last digit is typed."""
    return values.boolean("SUBMIT_LAST_DIGIT")


def success_url() -> str | Promise | None:
    """Return a path, a URL or the name of a URL pattern, for ``django.shortcuts.resolve_url``; or None.

    The result of ``reverse_lazy`` is returned unevaluated, because the URLconf may not be loaded yet.
    """
    value = values.read("SUCCESS_URL")
    return value if isinstance(value, Promise) else values.text("SUCCESS_URL")


def alternative_url() -> str | Promise:
    """Return the URL of the site's other way to prove a number, for ``django.shortcuts.resolve_url``; ``""`` for none.

    It may be a path, a URL, the name of a URL pattern, or the result of ``reverse_lazy``, which is not evaluated.
    """
    value = values.read("ALTERNATIVE_URL")
    return value if isinstance(value, Promise) else values.text("ALTERNATIVE_URL") or ""


DEFAULT_RATES = read_rates(RATES, RATES, has_own_names=False)


def rates() -> Rates:
    """Return the rate limits of a requester by scope and name. None is no limit.

    The names are those of ``values.RATES`` (IP address, its networks, user) and, with ``RATE_KEYS``, the site's own.
    """
    chosen = values.read("RATES")
    try:
        return DEFAULT_RATES if chosen is RATES else read_rates(chosen, RATES, has_own_names=rate_keys() is not None)
    except ValueError as error:
        raise values.invalid_setting("RATES", f"a dict of rates: {error}") from None


def rate_keys() -> str | Callable[..., Any] | None:
    """Return the site's function that returns its own keys for ``RATES``, or its dotted path, or None."""
    return values.function("RATE_KEYS")


def bot_check() -> str | Callable[..., Any] | None:
    """Return the site's function that decides whether a request for a call is a person's, its dotted path, or None."""
    return values.function("BOT_CHECK")


def may_start_path() -> str | None:
    """Return the dotted path of the site's function that may reject a start, or None."""
    return values.text("MAY_START")


def phone_risk() -> str | Callable[..., Any] | None:
    """Return the site's function that looks up the risk of a number, or its dotted path, or None."""
    return values.function("PHONE_RISK")


TELEMETRY_PACKAGES = {"opentelemetry": "opentelemetry", "prometheus": "prometheus_client"}
"""The values of ``TELEMETRY``, with the Python package that each one needs."""


def telemetry() -> list[str]:
    """Return what measures this site, a selection of ``TELEMETRY_PACKAGES``. It is read when the site starts."""
    chosen = values.texts("TELEMETRY")
    if set(chosen) - TELEMETRY_PACKAGES.keys():
        raise values.invalid_setting("TELEMETRY", 'a list out of "opentelemetry" and "prometheus"')
    return chosen


def trace_headers() -> bool:
    """Return True if requests to Telroi carry the headers of the site's traces."""
    return values.boolean("TRACE_HEADERS")
