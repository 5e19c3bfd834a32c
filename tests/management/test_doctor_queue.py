"""The doctor's report of the broker and the workers."""

from __future__ import annotations

import sys
from types import SimpleNamespace

import pytest
from celery import Celery
from django.db import connection
from kombu import Queue

from django_telroi.management.doctor import broker
from django_telroi.management.doctor.broker import examine_queue
from django_telroi.management.doctor.celery_workers import examine_connections, examine_pools
from tests.calling_site import Configure


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch, configure: Configure) -> Celery:
    """A site with a broker in memory and its own Celery app."""
    app = Celery("a site", broker="memory://telroi-doctor", set_as_current=False, fixups=[])
    monkeypatch.setattr(broker, "site_app", lambda: app)
    monkeypatch.setattr(broker, "SECONDS_TO_ANSWER", 1.0)
    configure(DISPATCH="celery")
    return app


def told() -> list[tuple[str, str]]:
    return [(str(finding.level), finding.says) for finding in examine_queue()]


def test_a_site_with_inline_calls_needs_no_broker(configure: Configure) -> None:
    assert told() == [("good", 'DISPATCH is "inline": web requests place the calls, and no broker is needed.')]


def test_an_eager_celery_is_reported(site: Celery) -> None:
    site.conf.task_always_eager = True

    assert told() == [("note", "task_always_eager is on: tasks run in the web request, and no worker is needed.")]


def test_an_unreachable_broker_is_an_error_and_its_password_is_not_shown(site: Celery) -> None:
    site.conf.broker_url = "redis://:Canary@127.0.0.1:1/0"

    [(level, says)] = told()

    assert (level, says.partition(":")[0]) == ("bad", "The broker cannot be reached")
    assert "Canary" not in says


def test_without_a_celery_app_no_broker_is_contacted(configure: Configure, monkeypatch: pytest.MonkeyPatch) -> None:
    default = Celery("default", set_as_current=False, fixups=[])
    monkeypatch.setattr(broker, "site_app", lambda: default)
    monkeypatch.setattr(default, "connection_for_write", pytest.fail)
    configure(DISPATCH="celery")

    assert told() == [("bad", "The site has no Celery app. No call reaches a worker.")]


def test_an_app_without_a_broker_is_an_error(site: Celery, monkeypatch: pytest.MonkeyPatch) -> None:
    site.conf.broker_url = None
    site.set_as_current = True
    monkeypatch.setattr(site, "connection_for_write", pytest.fail)

    assert told() == [("bad", "The site's Celery app has no broker. No call reaches a worker.")]


def test_a_missing_package_of_the_broker_is_named(site: Celery, monkeypatch: pytest.MonkeyPatch) -> None:
    site.conf.broker_url = "redis://:Canary@127.0.0.1:1/0"
    monkeypatch.setattr("kombu.transport._transport_cache", {})
    monkeypatch.delitem(sys.modules, "kombu.transport.redis", raising=False)
    monkeypatch.setitem(sys.modules, "packaging.version", None)

    [finding] = examine_queue()

    assert (str(finding.level), finding.says) == (
        "bad",
        "The broker's Python package cannot be imported: ModuleNotFoundError(packaging.version).",
    )
    assert 'pip install "celery[redis]"' in finding.cure


def test_a_broker_without_workers_is_an_error(site: Celery) -> None:
    assert told() == [("good", "The broker answers."), ("bad", "No worker answers.")]


STATS = {"pool": {"implementation": "celery.concurrency.prefork:TaskPool", "max-concurrency": 2}, "prefetch_count": 8}


def answers(site: Celery, monkeypatch: pytest.MonkeyPatch, *tasks: str, queues: tuple[str, ...] = ("celery",)) -> None:
    """A fake worker with these tasks. A real one in this process would replace the logging configuration."""
    answer = SimpleNamespace(
        registered=lambda: {"celery@elsewhere": list(tasks)},
        active_queues=lambda: {"celery@elsewhere": [{"name": name, "routing_key": name} for name in queues]},
        stats=lambda: {"celery@elsewhere": STATS},
    )
    monkeypatch.setattr(site.control, "inspect", lambda **options: answer)


def test_a_worker_that_places_calls_is_found(site: Celery, monkeypatch: pytest.MonkeyPatch) -> None:
    answers(site, monkeypatch, "mails.send", "django_telroi.tasks.place_call [rate_limit=10/m]")

    assert told()[1] == ("good", "1 worker answers and can place calls.")


def test_a_worker_without_our_task_is_an_error(site: Celery, monkeypatch: pytest.MonkeyPatch) -> None:
    answers(site, monkeypatch, "mails.send")

    assert told()[1] == ("bad", "1 worker answers, but django_telroi.tasks.place_call is not registered in it.")


@pytest.mark.parametrize(
    ("telroi", "celery", "queue"),
    [
        ({"CELERY_QUEUE": "calls"}, {}, "calls"),
        ({}, {"task_routes": {"django_telroi.tasks.*": {"queue": "phone"}}}, "phone"),
        ({}, {"task_routes": {"django_telroi.tasks.*": {"queue": Queue("phone")}}}, "phone"),
        ({"CELERY_QUEUE": "calls"}, {"task_routes": {"django_telroi.tasks.*": {"queue": "phone"}}}, "calls"),
        ({}, {"task_default_queue": "site"}, "site"),
        ({}, {}, "celery"),
    ],
    ids=["CELERY_QUEUE", "task_routes", "a queue of task_routes", "both", "task_default_queue", "default"],
)
def test_a_worker_must_read_the_queue_of_the_calls(
    site: Celery,
    monkeypatch: pytest.MonkeyPatch,
    configure: Configure,
    telroi: dict[str, str],
    celery: dict[str, object],
    queue: str,
) -> None:
    configure(**telroi)
    site.conf.update(celery)
    answers(site, monkeypatch, "django_telroi.tasks.place_call", queues=("mails", queue))
    assert told()[1] == ("good", "1 worker answers and can place calls.")

    answers(site, monkeypatch, "django_telroi.tasks.place_call", queues=("mails",))
    found = list(examine_queue())

    assert (str(found[1].level), found[1].says) == (
        "bad",
        f'1 worker answers, but it does not read the queue "{queue}".',
    )
    assert found[1].cure.endswith(f"--pool threads --concurrency 32 --prefetch-multiplier 1 -Q {queue}")
    assert found[1].figures["workers"] == 0
    assert len(found) == 2


def test_a_route_to_an_exchange_names_no_queue(site: Celery, monkeypatch: pytest.MonkeyPatch) -> None:
    site.conf.task_routes = {"django_telroi.tasks.*": {"exchange": "phone", "routing_key": "calls"}}
    answers(site, monkeypatch, "django_telroi.tasks.place_call", queues=("mails",))

    assert told()[1] == ("good", "1 worker answers and can place calls.")


def test_workers_that_do_not_say_their_queues_are_no_workers_of_the_calls(
    site: Celery, monkeypatch: pytest.MonkeyPatch
) -> None:
    tasks = ["django_telroi.tasks.place_call"]
    answer = SimpleNamespace(registered=lambda: {"one": tasks, "two": tasks}, active_queues=lambda: None)
    monkeypatch.setattr(site.control, "inspect", lambda **options: answer)

    assert told()[1] == ("bad", '2 workers answer, but none of them reads the queue "celery".')


def test_a_queue_that_celery_does_not_know_is_an_error(site: Celery, configure: Configure) -> None:
    configure(CELERY_QUEUE="calls")
    site.conf.task_create_missing_queues = False

    assert told()[1] == ("bad", "Celery cannot route the calls to a queue: QueueNotFound.")


def test_the_command_of_a_worker_names_the_queue_of_the_calls(site: Celery, configure: Configure) -> None:
    start = "celery -A yoursite worker --pool threads --concurrency 32 --prefetch-multiplier 1"
    assert list(examine_queue())[1].cure == f"Start a worker: {start}"

    configure(CELERY_QUEUE="calls")

    assert list(examine_queue())[1].cure == f"Start a worker: {start} -Q calls"


def test_the_pool_of_a_worker_that_places_calls_is_examined(site: Celery, monkeypatch: pytest.MonkeyPatch) -> None:
    answers(site, monkeypatch, "django_telroi.tasks.place_call")

    [finding] = [finding for finding in examine_queue() if "pool" in finding.figures and "worker" in finding.figures]

    assert (str(finding.level), finding.says) == (
        "note",
        (
            "celery@elsewhere uses the pool prefork and places 2 calls at once. If Telroi answers in 0.3 s, that is at "
            "most 7 a second. 32 threads of one process place 104."
        ),
    )
    assert finding.cure.startswith("Use threads: celery ")


def stats(kind: str, at_once: int, prefetched: int) -> dict[str, object]:
    pool = {"implementation": f"celery.concurrency.{kind}:TaskPool", "max-concurrency": at_once}
    return {"pool": pool, "prefetch_count": prefetched}


@pytest.mark.parametrize(
    ("worker", "says"),
    [
        (stats("thread", 32, 32), ""),
        (stats("thread", 16, 16), ""),
        (
            stats("thread", 2, 8),
            "uses the pool threads and places 2 calls at once. If Telroi answers in 0.3 s, that is ",
        ),
        (stats("prefork", 16, 16), ""),
        (stats("prefork", 15, 15), "places 15 calls at once. If Telroi answers in 0.3 s, that is at most 50 a second"),
        (stats("solo", 1, 4), "places 1 call at once. If Telroi answers in 0.3 s, that is at most 3 a second"),
        (stats("gevent", 32, 32), "the pool gevent, which acknowledges late"),
        (stats("eventlet", 32, 127), "the pool eventlet, which acknowledges late"),
        (stats("gevent", 32, 128), ""),
        ({}, ""),
    ],
)
def test_a_pool_that_is_slower_than_threads_is_noted_with_the_figure(worker: dict[str, object], says: str) -> None:
    found = list(examine_pools({"celery@elsewhere": worker}))

    assert len(found) == bool(says)
    assert all(says in finding.says for finding in found)


def test_a_worker_that_connects_for_every_call_is_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    options = connection.settings_dict["OPTIONS"]
    monkeypatch.delitem(options, "pool", raising=False)

    found = [finding.says for finding in examine_connections()]

    assert len(found) == (connection.vendor != "sqlite")
    assert all("connects again for every call" in says for says in found)
    assert all(("91 %" in says) == (connection.vendor == "postgresql") for says in found)

    monkeypatch.setitem(options, "pool", {"max_size": 40})
    assert not list(examine_connections())
