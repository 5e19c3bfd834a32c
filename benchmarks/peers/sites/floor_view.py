"""The floor: a Django view without middlewares, around ``floor.calls``."""

from __future__ import annotations

from typing import Any

import provider
from posting import Expected, Posting, json_posting, run

from sites.common import SEEDED, insert, set_sequences, stock_settings


def settings() -> dict[str, Any]:
    return stock_settings(INSTALLED_APPS=["floor"], MIDDLEWARE=[])


def urls() -> list[Any]:
    from floor.views import urlpatterns

    return urlpatterns


def fill(rows: int) -> None:
    from floor.models import Number

    values = {"number": SEEDED, "called_at": "{now}", "expires_at": "{now}", "digest": "{hex} || {hex}", "tries": "1"}
    insert(Number, rows, values | {"is_placed": "TRUE", "verified_at": "{now}"})
    set_sequences(Number)


def start(number: str, address: str) -> Posting:
    return json_posting("/start/", {"number": number}, address)


def check(number: str, address: str) -> Posting:
    from django.core.handlers.wsgi import WSGIHandler

    run(WSGIHandler(), start(number, address))
    return json_posting("/check/", {"number": number, "code": provider.last_code}, address)


STARTED = Expected(201, text="placed")
VERIFIED = Expected(200, text="true")
