"""A number without its country code: the API names the reason and the number that is meant."""

from __future__ import annotations

import pytest
from rest_framework.test import APIClient

from django_telroi.models import VerificationAttempt
from tests.calling_site import Configure
from tests.rest.world import HOME, NUMBER, PhoneApi

pytestmark = pytest.mark.django_db


def start(number: str, language: str = "") -> dict[str, object]:
    headers = {"Accept-Language": language} if language else {}
    reply = APIClient().post(f"{HOME}verifications/", {"number": number}, format="json", headers=headers)
    assert reply.status_code == 400
    body: dict[str, object] = reply.json()
    return body


def test_the_region_of_the_language_gives_the_suggestion_and_the_example() -> None:
    text = "The country code is missing. Start with + and the country code, like +234 802 123 4567."

    assert start("0803 123 4567", "en-NG") == {
        "code": "invalid_number",
        "detail": text,
        "retry_after": None,
        "errors": {"number": [{"message": text, "code": "country_code_missing"}]},
        "suggestions": [NUMBER],
    }
    assert not VerificationAttempt.objects.exists()


def test_only_a_missing_plus_needs_no_region() -> None:
    assert start("2348031234567")["suggestions"] == [NUMBER]


def test_the_list_is_empty_if_no_number_is_likely() -> None:
    assert start("0803 123 4567")["suggestions"] == []
    assert start("+234 803", "en-NG")["suggestions"] == []


def test_a_number_that_the_site_does_not_call_is_not_suggested(configure: Configure) -> None:
    configure(ALLOWED_REGIONS=["US"])

    assert start("0803 123 4567", "en-NG")["suggestions"] == []


def test_a_suggestion_can_be_called(api: PhoneApi) -> None:
    (number,) = api.start("2348031234567").json()["suggestions"]

    assert api.start(number).status_code == 201
