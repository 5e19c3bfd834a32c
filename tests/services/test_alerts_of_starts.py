"""A start that is refused because of the settings alerts the operators: the person reads "We have been told"."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from django_telroi import services, signals
from django_telroi.conf import TELROI_BACKEND
from django_telroi.errors import Misconfigured
from django_telroi.models import AttemptEvent, EventKind

pytestmark = pytest.mark.django_db

NUMBER = "+2348031234567"


@pytest.fixture
def alerts() -> Iterator[list[tuple[str, str]]]:
    """The kind and the key of each alert."""
    heard: list[tuple[str, str]] = []

    def hear(kind: str, key_name: str, **_: object) -> None:
        heard.append((kind, key_name))

    signals.alert.connect(hear)
    yield heard
    signals.alert.disconnect(hear)


@pytest.mark.parametrize(
    ("chosen", "key_name"),
    [
        ({}, "default"),
        ({"API_KEY": "tlr_live_with a space"}, "default"),
        ({"API_KEYS": {"shop": "tlr_live_x"}, "API_KEY": lambda facts: None}, ""),
        ({"API_KEYS": {"shop": None}, "API_KEY": lambda facts: "shop"}, ""),
    ],
    ids=["no key", "malformed key", "function without a name", "name without a key"],
)
def test_a_start_that_no_key_can_place_alerts_once(
    settings: Any, monkeypatch: pytest.MonkeyPatch, alerts: list[tuple[str, str]], chosen: dict[str, Any], key_name: str
) -> None:
    monkeypatch.delenv("TELROI_API_KEY", raising=False)
    settings.TELROI = {"BACKEND": TELROI_BACKEND, "BASE_URL": "http://127.0.0.1:9", **chosen}

    for _ in range(3):
        with pytest.raises(Misconfigured):
            services.start_verification(NUMBER)

    assert alerts == [("misconfigured", key_name)]
    assert AttemptEvent.objects.filter(kind=EventKind.ALERT).count() == 1
