"""django-allauth headless: a sign-up with a phone, without a password. The code verifies the phone."""

from __future__ import annotations

import json
from typing import Any

import provider
from posting import Expected, Posting, json_posting, run

from sites.common import SEEDED, STOCK_APPS, STOCK_MIDDLEWARE, insert, set_sequences, stock_settings

API = "/_allauth/app/v1/auth"


def settings() -> dict[str, Any]:
    return stock_settings(
        INSTALLED_APPS=[*STOCK_APPS, "people", "allauth", "allauth.account", "allauth.headless"],
        MIDDLEWARE=[*STOCK_MIDDLEWARE, "allauth.account.middleware.AccountMiddleware"],
        AUTH_USER_MODEL="people.User",
        AUTHENTICATION_BACKENDS=[
            "django.contrib.auth.backends.ModelBackend",
            "allauth.account.auth_backends.AuthenticationBackend",
        ],
        ACCOUNT_ADAPTER="people.adapter.PhoneAdapter",
        ACCOUNT_LOGIN_METHODS={"phone"},
        ACCOUNT_SIGNUP_FIELDS=["phone*"],
        ACCOUNT_EMAIL_VERIFICATION="none",
        ACCOUNT_LOGIN_BY_CODE_ENABLED=True,
        ACCOUNT_PHONE_VERIFICATION_CODE_FORMAT={"numeric": True, "length": 6, "dashed": False},
        ALLAUTH_TRUSTED_PROXY_COUNT=1,
        HEADLESS_ONLY=True,
        HEADLESS_CLIENTS=("app",),
    )


def urls() -> list[Any]:
    from django.urls import include, path

    return [path("accounts/", include("allauth.urls")), path("_allauth/", include("allauth.headless.urls"))]


def fill(rows: int) -> None:
    from people.models import User

    flags = {"is_superuser": "FALSE", "is_staff": "FALSE", "is_active": "TRUE", "phone_verified": "TRUE"}
    texts = {"password": "'!' || {hex}", "username": "'user' || n", "email": "''", "first_name": "''"}
    insert(User, rows, texts | flags | {"last_name": "''", "date_joined": "{now}", "phone": SEEDED})
    set_sequences(User)


def start(number: str, address: str) -> Posting:
    return json_posting(f"{API}/signup", {"phone": number}, address)


def check(number: str, address: str) -> Posting:
    token = session(start(number, address))
    return json_posting(f"{API}/phone/verify", {"code": provider.last_code}, address, **token)


def session(started: Posting) -> dict[str, str]:
    """Run the start, and return the header of its session."""
    from django.core.handlers.wsgi import WSGIHandler

    reply = json.loads(run(WSGIHandler(), started).body)
    return {"X-Session-Token": reply["meta"]["session_token"]}


STARTED = Expected(401, text='"is_pending": true')
VERIFIED = Expected(200, text='"is_authenticated": true')
