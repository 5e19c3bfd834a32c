"""Calls that workers place: the row is written and its primary key is published. All else is as for inline calls."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction
from django.db.models import F

from django_telroi import services
from django_telroi.backends.telroi import TelroiBackend
from django_telroi.client import OtpCall
from django_telroi.errors import CooldownActive
from django_telroi.models import PhoneNumber, VerificationAttempt
from django_telroi.services.attempts import transitions
from django_telroi.simulator import Simulator
from tests.manual_clocks import TICK
from tests.services.conftest import Configure
from tests.services.world import NUMBER, OTHER_NUMBER, Heard, commit, let_time_pass, moments, sends, statements

pytestmark = pytest.mark.django_db

TASK = "django_telroi.tasks.place_call"
SECOND = timedelta(seconds=1)
HandedOn = Callable[..., list[tuple[str, list[Any]]]]


@pytest.fixture(autouse=True)
def _by_workers(telroi: Simulator, configure: Configure, celery_app: Any) -> None:
    configure(DISPATCH="celery")


class GivenUpMeanwhile(TelroiBackend):
    """The person cancels while the call is being placed."""

    def place_call(self, to: str, *, code_length: int, language: str | None, code: str | None = None) -> OtpCall:
        services.cancel_verification(VerificationAttempt.objects.get(phone__number=to).uuid)
        return super().place_call(to, code_length=code_length, language=language)


@pytest.fixture
def waiting() -> VerificationAttempt:
    return services.start_verification(NUMBER)


def row(attempt: VerificationAttempt) -> VerificationAttempt:
    return VerificationAttempt.objects.get(pk=attempt.pk)


class TestAStart:
    """A start commits its row and publishes the primary key."""

    def test_is_queued_and_published_with_its_key_only(self, telroi: Simulator, enqueued: HandedOn) -> None:
        attempt = services.start_verification(NUMBER)

        assert (attempt.status, attempt.dispatch, attempt.dialed_at) == ("queued", "celery", None)
        assert attempt.due_at == attempt.created_at + 15 * SECOND
        assert enqueued() == [(TASK, [attempt.pk])]
        assert telroi.requests == []

    def test_uses_the_queue_of_the_settings(self, configure: Configure, enqueued: HandedOn) -> None:
        configure(CELERY_QUEUE="telroi_d_calls")

        attempt = services.start_verification(NUMBER)

        assert (enqueued(), enqueued("telroi_d_calls")) == ([], [(TASK, [attempt.pk])])

    def test_follows_the_task_routes_of_the_site(self, celery_app: Any, enqueued: HandedOn) -> None:
        celery_app.conf.task_routes = {"django_telroi.tasks.*": {"queue": "telroi_d_routed"}}

        attempt = services.start_verification(NUMBER)

        assert enqueued("telroi_d_routed") == [(TASK, [attempt.pk])]

    def test_inside_a_callers_transaction_is_published_after_the_commit(self, enqueued: HandedOn) -> None:
        with transaction.atomic():
            attempt = services.start_verification(NUMBER)
        before = enqueued()
        commit()

        assert (before, enqueued()) == ([], [(TASK, [attempt.pk])])

    def test_counts_from_its_request(self, enqueued: HandedOn) -> None:
        attempt = services.start_verification(NUMBER)

        with pytest.raises(CooldownActive):
            services.start_verification(NUMBER)

        assert (moments(), len(enqueued())) == ((attempt.created_at,), 1)

    def test_that_is_repeated_is_published_once(self, enqueued: HandedOn) -> None:
        first = services.start_verification(NUMBER)

        again = services.start_verification(NUMBER, attempt_uuid=first.uuid)

        assert (again.pk, enqueued()) == (first.pk, [(TASK, [first.pk])])

    def test_by_call_again_replaces_a_queued_call(self, telroi: Simulator, enqueued: HandedOn) -> None:
        old = services.start_verification(NUMBER)
        let_time_pass(61, telroi)

        new = services.call_again(old.uuid)
        for attempt in (old, new):
            services.place_call(attempt.pk)

        assert (row(old).status, row(new).status, sends(telroi)) == ("superseded", "placed", 1)
        assert [arguments for _, arguments in enqueued()] == [[old.pk], [new.pk]]

    def test_executes_three_statements(self) -> None:
        with statements() as seen:
            services.start_verification(NUMBER)

        assert [sql.split()[0] for sql in seen] == ["SELECT", "INSERT", "INSERT"]

    def test_with_a_backend_that_rings_no_phone_is_not_queued(self, configure: Configure, enqueued: HandedOn) -> None:
        configure(BACKEND="django_telroi.backends.locmem.LocmemBackend")

        attempt = services.start_verification(NUMBER)

        assert (attempt.status, attempt.dispatch, enqueued()) == ("placed", "inline", [])

    def test_does_not_use_the_probe_of_a_refused_key(self, telroi: Simulator) -> None:
        telroi.fail_next("unauthorized")
        services.place_call(services.start_verification(OTHER_NUMBER).pk)
        let_time_pass(61, telroi)

        attempt = services.start_verification(NUMBER)
        services.place_call(attempt.pk)

        assert (row(attempt).status, services.call_control().paused_until) == ("placed", None)


class TestAnEagerCelery:
    """An eager Celery runs tasks in the process that publishes them, as in many test suites."""

    @pytest.fixture(autouse=True)
    def _eager(self, celery_app: Any) -> None:
        celery_app.conf.task_always_eager = True

    def test_places_the_call_before_returning(self, telroi: Simulator, heard: Heard) -> None:
        attempt = services.start_verification(NUMBER)

        assert (attempt.status, row(attempt).status, sends(telroi)) == ("placed", "placed", 1)
        assert heard.names == ["call_placed"]

    def test_places_the_call_after_the_commit_of_its_caller(self, telroi: Simulator) -> None:
        with transaction.atomic():
            attempt = services.start_verification(NUMBER)
        before = row(attempt).status
        commit()

        assert (before, row(attempt).status) == ("queued", "placed")

    def test_runs_the_sweep_when_its_task_is_called(self, telroi: Simulator) -> None:
        with transaction.atomic():
            attempt = services.start_verification(NUMBER)

        swept = services.sweep(now=attempt.due_at)

        assert (swept.enqueued, row(attempt).status, sends(telroi)) == (1, "placed", 1)


class TestACallThatTelroiDidNotPlace:
    """Telroi placed no call and gave no final refusal, so the call is queued again."""

    @pytest.mark.parametrize(("fault", "wait"), [("key_limited", 20), ("service_unavailable", 15)])
    def test_is_requeued_for_the_wait_that_telroi_names(
        self, telroi: Simulator, waiting: VerificationAttempt, heard: Heard, fault: str, wait: int
    ) -> None:
        telroi.fail_next(fault, **({"wait": wait} if fault == "key_limited" else {}))
        began = waiting.created_at + 2 * SECOND

        services.place_call(waiting.pk, now=began)

        after = row(waiting)
        assert (after.status, after.dialed_at, after.closed_at, after.error_code) == ("queued", None, None, "")
        assert after.due_at == began + wait * SECOND + TICK
        assert moments() == (waiting.created_at,)
        assert "call_failed" not in heard.names

    def test_that_could_not_be_sent_is_requeued(
        self, telroi: Simulator, waiting: VerificationAttempt, heard: Heard
    ) -> None:
        began = waiting.created_at + 2 * SECOND

        with telroi.refusing():
            services.place_call(waiting.pk, now=began)

        after = row(waiting)
        assert (after.status, after.dialed_at, after.closed_at, after.error_code) == ("queued", None, None, "")
        assert after.due_at == began + 15 * SECOND + TICK
        assert (moments(), heard.names) == ((waiting.created_at,), [])

    def test_that_could_not_be_sent_is_placed_as_soon_as_telroi_can_be_reached(
        self, telroi: Simulator, waiting: VerificationAttempt
    ) -> None:
        with telroi.refusing():
            services.place_call(waiting.pk)

        services.place_call(waiting.pk, now=row(waiting).due_at)

        assert (row(waiting).status, sends(telroi), len(moments())) == ("placed", 1, 1)

    def test_that_could_not_be_sent_before_the_deadline_expires(
        self, telroi: Simulator, waiting: VerificationAttempt
    ) -> None:
        with telroi.refusing():
            while row(waiting).status == "queued":
                services.place_call(waiting.pk, now=row(waiting).due_at)

        assert (row(waiting).status, row(waiting).error_code, moments()) == ("expired", "deadline", ())
        assert row(waiting).closed_at == waiting.created_at + 120 * SECOND

    def test_is_placed_when_its_wait_is_over(self, telroi: Simulator, waiting: VerificationAttempt) -> None:
        telroi.fail_next("key_limited", wait=20)
        services.place_call(waiting.pk)
        due_at = row(waiting).due_at

        services.place_call(waiting.pk, now=due_at + SECOND)

        assert (row(waiting).status, row(waiting).error_code, moments()) == ("placed", "", (due_at + SECOND,))

    def test_expires_if_the_wait_ends_after_the_deadline(self, telroi: Simulator, waiting: VerificationAttempt) -> None:
        telroi.fail_next("key_limited", wait=3600)
        services.place_call(waiting.pk)
        deadline = waiting.created_at + 120 * SECOND

        standing = services.follow(waiting.uuid, now=deadline)

        assert row(waiting).closed_at == deadline
        assert (standing.attempt.status, standing.attempt.error_code, moments()) == ("expired", "deadline", ())

    def test_that_was_canceled_meanwhile_is_not_requeued_and_does_not_count(
        self, telroi: Simulator, waiting: VerificationAttempt, configure: Configure
    ) -> None:
        telroi.fail_next("service_unavailable")
        configure(BACKEND="tests.services.test_celery_starts.GivenUpMeanwhile")

        services.place_call(waiting.pk)

        assert (row(waiting).status, moments()) == ("canceled", ())

    def test_of_an_inline_start_fails(self, telroi: Simulator, configure: Configure) -> None:
        configure(DISPATCH="inline")
        telroi.fail_next("service_unavailable")

        assert services.start_verification(OTHER_NUMBER).status == "failed"


class TestANumberThatOtherProcessesKeepChanging:
    """A call that is requeued is removed from the counted calls, also after version conflicts."""

    @pytest.fixture(autouse=True)
    def _overtaken(self, telroi: Simulator, waiting: VerificationAttempt, monkeypatch: pytest.MonkeyPatch) -> None:
        read_number, in_time = transitions.read_number, iter(range(transitions.TIMES_TO_RETRY))

        def read_and_be_overtaken(phone_id: int, **options: Any) -> Any:
            phone = read_number(phone_id, **options)
            if next(in_time, None) is not None:
                PhoneNumber.objects.filter(pk=phone_id).update(version=F("version") + 1)
            return phone

        monkeypatch.setattr(transitions, "read_number", read_and_be_overtaken)
        telroi.fail_next("key_limited", wait=20)
        self.began = waiting.created_at + 2 * SECOND
        services.place_call(waiting.pk, now=self.began)
        assert next(in_time, None) is None

    def test_does_not_block_its_own_call(self, telroi: Simulator, waiting: VerificationAttempt) -> None:
        before = (row(waiting).status, moments())

        services.place_call(waiting.pk, now=self.began + 21 * SECOND)

        assert before == ("queued", (waiting.created_at,))
        assert (row(waiting).status, moments()) == ("placed", (self.began + 21 * SECOND,))

    def test_does_not_count_a_canceled_call(self, waiting: VerificationAttempt) -> None:
        services.cancel_verification(waiting.uuid)

        assert (row(waiting).status, moments()) == ("canceled", ())


def test_a_call_is_placed_after_a_version_conflict(telroi: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    attempt = services.start_verification(NUMBER)
    read_attempt, read = services.calls.queue.read_attempt, []

    def read_and_be_overtaken(*args: Any, **options: Any) -> Any:
        attempt_and_state = read_attempt(*args, **options)
        if not read:
            services.block_number(OTHER_NUMBER, actor="grace", reason="")
            services.block_number(NUMBER, actor="grace", reason="")
            services.unblock_number(NUMBER, actor="grace")
        read.append(attempt_and_state)
        return attempt_and_state

    monkeypatch.setattr(services.calls.queue, "read_attempt", read_and_be_overtaken)

    services.place_call(attempt.pk)

    assert (row(attempt).status, len(read), sends(telroi)) == ("placed", 2, 1)


class TestASlowQueue:
    """Two calls to a number are never closer than the cooldown, also if a message is late."""

    def test_counts_the_cooldown_from_the_moment_the_phone_rang(self, telroi: Simulator, site_clock: Any) -> None:
        first = services.start_verification(NUMBER)
        let_time_pass(50)
        services.place_call(first.pk)
        let_time_pass(11, telroi)

        with pytest.raises(CooldownActive) as refusal:
            services.start_verification(NUMBER)

        assert refusal.value.retry_after == 49

    def test_makes_the_older_of_two_calls_wait_if_the_newer_one_was_placed_first(self, telroi: Simulator) -> None:
        telroi.set_policy(cooldown=0)
        older = services.start_verification(NUMBER)
        let_time_pass(61, telroi)
        younger = services.start_verification(NUMBER)
        services.place_call(younger.pk)

        services.place_call(older.pk)

        assert (row(older).status, row(younger).status, sends(telroi)) == ("queued", "placed", 1)
        assert row(older).due_at == row(older).created_at + 120 * SECOND
