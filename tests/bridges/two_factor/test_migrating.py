"""Devices that were set up with another gateway, after docs/migrating/two_factor_phone.rst."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from two_factor.plugins.phonenumber.models import PhoneDevice

from django_telroi import services
from django_telroi.models import VerifiedPhone
from django_telroi.simulator import Simulator
from tests.bridges.two_factor.conftest import NUMBER, Person
from tests.calling_site import Configure
from tests.docs_blocks import blocks_of_page

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def page() -> dict[str, Any]:
    """The functions of the page that need django-two-factor-auth. The last block needs another app."""
    names: dict[str, Any] = {}
    for block in blocks_of_page("migrating/two_factor_phone.rst"):
        if block.kind == "python" and "CallDevice" not in block.body:
            exec(block.body, names)
    return names


@pytest.fixture
def device(ada: User) -> PhoneDevice:
    return PhoneDevice.objects.create(user=ada, name="default", number=NUMBER, method="sms")


def test_a_device_of_sms_is_called_at_the_next_login(
    telroi: Simulator, device: PhoneDevice, page: dict[str, Any]
) -> None:
    assert page["call_instead_of_sms"]() == 1

    visitor = Person().log_in()
    visitor.send(otp_token=telroi.last_code_for(NUMBER))

    assert visitor.url == "/account/two_factor/"


def test_the_number_of_a_device_counts_since_the_account_was_made(
    device: PhoneDevice, page: dict[str, Any], configure: Configure
) -> None:
    User.objects.update(date_joined=device.user.date_joined - timedelta(days=100))
    other = User.objects.create_user("ben")
    PhoneDevice.objects.create(user=other, name="default", number=NUMBER, method="call")
    configure(ONE_ACCOUNT_PER_NUMBER=True)

    skipped = page["record_device_numbers"]()

    assert skipped == page["record_device_numbers"]() == [(other.pk, "number_taken")]
    assert services.has_verified_phone(device.user)
    assert not services.has_verified_phone(device.user, max_age=timedelta(days=99))
    assert VerifiedPhone.objects.count() == 1
