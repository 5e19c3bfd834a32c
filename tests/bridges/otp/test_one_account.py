"""A second factor whose number another account has verified, on a site that allows one account for a number."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User

from django_telroi import services
from django_telroi.contrib.otp.models import CallDevice
from django_telroi.models import VerifiedPhone
from django_telroi.simulator import Simulator
from tests.bridges.otp.conftest import NUMBER
from tests.calling_site import Configure

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def owner(telroi: Simulator, device: CallDevice, configure: Configure) -> User:
    """Another account that has the number of Ada's device."""
    configure(ONE_ACCOUNT_PER_NUMBER=True)
    other = User.objects.create_user("kim")
    services.record_verification(other, NUMBER)
    return other


def test_a_number_of_another_account_is_rejected(telroi: Simulator, device: CallDevice, owner: User) -> None:
    device.generate_challenge()

    assert not device.verify_token(telroi.last_code_for(NUMBER))
    assert VerifiedPhone.objects.get().user == owner


def test_a_number_of_another_account_works_if_the_purpose_writes_no_record(
    telroi: Simulator, device: CallDevice, owner: User, configure: Configure
) -> None:
    configure(PURPOSES=["", "two-factor"], PURPOSES_WITHOUT_RECORD=["two-factor"])
    device.generate_challenge()

    assert device.verify_token(telroi.last_code_for(NUMBER))
    assert VerifiedPhone.objects.get().user == owner
