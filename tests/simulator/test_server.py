"""Connections: HTTP features, and no thread or socket that stays open."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from urllib.parse import urlsplit

import pytest

from django_telroi.simulator import Simulator, http_connection, http_server

NUMBER = "+2348031234567"
BODY = b'{"to":"+2348031234567"}'
LONG = 60
"""Seconds after which a test hangs, however busy the machine is."""
FOR_EVER = 10**6
"""Seconds that an aborted step must not need."""


class Socket:
    """A client that sends bytes and reads answers."""

    def __init__(self, simulator: Simulator) -> None:
        host = urlsplit(simulator.base_url)
        self.raw = socket.create_connection((host.hostname, host.port), timeout=LONG)
        self.read = self.raw.makefile("rb")
        self.key = simulator.test_key

    def write(self, data: bytes) -> None:
        self.raw.sendall(data)

    def post(self, *headers: str, body: bytes = BODY, version: str = "HTTP/1.1") -> None:
        lines = ("Host: x", f"Authorization: Bearer {self.key}", "Accept: application/json", *headers)
        self.write(f"POST /v1/otp {version}\r\n".encode() + "\r\n".join(lines).encode() + b"\r\n\r\n" + body)

    def post_sized(self, *headers: str, version: str = "HTTP/1.1") -> None:
        self.post(f"Content-Length: {len(BODY)}", *headers, version=version)

    def answer(self) -> tuple[int, dict[str, str], bytes]:
        status = int(self.read.readline().split()[1])
        headers = {}
        while line := self.read.readline().strip():
            name, _, value = line.decode().partition(": ")
            headers[name.lower()] = value
        return status, headers, self.read.read(int(headers.get("content-length", 0)))

    def is_at_its_end(self) -> bool:
        return self.read.read(1) == b""

    def close(self) -> None:
        self.read.close()
        self.raw.close()


@pytest.fixture
def line(simulator) -> Iterator[Socket]:
    with closing(Socket(simulator)) as opened:
        yield opened


def test_a_connection_serves_successive_requests(line) -> None:
    for _ in range(3):
        line.post_sized()
        status, headers, _ = line.answer()
        assert (status, headers["connection"], headers["keep-alive"]) == (200, "keep-alive", "timeout=5")


def test_requests_may_be_pipelined(line) -> None:
    line.post_sized()
    line.post_sized()

    assert [line.answer()[0], line.answer()[0]] == [200, 200]


@pytest.mark.parametrize(("headers", "version"), [(["Connection: close"], "HTTP/1.1"), ([], "HTTP/1.0")])
def test_a_connection_is_closed_if_the_client_requests_it(line, headers, version) -> None:
    line.post_sized(*headers, version=version)

    assert line.answer()[1]["connection"] == "close"
    assert line.is_at_its_end()


def test_an_idle_connection_is_closed(simulator, monkeypatch) -> None:
    requests = iter([LONG, 0.1])  # also if the first one comes late
    next_request = http_server.Server._next_request

    def idle(self: http_server.Server, line: http_connection.Connection) -> bytes:
        monkeypatch.setattr(http_server, "IDLE_SECONDS", next(requests))
        return next_request(self, line)

    monkeypatch.setattr(http_server.Server, "_next_request", idle)
    with closing(Socket(simulator)) as line:
        line.post_sized()
        line.answer()

        assert line.is_at_its_end()


def test_a_body_may_be_chunked_and_sent_in_pieces(line) -> None:
    line.post("Transfer-Encoding: chunked", body=b"5;x=y\r\n" + BODY[:5] + b"\r\n")
    time.sleep(0.02)
    line.write(b"%x\r\n%b\r\n0\r\nTrailer: x\r\n\r\n" % (len(BODY) - 5, BODY[5:]))

    assert line.answer()[0] == 200


def test_a_client_that_expects_100_continue_gets_it(line) -> None:
    line.post(f"Content-Length: {len(BODY)}", "Expect: 100-continue", body=b"")
    assert line.answer()[0] == 100

    line.write(BODY)

    assert line.answer()[0] == 200


@pytest.mark.parametrize(
    "nonsense",
    [
        b"hello\r\n\r\n",
        b"x" * (http_connection.HEADERS_AT_MOST + 1),
        b"POST /v1/otp HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /v1/otp HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_a_request_that_is_not_http_gets_400_and_is_closed(line, nonsense) -> None:
    line.write(nonsense)

    assert line.answer()[0] == 400
    assert line.is_at_its_end()


def test_a_client_that_disconnects_does_not_disturb_others(simulator, telroi) -> None:
    with closing(Socket(simulator)) as line:
        line.post("Content-Length: 1000")

    assert telroi.send().status == 200
    assert len(simulator.requests) == 1


@pytest.mark.parametrize("pause", [0, 0.1], ids=["just answered", "waiting for a while"])
def test_while_it_refuses_its_port_is_closed_and_idle_connections_end(
    simulator, telroi, line, pause, monkeypatch
) -> None:
    monkeypatch.setattr(http_server, "IDLE_SECONDS", FOR_EVER)
    line.post_sized()
    line.answer()
    time.sleep(pause)

    with simulator.refusing():
        assert line.is_at_its_end()
        with pytest.raises(ConnectionRefusedError):
            telroi.send()

    assert telroi.send().status == 200


def test_a_client_with_a_complete_answer_has_no_open_connection_once_it_refuses(simulator, monkeypatch) -> None:
    """This also holds if the thread of the connection starts to wait for the next request late."""
    next_request = http_server.Server._next_request

    def late(self: http_server.Server, line: http_connection.Connection) -> bytes:
        time.sleep(0.2)
        return next_request(self, line)

    monkeypatch.setattr(http_server.Server, "_next_request", late)
    with closing(Socket(simulator)) as client:
        client.post_sized()
        client.answer()

        with simulator.refusing():
            client.raw.settimeout(0)

            assert client.raw.recv(1) == b""


def test_it_keeps_its_port_while_it_refuses(simulator) -> None:
    address = urlsplit(simulator.base_url)

    with simulator.refusing(), socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind((address.hostname, address.port))


def test_it_can_refuse_for_a_given_time(simulator, telroi) -> None:
    simulator.refuse(FOR_EVER)
    with pytest.raises(ConnectionRefusedError):
        telroi.send()

    simulator.refuse(0.05)

    deadline = time.monotonic() + LONG
    while time.monotonic() < deadline:
        try:
            assert telroi.send().status == 200
            return
        except ConnectionRefusedError:
            time.sleep(0.02)
    pytest.fail("it never listened again")


def test_closing_ends_requests_in_flight_and_leaves_no_thread(telroi) -> None:
    before = threading.active_count()
    with Simulator() as simulator:
        simulator.fail_next("hold")
        simulator.fail_next("hang")
        simulator.fail_next("slow", seconds=FOR_EVER)
        simulator.fail_next("drip_headers", every=FOR_EVER)
        simulator.fail_next("carrier_silent", after=FOR_EVER)
        simulator.latency(FOR_EVER, on="verify")
        simulator.refuse(FOR_EVER)
        simulator.refuse(0)
        held = [_asked_in_vain(simulator, path) for path in ["/v1/otp"] * 5 + ["/v1/otp/verify"]]
        simulator.wait_for_requests(6, timeout=LONG)

    for each in held:
        each.close()
    assert threading.active_count() == before


def _asked_in_vain(simulator: Simulator, path: str) -> Socket:
    deadline = time.monotonic() + LONG
    while True:
        try:
            line = Socket(simulator)
            break
        except ConnectionRefusedError:
            assert time.monotonic() < deadline
    body = b'{"to":"+2348031234567","code":"0000"}'
    key = simulator.api_key
    line.write(f"POST {path} HTTP/1.1\r\nX-API-Key: {key}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
    return line


def test_closing_twice_is_no_error(simulator) -> None:
    simulator.close()
    simulator.close()


def test_two_run_side_by_side(simulator, telroi) -> None:
    with Simulator() as other:
        assert other.base_url != simulator.base_url
        assert telroi.send(key=other.api_key).status == 401


def test_reset_releases_held_requests(simulator, line) -> None:
    simulator.fail_next("hold")
    line.post_sized()
    simulator.wait_for_requests(1, timeout=LONG)

    simulator.reset()

    assert line.answer()[0] == 200


def test_reset_clears_everything_except_the_keys(simulator, telroi) -> None:
    simulator.set_wallet(0)
    simulator.fail_always("server_error")
    simulator.stop_key_store()
    simulator.revoke_key(simulator.api_key)
    telroi.send()

    simulator.reset()

    assert (simulator.calls, simulator.requests, simulator.otps) == ([], [], [])
    assert telroi.send().status == 200
