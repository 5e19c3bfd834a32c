"""Transactions that lock an attempt and the wrong codes of its user lock the attempt first, as all others do."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from django_telroi import services
from django_telroi.models import PhoneNumber, UserWrongCodes, VerificationAttempt
from django_telroi.services.upkeep.number_conversion import merge_numbers
from django_telroi.testing import last_code_for
from tests.services.world import statements

pytestmark = pytest.mark.django_db

NUMBER, OTHER_NUMBER = "+2348031234567", "+2348031234568"
LOCKS = re.compile(r"UPDATE|INSERT|DELETE|.* FOR UPDATE", re.DOTALL)


def locked_first(seen: Sequence[str], *models: type) -> list[type]:
    """Return the models in the order in which a statement locks the first row of each."""
    of_table = {model._meta.db_table: model for model in models}  # type: ignore[attr-defined]
    order = []
    for sql in filter(LOCKS.match, seen):
        found = re.search(r'(?:UPDATE|INTO|FROM) ["`](\w+)["`]', sql)
        order += [of_table[found[1]]] if found and found[1] in of_table else []
    return list(dict.fromkeys(order))


@pytest.fixture
def ada() -> User:
    """A user who typed a wrong code."""
    ada = User.objects.create_user("ada")
    attempt = services.start_verification(NUMBER, user=ada)
    wrong = f"{(int(last_code_for(NUMBER)) + 1) % 1_000_000:06d}"
    services.check_code(attempt.uuid, wrong, user=ada)
    return ada


def test_resetting_the_wrong_codes_of_a_user_locks_the_attempt_first(ada: User) -> None:
    with statements() as seen:
        assert services.reset_user_wrong_codes(ada, reason="called us", actor="eve")

    assert locked_first(seen, UserWrongCodes, VerificationAttempt) == [VerificationAttempt, UserWrongCodes]


def test_merging_two_rows_of_a_number_locks_the_attempts_first(ada: User) -> None:
    phone = PhoneNumber.objects.get()
    double = PhoneNumber.objects.create(number=OTHER_NUMBER, created_at=timezone.now())
    VerificationAttempt.objects.update(phone=double)
    UserWrongCodes.objects.update(by_number={str(double.pk): 1})

    with statements() as seen:
        merge_numbers(double.pk, NUMBER, using="default")

    assert locked_first(seen, UserWrongCodes, VerificationAttempt) == [VerificationAttempt, UserWrongCodes]
    assert UserWrongCodes.objects.get().by_number == {str(phone.pk): 1}
