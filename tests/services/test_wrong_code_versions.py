"""The row that counts a user's wrong codes is deleted by a right code, and inserted again by a wrong one."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User

from django_telroi.models import UserWrongCodes
from django_telroi.services import check_code, start_verification
from django_telroi.testing import last_code_for

pytestmark = pytest.mark.django_db

NUMBER, OTHER_NUMBER = "+2348031234567", "+2348031234568"


def wrong(number: str) -> str:
    return f"{(int(last_code_for(number)) + 1) % 1_000_000:06d}"


def test_a_new_count_never_has_the_version_of_a_deleted_one() -> None:
    """A request that read the row before it was deleted would take the new row for the old one, and lose a count."""
    ada = User.objects.create_user("ada")
    first, other = start_verification(NUMBER, user=ada), start_verification(OTHER_NUMBER, user=ada)
    check_code(first.uuid, wrong(NUMBER), user=ada)
    deleted = UserWrongCodes.objects.get(user=ada).version
    check_code(first.uuid, last_code_for(NUMBER), user=ada)
    assert not UserWrongCodes.objects.exists()

    check_code(other.uuid, wrong(OTHER_NUMBER), user=ada)

    assert UserWrongCodes.objects.get(user=ada).version != deleted
