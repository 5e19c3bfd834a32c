"""Real workers and real brokers, started with the commands of the docs."""

from __future__ import annotations

import os
import re
import shlex
import signal
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest
from kombu import Connection

from tests.brokers.running import AT_MOST_SECONDS, ROOT, Site, running_site

pytestmark = [pytest.mark.services, pytest.mark.programs]

NUMBER = "+2348031234567"
BROKERS = {
    "redis": os.environ.get("TELROI_TEST_REDIS", "redis://127.0.0.1:6379/4"),
    "rabbitmq": os.environ.get("TELROI_TEST_RABBITMQ", "amqp://guest:guest@127.0.0.1:5672//"),
}
WORKER, BEAT = (
    shlex.split(command)
    for command in re.findall(r"^   \$ (celery .*)$", (ROOT / "docs/howto/celery.rst").read_text(), flags=re.M)
)


@pytest.fixture(params=BROKERS)
def site(request: pytest.FixtureRequest, tmp_path: Path, code_maker: str) -> Iterator[Site]:
    broker, queue = BROKERS[request.param], f"telroi_d_{uuid4().hex}"
    try:
        with running_site(tmp_path, broker, queue, codes=code_maker) as running:
            yield running
    finally:
        with Connection(broker) as connection:
            connection.default_channel.queue_delete(queue)


def empty(site: Site) -> None:
    with Connection(site.broker) as connection:
        connection.default_channel.queue_purge(site.queue)


def test_a_call_is_placed_by_the_worker_of_the_docs(site: Site) -> None:
    worker = site.run(WORKER)
    attempt = site.ask(NUMBER)

    site.wait_for(lambda: site.status_of(attempt) == "placed")

    assert site.sends == 1
    worker.terminate()
    assert worker.wait(AT_MOST_SECONDS) == 0
    assert "Traceback" not in site.logs


def test_a_call_is_placed_by_a_prefork_worker(site: Site) -> None:
    worker = site.run([{"threads": "prefork", "32": "2"}.get(word, word) for word in WORKER])
    attempt = site.ask(NUMBER)

    site.wait_for(lambda: site.status_of(attempt) == "placed")

    assert site.sends == 1
    worker.terminate()
    assert worker.wait(AT_MOST_SECONDS) == 0
    assert "Traceback" not in site.logs


@pytest.mark.parametrize(
    ("maker", "checks"),
    [
        pytest.param("site", 0, marks=pytest.mark.codes("site")),
        pytest.param("telroi", 1, marks=pytest.mark.codes("telroi")),
    ],
)
def test_the_code_of_a_call_that_a_worker_placed_verifies(site: Site, maker: str, checks: int) -> None:
    site.run(WORKER)
    attempt = site.ask(NUMBER)
    site.wait_for(lambda: site.status_of(attempt) == "placed")
    code = site.telroi.last_code_for(NUMBER)

    assert site.check(attempt, code) == "verified"
    assert (site.sends, site.checks) == (1, checks)
    assert code not in site.logs


@pytest.mark.parametrize("maker", [pytest.param(maker, marks=pytest.mark.codes(maker)) for maker in ("site", "telroi")])
def test_a_message_that_is_delivered_ten_times_places_one_call(site: Site, maker: str) -> None:
    attempt = site.ask(NUMBER)
    site.publish(attempt, times=10)
    for name in ("one", "two"):
        site.run([*WORKER, "--concurrency", "5", "--loglevel", "INFO"], name=name)

    site.wait_for(lambda: site.status_of(attempt) == "placed" and site.logs.count("succeeded") == 11)

    assert site.sends == 1


def test_a_call_whose_message_was_lost_is_placed_by_the_sweep_of_the_docs(site: Site) -> None:
    attempt = site.ask(NUMBER)
    empty(site)

    site.run(WORKER)
    site.run([*BEAT, "--schedule", str(site.folder / "beat")])

    site.wait_for(lambda: site.status_of(attempt) == "placed")
    assert site.sends == 1


def test_a_worker_that_is_stopped_during_a_call_finishes_it_first(site: Site) -> None:
    site.telroi.fail_next("hold")
    worker = site.run(WORKER)
    attempt = site.ask(NUMBER)
    site.telroi.wait_for_requests(1, timeout=AT_MOST_SECONDS)

    worker.send_signal(signal.SIGTERM)
    site.wait_for(lambda: "Warm shutdown" in site.logs)
    site.telroi.release()

    assert worker.wait(AT_MOST_SECONDS) == 0
    assert (site.status_of(attempt), site.sends) == ("placed", 1)
