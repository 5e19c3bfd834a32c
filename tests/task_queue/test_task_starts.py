"""Calls that workers of Django's tasks place. The row of the task is only a hint, as Celery's message is."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest
from django.db import transaction
from django.forms.models import model_to_dict
from django_tasks_db.models import DBTaskResult

from django_telroi import services
from django_telroi.background_tasks import place_call
from django_telroi.dispatch import Published, send, task_backend
from django_telroi.errors import InsideTransaction
from django_telroi.models import VerificationAttempt
from django_telroi.simulator import Simulator
from tests.calling_site import Configure
from tests.services.world import NUMBER, OTHER_NUMBER, let_time_pass, sends

pytestmark = pytest.mark.django_db(transaction=True)

Work = Callable[..., None]
Backends = Callable[..., None]


def row(attempt: VerificationAttempt) -> VerificationAttempt:
    return VerificationAttempt.objects.get(pk=attempt.pk)


def waiting() -> list[tuple[str, Any]]:
    """Return the queue and the arguments of each task that waits, oldest first."""
    ready = DBTaskResult.objects.filter(status="READY").order_by("enqueued_at")
    return [(task.queue_name, task.args_kwargs) for task in ready]


class TestAStart:
    """A start commits its row and enqueues a task with its key."""

    def test_is_queued_and_its_task_has_the_key_only(self, by_tasks: Simulator) -> None:
        attempt = services.start_verification(NUMBER)

        assert (attempt.status, attempt.dispatch, attempt.dialed_at) == ("queued", "tasks", None)
        assert waiting() == [("default", {"args": [attempt.pk], "kwargs": {}})]
        assert NUMBER[4:] not in json.dumps(model_to_dict(DBTaskResult.objects.get()), default=str)
        assert sends(by_tasks) == 0

    def test_is_placed_by_a_worker(self, by_tasks: Simulator, work: Work) -> None:
        attempt = services.start_verification(NUMBER)

        work()

        [task] = DBTaskResult.objects.all()
        assert (row(attempt).status, sends(by_tasks)) == ("placed", 1)
        assert (task.status, task.return_value, task.traceback) == ("SUCCESSFUL", None, "")
        assert NUMBER[4:] not in json.dumps(model_to_dict(task), default=str)

    def test_uses_the_queue_of_the_settings(self, by_tasks: Simulator, configure: Configure, work: Work) -> None:
        configure(TASKS_QUEUE="calls")

        attempt = services.start_verification(NUMBER)
        work("default")
        before = row(attempt).status
        work("calls")

        assert (before, row(attempt).status) == ("queued", "placed")

    def test_uses_the_backend_of_the_settings(self, by_tasks: Simulator, configure: Configure, settings: Any) -> None:
        settings.TASKS = {
            "default": {"BACKEND": "tests.task_queue.broken.BrokenBackend"},
            "phone": {"BACKEND": "django_tasks_db.DatabaseBackend"},
        }
        configure(TASKS_BACKEND="phone")

        services.start_verification(NUMBER)

        assert DBTaskResult.objects.get().backend_name == "phone"

    def test_inside_a_callers_transaction_is_enqueued_after_the_commit(self, by_tasks: Simulator) -> None:
        with transaction.atomic():
            attempt = services.start_verification(NUMBER)
            before = waiting()

        assert (before, waiting()) == ([], [("default", {"args": [attempt.pk], "kwargs": {}})])

    def test_that_is_rolled_back_leaves_no_task(self, by_tasks: Simulator) -> None:
        with transaction.atomic():
            services.start_verification(NUMBER)
            transaction.set_rollback(True)

        assert (waiting(), VerificationAttempt.objects.count()) == ([], 0)

    def test_that_is_repeated_is_enqueued_once(self, by_tasks: Simulator) -> None:
        first = services.start_verification(NUMBER)

        services.start_verification(NUMBER, attempt_uuid=first.uuid)

        assert len(waiting()) == 1

    def test_with_a_code_of_the_caller_is_placed_by_this_process(self, by_tasks: Simulator) -> None:
        attempt = services.read_out(NUMBER, "483920")

        assert (row(attempt).status, row(attempt).dispatch, waiting()) == ("placed", "inline", [])


class TestATask:
    """The attempt's row decides whether a task places a call."""

    def test_that_runs_twice_places_one_call(self, by_tasks: Simulator, work: Work) -> None:
        attempt = services.start_verification(NUMBER)
        send(attempt.pk)

        work()

        assert (DBTaskResult.objects.filter(status="SUCCESSFUL").count(), sends(by_tasks)) == (2, 1)

    def test_that_is_lost_is_enqueued_again_by_the_sweep(self, by_tasks: Simulator, work: Work) -> None:
        attempt = services.start_verification(NUMBER)
        DBTaskResult.objects.all().delete()
        let_time_pass(16, by_tasks)

        swept = services.sweep()
        work()

        assert (swept.enqueued, row(attempt).status, sends(by_tasks)) == (1, "placed", 1)

    def test_of_a_call_that_telroi_did_not_place_waits_for_the_sweep(self, by_tasks: Simulator, work: Work) -> None:
        attempt = services.start_verification(NUMBER)
        by_tasks.fail_next("service_unavailable")
        work()
        before = row(attempt).status
        let_time_pass(61, by_tasks)

        services.sweep()
        work()

        assert (before, row(attempt).status) == ("queued", "placed")

    def test_with_an_unknown_id_does_nothing(self, by_tasks: Simulator, work: Work) -> None:
        send(12345)

        work()

        assert DBTaskResult.objects.get().status == "SUCCESSFUL"

    def test_inside_a_transaction_fails_and_places_no_call(self, by_tasks: Simulator) -> None:
        attempt = services.start_verification(NUMBER)

        with pytest.raises(InsideTransaction), transaction.atomic():
            place_call.call(attempt.pk)

        assert (row(attempt).status, sends(by_tasks)) == ("queued", 0)


class TestTheQueue:
    """Its faults delay a call, and lose none."""

    def test_that_fails_leaves_the_call_for_the_sweep(
        self, by_tasks: Simulator, backends: Backends, work: Work, caplog: pytest.LogCaptureFixture
    ) -> None:
        backends("tests.task_queue.broken.BrokenBackend")
        attempt = services.start_verification(NUMBER)
        backends("django_tasks_db.DatabaseBackend")
        let_time_pass(16, by_tasks)
        services.sweep()
        work()

        assert (row(attempt).status, sends(by_tasks)) == ("placed", 1)
        assert f"not_enqueued attempt={attempt.pk} error=BrokenQueue" in caplog.messages
        assert "Canary" not in caplog.text

    def test_without_the_queue_of_the_settings_is_logged(
        self, by_tasks: Simulator, configure: Configure, caplog: pytest.LogCaptureFixture
    ) -> None:
        configure(TASKS_QUEUE="nowhere")

        attempt = services.start_verification(NUMBER)

        assert (row(attempt).status, waiting()) == ("queued", [])
        [line] = [line for line in caplog.messages if line.startswith("not_enqueued")]
        assert line.startswith(f"not_enqueued attempt={attempt.pk} error=InvalidTask")

    def test_that_answers_slowly_gets_no_other_call_for_a_while(
        self, by_tasks: Simulator, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        monkeypatch.setattr(task_backend, "SLOW_SECONDS", -1)
        slow = services.start_verification(NUMBER)
        next_one = send(slow.pk)
        monkeypatch.setattr(task_backend, "PAUSE_SECONDS", -1)
        task_backend.PAUSE.begin()

        assert (next_one, send(slow.pk)) == (Published.SKIPPED, Published.SENT)
        assert f"queue_too_slow attempt={slow.pk}" in caplog.messages

    def test_in_this_process_places_the_call_in_the_request(self, by_tasks: Simulator, backends: Backends) -> None:
        backends("immediate")

        attempt = services.start_verification(NUMBER)

        assert (attempt.status, attempt.dispatch, sends(by_tasks)) == ("placed", "tasks", 1)

    def test_in_this_process_is_not_slow_because_telroi_is(
        self, by_tasks: Simulator, backends: Backends, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        backends("immediate")
        monkeypatch.setattr(task_backend, "SLOW_SECONDS", -1)

        statuses = [services.start_verification(number).status for number in (NUMBER, OTHER_NUMBER)]

        assert (statuses, bool(task_backend.PAUSE)) == (["placed", "placed"], False)

    def test_in_this_process_places_the_call_after_the_commit(self, by_tasks: Simulator, backends: Backends) -> None:
        backends("immediate")

        with transaction.atomic():
            attempt = services.start_verification(OTHER_NUMBER)
            during = sends(by_tasks)

        assert (during, row(attempt).status, sends(by_tasks)) == (0, "placed", 1)


def test_events_of_the_worker_have_columns(by_tasks: Simulator, work: Work, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="django_telroi")
    attempt = services.start_verification(NUMBER)
    by_tasks.fail_next("close")

    work()

    [record] = [each for each in caplog.records if getattr(each, "telroi_event", "") == "call_unknown"]
    assert (record.telroi_attempt, record.telroi_error) == (attempt.pk, "no_reply")
