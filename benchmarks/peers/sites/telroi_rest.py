"""django-telroi: the API of the tutorial, without an account."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from posting import Expected, Posting, json_posting, run

from sites.common import SEEDED, STOCK_APPS, insert, set_sequences, stock_settings

API = "/api/phone/verifications/"


def settings() -> dict[str, Any]:
    return stock_settings(
        INSTALLED_APPS=[*STOCK_APPS, "rest_framework", "django_telroi"],
        TELROI={
            "API_KEY": os.environ["PEERS_API_KEY"],
            "BASE_URL": os.environ["PEERS_BASE_URL"],
            "CODES": os.environ["PEERS_CODES"],
            "TRUSTED_PROXIES": 1,
            # The simulator's own limit of the key is off too. With Telroi's 600 a minute, the budget would be measured.
            "KEY_REQUESTS_PER_MINUTE": 10**9,
        },
    )


def urls() -> list[Any]:
    from django.urls import include, path

    return [path("api/phone/", include("django_telroi.rest.urls")), path("phone/", include("django_telroi.urls"))]


def fill(rows: int) -> None:
    from django_telroi.models import PhoneNumber, VerificationAttempt

    shared = {"region": "'NG'", "last4": "substr(" + SEEDED + ", 11)", "created_at": "{now}"}
    number = {"id": "n", "number": SEEDED, "calls": "'[]'", "last_call_at": "{now}", "next_call_at": "{now}"}
    insert(PhoneNumber, rows, shared | number | {"version": "1"})
    texts = {"status": "'verified'", "dispatch": "'inline'", "judge": "'site'", "language": "'en'"}
    texts |= {"telroi_id": "{uuid}", "code_digest": "{hex} || {hex}", "judging": "'{{}}'", "livemode": "TRUE"}
    figures = {"code_length": "6", "tries": "1", "max_tries": "3"}
    moments = dict.fromkeys(("dialed_at", "placed_at", "expires_at", "verified_at", "closed_at"), "{now}")
    insert(VerificationAttempt, rows, shared | {"uuid": "{uuid}", "phone_id": "n"} | texts | figures | moments)
    set_sequences(PhoneNumber, VerificationAttempt)


def start(number: str, address: str) -> Posting:
    return json_posting(API, {"number": number}, address)


def check(number: str, address: str) -> Posting:
    from django.core.handlers.wsgi import WSGIHandler

    with codes_of_calls() as codes:
        uuid = json.loads(run(WSGIHandler(), start(number, address)).body)["id"]
    return json_posting(f"{API}{uuid}/check/", {"code": codes[0]}, address)


@contextmanager
def codes_of_calls() -> Iterator[list[str]]:
    """Collect the codes that the calls of this block read out. Nothing of the block is timed."""
    from django_telroi.client import TelroiClient

    codes: list[str] = []
    place = TelroiClient.place_otp

    def listen(client: Any, to: str, *, code: str | None = None, **options: Any) -> Any:
        if code is None:
            code = "246810"
            _switch("next_otp", code=code, to=str(to))
            codes.append(code)
            return place(client, to, **options)
        codes.append(str(code))
        return place(client, to, code=code, **options)

    with mock.patch.object(TelroiClient, "place_otp", listen):
        yield codes


def _switch(name: str, **arguments: object) -> None:
    import requests

    url = f"{os.environ['PEERS_BASE_URL']}/_simulator/{name}"
    requests.post(url, json=arguments, timeout=10).raise_for_status()


STARTED = Expected(201, text='"status":"placed"')
VERIFIED = Expected(200, text='"verified":true')
