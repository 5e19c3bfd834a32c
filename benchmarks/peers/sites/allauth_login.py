"""django-allauth headless: the login by code of an account with a verified phone."""

from __future__ import annotations

import provider
from posting import Posting, json_posting

from sites.allauth_signup import API, STARTED, VERIFIED, fill, session, settings, urls

__all__ = ["STARTED", "VERIFIED", "check", "fill", "settings", "start", "urls"]


def start(number: str, address: str) -> Posting:
    from people.models import User

    User.objects.create(username=number, phone=number, phone_verified=True, password="!")
    return json_posting(f"{API}/code/request", {"phone": number}, address)


def check(number: str, address: str) -> Posting:
    token = session(start(number, address))
    return json_posting(f"{API}/code/confirm", {"code": provider.last_code}, address, **token)
