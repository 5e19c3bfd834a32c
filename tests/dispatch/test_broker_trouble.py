"""With any fault of the broker, no request waits for long, and the row stays queued."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from django_telroi import conf, services
from django_telroi.dispatch import Published, celery_broker
from django_telroi.dispatch.celery_broker import Publisher, send
from django_telroi.models import VerificationAttempt
from django_telroi.simulator import Simulator
from tests.dispatch.brokers import closed_port, redis
from tests.manual_clocks import ManualClock

TASK = "django_telroi.tasks.place_call"
PASSWORD = "canary-of-the-broker"
ROOT = Path(__file__).parent.parent.parent
SOCKETS = 2
"""The number of sockets that Celery opens for one connection to Redis."""
LONG = 120
"""Seconds after which a test hangs, however busy the machine is."""
PUBLISH_TIMEOUT, TRANSPORT_OPTIONS = celery_broker.PUBLISH_TIMEOUT, celery_broker.TRANSPORT_OPTIONS
"""The default timeout of a site."""


@pytest.fixture(autouse=True)
def _patient(celery_app: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set timeouts that a slow machine does not reach."""
    monkeypatch.setattr(celery_broker, "IDLE_SECONDS", LONG)
    monkeypatch.setattr(celery_broker, "PAUSE_SECONDS", 10 * LONG)
    monkeypatch.setattr(celery_broker, "TRANSPORT_OPTIONS", patient(TRANSPORT_OPTIONS))


def patient(options: dict[str, Any]) -> dict[str, Any]:
    return {name: seconds and LONG for name, seconds in options.items()}


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float | None]:
    """The timeout of each request for publishing its message, in seconds."""
    waits: list[float | None] = []
    result = Future.result

    def note(future: Future[bool], timeout: float | None = None) -> bool:
        waits.append(timeout)
        return result(future, timeout)

    monkeypatch.setattr(Future, "result", note)
    return waits


@pytest.fixture
def use(celery_app: Any) -> Iterator[Callable[[str], None]]:
    """The site's Celery with default settings, except the broker URL."""

    def configure(url: str) -> None:
        celery_app.conf.broker_url = url

    yield configure
    celery_broker.publisher().close()
    wait_for_the_thread_to_end()


def wait_for_the_thread_to_end() -> None:
    deadline = time.monotonic() + LONG
    while any(thread.name == "telroi-dispatch" for thread in threading.enumerate()):
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.parametrize("scheme", ["redis", "amqp"])
@pytest.mark.parametrize("trouble", ["refused", "mute", "slow"])
class TestABrokerFailure:
    """One request waits until its timeout. The next requests do not wait."""

    @pytest.fixture(autouse=True)
    def _trouble(
        self, use: Callable[[str], None], scheme: str, trouble: str, monkeypatch: pytest.MonkeyPatch
    ) -> Iterator[None]:
        monkeypatch.setattr(celery_broker, "PUBLISH_TIMEOUT", PUBLISH_TIMEOUT)
        monkeypatch.setattr(celery_broker, "TRANSPORT_OPTIONS", TRANSPORT_OPTIONS)
        with closed_port() as closed, redis(0.9, answers=2 if trouble == "slow" else 0) as broker:
            port = closed if trouble == "refused" else broker.port
            use(f"{scheme}://somebody:{PASSWORD}@127.0.0.1:{port}//")
            yield

    def test_ends_soon_and_is_not_repeated_for_the_next_request(
        self, waits: list[float | None], caplog: pytest.LogCaptureFixture
    ) -> None:
        first = send(TASK, 1)
        others = [send(TASK, key) for key in range(2, 50)]

        assert first == Published.SKIPPED
        assert set(others) == {Published.SKIPPED}
        assert waits == [celery_broker.PUBLISH_TIMEOUT] == [2.0]
        assert PASSWORD not in caplog.text
        assert "not_enqueued attempt=1" in caplog.text

    @pytest.mark.django_db(transaction=True)
    def test_leaves_a_queued_row(self, settings: Any, waits: list[float | None]) -> None:
        with Simulator() as telroi:
            settings.TELROI = {
                "BACKEND": conf.TELROI_BACKEND,
                "BASE_URL": telroi.base_url,
                "API_KEY": telroi.api_key,
                "DISPATCH": "celery",
            }
            attempt = services.start_verification("+2348031234567")

            assert (attempt.status, waits) == ("queued", [celery_broker.PUBLISH_TIMEOUT])
            VerificationAttempt.objects.update(due_at=attempt.created_at)
            with pytest.raises(CommandError, match="calls that are due still wait"):
                call_command("telroi_sweep")
            services.place_call(attempt.pk)
            assert VerificationAttempt.objects.get().status == "placed"


def test_a_thread_that_starts_late_does_not_use_the_time_of_the_next_request(
    use: Callable[[str], None], waits: list[float | None], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, take_next = ManualClock(time.monotonic()), Publisher._next

    def take_late(publisher: Publisher) -> celery_broker.Message | None:
        message = take_next(publisher)
        clock.now += 0.1
        return message

    monkeypatch.setattr(celery_broker, "time", clock)
    monkeypatch.setattr(celery_broker, "PUBLISH_TIMEOUT", 0.2)
    monkeypatch.setattr(Publisher, "_next", take_late)
    with redis(answers=0) as broker:
        use(f"redis://127.0.0.1:{broker.port}/0")
        send(TASK, 1)
        clock.now += 0.15

        assert (send(TASK, 2), waits) == (Published.SKIPPED, [0.2])


class TestAWorkingBroker:
    """The publisher keeps one connection while there are messages."""

    def test_gets_all_messages_over_one_connection(self, use: Callable[[str], None]) -> None:
        with redis() as broker:
            use(f"redis://127.0.0.1:{broker.port}/0")

            handings = [send(TASK, key) for key in range(20)]

            assert (set(handings), broker.published, len(broker.clients)) == ({Published.SENT}, 20, SOCKETS)

    def test_gets_messages_of_many_threads_at_once(self, use: Callable[[str], None]) -> None:
        with redis() as broker:
            use(f"redis://127.0.0.1:{broker.port}/0")
            handings: list[Published] = []
            threads = [threading.Thread(target=lambda: handings.append(send(TASK, 1))) for _ in range(20)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(LONG)

            assert (handings, broker.published) == ([Published.SENT] * 20, 20)

    def test_is_not_contacted_without_a_message(
        self, use: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(celery_broker, "IDLE_SECONDS", 0.2)
        with redis() as broker:
            use(f"redis://127.0.0.1:{broker.port}/0")
            send(TASK, 1)
            wait_for_the_thread_to_end()

            assert (send(TASK, 2), len(broker.clients)) == (Published.SENT, 2 * SOCKETS)

    def test_that_dropped_the_connection_gets_the_message_over_another(self, use: Callable[[str], None]) -> None:
        with redis() as broker:
            use(f"redis://127.0.0.1:{broker.port}/0")
            send(TASK, 1)
            broker.drop()

            assert (send(TASK, 2), broker.published) == (Published.SENT, 2)

    def test_is_found_if_the_first_of_several_refuses(self, use: Callable[[str], None]) -> None:
        with closed_port() as closed, redis() as broker:
            use(f"redis://127.0.0.1:{closed}/0;redis://127.0.0.1:{broker.port}/0")

            assert (send(TASK, 1), broker.published) == (Published.SENT, 1)

    def test_is_used_again_some_seconds_after_a_failure(
        self, use: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with closed_port() as closed, redis() as broker:
            clock = ManualClock(time.monotonic())
            monkeypatch.setattr(celery_broker, "time", clock)
            use(f"redis://127.0.0.1:{closed}/0")
            send(TASK, 1)
            use(f"redis://127.0.0.1:{broker.port}/0")
            clock.now += celery_broker.PAUSE_SECONDS - 1
            resting = send(TASK, 2)
            clock.now += 1

            assert (resting, send(TASK, 3), broker.published) == (Published.SKIPPED, Published.SENT, 1)


def test_a_thread_of_the_site_publishes_to_the_sites_broker_and_not_to_celerys_default(
    use: Callable[[str], None],
) -> None:
    with redis() as broker:
        use(f"redis://127.0.0.1:{broker.port}/0")
        handings: list[Published] = []
        thread = threading.Thread(target=lambda: handings.append(send(TASK, 1)))
        thread.start()
        thread.join(LONG)

        assert (handings, broker.published) == ([Published.SENT], 1)


def test_a_wrong_celery_configuration_fails_no_request(
    use: Callable[[str], None], caplog: pytest.LogCaptureFixture
) -> None:
    use(f"nosuch://somebody:{PASSWORD}@127.0.0.1//")

    assert send(TASK, 1) == Published.SKIPPED
    assert PASSWORD not in caplog.text


def test_a_message_shows_no_secret(celery_app: Any) -> None:
    assert "celery" not in repr(celery_broker.Message(app=celery_app, name=TASK, attempt_id=1, queue=None)).lower()


def test_an_unused_publisher_closes_at_once() -> None:
    Publisher().close()


@pytest.mark.programs
def test_a_forked_process_has_its_own_connection() -> None:
    strict = ["-X", "dev", "-W", "error", "-W", "ignore::DeprecationWarning"]
    with redis() as broker:
        done = subprocess.run(
            [sys.executable, *strict, "-m", "tests.dispatch.forking", str(broker.port)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=LONG,
            check=False,
        )

        assert (done.stdout.split(), done.stderr) == (["SENT", "SENT", "SENT"], "")
        assert (broker.published, len(broker.clients)) == (3, 2 * SOCKETS)


def test_a_site_with_inline_calls_never_imports_celery() -> None:
    program = (
        "import sys, django; django.setup();"
        "import django_telroi.services, django_telroi.urls;"
        "sys.exit(any(name.partition('.')[0] in ('celery', 'kombu') for name in sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, timeout=LONG, check=False)

    assert done.returncode == 0


def test_a_missing_module_is_named_in_the_log(
    use: Callable[[str], None], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kombu.transport._transport_cache", {})
    monkeypatch.delitem(sys.modules, "kombu.transport.redis", raising=False)
    monkeypatch.setitem(sys.modules, "packaging.version", None)
    use(f"redis://somebody:{PASSWORD}@127.0.0.1:1//")

    assert send(TASK, 1) == Published.SKIPPED
    assert "not_enqueued attempt=1 error=ModuleNotFoundError(packaging.version)" in caplog.text
    assert PASSWORD not in caplog.text
