"""Publishes a call to the site's Celery. A message is only a hint: if it is lost, the sweep enqueues the call again.

A broker that does not answer must not block a web request. So one daemon thread of the process publishes all messages,
over its own connection, with short timeouts and without retries. A request waits for the thread for at most
``PUBLISH_TIMEOUT`` seconds. It does not wait at all if the thread is stuck or if publishing has just failed.

Celery is imported when it is first needed: a site that places its calls in the web request never loads it. See "A
call" in docs/explanation/how.rst.
"""

from __future__ import annotations

import atexit
import logging
import os
import queue
import threading
import time
from concurrent.futures import CancelledError, Future
from contextvars import Context, copy_context
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from django_telroi import conf
from django_telroi.dispatch.published import Published
from django_telroi.packages import CELERY
from django_telroi.redaction import kind_of

__all__ = ["PUBLISH_TIMEOUT", "TASK", "TRANSPORT_OPTIONS", "broker_url", "publisher", "send", "site_app"]

TASK = "django_telroi.tasks.place_call"
PUBLISH_TIMEOUT = 2.0
"""Seconds that a request waits until its message is published. The whole request must end within 3 seconds."""
PAUSE_SECONDS = 10.0
"""Seconds after a failure during which nothing is published."""
IDLE_SECONDS = 5.0
"""Seconds without work after which the thread closes its connection and ends.

So the connection needs no heartbeat, and the next message does not meet a connection that the broker closed.
"""

TRANSPORT_OPTIONS = {
    # Redis: without these, a broker that accepts a connection and never answers blocks the thread forever.
    "socket_connect_timeout": 1,
    "socket_timeout": 1,
    "retry_on_timeout": False,
    # RabbitMQ: the same.
    "read_timeout": 1,
    "write_timeout": 1,
    "confirm_timeout": 1,
}

logger = logging.getLogger("django_telroi")


def send(name: str, attempt_id: int) -> Published:
    """Enqueue the task ``name`` with ``attempt_id`` as its argument. Waits up to ``PUBLISH_TIMEOUT``. Never raises."""
    try:
        app = site_app()
        # A process that publishes by name has not loaded the task. Eager mode needs it, and so does OpenTelemetry's
        # instrumentation of Celery, which ends the span of a message only if it finds the task.
        import_module(name.rpartition(".")[0])
        if app.conf.task_always_eager:
            app.signature(name, args=(attempt_id,)).apply_async()
            return Published.DONE
    except Exception as error:  # noqa: BLE001 - a wrong Celery setup raises anything; the attempt stays queued
        logger.error("not_enqueued attempt=%s error=%s", attempt_id, kind_of(error))
        return Published.SKIPPED
    message = Message(app=app, name=name, attempt_id=attempt_id, queue=conf.celery_queue())
    return Published.SENT if publisher().publish(message) else Published.SKIPPED


def site_app() -> Any:
    """Return the site's Celery app. If there are several, return the one with ``set_default()``.

    Celery's "current app" is not enough. It is the site's app only in the thread that created the app. In every other
    thread it is an empty default app with a broker on this machine. If there are several apps, it is the newest one.
    Celery has no public way to find the app, so this function uses ``celery._state``, last seen in 5.7. No other module
    may use it. ``tests/project/test_private_names.py`` fails if a new version of Celery changes it.
    Raises ModuleNotFoundError, with the command that installs it, if Celery is not installed.
    """
    with CELERY.needed_for('TELROI["DISPATCH"] = "celery"'):
        from celery import _state

    app = _state.default_app
    if app is not None and app.set_as_current:  # False for Celery's own empty app
        return app
    app = _state.get_current_app()
    if app.set_as_current:
        return app
    site_apps = [other for other in list(_state._get_active_apps()) if other.set_as_current]
    return site_apps[0] if len(site_apps) == 1 else app


def broker_url(app: Any) -> str:
    """Return the URL of the broker that the app publishes to, or ``""`` if it is not set, as in the default app."""
    return str(app.conf.broker_write_url or app.conf.broker_url or "")


@dataclass(frozen=True)
class Message:
    """A message to publish. ``published`` gets the result; ``since`` is when it was made, by the monotonic clock.

    ``context``: the context variables of the request that made it, which the thread publishes in. They hold the trace,
    so that the headers of the message, and with them the worker, continue it.
    """

    app: Any = field(repr=False)
    name: str
    attempt_id: int
    queue: str | None
    published: Future[bool] = field(default_factory=Future, repr=False)
    since: float = field(default_factory=lambda: time.monotonic(), repr=False)
    context: Context = field(default_factory=copy_context, repr=False)


class BrokerConnection:
    """A connection to the broker. Only one thread may use it."""

    def __init__(self) -> None:
        self._app: Any = None
        self._connection: Any = None

    def publish(self, message: Message) -> None:
        """Publish the message. If an open connection turns out to be dead, open a new one and try once more.

        Raises the errors of the broker's transport.
        """
        if self._connection is not None and self._app is message.app:
            try:
                return self._publish(message)
            except Exception as error:  # noqa: BLE001 - each transport has errors of its own
                logger.info("broker_connection_lost error=%s", type(error).__name__)
        self.close()
        self._open(message.app)
        return self._publish(message)

    def close(self) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        try:
            connection.release()
        except Exception as error:  # noqa: BLE001 - the connection is dropped, so its error does not matter
            logger.info("broker_connection_not_closed error=%s", type(error).__name__)

    def _open(self, app: Any) -> None:
        connection = app.connection_for_write(connect_timeout=1, heartbeat=0, transport_options=TRANSPORT_OPTIONS)
        # One try for each broker URL of the site.
        other_urls = max(0, len(connection.alt) - 1)
        connection.transport_options["max_retries"] = other_urls
        self._app, self._connection = app, connection
        connection.ensure_connection(max_retries=other_urls)
        # A RabbitMQ without free memory or disk stops reading. Closing a connection to it would wait forever.
        if socket := getattr(connection.connection, "sock", None):
            socket.settimeout(1)

    def _publish(self, message: Message) -> None:
        options = {"queue": message.queue} if message.queue else {}
        message.app.send_task(
            message.name,
            args=(message.attempt_id,),
            connection=self._connection,
            retry=False,
            ignore_result=True,
            **options,
        )


class Publisher:
    """The thread of this process that publishes messages. It starts with the first message and ends when idle."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._messages: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._busy_since: float | None = None  # ``since`` of the message that is being published
        self._paused_until = 0.0

    def publish(self, message: Message) -> bool:
        """Publish the message and return True. Return False if it is skipped, fails or exceeds ``PUBLISH_TIMEOUT``."""
        with self._lock:
            if self.is_paused or self.is_stuck:
                return False
            self._messages.put(message)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="telroi-dispatch", daemon=True)
                self._thread.start()
        try:
            return message.published.result(PUBLISH_TIMEOUT)
        except (TimeoutError, CancelledError):
            message.published.cancel()  # if the thread has not started on it, it is not needed any more
            logger.warning("not_enqueued attempt=%s error=broker_too_slow", message.attempt_id)
            return False

    def close(self) -> None:
        """Tell the thread to close its connection and end. Wait for it for at most 1 second."""
        with self._lock:
            thread = self._thread
            self._messages.put(None)
        if thread is not None:
            thread.join(1)

    @property
    def is_paused(self) -> bool:
        """Whether publishing failed within the last ``PAUSE_SECONDS``. Nothing is published then."""
        return time.monotonic() < self._paused_until

    @property
    def is_stuck(self) -> bool:
        """Whether the current message has taken longer than ``PUBLISH_TIMEOUT``."""
        since = self._busy_since
        return since is not None and time.monotonic() - since > PUBLISH_TIMEOUT

    def _work(self) -> None:
        connection = BrokerConnection()
        try:
            while message := self._next():
                self._busy_since = message.since
                if message.published.set_running_or_notify_cancel():
                    message.published.set_result(self._publish(message, connection))
                self._busy_since = None
        finally:
            connection.close()

    def _next(self) -> Message | None:
        """Return the next message. Return None if there is none; the thread must then end.

        The queue is read again under the lock before ``_thread`` is cleared, so that no message is left in it without a
        thread.
        """
        try:
            message = self._messages.get(timeout=IDLE_SECONDS)
        except queue.Empty:
            message = None
        if message is not None:
            return message
        with self._lock:
            while not self._messages.empty():
                if message := self._messages.get_nowait():
                    return message
            self._thread = None
            return None

    def _publish(self, message: Message, connection: BrokerConnection) -> bool:
        if self.is_paused:
            return False
        try:
            message.context.run(connection.publish, message)
        except Exception as error:  # noqa: BLE001 - each transport has errors of its own
            self._paused_until = time.monotonic() + PAUSE_SECONDS
            # Not the text of the error: it may contain the broker's URL with its password.
            logger.warning("not_enqueued attempt=%s error=%s", message.attempt_id, kind_of(error))
            connection.close()
            return False
        return True


_publishers: dict[int, Publisher] = {}


def publisher() -> Publisher:
    """Return the publisher of this process.

    A forked process needs its own: it does not have its parent's thread, and must not use its parent's connection.
    """
    process = os.getpid()
    return _publishers.get(process) or _publishers.setdefault(process, Publisher())


atexit.register(lambda: publisher().close())
