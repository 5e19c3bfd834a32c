"""Accounts that verify one number at once: each browser has its own thread and connection."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.test import Client

from django_telroi import services
from django_telroi.contrib.allauth.adapter import TelroiAdapterMixin
from django_telroi.errors import NumberTaken
from django_telroi.models import VerifiedPhone
from django_telroi.simulator import Simulator
from tests.bridges.allauth.people import NUMBER, sign_up, text_of, verify, wait
from tests.calling_site import Configure
from tests.races.conftest import one_race_at_a_time
from tests.races.racing import errors, race, values

__all__ = ["one_race_at_a_time"]

User = get_user_model()
ACCOUNTS = 5
"""As many calls as the provider places to a number in an hour."""
TAKEN = "already registered with this phone number"

pytestmark = pytest.mark.django_db(transaction=True)


def signed_up(telroi: Simulator) -> list[tuple[Client, str]]:
    """Return browsers whose accounts wait for the code of one number, each with its code."""
    browsers = []
    for _ in range(ACCOUNTS):
        browser = Client()
        sign_up(browser)
        browsers.append((browser, telroi.last_code_for(NUMBER)))
        wait(telroi)
    assert User.objects.count() == ACCOUNTS
    return browsers


def type_codes_at_once(browsers: list[tuple[Client, str]]) -> list[Any]:
    finishes = race([lambda browser=browser, code=code: verify(browser, code) for browser, code in browsers])
    assert errors(finishes) == []
    return values(finishes)


def test_one_of_the_accounts_that_type_their_codes_at_once_gets_the_number(
    telroi: Simulator, configure: Configure
) -> None:
    configure(ONE_ACCOUNT_PER_NUMBER=True)

    pages = type_codes_at_once(signed_up(telroi))

    assert {page.status_code for page in pages} == {200}
    assert VerifiedPhone.objects.filter(number=NUMBER).count() == 1
    assert sorted(TAKEN in text_of(page) for page in pages) == [False] + [True] * (ACCOUNTS - 1)


def test_without_the_setting_a_login_opens_one_account(telroi: Simulator) -> None:
    pages = type_codes_at_once(signed_up(telroi))

    assert {page.status_code for page in pages} == {200}
    numbers = VerifiedPhone.objects.filter(number=NUMBER)
    assert numbers.count() == numbers.values("user").distinct().count() >= 1


@pytest.mark.parametrize("is_one_account", [True, False])
def test_records_at_once_are_one_for_each_account_that_may_have_the_number(
    telroi: Simulator, configure: Configure, is_one_account: bool
) -> None:
    configure(ONE_ACCOUNT_PER_NUMBER=is_one_account)
    users = [User.objects.create_user(f"user{ordinal}") for ordinal in range(10)]

    finishes = race([lambda user=user: services.record_verification(user, NUMBER, replace=True) for user in users * 3])

    owners = list(VerifiedPhone.objects.filter(number=NUMBER).values_list("user", flat=True))
    assert all(isinstance(error, NumberTaken) for error in errors(finishes))
    assert len(owners) == (1 if is_one_account else len(users))
    assert len(values(finishes)) == 3 * len(owners)


def test_an_account_that_verifies_two_numbers_at_once_keeps_one(telroi: Simulator) -> None:
    user = User.objects.create_user("ada")
    numbers = [f"+3161234567{digit}" for digit in range(8)]

    finishes = race(
        [lambda number=number: services.record_verification(user, number, replace=True) for number in numbers]
    )

    assert errors(finishes) == []
    assert VerifiedPhone.objects.filter(user=user).count() == 1


def test_the_form_of_a_slower_account_shows_the_error_if_it_found_no_owner(
    telroi: Simulator, configure: Configure, monkeypatch: pytest.MonkeyPatch
) -> None:
    configure(ONE_ACCOUNT_PER_NUMBER=True)
    (first, first_code), (second, second_code), *_ = signed_up(telroi)
    verify(first, first_code)
    monkeypatch.setattr(TelroiAdapterMixin, "get_user_by_phone", lambda self, phone: None)  # as before the first one

    page = verify(second, second_code)

    assert (page.status_code, TAKEN in text_of(page)) == (200, True)
    assert VerifiedPhone.objects.filter(number=NUMBER).count() == 1
