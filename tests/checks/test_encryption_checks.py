"""The system checks report keys that are missing or wrong, and a migration of numbers that was not finished."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from django.core.checks import run_checks

from django_telroi.domain.number_cipher import cipher_of

# Django 6.1 asks the database whether it has JSON.
pytestmark = pytest.mark.django_db

KEY = "a key of at least 32 characters, for tests"


def ids(*, deploy: bool = False) -> set[str]:
    found = {str(message.id) for message in run_checks(include_deployment_checks=deploy)}
    return found & {"telroi.E030", "telroi.E031", "telroi.W035", "telroi.W036"}


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ({}, set()),
        ({"NUMBER_KEYS": [KEY]}, set()),
        ({"NUMBER_KEYS": [KEY], "NUMBER_ENCRYPTION": "on"}, set()),
        ({"NUMBER_KEYS": [""], "NUMBER_ENCRYPTION": "on"}, {"telroi.E030"}),
        ({"NUMBER_KEYS": [KEY], "NUMBER_ENCRYPTION": "migrate"}, {"telroi.W036"}),
        ({"NUMBER_KEYS": [KEY], "NUMBER_ENCRYPTION": "prepare"}, {"telroi.W036"}),
        ({"NUMBER_KEYS": ["s" * 50]}, {"telroi.W035"}),
    ],
)
@pytest.mark.clear_numbers
def test_settings_are_reported(settings: Any, chosen: dict[str, Any], expected: set[str]) -> None:
    settings.SECRET_KEY = "s" * 50
    settings.TELROI = chosen

    assert ids(deploy=True) == expected


def test_a_missing_package_is_reported(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.TELROI = {"NUMBER_KEYS": [KEY]}
    cipher_of.cache_clear()
    monkeypatch.setitem(sys.modules, "cryptography.hazmat.primitives.ciphers.aead", None)

    assert ids() == {"telroi.E031"}
