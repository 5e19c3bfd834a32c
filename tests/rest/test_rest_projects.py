"""The API in projects of other kinds."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.rest.world import NUMBER

pytestmark = pytest.mark.programs

REPOSITORY = Path(__file__).parents[2]

PROVEN = [201, "verified", True]
A_USERS = [201, "verified", False, [NUMBER]]


def what_happens(story: str) -> Any:
    command = [sys.executable, "-c", "from tests.rest.elsewhere import main; main()", story]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize("story", ["token_and_jwt", "stateless_jwt"])
def test_tokens_of_both_kinds_are_accepted_and_invalid_ones_rejected(story: str) -> None:
    token, jwt, nobody, bad_token, bad_jwt = what_happens(story)

    assert token == jwt == A_USERS
    assert nobody == [*PROVEN, "not_authenticated"]
    assert bad_token == [401, "authentication_failed"]
    assert bad_jwt == [401, "token_not_valid"]


def test_a_user_with_a_token_confirms_the_password_first_as_documented() -> None:
    decorated, start, add, numbers, visitor, wrong, still, right, confirmed = what_happens("guarded_tokens")

    assert decorated == [201, None]  # the decorator sees no user
    assert start == add == still == [403, "password_required"]
    assert (numbers, wrong, right) == ([200], [403], [200])
    assert visitor == confirmed == [201, None]


@pytest.mark.parametrize(
    ("story", "told"),
    [
        ("model_permissions", [*PROVEN, "not_authenticated"]),
        ("strict_permissions", [403, "not_authenticated"]),
        ("documented_permissions", [*PROVEN, "not_authenticated", 403]),
        ("default_phone_permission", [403, "not_authenticated"]),
        ("without_sessions", [*PROVEN, "not_authenticated"]),
        ("without_users", [*PROVEN, "permission_denied"]),
        ("without_drf_app", [200, *PROVEN, "not_authenticated"]),
        ("without_spectacular", [*PROVEN, "not_authenticated"]),
        ("without_drf", [200]),
        ("opinionated", [*PROVEN, "not_authenticated", "invalid"]),
    ],
)
def test_the_installed_parts_of_a_project_work(story: str, told: list[Any]) -> None:
    assert what_happens(story) == told


def test_a_user_can_have_a_uuid_as_primary_key() -> None:
    strangers, owners, has_phone, has_strangers_phone = what_happens("uuid_users")

    assert (strangers, owners) == (404, 200)
    assert (has_phone, has_strangers_phone) == (True, False)


def test_the_schema_of_a_project_with_the_extra_contains_our_endpoints() -> None:
    assert sorted(what_happens("with_spectacular")) == [
        "phone_add",
        "phone_call_again",
        "phone_cancel",
        "phone_check",
        "phone_follow",
        "phone_numbers",
        "phone_start",
    ]
