"""A recycled number: staff remove it from the old account, and the new owner verifies it."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User

from django_telroi import services
from django_telroi.backends.locmem import outbox
from django_telroi.errors import InvalidNumber
from django_telroi.models import AttemptEvent, PhoneNumber, VerifiedPhone
from tests.calling_site import Configure
from tests.services.test_accounts import told_of, verify
from tests.services.world import NUMBER, OTHER_NUMBER, Heard, let_time_pass

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def one_account(configure: Configure) -> None:
    configure(ONE_ACCOUNT_PER_NUMBER=True, PURPOSES=["", "payout"])


def later_verify(user: User, purpose: str = "", number: str = NUMBER) -> str:
    let_time_pass(61)
    return str(verify(number, user=user, purpose=purpose).outcome)


def owners(number: str = NUMBER) -> list[tuple[str, str]]:
    rows = VerifiedPhone.objects.filter(number=number).order_by("pk")
    return [(phone.user.get_username(), phone.purpose) for phone in rows]


def test_a_number_moves_to_the_refused_account_that_typed_its_code(ada: User, ben: User, heard: Heard) -> None:
    verify(user=ada)
    assert [later_verify(ben), later_verify(ben, "payout")] == ["number_taken", "number_taken"]

    records = services.move_number(NUMBER, user=ben, reason="SIM of a new owner", actor="grace")

    assert owners() == [("ben", ""), ("ben", "payout")] == [(str(row.user), row.purpose) for row in records]
    assert not services.has_verified_phone(ada)
    assert [user for _, user in told_of(heard)] == [ada, ben, ben]


def test_a_move_writes_an_event_of_the_number(ada: User, ben: User) -> None:
    verify(user=ada)
    later_verify(ben)

    services.move_number(f"{NUMBER[:4]} {NUMBER[4:]}", user=ben, reason="SIM of a new owner", actor="grace")

    [event] = AttemptEvent.objects.filter(kind="number_moved")
    assert (event.actor, event.phone) == ("grace", PhoneNumber.objects.get())
    assert event.detail == f"User {ada.pk} to {ben.pk}: SIM of a new owner"


def test_an_account_without_a_right_code_gets_nothing_and_can_verify_the_number_then(ada: User, ben: User) -> None:
    verify(user=ada)

    assert services.move_number(NUMBER, user=ben, reason="letter", actor="grace") == []

    assert owners() == []
    assert later_verify(ben) == "verified"


def test_an_account_that_verified_before_the_other_one_gets_nothing(ada: User, ben: User) -> None:
    """The account that verified last owns the number."""
    verify(user=ada)
    later_verify(ben)
    later_verify(ada)

    assert services.move_number(NUMBER, user=ben, reason="letter", actor="grace") == []

    assert owners() == []


def test_a_number_is_taken_from_its_account_without_a_new_owner(ada: User) -> None:
    attempt = verify(user=ada).attempt

    assert services.move_number(NUMBER, user=None, reason="lost SIM", actor="grace") == []

    assert owners() == []
    assert AttemptEvent.objects.get(kind="number_moved").detail == f"User {ada.pk} to none: lost SIM"
    assert services.check_code(attempt.uuid, outbox[-1].code, user=ada).outcome == "already_verified"


def test_other_records_are_not_moved(ada: User, ben: User) -> None:
    verify(user=ada)
    later_verify(ada, number=OTHER_NUMBER)
    later_verify(ben)

    services.move_number(NUMBER, user=ben, reason="letter", actor="grace")

    assert owners(OTHER_NUMBER) == [("ada", "")]


def test_the_records_of_the_account_itself_stay(ada: User, ben: User) -> None:
    verify(user=ada)

    assert services.move_number(NUMBER, user=ada, reason="sorted out", actor="grace") is None

    assert owners() == [("ada", "")]


def test_a_number_without_another_account_is_not_moved_and_nothing_is_recorded(ada: User) -> None:
    verify(user=ada)
    services.move_number(NUMBER, user=None, reason="letter", actor="grace")

    assert services.move_number(NUMBER, user=None, reason="letter", actor="eve") is None
    assert [event.actor for event in AttemptEvent.objects.filter(kind="number_moved")] == ["grace"]


def test_every_account_that_loses_the_number_is_in_the_events() -> None:
    verify()
    users = [User.objects.create(username=f"user {place}") for place in range(60)]
    VerifiedPhone.objects.bulk_create(VerifiedPhone(user=user, number=NUMBER) for user in users)
    heir = User.objects.create(username="heir")

    services.move_number(NUMBER, user=heir, reason="letter of the owner", actor="grace")

    details = AttemptEvent.objects.filter(kind="number_moved").order_by("pk").values_list("detail", flat=True)
    assert all(detail.endswith(f" to {heir.pk}: letter of the owner") for detail in details)
    named = [key for detail in details for key in detail.removeprefix("User ").split(" to ")[0].split(", ")]
    assert named == [str(user.pk) for user in users]


def test_an_invalid_number_is_not_moved(ada: User) -> None:
    with pytest.raises(InvalidNumber):
        services.move_number("call me", user=ada, reason="letter", actor="grace")
