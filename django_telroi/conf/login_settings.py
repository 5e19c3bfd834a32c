"""The settings of ``django_telroi.contrib.login``, and of the numbers of app reviewers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.apps import apps
from django.conf import settings
from django.utils.functional import Promise

from django_telroi.conf import values
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
