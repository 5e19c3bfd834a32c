"""django-phone-verify: its router and the settings of its documentation, with a backend for the provider."""

from __future__ import annotations

import json
from typing import Any

import provider
from posting import Expected, Posting, json_posting, run

from sites.common import SEEDED, STOCK_APPS, insert, set_sequences, stock_settings


def settings() -> dict[str, Any]:
    return stock_settings(
        INSTALLED_APPS=[*STOCK_APPS, "rest_framework", "phone_verify"],
        PHONE_VERIFICATION={
            "BACKEND": "sites.phone_verify_backend.ProviderBackend",
            "OPTIONS": {},
            "TOKEN_LENGTH": 6,
            "MESSAGE": "Welcome to {app}! Please use security code {security_code} to proceed.",
            "APP_NAME": "Phone Verify",
            "SECURITY_CODE_EXPIRATION_SECONDS": 3600,
            "VERIFY_SECURITY_CODE_ONLY_ONCE": False,
        },
    )


def urls() -> list[Any]:
    from django.urls import include, path

    return [path("api/", include("phone_verify.urls"))]


def fill(rows: int) -> None:
    from phone_verify.models import SMSVerification

    # A session token of this package has 130 characters.
    token = "{hex} || {hex} || {hex} || {hex}"
    values = {"id": "{uuid}", "created_at": "{now}", "modified_at": "{now}", "security_code": "'123456'"}
    values |= {"phone_number": SEEDED, "session_token": token, "is_verified": "TRUE", "failed_attempts": "0"}
    insert(SMSVerification, rows, values)
    set_sequences(SMSVerification)


def start(number: str, address: str) -> Posting:
    return json_posting("/api/phone/register", {"phone_number": number}, address)


def check(number: str, address: str) -> Posting:
    from django.core.handlers.wsgi import WSGIHandler

    token = json.loads(run(WSGIHandler(), start(number, address)).body)["session_token"]
    body = {"phone_number": number, "session_token": token, "security_code": provider.last_code}
    return json_posting("/api/phone/verify", body, address)


STARTED, VERIFIED = Expected(200, text="session_token"), Expected(200, text="is valid")
