"""The status of an overdue row is the same for one row, for a list of rows, and for the code that settles it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from django_telroi.domain.states import Status
from django_telroi.models import PhoneNumber, VerificationAttempt
from django_telroi.services.attempts.find import settle_overdue
from django_telroi.services.attempts.transitions import apply_overdue_unsaved, error_condition, status_condition
from django_telroi.services.shared.outcomes import ErrorCode
from tests.services.world import NUMBER

pytestmark = pytest.mark.django_db

NOW = datetime(2027, 1, 1, tzinfo=UTC)
AGES = (timedelta(0), timedelta(seconds=119), timedelta(seconds=120), timedelta(hours=3))
AHEAD = (timedelta(seconds=-1), timedelta(0), timedelta(seconds=1))


@pytest.fixture
def rows(db: None) -> list[VerificationAttempt]:
    """Create attempts of every status and age, due or not, expired or not."""
    phone = PhoneNumber.objects.create(number=NUMBER, last4=NUMBER[-4:])
    return [
        VerificationAttempt.objects.create(
            phone=phone,
            status=status,
            dispatch="celery",
            max_tries=3,
            created_at=NOW - age,
            dialed_at=NOW - age,
            expires_at=NOW + over_in,
            due_at=None if due_in is None else NOW + due_in,
        )
        for status, age, due_in, over_in in product(Status, AGES, (None, *AHEAD), AHEAD)
    ]


def test_a_list_shows_for_each_row_what_its_page_shows(rows: list[VerificationAttempt]) -> None:
    by_row = {row.pk: apply_overdue_unsaved(row, now=NOW).status for row in rows}

    listed = {
        pk: status
        for status in Status
        for pk in _keys(VerificationAttempt.objects.filter(status_condition(status, now=NOW)))
    }

    assert listed == by_row


def test_no_row_is_listed_twice(rows: list[VerificationAttempt]) -> None:
    listed = [
        pk for status in Status for pk in _keys(VerificationAttempt.objects.filter(status_condition(status, now=NOW)))
    ]

    assert sorted(listed) == sorted(row.pk for row in rows)


def test_a_list_includes_errors_that_are_not_written_yet(rows: list[VerificationAttempt]) -> None:
    by_row = {row.pk: apply_overdue_unsaved(row, now=NOW).error_code for row in rows}

    listed = {
        pk: code
        for code in ErrorCode
        for pk in _keys(VerificationAttempt.objects.filter(error_condition(code, now=NOW)))
    }

    assert listed == {pk: code for pk, code in by_row.items() if code}


def test_settling_writes_what_was_shown_before(rows: list[VerificationAttempt]) -> None:
    shown = [(apply_overdue_unsaved(row, now=NOW).status, row.error_code) for row in rows]

    for row in VerificationAttempt.objects.all():
        settle_overdue(row, now=NOW, using="default")

    assert list(VerificationAttempt.objects.order_by("pk").values_list("status", "error_code")) == shown


def _keys(rows: object) -> list[int]:
    return list(rows.values_list("pk", flat=True))  # type: ignore[attr-defined]
