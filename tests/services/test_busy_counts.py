"""Another transaction keeps the row of the wrong codes locked: a wrong code still uses a try."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import OperationalError, connection

from django_telroi import services
from django_telroi.models import VerificationAttempt
from django_telroi.services import CheckOutcome
from django_telroi.services.shared.transactions import is_lock_error, is_wait_for_row
from django_telroi.testing import last_code_for

pytestmark = pytest.mark.django_db(transaction=True)

NUMBER = "+2348031234567"
COUNTS = ("wrong_codes", "django_telroi_userwrongcodes")


@contextmanager
def locked_counts(error: OperationalError) -> Iterator[None]:
    """Raise ``error`` for each statement that writes a count of wrong codes."""

    def refuse(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        if not sql.startswith("SELECT") and any(name in sql for name in COUNTS):
            raise error
        return execute(sql, *rest)

    with connection.execute_wrapper(refuse):
        yield


def timeout_of_postgresql(state: str, name: str) -> OperationalError:
    """Return Django's error for this SQLSTATE. psycopg 3 calls it ``sqlstate``, psycopg2 ``pgcode``."""
    cause = Exception()
    setattr(cause, name, state)
    error = OperationalError("canceling statement")
    error.__cause__ = cause
    return error


ERRORS = {
    "a lock": lambda: OperationalError("database is locked"),
    "a lock of MariaDB": lambda: OperationalError(1205, "Lock wait timeout exceeded"),
    "a statement of MariaDB": lambda: OperationalError(1969, "Query execution was interrupted"),
    "a lock, psycopg 3": lambda: timeout_of_postgresql("55P03", "sqlstate"),
    "a lock, psycopg2": lambda: timeout_of_postgresql("55P03", "pgcode"),
    "a statement, psycopg 3": lambda: timeout_of_postgresql("57014", "sqlstate"),
}


@pytest.mark.codes("site")
@pytest.mark.parametrize("has_user", [False, True], ids=["a number", "a user"])
@pytest.mark.parametrize("error", ERRORS.values(), ids=ERRORS)
def test_a_wrong_code_uses_a_try_although_its_count_is_locked(
    error: Callable[[], OperationalError], has_user: bool, caplog: pytest.LogCaptureFixture
) -> None:
    user = User.objects.create_user("ada") if has_user else None
    attempt = services.start_verification(NUMBER, user=user)
    right = last_code_for(NUMBER)
    wrong = [f"{(int(right) + each) % 10**6:06}" for each in range(1, 4)]

    with locked_counts(error()), caplog.at_level(logging.ERROR, logger="django_telroi"):
        outcomes = [services.check_code(attempt.uuid, code, user=user).outcome for code in (*wrong, right)]

    assert outcomes == [CheckOutcome.WRONG_CODE, CheckOutcome.WRONG_CODE, CheckOutcome.LOCKED, CheckOutcome.LOCKED]
    assert VerificationAttempt.objects.get().tries == 3
    assert caplog.text.count("wrong_code_not_counted") == 3


@pytest.mark.parametrize("name", ["sqlstate", "pgcode"])
def test_both_drivers_of_postgresql_tell_the_same(name: str) -> None:
    lock, statement, other = (timeout_of_postgresql(state, name) for state in ("40001", "57014", "53300"))

    assert [is_lock_error(each) for each in (lock, statement, other)] == [True, False, False]
    assert [is_wait_for_row(each) for each in (lock, statement, other)] == [True, True, False]
