"""The models: constraints of the database, and its clock."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from django.apps import apps
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import IntegrityError, connection, models, transaction
from django.db.models.deletion import ProtectedError

from django_telroi.domain.states import Status
from django_telroi.models import (
    AttemptEvent,
    CallControl,
    DbNow,
    PhoneNumber,
    RefusalTally,
    VerificationAttempt,
    VerifiedPhone,
)

pytestmark = pytest.mark.django_db

NUMBER = "+2348031234567"
LATER = datetime(2027, 1, 1, tzinfo=UTC)
# Django sets the session of PostgreSQL, whose timestamps have a zone. SQLite has no sessions.
FIVE_HOURS_OFF = {"mysql": "SET time_zone = '+05:00'"}
BACK_IN_UTC = {"mysql": "SET time_zone = '+00:00'"}


@pytest.fixture
def phone() -> PhoneNumber:
    return PhoneNumber.objects.create(number=NUMBER, last4="4567", region="NG")


@pytest.fixture
def user() -> User:
    return User.objects.create_user("ada")


def attempt(phone: PhoneNumber, **fields: Any) -> VerificationAttempt:
    given = {"status": "placed", "dispatch": "inline", "max_tries": 3, "expires_at": LATER}
    return VerificationAttempt.objects.create(phone=phone, **(given | fields))


def refused(write: Callable[[], object]) -> bool:
    """Return whether the database rejects the statement."""
    try:
        with transaction.atomic():
            write()
    except IntegrityError:
        return True
    return False


class TestTheDatabase:
    """The constraints of the database."""

    @pytest.mark.parametrize("status", Status)
    def test_accepts_known_statuses(self, phone: PhoneNumber, status: Status) -> None:
        assert attempt(phone, status=status).status == status

    @pytest.mark.parametrize("status", ["", "answered", "place"])
    def test_rejects_other_statuses(self, phone: PhoneNumber, status: str) -> None:
        row = attempt(phone)

        assert refused(lambda: VerificationAttempt.objects.filter(pk=row.pk).update(status=status))

    def test_rejects_more_tries_than_allowed(self, phone: PhoneNumber) -> None:
        row = attempt(phone, tries=3)

        assert refused(lambda: VerificationAttempt.objects.filter(pk=row.pk).update(tries=4))

    def test_rejects_an_id_of_telroi_twice_and_accepts_several_attempts_without(self, phone: PhoneNumber) -> None:
        attempt(phone, telroi_id="a")
        for _ in range(2):
            attempt(phone, telroi_id=None)

        assert refused(lambda: attempt(phone, telroi_id="a"))

    def test_rejects_a_public_id_twice(self, phone: PhoneNumber) -> None:
        row = attempt(phone)

        assert refused(lambda: attempt(phone, uuid=row.uuid))

    def test_rejects_a_number_twice(self, phone: PhoneNumber) -> None:
        assert refused(lambda: PhoneNumber.objects.create(number=NUMBER))

    def test_rejects_an_attempt_without_its_number(self, phone: PhoneNumber) -> None:
        attempt(phone)

        with pytest.raises(ProtectedError):
            phone.delete()

    def test_accepts_one_record_per_user_number_and_purpose(self, user: User) -> None:
        given = {"user": user, "number": NUMBER, "verified_at": LATER}
        VerifiedPhone.objects.create(**given, purpose="")
        VerifiedPhone.objects.create(**given, purpose="payout")

        assert refused(lambda: VerifiedPhone.objects.create(**given, purpose=""))

    def test_accepts_one_count_per_hour_code_and_region(self) -> None:
        given = {"hour": LATER, "code": "cooldown"}
        RefusalTally.objects.create(**given, region="NG")
        RefusalTally.objects.create(**given, region="")

        assert refused(lambda: RefusalTally.objects.create(**given, region="NG"))

    def test_accepts_one_event_per_digest_and_several_without(self, phone: PhoneNumber) -> None:
        AttemptEvent.objects.create(kind="alert", digest="a")
        for _ in range(2):
            AttemptEvent.objects.create(kind="alert")

        assert refused(lambda: AttemptEvent.objects.create(kind="alert", digest="a"))


def test_no_constraint_has_a_condition_that_mariadb_would_ignore() -> None:
    for model in apps.get_app_config("django_telroi").get_models():
        conditions = [index.condition for index in model._meta.indexes]
        conditions += [
            constraint.condition
            for constraint in model._meta.constraints
            if isinstance(constraint, models.UniqueConstraint)
        ]
        assert not any(conditions)


@pytest.mark.django_db(transaction=True)  # inside a transaction MariaDB reads the attempt alone, with a lock
def test_an_attempt_gets_its_number_from_the_row_of_the_number(
    phone: PhoneNumber, django_assert_num_queries: Any
) -> None:
    pk = attempt(phone, last4=phone.last4).pk
    joined = VerificationAttempt.objects.select_related("phone").get(pk=pk)
    alone = pickle.loads(pickle.dumps(VerificationAttempt.objects.get(pk=pk)))

    with django_assert_num_queries(1):
        joined.refresh_from_db()
        told = (joined.number, joined.masked_number, str(joined))
    with django_assert_num_queries(0):
        shown = repr(alone)
    with django_assert_num_queries(1):
        read = (alone.number, alone.masked_number, str(alone))

    assert told == read == (NUMBER, "+234 803 ••• 4567", f"+234 803 ••• 4567 · {pk}")
    assert shown == f"<VerificationAttempt: ••• 7 · {pk}>"


def test_an_attempt_with_deferred_fields_can_be_refreshed(phone: PhoneNumber) -> None:
    row = VerificationAttempt.objects.only("status").get(pk=attempt(phone).pk)
    VerificationAttempt.objects.update(status=Status.EXPIRED)

    row.refresh_from_db()

    assert (row.status, row.number) == (Status.EXPIRED, NUMBER)


def test_the_number_is_in_one_column_and_in_the_records_of_accounts(phone: PhoneNumber) -> None:
    """A site that encrypts numbers must encrypt this column and the records only."""
    attempt(phone, last4=phone.last4)

    holding = [
        (model.__name__, name)
        for model in (PhoneNumber, VerificationAttempt)
        for row in model._default_manager.values()
        for name, value in row.items()
        if NUMBER[1:] in str(value)
    ]

    assert holding == [("PhoneNumber", "number")]


def test_events_outlive_their_user_and_a_record_outlives_its_attempt(phone: PhoneNumber, user: User) -> None:
    row = attempt(phone, user=user)
    ben = User.objects.create_user("ben")
    for each in (user, ben):
        VerifiedPhone.objects.create(user=each, number=NUMBER, verified_at=LATER, attempt=row)

    user.delete()
    row.refresh_from_db()
    assert row.user is None
    row.delete()

    assert VerifiedPhone.objects.get().attempt is None


def test_events_are_deleted_with_their_attempt(phone: PhoneNumber) -> None:
    row = attempt(phone)
    AttemptEvent.objects.create(kind="alert", attempt=row)

    row.delete()

    assert AttemptEvent.objects.count() == 0


@pytest.mark.parametrize(
    "moment",
    [
        datetime(2027, 3, 28, 1, 30, 0, 123456, tzinfo=UTC),
        datetime(2027, 3, 28, 1, 30, tzinfo=UTC),
        datetime(2027, 3, 28, 7, 0, 0, 1, tzinfo=timezone(timedelta(hours=5, minutes=30))),
    ],
)
def test_the_moments_of_calls_are_read_as_written(phone: PhoneNumber, moment: datetime) -> None:
    phone.moments = [moment, moment - timedelta(hours=1)]
    phone.save()

    read = PhoneNumber.objects.get().moments
    assert read == (moment, moment - timedelta(hours=1))
    assert {each.utcoffset() for each in read} == {timedelta(0)}


def test_no_repr_shows_a_full_number(phone: PhoneNumber, user: User) -> None:
    row = attempt(phone, user=user)
    verified = VerifiedPhone.objects.create(user=user, number=NUMBER, verified_at=LATER)
    event = AttemptEvent.objects.create(kind="code_rejected", attempt=row, phone=phone)
    rows: list[models.Model] = [phone, row, verified, event, CallControl(), RefusalTally(code="cooldown", region="NG")]

    shown = " ".join(f"{each} {each!r}" for each in rows)

    assert NUMBER[1:] not in shown.replace(" ", "")
    assert "+234 803 ••• 4567" in shown


@pytest.mark.parametrize("fields", [{"tries": 0}, {"tries": 2}, {"tries": 3}])
def test_tries_left_are_the_unused_tries(phone: PhoneNumber, fields: dict[str, int]) -> None:
    assert attempt(phone, **fields).tries_left == 3 - fields["tries"]


def test_a_call_counts_from_its_dialing_or_else_from_its_request() -> None:
    asked, dialed = LATER, LATER + timedelta(seconds=9)

    assert VerificationAttempt(created_at=asked).counted_at == asked
    assert VerificationAttempt(created_at=asked, dialed_at=dialed).counted_at == dialed


def test_the_models_and_the_migrations_agree() -> None:
    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


FEW_SECONDS = timedelta(seconds=30)
"""The maximum difference between the clocks of two machines."""


class TestTheClockOfTheDatabase:
    """The database's clock is read in UTC for every session time zone."""

    @pytest.fixture(params=["as it is", "five hours off"])
    def _session(self, request: pytest.FixtureRequest) -> Any:
        off = request.param == "five hours off"
        self._execute(FIVE_HOURS_OFF if off else {})
        yield
        self._execute(BACK_IN_UTC if off else {})

    @staticmethod
    def _execute(statements: dict[str, str]) -> None:
        if statement := statements.get(connection.vendor):
            with connection.cursor() as cursor:
                cursor.execute(statement)

    @pytest.mark.usefixtures("_session")
    def test_differs_from_ours_by_a_few_seconds_at_most(self, phone: PhoneNumber) -> None:
        before = datetime.now(UTC)
        [read] = PhoneNumber.objects.annotate(now=DbNow()).values_list("now", flat=True)
        after = datetime.now(UTC)

        assert before - FEW_SECONDS < read < after + FEW_SECONDS
        assert read.utcoffset() == timedelta(0)

    @pytest.mark.usefixtures("_session")
    def test_is_the_default_of_a_new_row(self, phone: PhoneNumber) -> None:
        before = datetime.now(UTC)
        row = PhoneNumber.objects.create(number="+2348039876543", last4="6543")
        after = datetime.now(UTC)

        row.refresh_from_db()
        assert before - FEW_SECONDS < row.created_at < after + FEW_SECONDS

    @pytest.mark.usefixtures("_session")
    def test_can_be_compared_with_times_that_django_wrote(self, phone: PhoneNumber) -> None:
        ahead, behind = (datetime.now(UTC) + timedelta(minutes=minutes) for minutes in (1, -1))
        for moment in (ahead, behind):
            attempt(phone, due_at=moment)

        due = VerificationAttempt.objects.filter(due_at__lte=DbNow())

        assert [row.due_at for row in due] == [behind]

    def test_advances_within_a_transaction(self, phone: PhoneNumber) -> None:
        rows = PhoneNumber.objects.annotate(now=DbNow())
        with transaction.atomic():
            first, second = rows.get().now, rows.get().now
            for _ in range(200):
                second = rows.get().now

        assert second > first
