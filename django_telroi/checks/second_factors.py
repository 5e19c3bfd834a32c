"""Checks of the bridges to django-two-factor-auth and django-otp. They read settings and import neither package."""

from __future__ import annotations

from collections.abc import Iterator

from django.apps import apps
from django.conf import settings
from django.core import checks
from django.core.checks import CheckMessage

from django_telroi import conf
from django_telroi.domain.states import CodeMaker

OTP_APP = "django_telroi.contrib.otp"
OTP_MIDDLEWARE = "django_otp.middleware.OTPMiddleware"


def has_second_factor() -> bool:
    """Return whether a bridge is set up. Such a site may need none of our URLs."""
    return _is_gateway_chosen() or apps.is_installed(OTP_APP)


def _is_gateway_chosen() -> bool:
    return str(getattr(settings, "TWO_FACTOR_CALL_GATEWAY", "")).startswith("django_telroi.")


def check_second_factors() -> Iterator[CheckMessage]:
    """Yield a message if a bridge is set up, and a part of the other package that it needs is not."""
    if _is_gateway_chosen() and not apps.is_installed("two_factor.plugins.phonenumber"):
        yield checks.Warning(
            "TWO_FACTOR_CALL_GATEWAY is set, but no page offers a call, because two_factor.plugins.phonenumber is not "
            "installed.",
            hint='Add "two_factor.plugins.phonenumber" to INSTALLED_APPS.',
            id="telroi.W022",
        )
    if apps.is_installed(OTP_APP):
        yield from _otp()


def _otp() -> Iterator[CheckMessage]:
    if conf.codes() != CodeMaker.SITE:
        yield checks.Error(
            'django_telroi.contrib.otp needs codes of this site, but TELROI["CODES"] is not "site".',
            hint='Set it to "site". django-otp checks codes inside a transaction, and Telroi cannot be asked there.',
            id="telroi.E020",
        )
    if OTP_MIDDLEWARE not in settings.MIDDLEWARE:
        yield checks.Warning(
            "django_telroi.contrib.otp is installed, but OTPMiddleware is not in MIDDLEWARE, so no user is verified.",
            hint=f'Add "{OTP_MIDDLEWARE}" to MIDDLEWARE, after AuthenticationMiddleware.',
            id="telroi.W023",
        )
