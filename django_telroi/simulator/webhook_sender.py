"""Sends webhooks like Telroi: signed, with retries, until it gives up."""

from __future__ import annotations

import hmac
import http.client
import random
import threading
from collections.abc import Collection, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any
from urllib.parse import urljoin, urlsplit

from django_telroi.simulator.accounts import Clock, iso
from django_telroi.simulator.responses import compact

# As measured, Telroi treats redirects like a browser's ``fetch``. A receiver whose URL lacks its final slash gets a
# redirect from Django, and loses the event in this way.
FOLLOWED_AS_GET = frozenset({301, 302, 303})
FOLLOWED_AS_POST = frozenset({307, 308})
# The limit of ``fetch``.
MAX_REDIRECTS = 20
# Bytes. Only the status matters. Reading the rest of a normal response lets the receiver finish without an error.
MAX_ANSWER_BYTES = 64 * 1024
CONNECTIONS: Mapping[str, type[http.client.HTTPConnection]] = {
    "http": http.client.HTTPConnection,
    "https": http.client.HTTPSConnection,
}


@dataclass(frozen=True)
class WebhookRequest:
    """A request of a webhook. ``body`` is None after a redirect that changed POST to GET: the event is lost."""

    url: str
    body: bytes | None
    signature: str | None


def webhook_url(url: str) -> str:
    """Return the URL. Raises ValueError if it is not an http or https URL."""
    parts = urlsplit(url)
    if parts.scheme not in CONNECTIONS or not parts.hostname:
        raise ValueError("The URL of a webhook must begin with http:// or https://.")
    return url


def post(webhook_request: WebhookRequest, *, timeout: float) -> int | None:
    """Send the request and return the final status, or None without a response.

    Redirects are followed: 301, 302 and 303 with a GET, 307 and 308 with the POST. ``timeout`` is in seconds.
    """
    try:
        for _ in range(MAX_REDIRECTS + 1):
            status, location = _send_once(webhook_request, timeout)
            if location is None or status not in FOLLOWED_AS_GET | FOLLOWED_AS_POST:
                return status
            body = None if status in FOLLOWED_AS_GET else webhook_request.body
            webhook_request = replace(webhook_request, url=urljoin(webhook_request.url, location), body=body)
    except (OSError, http.client.HTTPException, ValueError):
        # ValueError: the target of a redirect is not an http or https URL.
        return None
    return None


def _send_once(webhook_request: WebhookRequest, timeout: float) -> tuple[int, str | None]:
    parts = urlsplit(webhook_url(webhook_request.url))
    # http.client instead of urllib: the receiver must see Telroi's headers only, in Telroi's order and case.
    connect = CONNECTIONS[parts.scheme]
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    with closing(connect(str(parts.hostname), parts.port, timeout=timeout)) as connection:
        method = "GET" if webhook_request.body is None else "POST"
        connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
        for name, value in _headers(webhook_request, parts.netloc):
            connection.putheader(name, value)
        connection.endheaders(webhook_request.body)
        answer = connection.getresponse()
        answer.read(MAX_ANSWER_BYTES)
        return answer.status, answer.getheader("location")


def _headers(webhook_request: WebhookRequest, host: str) -> Sequence[tuple[str, str]]:
    """Return the headers in the same order and case as Telroi sends them."""
    kind = [] if webhook_request.body is None else [("Content-Type", "application/json")]
    signed = [] if webhook_request.signature is None else [("telroi-signature", webhook_request.signature)]
    length = [] if webhook_request.body is None else [("content-length", str(len(webhook_request.body)))]
    return [
        ("host", host.rpartition("@")[2]),
        ("connection", "keep-alive"),
        *kind,
        ("User-Agent", "Telroi-Webhooks/1"),
        *signed,
        ("accept", "*/*"),
        ("accept-language", "*"),
        ("sec-fetch-mode", "cors"),
        ("accept-encoding", "gzip, deflate"),
        *length,
    ]


MINUTE = 60
# Seconds after each failure. After the fourth failure Telroi gives up.
RETRIES_AFTER = (5 * MINUTE, 20 * MINUTE, 60 * MINUTE)
FAILURES_IN_A_ROW = 20
MAX_RUN_LENGTH = 200
# Seconds. A receiver that answers later has failed, even if it has recorded the event.
WEBHOOK_TIMEOUT = 8.0
EVENTS = ("otp.completed", "otp.failed", "otp.verified")


@dataclass(frozen=True)
class Webhook:
    """A queued event.

    ``state`` is ``waiting``, ``delivered``, ``given_up`` (after four failures) or ``dropped`` (the endpoint was
    disabled). ``status`` is the receiver's last HTTP status, or None without a response.
    """

    number: int
    event: str
    body: bytes = field(repr=False)
    due_at: float
    attempts: int = 0
    status: int | None = None
    state: str = "waiting"


@dataclass(frozen=True)
class Endpoint:
    """The receiver of events. 20 failures in a row set ``is_on`` to False."""

    url: str
    events: frozenset[str]
    delay: float
    timeout: float
    is_on: bool = True
    failures: int = 0


class Webhooks:
    """The endpoint, its queue, and the job that sends the queue."""

    def __init__(self, clock: Clock, secret: str) -> None:
        self._clock = clock
        self._secret = secret
        self._lock = threading.RLock()
        # One for the data and one for the job: a delivery takes up to 8 s, and a request that queues an event during
        # that time must not wait.
        self._job = threading.Lock()
        self._scheduler: threading.Thread | None = None
        self._stopped = threading.Event()
        self._clear()

    def _clear(self) -> None:
        self._endpoint: Endpoint | None = None
        self._webhooks: dict[int, Webhook] = {}
        self._unsigned: int | None = 0

    @property
    def all(self) -> list[Webhook]:
        with self._lock:
            return list(self._webhooks.values())

    @property
    def is_on(self) -> bool:
        return self._endpoint is not None and self._endpoint.is_on

    def send_to(self, url: str, *, events: Collection[str], delay: float, every: float | None, timeout: float) -> None:
        webhook_url(url)  # only for its ValueError, before anything changes
        self._stop_scheduler()
        with self._lock:
            self._endpoint = Endpoint(url, frozenset(events), delay, timeout)
        if every is not None:
            self._stopped = threading.Event()
            self._scheduler = threading.Thread(
                target=self._run_every, args=(every, self._stopped), name="telroi-webhooks", daemon=True
            )
            self._scheduler.start()

    def switch_on(self) -> None:
        with self._lock:
            if self._endpoint:
                self._endpoint = replace(self._endpoint, is_on=True, failures=0)

    def send_unsigned(self, times: int | None) -> None:
        with self._lock:
            self._unsigned = times

    def queue(self, event: str, data: Mapping[str, Any]) -> None:
        """Queue the event if an endpoint is enabled for it. Otherwise drop it."""
        now = self._clock.now()
        with self._lock:
            endpoint = self._endpoint
            if endpoint and endpoint.is_on and event in endpoint.events:
                body = compact({"event": event, "created_at": iso(now), "data": data})
                number = len(self._webhooks)
                self._webhooks[number] = Webhook(number, event, body, now + endpoint.delay)

    def deliver(self, *, runs: int) -> None:
        """Run the job. ``runs`` overlapping runs do not see each other, so each sends all events that are due."""
        with self._job:
            now = self._clock.now()
            due = [webhook for webhook in self.all if webhook.state == "waiting" and webhook.due_at <= now]
            copies = [(webhook, copy) for copy in range(runs) for webhook in due[:MAX_RUN_LENGTH]]
            # Telroi keeps no order either: ten events came as 0, 4, 6, 2, 1, 3, 8, 9, 7, 5.
            for webhook, copy in random.sample(copies, len(copies)):
                # Read for each delivery: the URL at that time counts, and a failure may have disabled the endpoint.
                with self._lock:
                    endpoint = self._endpoint
                if endpoint is None or not endpoint.is_on:
                    return
                status = post(
                    WebhookRequest(endpoint.url, webhook.body, self._signature(webhook)), timeout=endpoint.timeout
                )
                self._record_result(webhook.number, status, is_repetition=copy > 0)

    def close(self) -> None:
        """Stop the job, wait for a delivery in progress, and remove the endpoint and the queue."""
        self._stop_scheduler()
        with self._lock:
            self._clear()

    def _signature(self, webhook: Webhook) -> str | None:
        with self._lock:
            if self._unsigned is None or self._unsigned > 0:
                self._unsigned = self._unsigned and self._unsigned - 1
                return None
        return hmac.new(self._secret.encode(), webhook.body, sha256).hexdigest()

    def _record_result(self, number: int, status: int | None, *, is_repetition: bool) -> None:
        arrived = status is not None and 200 <= status < 300
        with self._lock:
            # ``reset`` may have removed both while the request was on its way.
            webhook, endpoint = self._webhooks.get(number), self._endpoint
            if webhook is None or endpoint is None:
                return
            self._endpoint = replace(endpoint, failures=0 if arrived else endpoint.failures + 1)
            # Of two overlapping runs one may arrive and the other fail. Then the event is delivered.
            if webhook.state != "delivered":
                failed = self._after_failure(webhook, is_repetition=is_repetition)
                self._webhooks[number] = replace(
                    replace(webhook, state="delivered") if arrived else failed,
                    status=status,
                    attempts=webhook.attempts + (not is_repetition),
                )
            if self._endpoint.failures >= FAILURES_IN_A_ROW:
                self._switch_off(self._endpoint)

    def _after_failure(self, webhook: Webhook, *, is_repetition: bool) -> Webhook:
        """Return the event with its next time, or given up. Overlapping runs count as one attempt."""
        if is_repetition:
            return webhook
        if webhook.attempts >= len(RETRIES_AFTER):
            return replace(webhook, state="given_up")
        return replace(webhook, due_at=self._clock.now() + RETRIES_AFTER[webhook.attempts])

    def _switch_off(self, endpoint: Endpoint) -> None:
        """Disable the endpoint. Waiting events are dropped and never sent."""
        self._endpoint = replace(endpoint, is_on=False)
        for webhook in self.all:
            if webhook.state == "waiting":
                self._webhooks[webhook.number] = replace(webhook, state="dropped")

    def _run_every(self, seconds: float, stopped: threading.Event) -> None:
        while not stopped.wait(seconds):
            self.deliver(runs=1)

    def _stop_scheduler(self) -> None:
        self._stopped.set()
        if self._scheduler:
            self._scheduler.join()
            self._scheduler = None
