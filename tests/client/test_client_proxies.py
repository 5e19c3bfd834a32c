"""A proxy is a setting. The key is sent through it only inside TLS."""

from __future__ import annotations

import base64
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from django_telroi.client import TelroiClient, deadline
from django_telroi.errors import ApiOutcomeUnknown, ApiUnreachable
from tests.client.wire import CERTIFICATE, PATIENCE, Peer, Script, Server, answering, placing, reply, soon

TO = "+2348012345678"

Serve = Callable[..., Server]
Connect = Callable[..., TelroiClient]


@pytest.fixture(autouse=True)
def trusting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deadline, "DEFAULT_CA_BUNDLE_PATH", str(CERTIFICATE))


def tunnel_to(server: Server) -> Script:
    """A proxy that handles CONNECT for any host name."""

    def script(peer: Peer) -> None:
        if not peer.read():
            return
        with socket.create_connection(("127.0.0.1", server.port)) as onward:
            peer.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
            there = threading.Thread(target=pump, args=(peer.sock, onward), daemon=True)
            there.start()
            pump(onward, peer.sock)
            there.join(PATIENCE)

    return script


def pump(source: socket.socket, drain: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(65536):
            drain.sendall(data)
    for end in (source, drain):
        with suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("over_tls", [False, True], ids=["http", "https"])
def test_https_uses_a_tunnel_that_never_sees_the_key(over_tls: bool, serve: Serve, connect: Connect) -> None:
    server = serve(placing, tls=True)
    proxy = serve(tunnel_to(server), tls=over_tls)
    client = connect(server, proxy_url=proxy.url)

    assert client.place_otp(TO).to == TO
    assert client.place_otp(TO).to == TO

    asked = proxy.ledger[0]
    assert (asked.method, asked.target) == ("CONNECT", f"127.0.0.1:{server.port}")
    assert "authorization" not in asked.headers
    assert (len(proxy.ledger), len(server.ledger), len(server.peers)) == (1, 2, 1)


def test_the_proxys_password_is_sent_to_the_proxy_only(serve: Serve, connect: Connect) -> None:
    server = serve(placing, tls=True)
    proxy = serve(tunnel_to(server))

    connect(server, proxy_url=proxy.url.replace("//", "//staff:p%40ss@")).place_otp(TO)

    expected = "Basic " + base64.b64encode(b"staff:p@ss").decode()
    assert proxy.ledger[0].headers["proxy-authorization"] == expected
    assert "proxy-authorization" not in server.ledger[0].headers


@pytest.mark.parametrize("status", ["407 Proxy Authentication Required", "502 Bad Gateway", "302 Found", "204 -"])
def test_after_a_refused_tunnel_nothing_was_sent(status: str, serve: Serve, connect: Connect) -> None:
    server = serve(placing, tls=True)
    proxy = serve(answering(reply(status)))

    with pytest.raises(ApiUnreachable):
        connect(server, proxy_url=proxy.url).place_otp(TO)
    assert server.peers == []


@pytest.mark.parametrize("over_tls", [False, True], ids=["http", "https"])
def test_after_a_proxy_that_hangs_nothing_was_sent(
    over_tls: bool, serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(placing, tls=True)
    proxy = serve(lambda peer: peer.read() and peer.hold(), tls=over_tls)  # type: ignore[func-returns-value]
    seconds, receive = deadline.Allowance.seconds, deadline.BoundedSocket.recv_into

    def once_it_has_read(allowance: deadline.Allowance) -> float:
        return seconds(allowance) if proxy.ledger else float(PATIENCE)

    def receive_then(sock: deadline.BoundedSocket, *args: Any) -> int:
        assert soon(lambda: len(proxy.ledger) == 1)
        return receive(sock, *args)

    # The time that a busy machine needs to reach the proxy is not the subject of this test.
    monkeypatch.setattr(deadline.Allowance, "seconds", once_it_has_read)
    monkeypatch.setattr(deadline.BoundedSocket, "recv_into", receive_then)

    with pytest.raises(ApiUnreachable, match="timed out"):
        connect(server, proxy_url=proxy.url, connect_timeout=0.3).place_otp(TO)
    assert len(proxy.ledger) == 1


@pytest.mark.parametrize("over_tls", [False, True], ids=["http", "https"])
def test_a_server_that_hangs_behind_a_proxy_is_unknown(
    over_tls: bool, serve: Serve, connect: Connect, timed_from_sending: None
) -> None:
    server = serve(lambda peer: peer.read() and peer.hold(), tls=True)  # type: ignore[func-returns-value]
    proxy = serve(tunnel_to(server), tls=over_tls)

    with pytest.raises(ApiOutcomeUnknown, match="timed out"):
        connect(server, proxy_url=proxy.url, read_timeout=0.3).place_otp(TO)
    assert soon(lambda: len(server.ledger) == 1)


@pytest.mark.parametrize("over_tls", [False, True], ids=["http", "https"])
def test_a_slow_server_behind_a_proxy_is_unknown(
    over_tls: bool, serve: Serve, connect: Connect, timed_from_sending: None
) -> None:
    answer = reply(body={"id": "x" * 500})
    server = serve(lambda peer: peer.read() and peer.drip(answer, every=0.02), tls=True)  # type: ignore[func-returns-value]
    proxy = serve(tunnel_to(server), tls=over_tls)

    with pytest.raises(ApiOutcomeUnknown, match="timed out"):
        connect(server, proxy_url=proxy.url, total_timeout=0.5).place_otp(TO)
    assert soon(lambda: len(server.ledger) == 1)


def test_a_proxys_certificate_is_verified_too(serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    proxy = serve(placing, tls=True)

    with pytest.raises(ApiUnreachable, match="certificate"):
        connect("https://app.telroi.example", proxy_url=proxy.url).place_otp(TO)
    assert proxy.ledger == []


def test_a_simulator_can_be_used_through_a_proxy_on_the_same_machine(serve: Serve, connect: Connect) -> None:
    proxy = serve(placing)

    connect("http://127.0.0.1:9", proxy_url=proxy.url).place_otp(TO)

    assert proxy.ledger[0].target == "http://127.0.0.1:9/v1/otp"


def test_plain_http_is_not_sent_to_a_remote_proxy() -> None:
    with pytest.raises(ValueError, match="show the key"):
        TelroiClient("tlr_live_x", base_url="http://127.0.0.1:9", proxy_url="http://proxy.example:3128")


@pytest.mark.parametrize(
    "proxy_url",
    ["proxy.example:3128", "socks5://127.0.0.1:1080", "http://", "ftp://127.0.0.1", "http://a:b:c", "http:// x"],
)
def test_an_invalid_proxy_is_rejected_at_once(proxy_url: str) -> None:
    with pytest.raises(ValueError, match="proxy_url"):
        TelroiClient("tlr_live_x", proxy_url=proxy_url)
