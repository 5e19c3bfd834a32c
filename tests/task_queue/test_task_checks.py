"""The system checks of Django's setting ``TASKS``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.core.checks import CheckMessage
from django.db import connections

from django_telroi.checks.queueing import check_task_backend, check_task_backend_in_production
from django_telroi.simulator import Simulator
from tests.calling_site import Configure
from tests.task_queue.conftest import run_without_app

pytestmark = pytest.mark.usefixtures("by_tasks")

Backends = Callable[..., None]


def ids(*found: CheckMessage) -> list[str]:
    return [str(message.id) for message in found]


class Elsewhere:
    """Writes the tasks to a database of their own."""

    def db_for_write(self, model: Any, **hints: Any) -> str | None:
        return "queue" if model.__name__ == "DBTaskResult" else None


@pytest.fixture
def queue_database(settings: Any) -> Any:
    """A second database for the tasks. Yields its settings."""
    settings.DATABASE_ROUTERS = ["tests.task_queue.test_task_checks.Elsewhere"]
    connections["queue"] = connections["default"].copy("queue")
    yield connections["queue"].settings_dict
    del connections["queue"]


def test_a_database_backend_is_right() -> None:
    assert ids(*check_task_backend(), *check_task_backend_in_production()) == []


def test_other_sites_are_not_checked(configure: Configure, settings: Any) -> None:
    configure(DISPATCH="inline")
    settings.TASKS = {}

    assert ids(*check_task_backend(), *check_task_backend_in_production()) == []


@pytest.mark.parametrize(
    ("tasks", "kind"),
    [
        ({}, "InvalidTaskBackend"),
        ({"other": {"BACKEND": "django_tasks_db.DatabaseBackend"}}, "InvalidTaskBackend"),
        ({"default": {"BACKEND": "canary.Backend"}}, "InvalidTaskBackend"),
        ({"default": {}}, "KeyError"),
        ({"default": {"BACKEND": None}}, "AttributeError"),
        ({"default": {"BACKEND": "os.path.join"}}, "TypeError"),
    ],
    ids=["empty", "another name", "not installed", "no class", "no text", "no backend"],
)
def test_a_backend_that_cannot_be_used_is_an_error(tasks: Any, kind: str, settings: Any) -> None:
    settings.TASKS = tasks

    [found] = check_task_backend()

    assert (found.id, kind in found.msg, list(check_task_backend_in_production())) == ("telroi.E033", True, [])


def test_a_database_backend_whose_app_is_not_installed_is_an_error() -> None:
    script = (
        "import django; django.setup();"
        "from django_telroi.checks.queueing import check_task_backend, check_task_backend_in_production;"
        "print([(each.id, each.hint) for each in (*check_task_backend(), *check_task_backend_in_production())])"
    )

    assert run_without_app(script) == str(
        [("telroi.E033", 'Add "django_tasks_db" to INSTALLED_APPS, and run manage.py migrate.')]
    )


@pytest.mark.parametrize(
    ("key", "says"), [("TASKS_QUEUE", "The queue of the calls"), ("TASKS_BACKEND", "The entry of TASKS")]
)
def test_a_name_that_does_not_fit_into_the_table_is_an_error(
    key: str, says: str, configure: Configure, settings: Any
) -> None:
    longest, too_long = "q" * 32, "q" * 33
    for name in (longest, too_long):
        configure(**{key: name})
        settings.TASKS = {
            name if key == "TASKS_BACKEND" else "default": {"BACKEND": "django_tasks_db.DatabaseBackend", "QUEUES": []}
        }
        found = list(check_task_backend())

        assert ids(*found) == ([] if name is longest else ["telroi.E034"])
    assert found[0].msg.startswith(f'{says} has the name "{too_long}", which is longer than 32 characters.')


def test_another_backend_may_have_long_names(configure: Configure, backends: Backends) -> None:
    configure(TASKS_QUEUE="q" * 33)
    backends("tests.task_queue.broken.BrokenBackend", QUEUES=[])

    assert ids(*check_task_backend()) == []


def test_a_queue_that_the_backend_does_not_have_is_an_error(configure: Configure) -> None:
    configure(TASKS_QUEUE="nowhere")

    [found] = check_task_backend()

    assert (found.id, '"nowhere"' in found.msg) == ("telroi.E034", True)


def test_a_backend_for_any_queue_is_right(configure: Configure, backends: Backends) -> None:
    configure(TASKS_QUEUE="nowhere")
    backends("django_tasks_db.DatabaseBackend", QUEUES=[])

    assert ids(*check_task_backend()) == []


@pytest.mark.parametrize(("kind", "expected"), [("dummy", "telroi.E035"), ("immediate", "telroi.W042")])
def test_a_backend_without_workers_is_reported_in_production(kind: str, expected: str, backends: Backends) -> None:
    backends(kind)

    assert (ids(*check_task_backend()), ids(*check_task_backend_in_production())) == ([], [expected])


def test_a_task_in_the_transaction_of_a_request_is_reported(queue_database: Any) -> None:
    queue_database["ATOMIC_REQUESTS"] = True

    [found] = check_task_backend()

    assert (found.id, '"queue"' in found.msg) == ("telroi.W041", True)


def test_a_database_of_the_queue_without_request_transactions_is_right(queue_database: Any) -> None:
    queue_database["ATOMIC_REQUESTS"] = False

    assert ids(*check_task_backend()) == []


def test_request_transactions_of_the_calls_own_database_are_right(
    monkeypatch: pytest.MonkeyPatch, by_tasks: Simulator
) -> None:
    monkeypatch.setitem(connections["default"].settings_dict, "ATOMIC_REQUESTS", True)

    assert ids(*check_task_backend()) == []
