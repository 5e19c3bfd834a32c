"""django-two-factor-auth: the set-up of a phone that is called. The user is logged in and chose the method."""

from __future__ import annotations

from typing import Any

import provider
from posting import Expected, Posting, form_posting, hidden_fields

from sites.common import SEEDED, STOCK_APPS, STOCK_MIDDLEWARE, insert, set_sequences, stock_settings

PAGE = "/account/two_factor/setup/"
OTP = "django_otp.middleware.OTPMiddleware"


def settings() -> dict[str, Any]:
    after_login = STOCK_MIDDLEWARE.index("django.contrib.auth.middleware.AuthenticationMiddleware") + 1
    return stock_settings(
        INSTALLED_APPS=[
            *STOCK_APPS,
            "django_otp",
            "django_otp.plugins.otp_static",
            "django_otp.plugins.otp_totp",
            "two_factor",
            "two_factor.plugins.phonenumber",
        ],
        MIDDLEWARE=[*STOCK_MIDDLEWARE[:after_login], OTP, *STOCK_MIDDLEWARE[after_login:]],
        LOGIN_URL="two_factor:login",
        LOGIN_REDIRECT_URL="two_factor:profile",
        TWO_FACTOR_CALL_GATEWAY="sites.two_factor_setup.Gateway",
    )


class Gateway:
    """A gateway of django-two-factor-auth, which has one method for each kind of message."""

    def make_call(self, device: Any, token: str) -> None:
        provider.call(device.number.as_e164, token)


def urls() -> list[Any]:
    from django.urls import include, path
    from two_factor.urls import urlpatterns as two_factor_urls

    return [path("", include(two_factor_urls))]


def fill(rows: int) -> None:
    from django.contrib.auth.models import User
    from two_factor.plugins.phonenumber.models import PhoneDevice

    flags = {"is_superuser": "FALSE", "is_staff": "FALSE", "is_active": "TRUE"}
    texts = {"password": "'!' || {hex}", "username": "'user' || n", "email": "''", "first_name": "''"}
    insert(User, rows, {"id": "n"} | texts | flags | {"last_name": "''", "date_joined": "{now}"})
    device = {"user_id": "n", "name": "'default'", "confirmed": "TRUE", "number": SEEDED, "key": "{hex}"}
    insert(PhoneDevice, rows, device | {"method": "'call'", "throttling_failure_count": "0"})
    set_sequences(User, PhoneDevice)


def start(number: str, address: str) -> Posting:
    return at_number(number, address)[1]


def at_number(number: str, address: str) -> tuple[Any, Posting]:
    """Log a new user in and go to the step that asks for the number. Returns the browser and the next request."""
    from django.contrib.auth.models import User
    from django.test import Client

    browser = Client(enforce_csrf_checks=True)
    browser.force_login(User.objects.create(username=number, password="!"))
    page = browser.get(PAGE).content
    for answers in ({}, {"method-method": "call"}):
        page = browser.post(PAGE, hidden_fields(page) | answers).content
    return browser, form_posting(PAGE, hidden_fields(page) | {"call-number": number}, address, browser)


def check(number: str, address: str) -> Posting:
    browser, posting = at_number(number, address)
    page = browser.generic("POST", PAGE, posting.body, posting.content_type).content
    return form_posting(PAGE, hidden_fields(page) | {"validation-token": provider.last_code}, address, browser)


STARTED = Expected(200, text="validation-token")
VERIFIED = Expected(302, location="/account/two_factor/setup/complete/")
