"""Calls to expensive numbers are never requested from the provider."""

from __future__ import annotations

from collections.abc import Iterator

import phonenumbers
import pytest
from django.test import Client
from phonenumbers import PhoneNumberFormat, PhoneNumberType

from django_telroi import services
from django_telroi.domain.phone import LineType
from django_telroi.errors import VerificationRefused
from django_telroi.models import PhoneNumber, VerificationAttempt
from django_telroi.simulator import Simulator
from tests.calling_site import Configure

pytestmark = pytest.mark.django_db

NETWORKS = (800, 808, 870, 878, 881, 882, 883, 888, 979)
"""Satellite numbers, networks without a country, and worldwide services."""


def dear_numbers() -> Iterator[str]:
    """Return a number of each network, and a premium and a shared-cost number of each country that has them."""
    for code in NETWORKS:
        if example := phonenumbers.example_number_for_non_geo_entity(code):
            yield phonenumbers.format_number(example, PhoneNumberFormat.E164)
    for kind in (PhoneNumberType.PREMIUM_RATE, PhoneNumberType.SHARED_COST):
        for region in sorted(phonenumbers.SUPPORTED_REGIONS):
            if example := phonenumbers.example_number_for_type(region, kind):
                yield phonenumbers.format_number(example, PhoneNumberFormat.E164)


DEAR_NUMBERS = sorted(set(dear_numbers()))


@pytest.fixture(params=[{}, {"ALLOWED_LINE_TYPES": [*LineType]}], ids=["stock", "all types"])
def _settings(request: pytest.FixtureRequest, configure: Configure) -> None:
    configure(**request.param)


@pytest.mark.usefixtures("_settings")
def test_no_spelling_of_an_expensive_number_is_sent_to_telroi(telroi: Simulator) -> None:
    assert len(DEAR_NUMBERS) >= 60
    for number in DEAR_NUMBERS:
        for spelling in (number, f"00{number[1:]}", f"{number[:4]} {number[4:]}", f"{number[:3]}-({number[3:]})"):
            with pytest.raises(VerificationRefused):
                services.start_verification(spelling)

    assert (telroi.requests, VerificationAttempt.objects.count(), PhoneNumber.objects.count()) == ([], 0, 0)


def test_the_api_refuses_sixty_expensive_numbers_as_not_callable(telroi: Simulator) -> None:
    replies = [
        Client().post("/api/phone/verifications/", {"number": number}, "application/json")
        for number in DEAR_NUMBERS[-60:]
    ]

    assert {(reply.status_code, reply.json()["code"]) for reply in replies} == {(400, "not_callable")}
    assert telroi.requests == []
