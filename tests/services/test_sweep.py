"""The sweep settles all due rows, with any number of concurrent sweepers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction

from django_telroi import services
from django_telroi.errors import InsideTransaction
from django_telroi.models import AttemptEvent, PhoneNumber, VerificationAttempt
from django_telroi.services import Swept
from django_telroi.services.calls.queue import place_call
from django_telroi.services.upkeep import sweep
from django_telroi.simulator import Simulator
from tests.project.test_howto import names_of
from tests.services.conftest import Configure
from tests.services.world import (
    CLAIM_ENDS_AFTER,
    NUMBER,
    OTHER_NUMBER,
    Heard,
    before_the_first,
    database_gone,
    moments,
    sends,
    statements,
)

pytestmark = pytest.mark.django_db

SECOND = timedelta(seconds=1)

HandedOn = Callable[..., list[tuple[str, list[Any]]]]


def row(attempt: VerificationAttempt) -> VerificationAttempt:
    return VerificationAttempt.objects.get(pk=attempt.pk)


def left_behind(number: str = NUMBER) -> VerificationAttempt:
    """Return a call whose process was killed just after the commit."""
    with transaction.atomic():
        return services.start_verification(number)


def rows_like(attempt: VerificationAttempt, count: int, **fields: Any) -> None:
    """Create placed calls to one number, each due a second later."""
    VerificationAttempt.objects.bulk_create(
        VerificationAttempt(
            phone_id=attempt.phone_id,
            dispatch=attempt.dispatch,
            max_tries=3,
            created_at=attempt.created_at,
            **{"status": "placed", "due_at": attempt.expires_at + ordinal * SECOND, "expires_at": attempt.expires_at}
            | fields,
        )
        for ordinal in range(count)
    )


@pytest.mark.usefixtures("telroi")
class TestDueAttempts:
    """The sweep settles an attempt like any other reader."""

    def test_a_placed_call_expires_with_its_code(self) -> None:
        attempt = services.start_verification(NUMBER)

        swept = services.sweep(now=attempt.expires_at)

        after = row(attempt)
        assert (swept, after.status, after.due_at) == (Swept(expired=1), "expired", None)
        assert (after.closed_at, len(moments())) == (attempt.expires_at, 1)

    @pytest.mark.django_db(transaction=True)
    def test_a_call_whose_lease_ended_is_unknown(self) -> None:
        with database_gone(after=CLAIM_ENDS_AFTER):
            attempt = services.start_verification(NUMBER)
        dialing = row(attempt)

        swept = services.sweep(now=dialing.due_at)

        after = row(attempt)
        assert (swept, after.status, after.error_code) == (Swept(became_unknown=1), "unknown", "lease_ended")
        assert (after.due_at, len(moments())) == (after.expires_at, 1)

    def test_a_call_queued_past_its_deadline_expires_and_does_not_count(self, telroi: Simulator) -> None:
        attempt = left_behind()

        swept = services.sweep(now=attempt.created_at + 120 * SECOND)

        after = row(attempt)
        assert (swept, after.status, after.error_code) == (Swept(expired=1), "expired", "deadline")
        assert (moments(), telroi.requests) == ((), [])

    def test_an_attempt_that_is_not_due_is_not_changed(self) -> None:
        placed, waiting = services.start_verification(NUMBER), left_behind(OTHER_NUMBER)

        swept = services.sweep(now=waiting.due_at - SECOND)

        assert (swept, row(placed).status, row(waiting).status) == (Swept(), "placed", "queued")

    @pytest.mark.parametrize("status", ["placed", "dialing"], ids=["the answer came", "the lease was renewed"])
    def test_a_call_that_was_settled_while_the_sweep_read_it_is_not_changed(self, status: str) -> None:
        attempt = services.start_verification(NUMBER)
        overdue = attempt.created_at - SECOND
        VerificationAttempt.objects.update(status="dialing", due_at=overdue)
        later = {"status": status, "due_at": attempt.expires_at}

        with before_the_first("UPDATE", lambda: VerificationAttempt.objects.update(**later)):
            swept = services.sweep()

        assert (swept, row(attempt).status) == (Swept(), status)

    def test_a_call_that_was_verified_while_the_sweep_read_it_does_not_expire(self) -> None:
        attempt = services.start_verification(NUMBER)
        verified = {"status": "verified", "due_at": None}

        with before_the_first("UPDATE", lambda: VerificationAttempt.objects.update(**verified)):
            swept = services.sweep(now=attempt.expires_at)

        assert (swept, row(attempt).status) == (Swept(), "verified")

    def test_the_databases_clock_decides(self) -> None:
        attempt = services.start_verification(NUMBER)
        VerificationAttempt.objects.update(expires_at=attempt.created_at, due_at=attempt.created_at)

        assert (services.sweep(), row(attempt).status) == (Swept(expired=1), "expired")


class TestAQueuedCall:
    """A queued call is published again until it is placed or its deadline has passed."""

    def test_is_placed_by_the_sweep_on_a_site_without_workers(self, telroi: Simulator, heard: Heard) -> None:
        attempt = left_behind()

        swept = services.sweep(now=attempt.due_at)

        assert (swept, row(attempt).status, sends(telroi)) == (Swept(enqueued=1), "placed", 1)
        assert heard.names == ["call_placed"]

    def test_is_not_placed_by_the_sweep_if_a_rollback_could_undo_its_claim(self, telroi: Simulator) -> None:
        attempt = left_behind()

        with transaction.atomic(), pytest.raises(InsideTransaction):
            services.sweep(now=attempt.due_at)

        assert (row(attempt).status, telroi.requests) == ("queued", [])

    def test_is_published_once_in_each_window(
        self, telroi: Simulator, configure: Configure, celery_app: Any, enqueued: HandedOn
    ) -> None:
        configure(DISPATCH="celery")
        attempt = services.start_verification(NUMBER)
        enqueued()

        counts = [
            services.sweep(now=attempt.created_at + seconds * SECOND).enqueued for seconds in (14, 15, 15, 29, 31, 120)
        ]

        assert (counts, [arguments for _, arguments in enqueued()]) == ([0, 1, 0, 0, 1, 0], [[attempt.pk]] * 2)
        assert row(attempt).status == "expired"

    def test_is_published_until_its_deadline_and_not_later(
        self, telroi: Simulator, configure: Configure, celery_app: Any
    ) -> None:
        configure(DISPATCH="celery")
        attempt = services.start_verification(NUMBER)

        services.sweep(now=attempt.created_at + 119 * SECOND)

        assert row(attempt).due_at == attempt.created_at + 120 * SECOND

    def test_stays_due_if_it_cannot_be_published(
        self, telroi: Simulator, configure: Configure, celery_app: Any, enqueued: HandedOn
    ) -> None:
        configure(DISPATCH="celery")
        celery_app.conf.broker_url = "redis://127.0.0.1:1/0"
        first, second = (services.start_verification(number) for number in (NUMBER, OTHER_NUMBER))

        swept = services.sweep(now=second.due_at)

        assert (swept, row(second).due_at) == (Swept(has_queue_failed=True), second.due_at)
        assert {row(first).status, row(second).status} == {"queued"}


class TestARestoredDatabase:
    """A copy of the database from the time when a call waited. docs/howto/restore.rst has the steps."""

    @pytest.fixture
    def attempt(self, telroi: Simulator) -> VerificationAttempt:
        return left_behind()

    def test_a_call_is_not_placed_while_calls_are_stopped(
        self, telroi: Simulator, attempt: VerificationAttempt
    ) -> None:
        services.stop_calls(reason="restored from a backup", actor="ada")

        place_call(attempt.pk, now=attempt.due_at)
        services.sweep(now=attempt.due_at)

        assert (row(attempt).status, sends(telroi)) == ("queued", 0)

    def test_a_call_expires_in_the_sweep_of_a_stopped_site_and_does_not_count(
        self, telroi: Simulator, attempt: VerificationAttempt
    ) -> None:
        services.stop_calls(reason="restored from a backup", actor="ada")

        services.sweep(now=attempt.created_at + 120 * SECOND)
        services.resume_calls(actor="ada")
        services.sweep(now=attempt.created_at + 240 * SECOND)

        assert (row(attempt).status, moments(NUMBER), sends(telroi)) == ("expired", (), 0)

    def test_blocks_are_repeated_as_documented(self) -> None:
        services.block_number(NUMBER, reason="fraud", actor="ada")
        services.block_for_owner(OTHER_NUMBER)
        page = names_of("restore.rst")
        blocks = page["blocks_since"](PhoneNumber.objects.earliest("blocked_at").blocked_at)
        PhoneNumber.objects.all().delete()

        page["block_again"](blocks, actor="ben")

        rows = PhoneNumber.objects.values_list("number", "blocked_by", "blocked_by_owner")
        assert set(rows) == {(NUMBER, "ben", False), (OTHER_NUMBER, "ben", True)}

    def test_destinations_are_listed_as_documented(self) -> None:
        block = services.block_destination("+2348031", reason="fraud", actor="ada")

        listed = names_of("restore.rst")["destinations_since"](block.blocked_at)

        assert listed == [{"destination": "+2348031", "until": None, "reason": "fraud"}]


class TestALongWait:
    """A long wait raises an alert."""

    @pytest.fixture(autouse=True)
    def _by_workers(self, telroi: Simulator, configure: Configure, celery_app: Any) -> None:
        configure(DISPATCH="celery")

    @pytest.mark.parametrize(("seconds", "alerts"), [(29, []), (30, ["waiting"]), (121, ["waiting"])])
    def test_of_thirty_seconds_raises_an_alert(self, heard: Heard, seconds: int, alerts: list[str]) -> None:
        attempt = services.start_verification(NUMBER)

        for _ in range(2):
            services.sweep(now=attempt.created_at + seconds * SECOND)

        assert [told["kind"] for name, told in heard.told if name == "alert"] == alerts
        assert [event.detail for event in AttemptEvent.objects.all()] == alerts


@pytest.mark.usefixtures("telroi")
class TestManyRows:
    """The number of statements depends on the due rows, not on all rows. For the pumping check see ``test_pumping``."""

    @pytest.fixture(autouse=True)
    def _nothing_besides(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sweep, "alert_pumping", lambda **_: ())

    @pytest.fixture
    def attempt(self) -> VerificationAttempt:
        return services.start_verification(NUMBER)

    def cost(self, now: datetime) -> int:
        with statements() as seen:
            services.sweep(now=now)
        return len(seen)

    def test_a_sweep_without_due_rows_executes_two_statements(self, attempt: VerificationAttempt) -> None:
        rows_like(attempt, 600)

        assert self.cost(attempt.created_at) == 2

    def test_rows_are_settled_in_batches(self, attempt: VerificationAttempt, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sweep, "BATCH", 10)
        rows_like(attempt, 34, due_at=attempt.expires_at)

        with statements() as seen:
            swept = services.sweep(now=attempt.expires_at)

        assert (swept.expired, len(seen)) == (35, 2 * 4 + 2)
        assert not VerificationAttempt.objects.exclude(status="expired").exists()

    def test_a_row_that_cannot_be_settled_does_not_stop_the_others(
        self, attempt: VerificationAttempt, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(sweep, "BATCH", 2)
        rows_like(attempt, 5, due_at=attempt.created_at, expires_at=attempt.expires_at + 999 * SECOND)

        assert services.sweep(now=attempt.expires_at) == Swept(expired=1)

    def test_a_locked_row_is_left_for_the_next_sweep(
        self, attempt: VerificationAttempt, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def lock(*_: object, **__: object) -> None:
            raise OperationalError("database is locked")

        monkeypatch.setattr(sweep, "settle_overdue", lock)
        waiting = left_behind(OTHER_NUMBER)

        swept = services.sweep(now=attempt.expires_at)

        assert (swept, row(attempt).status, row(waiting).status) == (Swept(expired=1), "expired", "queued")

    @pytest.mark.skipif(connection.vendor != "sqlite", reason="the plan of a small table says nothing elsewhere")
    def test_due_rows_are_found_by_their_index(self, attempt: VerificationAttempt) -> None:
        with statements() as seen:
            services.sweep(now=attempt.created_at)

        assert len(seen) == 2
        for statement in seen:
            with connection.cursor() as cursor:
                cursor.execute(f"EXPLAIN QUERY PLAN {statement}".replace("%s", "?"))
                plan = " ".join(str(step[-1]) for step in cursor.fetchall())
            assert "due_at" in plan
            assert "SCAN" not in plan


def test_a_number_that_is_erased_meanwhile_is_no_error(telroi: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    attempt = left_behind()
    settle = sweep.settle_overdue

    def erase_and_settle(*args: Any, **options: Any) -> None:
        VerificationAttempt.objects.all().delete()
        PhoneNumber.objects.all().delete()
        settle(*args, **options)

    monkeypatch.setattr(sweep, "settle_overdue", erase_and_settle)

    assert services.sweep(now=attempt.created_at + 120 * SECOND) == Swept()
