"""Composed statements do what the querysets and the ``save`` of Django do."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any
from uuid import uuid4

import pytest
from django.db import IntegrityError, connection, transaction
from django.db.models import F
from django.db.models.signals import post_save, pre_save

from django_telroi import services
from django_telroi.domain.states import CHECKABLE, Status
from django_telroi.models import PhoneNumber, VerificationAttempt
from django_telroi.services.shared.number_state import read_attempt
from django_telroi.services.shared.statements import update_row
from django_telroi.services.shared.writes import insert_row
from django_telroi.simulator import Simulator
from tests.services.world import NUMBER, OTHER_NUMBER, statements

pytestmark = pytest.mark.django_db


@pytest.fixture
def attempt(telroi: Simulator) -> VerificationAttempt:
    return services.start_verification(NUMBER)


def write(attempt: VerificationAttempt, fields: dict[str, object], **where: Any) -> bool:
    return update_row(VerificationAttempt, {"pk": attempt.pk, **where}, fields, using="default")


class TestAnUpdate:
    @pytest.mark.parametrize(
        ("where", "is_matching"),
        [
            ({"status": Status.PLACED}, True),
            ({"status": Status.FAILED}, False),
            ({"status__in": CHECKABLE}, True),
            ({"status__in": (Status.FAILED,)}, False),
            ({"followed_by": None}, True),
            ({"placed_at": None}, False),
            ({"tries__lt": 1}, True),
            ({"tries__lt": 0}, False),
            ({"tries__lt": F("max_tries")}, True),
            ({"tries__gte": F("max_tries")}, False),
            ({"status__in": ()}, False),
            ({"status__iexact": "PLACED"}, True),
            ({"followed_by__isnull": True}, True),
            ({"judging": {}}, True),
            ({"tries__lt": 0.5}, True),
            ({"tries__gte": 0.5}, False),
            ({"created_at__year": 1999}, False),
            ({"phone__number": NUMBER}, True),
            ({"followed_by__in": [None, uuid4()]}, False),
        ],
    )
    def test_writes_the_row_that_matches(
        self, attempt: VerificationAttempt, where: dict[str, Any], is_matching: bool
    ) -> None:
        assert write(attempt, {"asked": 7}, **where) is is_matching

        attempt.refresh_from_db()
        assert (attempt.asked == 7) is is_matching

    def test_compares_values_and_nulls_of_the_same_column(self, attempt: VerificationAttempt) -> None:
        newer = uuid4()

        assert not write(attempt, {"asked": 1}, followed_by=newer)
        assert write(attempt, {"followed_by": newer}, followed_by=None)
        assert write(attempt, {"followed_by": None}, followed_by=newer)
        assert write(attempt, {"asked": 2}, followed_by=None)

    def test_writes_each_kind_of_value(self, attempt: VerificationAttempt) -> None:
        values = {
            "status": Status.LOCKED,
            "livemode": None,
            "judging": {"digest": {"1": "2026-05-04T12:00:00+00:00"}},
            "closed_at": attempt.created_at,
            "followed_by": uuid4(),
            "requester_ip": "2001:db8::1",
            "tries": 2,
        }

        assert write(attempt, values)

        attempt.refresh_from_db()
        assert {name: getattr(attempt, name) for name in values} == values

    def test_uses_the_values_of_each_execution(self, attempt: VerificationAttempt) -> None:
        other = services.start_verification(OTHER_NUMBER)

        for number, row in enumerate((attempt, other), start=1):
            assert write(row, {"asked": number})

        asked = VerificationAttempt.objects.order_by("asked").values_list("pk", "asked")
        assert list(asked) == [(attempt.pk, 1), (other.pk, 2)]


@pytest.fixture
def heard() -> Iterator[list[tuple[str, object]]]:
    """The signals of Django that were sent about a number: their name and its primary key at that moment."""
    told: list[tuple[str, object]] = []
    receivers: dict[str, Callable[..., None]] = {}
    for name, signal in {"pre_save": pre_save, "post_save": post_save}.items():
        receivers[name] = lambda name=name, instance=None, **_: told.append((name, instance.pk))
        signal.connect(receivers[name], sender=PhoneNumber, weak=False)
    yield told
    pre_save.disconnect(receivers["pre_save"], sender=PhoneNumber)
    post_save.disconnect(receivers["post_save"], sender=PhoneNumber)


class TestAnInsert:
    def new_number(self, attempt: VerificationAttempt, number: str = OTHER_NUMBER) -> PhoneNumber:
        row = PhoneNumber(number=number, last4=number[-4:], created_at=attempt.created_at, held_until=None)
        row.moments = [attempt.created_at]
        return row

    def test_saves_all_fields_and_sets_the_primary_key(self, attempt: VerificationAttempt) -> None:
        row = self.new_number(attempt)

        insert_row(row, using="default")

        saved = PhoneNumber.objects.get(number=OTHER_NUMBER)
        assert {field.attname: getattr(saved, field.attname) for field in PhoneNumber._meta.concrete_fields} == {
            field.attname: getattr(row, field.attname) for field in PhoneNumber._meta.concrete_fields
        }
        assert not row._state.adding
        assert row._state.db == "default"

    def test_sends_the_signals_of_a_save(self, attempt: VerificationAttempt, heard: list[tuple[str, object]]) -> None:
        row = self.new_number(attempt)

        insert_row(row, using="default")

        assert heard == [("pre_save", None), ("post_save", row.pk)]

    def test_that_fails_marks_the_transaction_for_its_rollback(self, attempt: VerificationAttempt) -> None:
        with transaction.atomic():
            with suppress(IntegrityError):
                insert_row(self.new_number(attempt, NUMBER), using="default")

            assert connection.needs_rollback
            transaction.set_rollback(True)


def test_an_attempt_is_read_by_its_id_and_by_its_uuid_in_one_statement(attempt: VerificationAttempt) -> None:
    for key in (attempt.pk, attempt.uuid):
        with statements() as seen:
            found, state = read_attempt(key, using="default")
            assert found is not None
            assert found.phone.number == NUMBER
        assert len(seen) == 1
        assert found == attempt
        assert state.phone == attempt.phone


def test_an_attempt_that_does_not_exist_is_none(attempt: VerificationAttempt) -> None:
    assert read_attempt(uuid4(), using="default")[0] is None


@pytest.mark.django_db(transaction=True)  # number and attempt are written together only then
def test_psycopg_keeps_each_statement_of_a_start_and_a_check(telroi: Simulator) -> None:
    """It parses a statement again each time that is longer, or has more parameters, than this."""
    lengths: list[tuple[int, int]] = []

    def note(execute: Any, sql: str, parameters: Any, many: bool, context: Any) -> Any:
        lengths.append((len(sql), len(parameters or ())))
        return execute(sql, parameters, many, context)

    with connection.execute_wrapper(note):
        attempt = services.start_verification(OTHER_NUMBER)
        services.check_code(attempt.uuid, telroi.last_code_for(OTHER_NUMBER))

    assert max(length for length, _ in lengths) <= 4096
    assert 10 < max(count for _, count in lengths) <= 50
