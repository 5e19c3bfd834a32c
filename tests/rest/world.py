"""A client for tests of the API."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID

from django.contrib.auth.models import User
from rest_framework.test import APIClient

from django_telroi.testing import last_code_for

HOME = "/api/phone/"
NUMBER = "+2348031234567"
OTHER_NUMBER = "+2348029876543"
PREMIUM_NUMBER = "+2347001234567"
UNKNOWN_ID = "8b0a2f7e-5f0c-4b67-9a53-2d1f7f3b9c10"

Reply = Any
"""A response of the test client."""


class PhoneApi:
    """A client that sends JSON, with or without a login."""

    def __init__(self, user: User | None = None) -> None:
        self.client = APIClient()
        if user:
            self.client.force_authenticate(user)

    def start(self, number: object = NUMBER, *, key: object = None, **fields: object) -> Reply:
        headers = {} if key is None else {"Idempotency-Key": str(key)}
        return self.post("verifications/", {"number": number, **fields}, headers=headers)

    def started(self, number: str = NUMBER, **fields: object) -> str:
        """Start a verification and return its id."""
        return str(self.start(number, **fields).json()["id"])

    def follow(self, id_: str | UUID) -> Reply:
        return self.client.get(f"{HOME}verifications/{id_}/")

    def check(self, id_: str | UUID, code: object) -> Reply:
        return self.post(f"verifications/{id_}/check/", {"code": code})

    def call_again(self, id_: str | UUID) -> Reply:
        return self.post(f"verifications/{id_}/call-again/")

    def cancel(self, id_: str | UUID) -> Reply:
        return self.post(f"verifications/{id_}/cancel/")

    def phones(self) -> Reply:
        return self.client.get(f"{HOME}phones/")

    def post(self, path: str, body: object = None, *, headers: dict[str, str] | None = None) -> Reply:
        return self.send(path, "" if body is None else json.dumps(body), headers=headers)

    def send(
        self,
        path: str,
        body: str | bytes,
        *,
        content_type: str = "application/json",
        headers: dict[str, str] | None = None,
    ) -> Reply:
        return self.client.post(HOME + path, body, content_type=content_type, headers=headers or {})


def wrong_code_for(number: str = NUMBER) -> str:
    return f"{(int(last_code_for(number)) + 1) % 10**6:06}"
