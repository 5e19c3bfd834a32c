"""The options of the tasks, and that each task runs its service."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import override_settings

from django_telroi import services, tasks


@pytest.mark.parametrize("name", ["place_call", "sweep"])
def test_a_task_is_acknowledged_late_without_retries_and_results(name: str, celery_app: Any) -> None:
    task = getattr(tasks, name)

    assert task.name == f"django_telroi.tasks.{name}"
    assert (task.acks_late, task.ignore_result, task.max_retries) == (True, True, 0)
    assert not task.reject_on_worker_lost
    assert not hasattr(task, "autoretry_for")


def test_a_call_has_time_limits_above_the_longest_request_for_any_settings(celery_app: Any) -> None:
    stock = tasks.place_call.soft_time_limit, tasks.place_call.time_limit
    with override_settings(TELROI={"TOTAL_TIMEOUT_SECONDS": 60}):
        patient = tasks.place_call.soft_time_limit, tasks.place_call.time_limit

    assert (stock, patient) == ((45, 60), (75, 90))


def test_a_task_that_is_published_directly_goes_to_the_queue_of_calls(celery_app: Any, enqueued: Any) -> None:
    with override_settings(TELROI={"CELERY_QUEUE": "calls"}):
        tasks.place_call.delay(1)

    assert enqueued("calls") == [("django_telroi.tasks.place_call", [1])]


@pytest.mark.django_db
def test_a_message_with_an_unknown_id_does_nothing(celery_app: Any) -> None:
    assert tasks.place_call(12345) is None


def test_the_sweep_task_runs_the_service(monkeypatch: pytest.MonkeyPatch, celery_app: Any) -> None:
    swept = []
    monkeypatch.setattr(services, "sweep", lambda: swept.append(True))

    tasks.sweep()

    assert swept == [True]
