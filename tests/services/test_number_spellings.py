"""The numbers that services for staff and users accept: any spelling, also numbers that are no longer valid."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from django_telroi import services
from django_telroi.errors import InvalidNumber
from django_telroi.models import PhoneNumber, VerifiedPhone

pytestmark = pytest.mark.django_db

DROPPED = "+15550001111"
SPELLING = "\u202d+1\u00a0(555)\u00a0000\u20111111\u202c"
NO_NUMBER = [
    "",
    "+",
    "\x00",
    "+1555\x000001111",
    "\ud800",
    "call me",
    "\u202e+15550001111",
    "+4930123456789012",
    "9" * 10**6,
]

TAKES: dict[str, Callable[[str], object]] = {
    "block": lambda number: services.block_number(number, reason="fraud", actor="ada"),
    "unblock": lambda number: services.unblock_number(number, actor="ada"),
    "release": lambda number: services.release_hold(number, actor="ada"),
    "reset": lambda number: services.reset_limits(number, actor="ada"),
    "export": services.export_number,
    "erase": lambda number: services.erase_number(number, actor="ada"),
}


@pytest.fixture
def ada() -> User:
    return User.objects.create_user("ada")


@pytest.mark.parametrize("take", TAKES.values(), ids=TAKES)
def test_a_number_that_was_valid_before_is_found_by_its_row_in_any_spelling(take: Callable[[str], object]) -> None:
    PhoneNumber.objects.create(number=DROPPED, last4="1111", region="US")

    take(SPELLING)

    assert PhoneNumber.objects.count() == (0 if take is TAKES["erase"] else 1)


@pytest.mark.parametrize("take", TAKES.values(), ids=TAKES)
def test_a_number_without_a_row_is_found_by_its_verified_phone(take: Callable[[str], object], ada: User) -> None:
    VerifiedPhone.objects.create(user=ada, number=DROPPED, verified_at=timezone.now())

    take(SPELLING)

    assert VerifiedPhone.objects.count() == (0 if take is TAKES["erase"] else 1)


@pytest.mark.parametrize("take", TAKES.values(), ids=TAKES)
@pytest.mark.parametrize("typed", [*NO_NUMBER, DROPPED], ids=lambda typed: ascii(typed)[:20])
def test_an_invalid_number_without_a_row_is_refused_without_a_database_error(
    take: Callable[[str], object], typed: str
) -> None:
    with pytest.raises(InvalidNumber):
        take(typed)

    assert not PhoneNumber.objects.exists()


def test_a_users_own_number_is_forgotten_in_any_spelling(ada: User) -> None:
    VerifiedPhone.objects.create(user=ada, number=DROPPED, verified_at=timezone.now())

    assert [services.forget_phone(ada, typed) for typed in [*NO_NUMBER, "+15550001112"]] == [0] * (len(NO_NUMBER) + 1)
    assert services.forget_phone(ada, SPELLING) == 1
