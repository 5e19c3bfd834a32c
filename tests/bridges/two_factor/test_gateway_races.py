"""Fifty challenges of one phone at once: each thread has its own connection."""

from __future__ import annotations

import pytest
from two_factor.plugins.phonenumber.models import PhoneDevice

from django_telroi.errors import CooldownActive
from django_telroi.models import VerificationAttempt
from django_telroi.simulator import Simulator
from tests.bridges.two_factor.conftest import NUMBER, Person
from tests.races.conftest import one_race_at_a_time
from tests.races.racing import RACERS, errors, race, values

__all__ = ["one_race_at_a_time"]

pytestmark = pytest.mark.django_db(transaction=True)


def test_fifty_challenges_at_once_are_one_call_whose_code_is_accepted(telroi: Simulator, phone: PhoneDevice) -> None:
    finishes = race([lambda: PhoneDevice.objects.get(pk=phone.pk).generate_challenge()] * RACERS)

    assert [type(error) for error in errors(finishes)] == [CooldownActive] * (RACERS - 1)
    assert len(telroi.calls) == 1
    assert VerificationAttempt.objects.count() == 1
    assert phone.verify_token(int(telroi.last_code_for(NUMBER)))


def test_logins_at_once_are_one_call_and_no_error_page(telroi: Simulator, phone: PhoneDevice) -> None:
    finishes = race([lambda: Person().log_in()] * 10)

    assert errors(finishes) == []
    assert {person.status for person in values(finishes)} == {200}
    assert {person.step for person in values(finishes)} == {"token"}
    assert len(telroi.calls) == 1
    assert sum(bool(person.errors) for person in values(finishes)) == 9
