"""Connections are reused, except those that may be closed or belong to another thread or process."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from django_telroi.client import TelroiClient, deadline, transport
from django_telroi.errors import ApiOutcomeUnknown
from tests.client.wire import Peer, Server, answering, call_to, once, placing, reply, soon

TO = "+2348012345678"

Serve = Callable[..., Server]
Connect = Callable[..., TelroiClient]


def test_one_connection_is_used_for_successive_requests(serve: Serve, connect: Connect) -> None:
    server = serve(placing)
    client = connect(server)

    for _ in range(5):
        client.place_otp(TO)

    assert (len(server.ledger), len(server.peers)) == (5, 1)


@pytest.mark.parametrize("status", ["200 OK", "302 Found", "429 Server Error", "502 Server Error"])
def test_a_connection_is_kept_after_each_complete_answer(status: str, serve: Serve, connect: Connect) -> None:
    server = serve(answering(reply(status, b"{}")))
    client = connect(server)

    for _ in range(2):
        with pytest.raises(Exception, match=r".*"):
            client.place_otp(TO)

    assert (len(server.ledger), len(server.peers)) == (2, 1)


@pytest.mark.parametrize(("idle", "connections"), [(1.9, 1), (2.0, 2), (6.0, 2)])
def test_a_connection_that_was_idle_for_two_seconds_is_not_used(
    idle: float, connections: int, serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr(transport, "monotonic", lambda: now[0])
    server = serve(placing)
    client = connect(server)

    client.place_otp(TO)
    now[0] += idle
    client.place_otp(TO)

    assert len(server.peers) == connections


def test_each_request_on_a_connection_has_the_full_timeout(
    serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    passed = [0.0]
    monkeypatch.setattr(deadline, "monotonic", lambda: time.monotonic() + passed[0])
    server = serve(placing)
    client = connect(server, total_timeout=20)

    client.place_otp(TO)
    passed[0] = 30
    client.place_otp(TO)

    assert len(server.peers) == 1


def test_a_connection_that_the_server_closed_is_not_used(serve: Serve, connect: Connect) -> None:
    server = serve(once(reply(body=call_to(TO))))
    client = connect(server)

    client.place_otp(TO)
    assert soon(lambda: server.peers[0].sock.fileno() == -1)
    client.place_otp(TO)

    assert (len(server.ledger), len(server.peers)) == (2, 2)


def test_a_connection_that_the_server_wants_closed_is_not_used(serve: Serve, connect: Connect) -> None:
    server = serve(answering(reply(body=call_to(TO), headers=[("Connection", "close")])))
    client = connect(server)

    client.place_otp(TO)
    client.place_otp(TO)

    assert len(server.peers) == 2


def test_an_unrequested_answer_is_not_read_as_the_next_one(serve: Serve, connect: Connect) -> None:
    def answers_twice(peer: Peer) -> None:
        while peer.read():
            peer.send(reply(body={"status": "mismatch", "verified": False}))
            time.sleep(0.05)
            peer.send(reply(body={"status": "verified", "verified": True}))

    server = serve(answers_twice)
    client = connect(server)

    checks = []
    for _ in range(3):
        checks.append(client.check_otp("123456", to=TO).verified)
        assert soon(lambda: server.peers[-1].sent > 200)

    assert checks == [False, False, False]


@pytest.mark.parametrize("end", [Peer.reset, lambda peer: None], ids=["reset", "fin"])
def test_a_connection_that_ends_during_the_second_request_leaves_it_unknown(
    end: Callable[[Peer], object], serve: Serve, connect: Connect
) -> None:
    def script(peer: Peer) -> None:
        if len(server.peers) > 1:
            placing(peer)
        peer.read()
        peer.send(reply(body=call_to(TO)))
        peer.read()
        end(peer)

    server = serve(script)
    client = connect(server)

    client.place_otp(TO)
    with pytest.raises(ApiOutcomeUnknown):
        client.place_otp("+2348012345679")

    # The request is not sent again on a new connection.
    assert [request.json["to"] for request in server.ledger] == [TO, "+2348012345679"]
    assert client.place_otp(TO).to == TO
    assert len(server.peers) == 2


def test_many_threads_each_get_their_own_answer(serve: Serve, connect: Connect) -> None:
    server = serve(placing)
    client = connect(server)
    numbers = [f"+234801{number:07d}" for number in range(200)]

    with ThreadPoolExecutor(16) as pool:
        calls = list(pool.map(client.place_otp, numbers))

    assert [call.to for call in calls] == numbers
    assert sorted(request.json["to"] for request in server.ledger) == numbers
    assert len(server.peers) <= 200


def test_the_number_of_kept_connections_is_limited(serve: Serve, connect: Connect) -> None:
    server = serve(placing)
    client = connect(server)

    with ThreadPoolExecutor(24) as pool:
        list(pool.map(client.place_otp, [TO] * 48))

    assert soon(lambda: sum(peer.sock.fileno() != -1 for peer in server.peers) <= transport.MAX_IDLE_CONNECTIONS)


def test_closing_closes_idle_connections_and_leaves_the_client_usable(serve: Serve, connect: Connect) -> None:
    server = serve(placing)
    client = connect(server)

    client.place_otp(TO)
    client.close()

    assert soon(lambda: server.peers[0].sock.fileno() == -1)
    assert client.place_otp(TO).to == TO


def test_a_forked_child_does_not_use_its_parents_connection(serve: Serve) -> None:
    server = serve(placing)

    family = subprocess.run(
        [sys.executable, "-W", "error", "-c", FAMILY, server.url],
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )

    assert (family.stdout.split(), family.stderr) == (["0"] * 4 + ["parent", "fine"], "")
    assert len(server.ledger) == 1 + 4 * 50 + 50
    # The parent's connection is still usable after four children, each with its own connection.
    assert len(server.peers) == 5


FAMILY = """
import os, sys
from django_telroi.client import TelroiClient, transport

transport.monotonic = lambda: 0.0  # the parent's connection is not idle for too long while it waits for a child

def place_many(first):
    for number in range(first, first + 50):
        to = f"+234801{number:07d}"
        assert client.place_otp(to).to == to

client = TelroiClient("tlr_live_x", base_url=sys.argv[1])
client.place_otp("+2348010000000")
children = []
for child in range(4):
    if not (pid := os.fork()):
        place_many(1000 * child)
        client.close()
        os._exit(0)
    children.append(pid)
for pid in children:
    print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
place_many(9000)
client.close()
print("parent fine")
"""


def test_the_module_is_usable_without_django() -> None:
    script = "import sys, django_telroi.client; sys.exit('django' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", script], check=False, timeout=600).returncode == 0
