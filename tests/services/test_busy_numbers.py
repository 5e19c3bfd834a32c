"""A start while another request changes the number's row."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

import pytest
from django.db import connection

from django_telroi.errors import CooldownActive
from django_telroi.models import PhoneNumber, VerificationAttempt
from django_telroi.services import call_again, check_code, start_verification
from django_telroi.services.calls.claim_and_call import TIMES_TO_CLAIM
from django_telroi.services.calls.request import CallRequest
from django_telroi.testing import last_code_for
from tests.calling_site import Configure
from tests.services.world import NUMBER, let_time_pass, wrong

pytestmark = pytest.mark.django_db


@pytest.fixture
def first() -> VerificationAttempt:
    attempt = start_verification(NUMBER)
    let_time_pass(61)
    return attempt


def test_a_wrong_code_at_the_same_moment_rejects_no_start(first: VerificationAttempt) -> None:
    def type_wrong_code(request: CallRequest) -> None:
        check_code(first.uuid, wrong(last_code_for(NUMBER)))

    newer = start_verification(NUMBER, admit=type_wrong_code)

    assert newer.status == "placed"
    assert PhoneNumber.objects.get().wrong_codes == 1


def test_a_wrong_code_at_the_same_moment_rejects_no_call_again(first: VerificationAttempt) -> None:
    newer = call_again(first.uuid, admit=lambda request: check_code(first.uuid, wrong(last_code_for(NUMBER))) and None)

    assert newer.status == "placed"


def test_a_call_at_the_same_moment_rejects_a_start_with_its_own_wait(first: VerificationAttempt) -> None:
    with pytest.raises(CooldownActive) as refused:
        start_verification(NUMBER, admit=lambda request: start_verification(NUMBER) and None)

    assert refused.value.retry_after == 60
    assert VerificationAttempt.objects.count() == 2


def test_calls_without_a_cooldown_are_placed_up_to_the_limit(configure: Configure) -> None:
    configure(COOLDOWN_SECONDS=0, CALLS_PER_HOUR=5)

    newer = start_verification(NUMBER, admit=lambda request: start_verification(NUMBER) and None)

    assert newer.status == "placed"
    assert len(PhoneNumber.objects.get().moments) == 2


def test_a_row_that_changes_all_the_time_rejects_the_start(first: VerificationAttempt) -> None:
    tries = 0
    table = PhoneNumber._meta.db_table

    def change_first(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        nonlocal tries
        if "UPDATE" in sql and table in sql:
            tries += 1
            # Not by Django's cursor, which would call this function again.
            with (
                connection.connection.cursor()
                if connection.vendor != "sqlite"
                else nullcontext(connection.connection) as other
            ):
                other.execute(f"UPDATE {table} SET version = version + 1")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(change_first), pytest.raises(CooldownActive):
        start_verification(NUMBER)

    assert tries == TIMES_TO_CLAIM
    assert start_verification(NUMBER).status == "placed"
