"""A purge deletes old rows in short batches, and deletes no limit and no account."""

from __future__ import annotations

import json
import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_telroi import services, tasks
from django_telroi.backends.locmem import outbox
from django_telroi.domain.phone import parse_phone
from django_telroi.errors import (
    CallsStopped,
    CooldownActive,
    HourlyLimitReached,
    InsideTransaction,
    InvalidNumber,
    NotCallable,
)
from django_telroi.models import (
    AttemptEvent,
    PhoneNumber,
    RefusalTally,
    SupportNote,
    VerificationAttempt,
    VerifiedPhone,
)
from django_telroi.services import Purged
from django_telroi.services.upkeep import purge
from tests.services.conftest import Configure
from tests.services.world import NUMBER, OTHER_NUMBER, let_time_pass, row_counts, wrong

pytestmark = pytest.mark.django_db

HOUR = 3600
DAY = 24 * HOUR
delete_for_real = purge.delete_rows


def verified(number: str, user: User | None = None) -> VerificationAttempt:
    """An attempt with one wrong code and the right one."""
    attempt = services.start_verification(number, user=user)
    code = outbox[-1].code
    services.check_code(attempt.uuid, wrong(code), user=user)
    services.check_code(attempt.uuid, code, user=user)
    return attempt


class TestOldRows:
    def test_are_deleted_with_their_events(self) -> None:
        verified(NUMBER)
        let_time_pass(90 * DAY + 1)

        purged = services.purge()

        assert purged == Purged(attempts=1, events=1, numbers=1)
        assert (purged.total, row_counts()) == (3, {})

    def test_are_kept_if_they_are_a_second_younger(self) -> None:
        verified(NUMBER)
        let_time_pass(90 * DAY - 60)

        assert services.purge() == Purged()
        assert row_counts() == {"PhoneNumber": 1, "VerificationAttempt": 1, "AttemptEvent": 1}

    def test_have_the_age_of_the_settings(self, configure: Configure) -> None:
        configure(RETENTION_DAYS=2)
        verified(NUMBER)
        let_time_pass(3 * DAY)
        verified(OTHER_NUMBER)

        assert services.purge() == Purged(attempts=1, events=1, numbers=1)
        assert PhoneNumber.objects.get().number == OTHER_NUMBER

    def test_of_attempts_are_kept_if_the_site_keeps_all(self, configure: Configure) -> None:
        configure(RETENTION_DAYS=None)
        verified(NUMBER)
        services.block_number(OTHER_NUMBER, reason="", actor="grace")
        services.unblock_number(OTHER_NUMBER, actor="grace")
        let_time_pass(1000 * DAY)

        assert services.purge() == Purged()

    def test_of_attempts_are_deleted_in_every_status(self) -> None:
        services.start_verification(NUMBER)
        VerificationAttempt.objects.update(status="unknown")
        let_time_pass(91 * DAY)

        assert services.purge().attempts == 1

    def test_include_events_of_a_number_and_of_none(self) -> None:
        services.block_number(NUMBER, reason="", actor="grace")
        services.unblock_number(NUMBER, actor="grace")
        services.stop_calls(reason="fire", actor="grace")
        let_time_pass(91 * DAY)
        services.block_number(OTHER_NUMBER, reason="", actor="grace")

        assert services.purge() == Purged(events=3, numbers=1)
        assert [event.phone and event.phone.number for event in AttemptEvent.objects.all()] == [OTHER_NUMBER]
        with pytest.raises(CallsStopped):
            services.start_verification(NUMBER)

    def test_include_counts_of_refusals(self) -> None:
        old, young = datetime.now(UTC) - timedelta(days=91), datetime.now(UTC) - timedelta(days=89)
        for hour in (old, young):
            RefusalTally.objects.create(hour=hour, code="cooldown", count=7)

        assert services.purge() == Purged(refusals=1)
        assert RefusalTally.objects.get().hour == young


class TestAnAccount:
    """A purge never deletes the verified phone of an account."""

    def test_keeps_its_record_without_the_attempt_and_the_number(self, ada: User) -> None:
        verified(NUMBER, ada)
        let_time_pass(91 * DAY)

        assert services.purge() == Purged(attempts=1, events=1)
        record = VerifiedPhone.objects.get()
        assert (record.user, record.number, record.attempt) == (ada, NUMBER, None)
        assert services.has_verified_phone(ada)
        assert PhoneNumber.objects.count() == 1

    def test_that_forgets_its_number_keeps_no_row(self, ada: User) -> None:
        verified(NUMBER, ada)
        let_time_pass(91 * DAY)
        services.forget_phone(ada, NUMBER)

        services.purge()

        assert row_counts() == {}


class TestALimit:
    """Limits are in the number's row, which is kept longer than every window."""

    def test_is_unchanged_by_a_purge(self, configure: Configure) -> None:
        configure(COOLDOWN_SECONDS=0)
        for _ in range(5):
            services.start_verification(NUMBER)
        before = PhoneNumber.objects.values().get()
        VerificationAttempt.objects.update(created_at=datetime.now(UTC) - timedelta(days=91))

        assert services.purge() == Purged(attempts=5)
        assert PhoneNumber.objects.values().get() == before
        with pytest.raises(HourlyLimitReached):
            services.start_verification(NUMBER)

    @pytest.mark.parametrize(("hours", "numbers"), [(23.9, 0), (24.1, 1)])
    def test_keeps_the_row_of_an_erased_number_for_a_day(self, hours: float, numbers: int) -> None:
        services.start_verification(NUMBER)
        services.erase_number(NUMBER, actor="grace")
        let_time_pass(hours * HOUR)

        assert services.purge() == Purged(numbers=numbers)

    def test_releases_an_erased_number_also_if_the_site_keeps_all(self, configure: Configure) -> None:
        configure(RETENTION_DAYS=None)
        services.start_verification(NUMBER)
        services.erase_number(NUMBER, actor="grace")
        let_time_pass(DAY + 1)

        assert services.purge() == Purged(numbers=1)

    def test_can_be_a_cooldown_longer_than_a_day(self, configure: Configure) -> None:
        configure(COOLDOWN_SECONDS=3 * DAY)
        services.start_verification(NUMBER)
        services.erase_number(NUMBER, actor="grace")
        let_time_pass(2 * DAY)

        assert services.purge() == Purged()
        with pytest.raises(CooldownActive):
            services.start_verification(NUMBER)

    @pytest.mark.parametrize(
        "limits",
        [
            {"blocked_at": datetime.now(UTC) - timedelta(days=1000)},
            {"held_until": datetime.now(UTC) + timedelta(hours=1)},
            {"last_call_at": datetime.now(UTC)},
        ],
        ids=["block", "hold", "call"],
    )
    def test_of_any_kind_keeps_the_row(self, limits: dict[str, Any]) -> None:
        PhoneNumber.objects.create(number=NUMBER, last4="4567", **limits)

        assert services.purge() == Purged()

    def test_that_is_over_does_not_keep_the_row(self) -> None:
        over = datetime.now(UTC) - timedelta(days=2)
        PhoneNumber.objects.create(number=NUMBER, last4="4567", held_until=over, last_call_at=over)

        assert services.purge() == Purged(numbers=1)

    def test_of_a_blocked_number_is_kept_forever(self) -> None:
        services.block_number(NUMBER, reason="", actor="grace")
        let_time_pass(1000 * DAY)

        services.purge()

        with pytest.raises(NotCallable):
            services.start_verification(NUMBER)


class TestBatches:
    """Batches are short, and each is its own transaction."""

    @pytest.fixture
    def history(self, configure: Configure) -> None:
        configure(COOLDOWN_SECONDS=0)
        for line in range(10):
            verified(f"+23480312345{line:02d}")
        let_time_pass(91 * DAY)

    def test_report_their_progress(self, history: None) -> None:
        told: list[Purged] = []

        purged = services.purge(batch_size=4, progress=told.append)

        assert [(each.attempts, each.events, each.numbers) for each in told] == [
            (4, 4, 0),
            (8, 8, 0),
            (10, 10, 0),
            (10, 10, 4),
            (10, 10, 8),
            (10, 10, 10),
        ]
        assert purged == told[-1]

    def test_are_continued_after_a_stop(self, history: None) -> None:
        def stop(gone: Purged) -> None:
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            services.purge(batch_size=4, progress=stop)
        assert row_counts() == {"PhoneNumber": 10, "VerificationAttempt": 6, "AttemptEvent": 6}

        assert services.purge() == Purged(attempts=6, events=6, numbers=10)
        assert row_counts() == {}

    def test_delete_rows_of_the_same_moment(self, history: None) -> None:
        moment = datetime.now(UTC) - timedelta(days=91)
        VerificationAttempt.objects.update(created_at=moment)

        assert services.purge(batch_size=3).attempts == 10

    @pytest.mark.parametrize("size", [0, -5, 10**9])
    def test_of_an_extreme_size_delete_every_row(self, history: None, size: int) -> None:
        assert services.purge(batch_size=size).attempts == 10

    def test_load_no_rows(self, history: None) -> None:
        with CaptureQueriesContext(connection) as captured:
            services.purge()

        rows = [query["sql"] for query in captured if query["sql"].startswith("SELECT")]
        assert not any("telroi_id" in sql or "detail" in sql for sql in rows)
        deletes = [query["sql"].split()[2].strip('"`') for query in captured if query["sql"].startswith("DELETE")]
        assert deletes == [
            "django_telroi_attemptevent",
            "django_telroi_supportnote",
            "django_telroi_verificationattempt",
            "django_telroi_userwrongcodes",
            "django_telroi_blockeddestination",
            "django_telroi_phonenumber",
        ]

    def test_are_refused_in_a_callers_transaction(self, history: None) -> None:
        with transaction.atomic(), pytest.raises(InsideTransaction):
            services.purge()

    def test_are_only_counted_in_a_dry_run(self, history: None, ada: User) -> None:
        verified(NUMBER, ada)
        before = row_counts()

        would = services.purge(dry_run=True, batch_size=3)

        assert would == Purged(attempts=10, events=10, numbers=10)
        assert row_counts() == before
        assert services.purge() == would

    def test_write_one_log_line(self, history: None, caplog: pytest.LogCaptureFixture) -> None:
        with caplog.at_level(logging.INFO, "django_telroi"):
            services.purge()

        assert caplog.messages == ["purged attempts=10 events=10 refusals=0 notes=0 numbers=10"]

    def test_are_retried_if_a_row_is_added_meanwhile(self, history: None, monkeypatch: pytest.MonkeyPatch) -> None:
        refused = iter([IntegrityError("still referenced"), IntegrityError("still referenced")])

        def delete_rows(rows: Any) -> int:
            if rows.model is PhoneNumber and (error := next(refused, None)):
                raise error
            return delete_for_real(rows)

        monkeypatch.setattr(purge, "delete_rows", delete_rows)

        assert services.purge().numbers == 10

    def test_raise_an_error_if_a_row_cannot_be_deleted(self, history: None, monkeypatch: pytest.MonkeyPatch) -> None:
        def delete_rows(rows: Any) -> int:
            raise IntegrityError("still referenced")

        monkeypatch.setattr(purge, "delete_rows", delete_rows)

        with pytest.raises(IntegrityError):
            services.purge()


def test_a_worker_can_purge() -> None:
    verified(NUMBER)
    let_time_pass(91 * DAY)

    tasks.purge()

    assert row_counts() == {}
    assert tasks.purge.name == "django_telroi.tasks.purge"
    assert (tasks.purge.acks_late, tasks.purge.ignore_result) == (True, True)


class TestANumberThatIsCalledDuringAPurge:
    """A purge does not delete a number that is called meanwhile."""

    def test_keeps_its_limits(self, monkeypatch: pytest.MonkeyPatch) -> None:
        phone = parse_phone(NUMBER)
        long_ago = datetime.now(UTC) - timedelta(days=100)
        PhoneNumber.objects.create(number=phone.number, last4=phone.last4, last_call_at=long_ago)

        def delete_rows(rows: Any) -> int:
            services.start_verification(NUMBER)
            return delete_for_real(rows)

        monkeypatch.setattr(purge, "delete_rows", delete_rows)

        assert services.purge() == Purged()
        with pytest.raises(CooldownActive):
            services.start_verification(NUMBER)


class TestModelsOfTheSite:
    """Models of the site may reference ours. Django applies their ``on_delete``."""

    def test_are_found_by_their_references(self) -> None:
        assert not purge.is_referenced_by_other_apps(VerificationAttempt)
        assert purge.is_referenced_by_other_apps(User)

    def test_follow_their_on_delete_rules(self, ada: User) -> None:
        verified(NUMBER, ada)

        assert purge.delete_rows(User.objects.all()) == 1
        assert (VerifiedPhone.objects.count(), VerificationAttempt.objects.get().user) == (0, None)


class TestAnExport:
    """An export contains all data of a number."""

    def test_contains_every_row(self, ada: User) -> None:
        attempt = verified(NUMBER, ada)
        services.block_number(NUMBER, reason="asked us to", actor="grace")
        verified(OTHER_NUMBER)

        held = json.loads(json.dumps(services.export_number("+234 803 123 4567")))

        assert held["number"]["number"] == NUMBER
        assert held["number"]["blocked_reason"] == "asked us to"
        assert len(held["number"]["calls"]) == 1
        [exported] = held["attempts"]
        assert (exported["uuid"], exported["user"]) == (str(attempt.uuid), ada.pk)
        assert (exported["phone"], exported["last4"]) == (held["number"]["id"], NUMBER[-4:])
        assert (
            datetime.fromisoformat(exported["created_at"]) == VerificationAttempt.objects.get(pk=attempt.pk).created_at
        )
        assert [event["kind"] for event in held["events"]] == ["code_rejected", "number_blocked"]
        [record] = held["verified_phones"]
        assert (record["user"], record["number"]) == (ada.pk, NUMBER)

    def test_omits_only_internal_fields(self, ada: User) -> None:
        services.add_note(verified(NUMBER, ada).phone, text="called twice", actor="grace")
        rows = {
            "attempts": VerificationAttempt,
            "events": AttemptEvent,
            "notes": SupportNote,
            "verified_phones": VerifiedPhone,
        }

        held = services.export_number(NUMBER)

        of_attempts = {"asked", "code_digest", "followed_by", "had_user", "is_again", "judging"}
        left_out = {VerificationAttempt: of_attempts, AttemptEvent: {"digest", "try_id"}}
        for name, model in rows.items():
            fields = {field.name for field in model._meta.concrete_fields}
            assert fields - held[name][0].keys() == left_out.get(model, set())
        assert {field.name for field in PhoneNumber._meta.concrete_fields} - held["number"].keys() == {"version"}

    def test_of_an_unknown_number_is_empty(self) -> None:
        empty = {"number": None, "attempts": [], "events": [], "notes": [], "verified_phones": [], "consents": []}

        assert services.export_number(NUMBER) == empty

    def test_of_an_erased_number_shows_that_only_limits_are_left(self, ada: User) -> None:
        verified(NUMBER, ada)
        services.erase_number(NUMBER, actor="grace")

        held = services.export_number(NUMBER)

        assert (held["attempts"], held["events"], held["verified_phones"]) == ([], [], [])
        assert len(held["number"]["calls"]) == 1


DROPPED = "+999123456789"
"""A number that is invalid under newer metadata."""


class TestANumberThatIsNoLongerValid:
    """It is found by the rows that were written while it was valid."""

    @pytest.fixture(
        params=[DROPPED, "+999 (123) 456-789", "+999\u00a0123\u2013456789"], ids=["stored", "spelled", "pasted"]
    )
    def spelling(self, request: pytest.FixtureRequest) -> str:
        return str(request.param)

    def test_is_exported_completely(self, ada: User, spelling: str) -> None:
        verified(NUMBER, ada)
        number_becomes(DROPPED)

        held = services.export_number(spelling)

        assert held["number"]["number"] == DROPPED
        assert [len(held[name]) for name in ("attempts", "verified_phones")] == [1, 1]

    def test_with_only_a_verified_phone_left_is_exported_and_erased(self, ada: User, spelling: str) -> None:
        VerifiedPhone.objects.create(user=ada, number=DROPPED, verified_at=timezone.now())

        assert len(services.export_number(spelling)["verified_phones"]) == 1
        services.erase_number(spelling, actor="grace")

        assert not VerifiedPhone.objects.exists()

    def test_with_no_row_left_is_invalid(self, spelling: str) -> None:
        with pytest.raises(InvalidNumber):
            services.export_number(spelling)


def number_becomes(number: str) -> None:
    """Make the number invalid after it was verified."""
    phone = PhoneNumber.objects.get()
    changed = PhoneNumber.objects.create(number=number, last4=number[-4:], calls=phone.calls)
    VerificationAttempt.objects.update(phone=changed)
    VerifiedPhone.objects.update(number=number)
    phone.delete()
