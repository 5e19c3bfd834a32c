"""Requests go through one ``requests.Session``: instrumentations and hooks see each once, and cannot send it again."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
import requests
from requests.adapters import BaseAdapter, HTTPAdapter
from urllib3 import HTTPResponse

from django_telroi.client import TelroiClient
from django_telroi.errors import ApiError, ApiOutcomeUnknown, ApiRefused, ApiUnreachable
from tests.client.conftest import KEY
from tests.client.wire import Server, answering, call_to, once, placing, reply, soon

TO = "+2348012345678"
CODE = "73519264"
DEAD = "http://127.0.0.1:1"
NUMBERS = b'{"data": [{"number": "+2348012345678"}]}'

Serve = Callable[..., Server]
Connect = Callable[..., TelroiClient]
Wrap = Callable[..., Any]


def instrument(monkeypatch: pytest.MonkeyPatch, method: str, wrapper: Wrap) -> None:
    """Patch a method of ``requests.Session``. ``wrapper`` gets the method and its arguments."""
    wrapped = getattr(requests.Session, method)
    monkeypatch.setattr(requests.Session, method, lambda *args, **kwargs: wrapper(wrapped, *args, **kwargs))


class TestInstrumentations:
    @pytest.mark.parametrize("method", ["request", "send"])
    def test_see_each_request_once(
        self, method: str, serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen: list[str] = []

        def note(wrapped: Wrap, session: requests.Session, *args: Any, **kwargs: Any) -> requests.Response:
            response: requests.Response = wrapped(session, *args, **kwargs)
            seen.append(f"{response.request.method} {response.request.path_url} {response.status_code}")
            assert response.elapsed.total_seconds() > 0
            return response

        instrument(monkeypatch, method, note)
        server = serve(answering(reply(body=call_to(TO)), reply(body={"data": []}), reply("403 Server Error", b"{}")))
        client = connect(server)

        client.place_otp(TO)
        client.list_numbers()
        client.probe()

        assert seen == ["POST /v1/otp 200", "GET /v1/numbers 200", "GET /v1/numbers 403"]
        assert len(server.ledger) == 3

    @pytest.mark.parametrize("method", ["request", "send"])
    def test_see_why_a_request_failed(self, method: str, connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
        seen: list[str] = []

        def note(wrapped: Wrap, *args: Any, **kwargs: Any) -> object:
            try:
                return wrapped(*args, **kwargs)
            except Exception as error:
                seen.append(repr(error))
                raise

        instrument(monkeypatch, method, note)

        with pytest.raises(ApiUnreachable, match="refused"):
            connect(DEAD).place_otp(TO)
        assert seen == ["ApiUnreachable('refused')"]

    def test_can_add_a_header_to_one_request(
        self, serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        spans = iter(range(1, 10))

        def in_send(wrapped: Wrap, session: object, request: requests.PreparedRequest, **kwargs: Any) -> object:
            if (span := next(spans)) == 1:
                request.headers["X-Request"] = str(span)
            return wrapped(session, request, **kwargs)

        def in_request(wrapped: Wrap, *args: Any, **kwargs: Any) -> object:
            return wrapped(*args, **kwargs, headers={"X-Span": "9"})

        instrument(monkeypatch, "send", in_send)
        instrument(monkeypatch, "request", in_request)
        server = serve(placing)
        client = connect(server, trace_headers=True)

        for _ in range(2):
            client.place_otp(TO)

        assert [request.headers.get("x-request") for request in server.ledger] == ["1", None]
        assert [request.headers["x-span"] for request in server.ledger] == ["9", "9"]
        assert {request.headers["authorization"] for request in server.ledger} == {f"Bearer {KEY}"}

    def test_add_no_header_unless_all_are_sent(
        self, serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A header of the session itself is sent: the site has set it."""

        def in_request(wrapped: Wrap, *args: Any, **kwargs: Any) -> object:
            return wrapped(*args, **kwargs, headers={"X-Span": "9"})

        instrument(monkeypatch, "request", in_request)
        server = serve(placing)
        client = connect(server)
        client.session.headers["X-Department"] = "payments"

        client.place_otp(TO)

        [request] = server.ledger
        assert (request.headers.get("x-span"), request.headers["x-department"]) == (None, "payments")

    def test_that_copy_the_request_and_send_it_once_are_allowed(
        self, serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def copy(wrapped: Wrap, session: object, request: requests.PreparedRequest, **kwargs: Any) -> object:
            return wrapped(session, request.copy(), **kwargs)

        instrument(monkeypatch, "send", copy)
        server = serve(placing)

        assert connect(server).place_otp(TO).to == TO
        assert len(server.ledger) == 1

    @pytest.mark.parametrize("method", ["request", "send"])
    @pytest.mark.parametrize(
        ("answer", "outcome"),
        [
            (reply("503 Server Error", b"{}"), ApiRefused),
            (b"garbage\r\n", ApiOutcomeUnknown),
            (reply(body=call_to(TO)), None),
        ],
    )
    def test_that_send_again_do_not_call_again(
        self,
        method: str,
        answer: bytes,
        outcome: type[ApiError] | None,
        serve: Serve,
        connect: Connect,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        def retry(wrapped: Wrap, *args: Any, **kwargs: Any) -> object:
            with suppress(ApiError):
                wrapped(*args, **kwargs)
            return wrapped(*args, **kwargs)

        instrument(monkeypatch, method, retry)
        server = serve(answering(answer))
        client = connect(server)

        if outcome is None:
            assert client.place_otp(TO).to == TO
        else:
            with pytest.raises(outcome):
                client.place_otp(TO)
        assert len(server.ledger) == 1

    def test_that_send_in_another_thread_send_nothing(
        self, serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def elsewhere(wrapped: Wrap, *args: Any, **kwargs: Any) -> object:
            with ThreadPoolExecutor(1) as pool:
                return pool.submit(wrapped, *args, **kwargs).result()

        instrument(monkeypatch, "send", elsewhere)
        server = serve(placing)

        # Such a wrapper may stop waiting while the request is still sent, and the client would report that nothing was.
        with pytest.raises(ApiUnreachable):
            connect(server).place_otp(TO)
        assert server.peers == []

    def test_that_fail_before_sending_leave_the_request_unsent(
        self, serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
    ) -> None:
        def fail(wrapped: Wrap, *args: Any, **kwargs: Any) -> object:
            raise LookupError(f"no tracer for {TO} with {KEY}")

        instrument(monkeypatch, "send", fail)
        server = serve(placing)

        with pytest.raises(ApiUnreachable, match="hook failed") as caught:
            connect(server).place_otp(TO)

        assert server.peers == []
        assert (caught.value.__context__, caught.value.__cause__) == (None, None)
        assert "telroi_hook_failed method=POST path=/v1/otp error=LookupError" in caplog.text
        assert not {TO, KEY} & set(caplog.text.split())

    def test_that_replace_the_error_do_not_change_the_outcome(
        self, connect: Connect, serve: Serve, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def wrap(wrapped: Wrap, *args: Any, **kwargs: Any) -> object:
            try:
                return wrapped(*args, **kwargs)
            except Exception as error:
                raise ConnectionError(KEY, TO) from error

        instrument(monkeypatch, "request", wrap)

        for server, outcome in ((DEAD, ApiUnreachable), (serve(once(b"garbage")), ApiOutcomeUnknown)):
            with pytest.raises(outcome) as caught:
                connect(server).place_otp(TO)
            assert (caught.value.__context__, caught.value.__cause__) == (None, None)


class TestDoubles:
    """Test libraries replace the adapter, or the ``send`` of one. ``responses`` needs the path of ours."""

    def test_an_adapter_in_place_of_ours_answers(self, connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(requests.Session, "get_adapter", lambda session, url: FakeAdapter())

        assert connect(DEAD).list_numbers() == [{"number": TO}]

    def test_a_response_in_place_of_ours_is_read(self, connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
        def send(transport: Any, request: requests.PreparedRequest, **options: object) -> requests.Response:
            assert transport.max_retries.total == 0
            raw = HTTPResponse(BytesIO(b'{"data": [{"number": "x"}]}'), status=200, preload_content=False)
            response: requests.Response = transport.build_response(request, raw)
            return response

        monkeypatch.setattr("django_telroi.client.transport.Transport.send", send)

        assert connect(DEAD).list_numbers() == [{"number": "x"}]


class TestHooks:
    def test_of_the_session_see_each_response_once(self, serve: Serve, connect: Connect) -> None:
        seen: list[int] = []
        server = serve(answering(reply("429 -", b"{}"), reply(body=call_to(TO))))
        client = connect(server)
        client.session.hooks["response"] = [lambda response, **options: seen.append(response.status_code)]

        with pytest.raises(ApiRefused):
            client.place_otp(TO)
        client.place_otp(TO)

        assert (seen, len(server.ledger)) == ([429, 200], 2)

    def test_get_the_key_the_number_and_the_code_with_a_hidden_repr(self, serve: Serve, connect: Connect) -> None:
        shown: list[str] = []
        client = connect(serve(placing))
        client.session.hooks["response"] = [
            lambda response, **options: shown.append(repr((response.request.body, response.request.headers)))
        ]

        client.place_otp(TO, code=CODE)

        assert [secret in shown[0] for secret in (KEY, TO, CODE)] == [False] * 3

    def test_that_fail_do_not_lose_the_answer(
        self, serve: Serve, connect: Connect, caplog: pytest.LogCaptureFixture
    ) -> None:
        def fail(response: requests.Response, **options: object) -> None:
            raise ValueError(response.request.body)

        client = connect(serve(placing))
        client.session.hooks["response"] = [fail]

        # The phone rings. As an unknown outcome, the call would be lost to the person.
        assert client.place_otp(TO).to == TO
        assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
            ("ERROR", "telroi_hook_failed method=POST path=/v1/otp error=ValueError")
        ]

    def test_may_use_the_client_themselves(self, serve: Serve, connect: Connect) -> None:
        server = serve(answering(reply(body=call_to(TO))))
        client = connect(server)

        def look(response: requests.Response, **options: object) -> None:
            if len(server.ledger) == 1:
                client.request("GET", "/v1/numbers")

        client.session.hooks["response"] = [look]

        assert client.place_otp(TO).to == TO
        assert [request.method for request in server.ledger] == ["POST", "GET"]

    def test_cannot_send_the_request_again(self, serve: Serve, connect: Connect) -> None:
        server = serve(placing)
        client = connect(server)

        def send_again(response: requests.Response, **options: object) -> requests.Response:
            return client.session.send(response.request)

        client.session.hooks["response"] = [send_again]

        assert client.place_otp(TO).to == TO
        assert len(server.ledger) == 1


class TestTheSession:
    @pytest.mark.parametrize("status", ["200 OK", "302 Found", "403 Server Error"])
    def test_keeps_and_sends_no_cookies(self, status: str, serve: Serve, connect: Connect) -> None:
        cookies = [("Set-Cookie", "session=abc; Path=/"), ("Set-Cookie", "other=1; Domain=127.0.0.1")]
        server = serve(answering(reply(status, b"{}", headers=cookies)))
        client = connect(server)

        for _ in range(3):
            client.probe()

        assert len(server.ledger) == 3
        assert not any("cookie" in request.headers for request in server.ledger)
        assert list(client.session.cookies) == []

    def test_stores_no_cookie_of_a_test_double(self, connect: Connect) -> None:
        client = connect(DEAD)
        request = requests.Request("GET", DEAD).prepare()
        response = FakeRaw("session=abc; Path=/")

        requests.cookies.extract_cookies_to_jar(client.session.cookies, request, response)

        assert list(client.session.cookies) == []

    def test_sends_the_same_bytes_as_the_transport_alone(self, serve: Serve, connect: Connect) -> None:
        server = serve(answering(reply(body={})))
        client = connect(server)

        # A session would resolve the dots, quote these characters and drop nothing else.
        path = '/v1/../x/./"<{|}>%zz?a=b&a=%2f'
        client.request("purge", path, json={"speed": 1.5})
        client.request("GET", "/v1/numbers")

        sent = [(request.method, request.target, list(request.headers.items())) for request in server.ledger]
        own = [
            ("authorization", f"Bearer {KEY}"),
            ("accept", "application/json"),
            ("accept-encoding", "identity"),
            ("content-type", "application/json"),
            ("user-agent", "django-telroi"),
        ]
        host = ("host", f"127.0.0.1:{server.port}")
        assert sent == [
            ("PURGE", path, [host, ("content-length", "13"), *own]),
            ("GET", "/v1/numbers", [host, *own]),
        ]

    @pytest.mark.parametrize("location", ["http://[", "/elsewhere", "http://127.0.0.1:1/"])
    def test_neither_follows_nor_parses_a_redirect(
        self,
        location: str,
        serve: Serve,
        connect: Connect,
        monkeypatch: pytest.MonkeyPatch,
        caplog: pytest.LogCaptureFixture,
    ) -> None:
        def follow(wrapped: Wrap, *args: Any, **kwargs: Any) -> object:
            return wrapped(*args, **(kwargs | {"allow_redirects": True}))

        instrument(monkeypatch, "send", follow)
        server = serve(answering(reply("307 Temporary Redirect", headers=[("Location", location)])))

        with pytest.raises(ApiOutcomeUnknown, match="status 307"):
            connect(server).place_otp(TO)
        assert len(server.ledger) == 1
        assert "telroi_hook_failed" not in caplog.text

    def test_ignores_the_environment(
        self, serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        netrc = tmp_path / "netrc"
        netrc.write_text("machine 127.0.0.1 login ada password else\n")
        monkeypatch.setenv("NETRC", str(netrc))
        for name in ("http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, DEAD)
        server = serve(placing)

        connect(server).place_otp(TO)

        assert server.ledger[0].headers["authorization"] == f"Bearer {KEY}"

    def test_takes_no_adapter_of_a_site(self, serve: Serve, connect: Connect) -> None:
        server = serve(placing)
        client = connect(server)
        adapters: list[BaseAdapter] = [client.session.get_adapter(url) for url in ("http://x", "HTTPS://x")]

        # Such an adapter may retry, and a retry would be a second call.
        with pytest.raises(TypeError):
            client.session.mount("http://", HTTPAdapter(max_retries=3))

        assert client.place_otp(TO).to == TO
        assert [client.session.get_adapter(url) for url in ("http://x", "HTTPS://x")] == adapters
        assert adapters[0] is adapters[1]

    @pytest.mark.parametrize("path", ["/v1/otp", ""])
    def test_sends_nothing_but_the_clients_requests(self, path: str, serve: Serve, connect: Connect) -> None:
        server = serve(placing)
        client = connect(server)

        with pytest.raises(RuntimeError, match="once"):
            client.session.post(server.url + path, json={"to": TO})
        assert server.peers == []

    def test_is_shared_by_fifty_threads(self, serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
        seen: list[str] = []

        def note(wrapped: Wrap, session: object, request: requests.PreparedRequest, **kwargs: Any) -> object:
            seen.append(str(bytes(request.body)))  # type: ignore[arg-type]
            request.headers["X-Of"] = str(json.loads(request.body)["to"])
            return wrapped(session, request, **kwargs)

        instrument(monkeypatch, "send", note)
        server = serve(placing)
        client = connect(server, trace_headers=True)
        hooked: list[str] = []
        client.session.hooks["response"] = [lambda response, **options: hooked.append(response.request.headers["X-Of"])]
        together = Barrier(50)

        def place(thread: int) -> list[str]:
            together.wait()
            return [client.place_otp(f"+23480{thread:04d}{call:04d}").to for call in range(4)]

        with ThreadPoolExecutor(50) as pool:
            placed = sorted(to for calls in pool.map(place, range(50)) for to in calls)

        assert placed == sorted(f"+23480{thread:04d}{call:04d}" for thread in range(50) for call in range(4))
        assert placed == sorted(request.json["to"] for request in server.ledger) == sorted(hooked)
        assert all(request.headers["x-of"] == request.json["to"] for request in server.ledger)
        assert len(seen) == 200

    def test_closing_it_closes_idle_connections(self, serve: Serve, connect: Connect) -> None:
        server = serve(placing)
        client = connect(server)

        client.place_otp(TO)
        client.session.close()

        assert soon(lambda: server.peers[0].sock.fileno() == -1)
        assert client.place_otp(TO).to == TO


def test_an_instrumentation_and_a_hook_see_each_request_of_forked_children(serve: Serve) -> None:
    server = serve(placing)

    family = subprocess.run(
        [sys.executable, "-W", "error", "-W", FORKS, "-c", FAMILY, server.url],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )

    assert (family.stdout.split(), family.stderr) == (["0"] * 4 + ["parent", "fine"], "")
    assert len(server.ledger) == 1 + 4 * 20 + 20
    assert len(server.peers) == 5


# Python 3.12 and later warn of a fork in a process with threads.
FORKS = "ignore:This process:DeprecationWarning"
FAMILY = """
import os, sys, threading
import requests
from django_telroi.client import TelroiClient

sent, hooked = [], []
send = requests.Session.send
def note(session, request, **kwargs):
    sent.append(request.url)
    return send(session, request, **kwargs)
requests.Session.send = note

def place_many(first):
    sent.clear(), hooked.clear()
    for number in range(first, first + 20):
        to = f"+234801{number:07d}"
        assert client.place_otp(to).to == to
    assert len(sent) == len(hooked) == 20

client = TelroiClient("tlr_live_x", base_url=sys.argv[1])
client.session.hooks["response"] = [lambda response, **options: hooked.append(response.status_code)]
client.place_otp("+2348010000000")
# A thread that holds a lock of the session during the fork does not exist in the child, which could wait for ever.
held, done = threading.Event(), threading.Event()
def hold():
    with client.session.cookies._cookies_lock:
        held.set()
        done.wait()
threading.Thread(target=hold).start()
held.wait()
children = []
for child in range(4):
    if not (pid := os.fork()):
        place_many(1000 * child)
        client.close()
        os._exit(0)
    children.append(pid)
done.set()
for pid in children:
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
place_many(9000)
client.close()
print("parent fine")
"""


class FakeAdapter(BaseAdapter):
    def send(self, request: requests.PreparedRequest, *args: object, **options: object) -> requests.Response:
        response = requests.Response()
        response.status_code, response.url, response.raw = 200, str(request.url), BytesIO(NUMBERS)
        return response

    def close(self) -> None:
        pass


class FakeRaw:
    """The part of urllib3's response that ``requests`` reads cookies from."""

    def __init__(self, cookie: str) -> None:
        self._original_response = self
        self.msg = self
        self._cookie = cookie

    def get_all(self, name: str, default: object = None) -> object:
        return [self._cookie] if name == "Set-Cookie" else default
