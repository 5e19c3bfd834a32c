"""The doctor's report of the queue and the workers of Django's tasks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from django.conf import settings as own_settings
from django.db import connection
from django_tasks_db.models import DBTaskResult

from django_telroi import background_tasks
from django_telroi.conf import CONSOLE_BACKEND, TELROI_BACKEND
from django_telroi.management.doctor import task_worker
from django_telroi.management.doctor.broker import examine_queue
from tests.calling_site import Configure
from tests.task_queue.conftest import run_without_app

pytestmark = [pytest.mark.usefixtures("by_tasks"), pytest.mark.django_db(transaction=True)]

Work = Callable[..., None]
Backends = Callable[..., None]
TABLE = DBTaskResult._meta.db_table
ACCEPTS = ("good", 'The queue "default" of django_tasks_db.backend.DatabaseBackend accepts tasks.')


def told() -> list[tuple[str, str]]:
    return [(str(finding.level), finding.says) for finding in examine_queue()]


def fail_of_other_code() -> None:
    raise ImportError


@pytest.fixture
def at_work(monkeypatch: pytest.MonkeyPatch, work: Work) -> None:
    """A worker, which runs while the doctor waits."""
    monkeypatch.setattr(task_worker, "SECONDS_TO_ANSWER", 600.0)
    monkeypatch.setattr(task_worker, "sleep", lambda seconds: work())


def test_a_worker_that_runs_the_task_is_found(at_work: None) -> None:
    found = told()

    assert (found[0], found[1][0]) == (ACCEPTS, "good")
    assert found[1][1].startswith("A worker answers within ")
    assert DBTaskResult.objects.get().priority == 100


def test_without_a_worker_it_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task_worker, "SECONDS_TO_ANSWER", 0.0)

    found = list(examine_queue())

    assert [(str(each.level), each.says) for each in found] == [ACCEPTS, ("bad", "No worker is free within 0 s.")]
    assert found[1].cure.endswith("python manage.py db_worker --queue-name default")


def test_the_command_of_a_worker_names_the_entry_of_tasks(
    monkeypatch: pytest.MonkeyPatch, configure: Configure, settings: Any
) -> None:
    """Without it ``db_worker`` takes tasks of the entry ``default`` only."""
    monkeypatch.setattr(task_worker, "SECONDS_TO_ANSWER", 0.0)
    configure(TASKS_BACKEND="phone", TASKS_QUEUE="calls")
    settings.TASKS = {"phone": {"BACKEND": "django_tasks_db.DatabaseBackend", "QUEUES": ["calls"]}}

    cure = list(examine_queue())[1].cure

    assert cure.endswith("python manage.py db_worker --backend phone --queue-name calls")


def test_the_cure_for_another_backend_names_no_command(monkeypatch: pytest.MonkeyPatch, backends: Backends) -> None:
    monkeypatch.setattr(task_worker, "SECONDS_TO_ANSWER", 0.0)
    backends("tests.task_queue.broken.WaitingBackend")

    cure = list(examine_queue())[1].cure

    assert cure == (
        'Start a worker, or more of them. It must serve TASKS["default"], read the queue "default" and import '
        "django_telroi.background_tasks."
    )


def test_an_app_that_is_not_installed_is_named() -> None:
    script = (
        "import django; django.setup();"
        "from django_telroi.management.doctor.broker import examine_queue;"
        "print([(str(each.level), each.cure) for each in examine_queue()])"
    )

    assert run_without_app(script) == str(
        [("bad", 'Add "django_tasks_db" to INSTALLED_APPS, and run manage.py migrate.')]
    )


def test_a_worker_that_cannot_run_the_task_is_an_error(
    at_work: None, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    def work_with_other_code(seconds: float) -> None:
        task = background_tasks.answer_doctor
        with monkeypatch.context() as patch:
            patch.setattr(background_tasks, "answer_doctor", replace(task, func=fail_of_other_code))
            work()

    monkeypatch.setattr(task_worker, "sleep", work_with_other_code)

    assert told() == [ACCEPTS, ("bad", "A worker answers, but it cannot run the tasks of django-telroi.")]


@pytest.mark.parametrize(
    ("settings_of_worker", "says"),
    [
        ({"API_KEY": ""}, "A worker answers, but it cannot run the tasks of django-telroi."),
        (
            {"BACKEND": CONSOLE_BACKEND},
            f"A worker answers, but its backend is {CONSOLE_BACKEND}, and here it is {TELROI_BACKEND}.",
        ),
    ],
)
def test_a_worker_with_other_settings_is_an_error(
    at_work: None,
    work: Work,
    monkeypatch: pytest.MonkeyPatch,
    configure: Configure,
    settings_of_worker: dict[str, str],
    says: str,
) -> None:
    own = dict(own_settings.TELROI)

    def work_with_other_settings(seconds: float) -> None:
        configure(**settings_of_worker)
        work()
        configure(**{name: own.get(name) for name in settings_of_worker})

    monkeypatch.setattr(task_worker, "sleep", work_with_other_settings)

    assert told() == [ACCEPTS, ("bad", says)]


def test_a_missing_table_is_an_error() -> None:
    with connection.schema_editor() as editor:
        editor.execute(f"ALTER TABLE {TABLE} RENAME TO elsewhere")
    try:
        [(level, says)] = told()
    finally:
        with connection.schema_editor() as editor:
            editor.execute(f"ALTER TABLE elsewhere RENAME TO {TABLE}")

    assert (level, says.partition(":")[0]) == ("bad", "The queue accepts no task")


def test_a_queue_that_accepts_nothing_is_an_error_and_its_password_is_not_shown(backends: Backends) -> None:
    backends("tests.task_queue.broken.BrokenBackend")

    assert told() == [("bad", "The queue accepts no task: BrokenQueue.")]


def test_a_wrong_setting_is_an_error(configure: Configure) -> None:
    configure(TASKS_QUEUE="nowhere")

    [(level, says)] = told()

    assert (level, says.partition(":")[0]) == ("bad", "The task backend cannot be used")


def test_a_backend_without_results_is_a_note(backends: Backends) -> None:
    backends("tests.task_queue.broken.SilentBackend")

    assert told()[1] == (
        "note",
        "tests.task_queue.broken.SilentBackend returns no results, so it is not known whether a worker runs.",
    )


def test_djangos_own_backends_have_no_workers(backends: Backends) -> None:
    backends("immediate")
    immediate = told()
    backends("dummy")
    dummy = told()

    assert [level for level, _ in (*immediate, *dummy)] == ["note", "bad"]
    assert immediate[0][1].endswith("ImmediateBackend runs tasks in the web request, and no worker is needed.")
    assert dummy[0][1].endswith("DummyBackend runs no task. No call is placed.")
