"""Published a call to the site's Celery: a hint to hurry, and no more. What is lost here, the sweep hands on again.

No request hangs on a broker. A message is published over a connection of our own, with short timeouts and nothing
repeated, in one daemon thread of the process. Whoever asked waits ``PATIENCE`` seconds at most, and not at all while
the thread is stuck or a publication has just failed.

Celery is imported when it is first needed: a site that places its calls at once never loads it.
"""

from __future__ import annotations

import atexit
import logging
import os
import queue
import threading
import time
from concurrent.futures import CancelledError, Future
from dataclasses import dataclass, field
from enum import Enum, auto
from importlib import import_module
from typing import Any

from django_telroi import conf
from django_telroi.redaction import kind_of

PUBLISH_TIMEOUT = 2.0
"""Seconds that a request waits for its message to be published; with all the rest it must be answered within 3."""
PAUSE_SECONDS = 10.0
"""Seconds after a failure in which nothing is published."""
IDLE_SECONDS = 5.0
"""Seconds after which a thread without work closes its connection and ends; no heartbeat, no half-dead connection."""

TRANSPORT_OPTIONS = {
    # Redis: without these, a broker that accepts and stays mute holds a publisher for ever.
    "socket_connect_timeout": 1,
    "socket_timeout": 1,
    "retry_on_timeout": False,
    # RabbitMQ: the same.
    "read_timeout": 1,
    "write_timeout": 1,
    "confirm_timeout": 1,
}

logger = logging.getLogger("django_telroi")


class Published(Enum):
    """What came of it. ``SENT`` is no evidence of anything; ``DONE`` is an eager Celery's: the task has run here."""

    DONE = auto()
    SENT = auto()
    SKIPPED = auto()


def send(name: str, attempt_id: int) -> Published:
    """Have the task ``name`` run with this one argument, by whichever worker takes it. Raises nothing."""
    try:
        app = site_app()
        if app.conf.task_always_eager:
            _run_here(app, name, attempt_id)
            return Published.DONE
    except Exception as error:  # noqa: BLE001 - the site's Celery may be set up in any wrong way; the row waits
        logger.error("not_enqueued attempt=%s error=%s", attempt_id, kind_of(error))
        return Published.SKIPPED
    message = Message(app=app, name=name, attempt_id=attempt_id, queue=conf.celery_queue())
    return Published.SENT if publisher().publish(message) else Published.SKIPPED


def site_app() -> Any:
    """The site's Celery app; of several, the one that the site called ``set_default()`` on.

    Celery's "current app" is the site's own only in the thread that made it: in every other one it is an empty default
    with a broker on this machine. Of several it is the one that was made last.
    """
    from celery import _state

    app = _state.default_app
    if app is not None and app.set_as_current:  # Celery's own empty one is not
        return app
    app = _state.get_current_app()
    if app.set_as_current:
        return app
    made = [other for other in list(_state._get_active_apps()) if other.set_as_current]
    return made[0] if len(made) == 1 else app


def broker_url(app: Any) -> str:
    """Where the app publishes; ``""`` if nobody set it, as for Celery's own default app."""
    return str(app.conf.broker_write_url or app.conf.broker_url or "")


def _run_here(app: Any, name: str, attempt_id: int) -> None:
    import_module(name.rpartition(".")[0])  # whoever publishes by name has not loaded the task
    app.signature(name, args=(attempt_id,)).apply_async()


@dataclass(frozen=True)
class Message:
    """One message to be published, and whether it was."""

    app: Any = field(repr=False)
    name: str
    attempt_id: int
    queue: str | None
    published: Future[bool] = field(default_factory=Future, repr=False)
    since: float = field(default_factory=lambda: time.monotonic(), repr=False)


class BrokerConnection:
    """A connection to the broker that belongs to one thread."""

    def __init__(self) -> None:
        self._app: Any = None
        self._connection: Any = None

    def publish(self, message: Message) -> None:
        """Publish, and where an open connection is found dead, once more over a new one. Raises what transports do."""
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
        except Exception as error:  # noqa: BLE001 - it is given up, whatever it says
            logger.info("broker_connection_not_closed error=%s", type(error).__name__)

    def _open(self, app: Any) -> None:
        connection = app.connection_for_write(connect_timeout=1, heartbeat=0, transport_options=TRANSPORT_OPTIONS)
        # Each broker that the site names gets one try.
        others = max(0, len(connection.alt) - 1)
        connection.transport_options["max_retries"] = others
        self._app, self._connection = app, connection
        connection.ensure_connection(max_retries=others)
        # RabbitMQ that is full hears nothing, not even a goodbye, and its client would wait for an answer without end.
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
    """The one thread of this process that talks to the broker. It begins with the first letter and ends when idle."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._messages: queue.SimpleQueue[Message | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._busy_since: float | None = None  # when the request began to wait whose letter is being published
        self._paused_until = 0.0

    def publish(self, message: Message) -> bool:
        """Have the letter published; False if that was skipped, failed, or takes too long to wait for."""
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
            message.published.cancel()  # if it has not begun, nobody needs it any more
            logger.warning("not_enqueued attempt=%s error=broker_too_slow", message.attempt_id)
            return False

    def close(self) -> None:
        """Let the thread close its connection and end, for a second at most."""
        with self._lock:
            thread = self._thread
            self._messages.put(None)
        if thread is not None:
            thread.join(1)

    @property
    def is_paused(self) -> bool:
        """Whether a failure is so recent that nothing is published."""
        return time.monotonic() < self._paused_until

    @property
    def is_stuck(self) -> bool:
        """Whether one letter has taken longer than anybody waits for it."""
        since = self._busy_since
        return since is not None and time.monotonic() - since > PUBLISH_TIMEOUT

    def _work(self) -> None:
        link = BrokerConnection()
        try:
            while message := self._next():
                self._busy_since = message.since
                if message.published.set_running_or_notify_cancel():
                    message.published.set_result(self._publish(message, link))
                self._busy_since = None
        finally:
            link.close()

    def _next(self) -> Message | None:
        """The next letter; None once there is none, and the thread is then no longer this publisher's."""
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

    def _publish(self, message: Message, link: BrokerConnection) -> bool:
        if self.is_paused:
            return False
        try:
            link.publish(message)
        except Exception as error:  # noqa: BLE001 - each transport has errors of its own
            self._paused_until = time.monotonic() + PAUSE_SECONDS
            # Neither the message nor the arguments of the error: they may name the broker with its password.
            logger.warning("not_enqueued attempt=%s error=%s", message.attempt_id, kind_of(error))
            link.close()
            return False
        return True


_publishers: dict[int, Publisher] = {}


def publisher() -> Publisher:
    """This process's own: a forked one has no such thread, and must not touch a connection that its parent uses."""
    process = os.getpid()
    return _publishers.get(process) or _publishers.setdefault(process, Publisher())


atexit.register(lambda: publisher().close())
