"""Rows that the settings do not find: a skipped step, a key that is missing, a double in clear."""

from __future__ import annotations

import json
from contextlib import suppress
from io import StringIO
from typing import Any

import pytest
from django.core.checks import Tags, run_checks
from django.core.management import CommandError, call_command
from django.db import connection

from django_telroi import services
from django_telroi.models import PhoneNumber
from tests.encryption.stored import columns
from tests.services.world import NUMBER

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.clear_numbers]

KEY, OTHER_KEY = "a key of the tests, 32 characters long", "another key, with 32 characters too"
OFF: dict[str, Any] = {}
ON = {"NUMBER_ENCRYPTION": "on", "NUMBER_KEYS": [KEY]}
OTHER = {"NUMBER_ENCRYPTION": "on", "NUMBER_KEYS": [OTHER_KEY]}
MIGRATE = {"NUMBER_ENCRYPTION": "migrate", "NUMBER_KEYS": [KEY]}
BOTH_KEYS = {"NUMBER_ENCRYPTION": "on", "NUMBER_KEYS": [OTHER_KEY, KEY]}


def found() -> list[object]:
    messages = run_checks(tags=[Tags.database], databases=[connection.alias])
    return [message.id for message in messages if str(message.id).startswith("telroi.")]


@pytest.mark.parametrize(
    ("written", "read", "ids"),
    [
        (OFF, OFF, []),
        (ON, ON, []),
        (OFF, MIGRATE, []),
        (ON, BOTH_KEYS, []),
        (OFF, ON, ["telroi.E032"]),
        (ON, OFF, ["telroi.E032"]),
        (ON, OTHER, ["telroi.E032"]),
    ],
    ids=["off", "on", "migration", "rotation", "not converted", "switched off", "key missing"],
)
def test_rows_that_are_not_found_are_an_error_of_migrate_and_of_the_doctor(
    settings: Any, written: dict[str, Any], read: dict[str, Any], ids: list[str]
) -> None:
    settings.TELROI = written
    services.start_verification(NUMBER)
    settings.TELROI = read
    output = StringIO()

    with suppress(CommandError):  # the settings of a test have other findings too
        call_command("telroi_doctor", json=True, stdout=output)
    findings = json.loads(output.getvalue())["findings"]

    assert found() == ids
    assert [each["figures"]["id"] for each in findings if each["figures"].get("id") == "telroi.E032"] == ids


def test_a_double_in_clear_is_merged_without_a_migration_too(settings: Any) -> None:
    services.start_verification(NUMBER)
    services.block_number(NUMBER, actor="eve", reason="asked")
    settings.TELROI = {**ON, "COOLDOWN_SECONDS": 0}
    services.start_verification(NUMBER)
    assert len(columns("django_telroi_phonenumber", "number")) == 2

    services.convert_numbers()

    assert PhoneNumber.objects.get(number=NUMBER).blocked_at is not None
    assert [len(str(number)) for (number,) in columns("django_telroi_phonenumber", "number")] == [57]
