"""Faults of networks, proxies and providers: sent or not sent, at most one request, within the total timeout."""

from __future__ import annotations

import socket
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from django_telroi.client import TelroiClient, deadline, transport
from django_telroi.client.deadline import MAX_BODY_BYTES
from django_telroi.errors import ApiError, ApiOutcomeUnknown, ApiRefused, ApiUnreachable
from tests.client.wire import CERTIFICATE, PATIENCE, Peer, Script, Server, answering, call_to, placing, reply, soon

TO = "+2348012345678"
ID = "75cbe7ef-28b7-4842-b2c0-6e956a9c3d56"
TOTAL = 0.4
"""Seconds. The client's timeout for a fault that does not end by itself. Without it, a test would take ``PATIENCE``."""

Serve = Callable[..., Server]
Connect = Callable[..., TelroiClient]


def after_reading(*then: Callable[[Peer], object]) -> Script:
    def script(peer: Peer) -> None:
        if peer.read():
            for step in then:
                step(peer)

    return script


def after_a_word(*then: Callable[[Peer], object]) -> Script:
    """Run the steps after the first bytes, also if they are not an HTTP request."""

    def script(peer: Peer) -> None:
        if peer.sock.recv(65536):
            for step in then:
                step(peer)

    return script


def sends(data: bytes) -> Callable[[Peer], object]:
    return lambda peer: peer.send(data)


def drips(data: bytes) -> Callable[[Peer], object]:
    """Return a step that sends the data slowly, again and again, until the client closes the connection."""

    def drip(peer: Peer) -> None:
        ends = time.monotonic() + PATIENCE
        while not peer.closing.is_set() and time.monotonic() < ends:
            peer.drip(data, every=0.05)

    return drip


def forever(data: bytes) -> Callable[[Peer], object]:
    def send_on(peer: Peer) -> None:
        while not peer.closing.is_set():
            peer.send(data)

    return send_on


def with_headers(*headers: str, body: bytes = b"{}") -> bytes:
    return "\r\n".join(["HTTP/1.1 200 OK", *headers, "", ""]).encode() + body


WHOLE = reply(body=call_to(TO))
HEAD = WHOLE[: WHOLE.index(b"\r\n\r\n") + 4]
CALL = WHOLE[len(HEAD) :]
LENGTH = f"Content-Length: {len(CALL)}"
CHUNKED = "Transfer-Encoding: chunked"
IN_ONE_CHUNK = b"%x\r\n%s\r\n0\r\n\r\n" % (len(CALL), CALL)

ENDLESS: dict[str, Script] = {
    "it hangs": after_reading(Peer.hold),
    "it drips its headers": after_reading(sends(WHOLE[:20]), drips(b"x" * 200)),
    "it drips its body": after_reading(sends(with_headers("Content-Length: 60000", body=b"")), drips(b" " * 200)),
    "it drips chunks": after_reading(sends(with_headers(CHUNKED, body=b"")), drips(b"1\r\n{\r\n" * 50)),
    "it sends half of its body and hangs": after_reading(sends(WHOLE[:-40]), Peer.hold),
    "it sends early hints and hangs": after_reading(sends(b"HTTP/1.1 103 Early Hints\r\n\r\n"), Peer.hold),
    "it sends an unknown interim response and hangs": after_reading(sends(b"HTTP/1.1 199 -\r\n\r\n"), Peer.hold),
}

BROKEN: dict[str, Script] = {
    "it drips white space before the status": after_reading(drips(b"\r\n" * 200)),
    "it hangs up without a word": after_reading(),
    "it hangs up amid its status line": after_reading(sends(b"HTTP/1.1 20")),
    "it hangs up amid its headers": after_reading(sends(WHOLE[:60])),
    "it hangs up amid its body": after_reading(sends(WHOLE[:-1])),
    "it hangs up amid the body of a refusal": after_reading(sends(reply("401 -", b"{}", length=100))),
    "it promises 100 bytes and sends 2": after_reading(sends(reply(body=b"{}", length=100))),
    "it hangs up amid a chunk": after_reading(sends(with_headers(CHUNKED, body=b"a0\r\n{}"))),
    "it hangs up between chunks": after_reading(sends(with_headers(CHUNKED, body=b"2\r\n{}\r\n"))),
    "its chunk has no size": after_reading(sends(with_headers(CHUNKED, body=b"xyz\r\n{}\r\n0\r\n\r\n"))),
    "its chunk is less than nothing": after_reading(sends(with_headers(CHUNKED, body=b"-1\r\n{}\r\n0\r\n\r\n"))),
    "it resets": after_reading(Peer.reset),
    "it resets amid its headers": after_reading(sends(WHOLE[:60]), Peer.reset),
    "it resets amid its body": after_reading(sends(WHOLE[:-40]), Peer.reset),
    "its lengths contradict": after_reading(sends(with_headers(LENGTH, "Content-Length: 3", body=CALL))),
    "its length is negative": after_reading(sends(with_headers("Content-Length: -2", body=CALL))),
    "its length is a word": after_reading(sends(with_headers("Content-Length: two", body=CALL))),
    "its length contradicts its chunks": after_reading(sends(with_headers(LENGTH, CHUNKED, body=IN_ONE_CHUNK))),
    "its transfer encoding is unheard of": after_reading(
        sends(with_headers("Transfer-Encoding: gzip, chunked", body=CALL))
    ),
    "it speaks HTTP/0.9": after_reading(sends(b"{}")),
    "it speaks SSH": after_reading(sends(b"SSH-2.0-OpenSSH_9.9\r\n")),
    "it speaks HTTP/3.0": after_reading(sends(WHOLE.replace(b"HTTP/1.1", b"HTTP/3.0"))),
    "its status is no number": after_reading(sends(b"HTTP/1.1 OK 200\r\n\r\n")),
    "it continues for ever": after_reading(forever(b"HTTP/1.1 100 Continue\r\n\r\n")),
    "its early hints have no end": after_reading(forever(b"HTTP/1.1 103 Early Hints\r\n\r\n")),
    "its header has no end": after_reading(sends(b"HTTP/1.1 200 OK\r\nX: "), forever(b"x" * 4096)),
    "its headers have no end": after_reading(sends(b"HTTP/1.1 200 OK\r\n"), forever(b"X: x\r\n")),
    "its headers are wide": after_reading(sends(b"HTTP/1.1 200 OK\r\n"), forever(b"X: " + b"x" * 60_000 + b"\r\n")),
    "its body has no end": after_reading(sends(with_headers(body=b"")), forever(b" " * 4096)),
    "its chunks have no end": after_reading(sends(with_headers(CHUNKED, body=b"")), forever(b"1\r\n \r\n")),
}

FAULTS = ENDLESS | BROKEN


@pytest.mark.parametrize("fault", FAULTS)
def test_a_failure_after_sending_leaves_the_outcome_unknown(
    fault: str, serve: Serve, connect: Connect, timed_from_sending: None
) -> None:
    server = serve(FAULTS[fault])
    client = connect(server, total_timeout=total_for(fault))

    with pytest.raises(ApiOutcomeUnknown, match=what_ends(fault)):
        client.place_otp(TO)

    assert soon(lambda: len(server.ledger) == 1)
    assert len(server.peers) == 1


def test_a_check_has_the_same_timeouts_as_a_call(serve: Serve, connect: Connect, timed_from_sending: None) -> None:
    server = serve(FAULTS["it drips its body"])

    with pytest.raises(ApiOutcomeUnknown, match="timed out"):
        connect(server, total_timeout=TOTAL).check_otp("123456", id=ID)

    assert soon(lambda: len(server.ledger) == 1)


def test_a_hang_takes_the_full_timeout(serve: Serve, connect: Connect, timed_from_sending: None) -> None:
    client = connect(serve(FAULTS["it hangs"]), total_timeout=TOTAL)

    started = time.monotonic()
    with pytest.raises(ApiOutcomeUnknown, match="timed out"):
        client.place_otp(TO)

    assert time.monotonic() - started >= TOTAL


def test_each_read_has_a_timeout(serve: Serve, connect: Connect, timed_from_sending: None) -> None:
    client = connect(serve(FAULTS["it hangs"]), read_timeout=0.2)

    with pytest.raises(ApiOutcomeUnknown, match="timed out"):
        client.place_otp(TO)


def test_a_slow_answer_within_the_timeout_is_read(serve: Serve, connect: Connect) -> None:
    server = serve(after_reading(lambda peer: peer.drip(WHOLE, every=0.001)))

    assert connect(server).place_otp(TO).id == ID


def test_each_write_has_a_timeout(serve: Serve, connect: Connect, timed_from_sending: None) -> None:
    client = connect(serve(Peer.hold), read_timeout=0.2)

    with pytest.raises(ApiOutcomeUnknown, match="timed out"):
        client.request("POST", "/v1/speech", json={"text": "a" * 20_000_000})


@pytest.mark.parametrize("tls", [False, True], ids=["http", "https"])
def test_a_server_that_reads_very_slowly_cannot_block_a_large_request(
    tls: bool, serve: Serve, connect: Connect, trusting: None, timed_from_sending: None
) -> None:
    def sips(peer: Peer) -> None:
        while peer.sock.recv(16_384) and not peer.closing.wait(0.05):
            pass

    client = connect(serve(sips, tls=tls), total_timeout=2 * TOTAL)

    with pytest.raises(ApiOutcomeUnknown, match="timed out"):
        client.request("POST", "/v1/speech", json={"text": "a" * 20_000_000})


def test_a_reset_before_anything_was_read_is_unknown(serve: Serve, connect: Connect) -> None:
    server = serve(Peer.reset)
    client = connect(server)

    with pytest.raises(ApiError) as caught:
        client.place_otp(TO)

    # The kernel may report the reset to the connect or to a later call. It depends on microseconds.
    assert caught.type in (ApiOutcomeUnknown, ApiUnreachable)
    assert (len(server.ledger), len(server.peers)) == (0, 1)


def test_a_server_that_never_reads_cannot_block_a_large_request(
    serve: Serve, connect: Connect, timed_from_sending: None
) -> None:
    server = serve(Peer.hold)

    with pytest.raises(ApiOutcomeUnknown, match="timed out"):
        connect(server, total_timeout=TOTAL).request("POST", "/v1/speech", json={"text": "a" * 20_000_000})


@pytest.mark.parametrize(
    ("surprise", "outcome"), [(KeyboardInterrupt, KeyboardInterrupt), (MemoryError, ApiOutcomeUnknown)]
)
def test_an_unexpected_error_during_the_answer_closes_the_connection(
    surprise: type[BaseException],
    outcome: type[BaseException],
    serve: Serve,
    connect: Connect,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def surprised(*args: object, **kwargs: object) -> None:
        raise surprise

    server = serve(placing)
    client = connect(server)
    monkeypatch.setattr(deadline.BoundedSocket, "recv_into", surprised)

    with pytest.raises(outcome):
        client.place_otp(TO)

    assert soon(lambda: [peer.sock.fileno() for peer in server.peers] == [-1])


class TestNotSent:
    def test_with_a_closed_port(self, connect: Connect) -> None:
        with refusing_port() as (host, port), pytest.raises(ApiUnreachable, match="refused"):
            connect(f"http://{host}:{port}").place_otp(TO)

    def test_with_an_unknown_host_name(self, connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*args: object, **kwargs: object) -> None:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

        monkeypatch.setattr(socket, "getaddrinfo", fail)

        with pytest.raises(ApiUnreachable, match="no such name"):
            connect("https://app.telroi.example").place_otp(TO)

    @pytest.mark.parametrize("host", ["a" * 64 + ".example", "a..example"])
    def test_with_an_invalid_host_name(self, host: str, connect: Connect) -> None:
        with pytest.raises(ApiUnreachable):
            connect(f"https://{host}").place_otp(TO)

    def test_with_six_dead_addresses_within_the_total_timeout(
        self, connect: Connect, dead_address: tuple[str, int], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        resolve_to(monkeypatch, *[dead_address] * 6)
        client = connect("https://app.telroi.example", connect_timeout=5, total_timeout=TOTAL)

        with pytest.raises(ApiUnreachable, match="timed out"):
            client.place_otp(TO)

    def test_to_dead_addresses_but_to_a_reachable_one(
        self, serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        server = serve(placing)
        with refusing_port() as dead:
            resolve_to(monkeypatch, dead, dead, ("127.0.0.1", server.port))

            assert connect("http://localhost").place_otp(TO).id == ID
        assert len(server.ledger) == 1

    def test_after_a_stalled_handshake_within_the_connect_timeout(self, serve: Serve, connect: Connect) -> None:
        server = serve(Peer.hold)
        url = server.url.replace("http:", "https:")

        with pytest.raises(ApiUnreachable, match="timed out"):
            connect(url, connect_timeout=0.2).place_otp(TO)

    def test_after_a_slow_handshake_within_the_total_timeout(self, serve: Serve, connect: Connect) -> None:
        # The header of a record that announces 16 KB of a handshake, then a byte from time to time.
        server = serve(lambda peer: peer.drip(b"\x16\x03\x03\x40\x00\x02\x00\x3f\xf0" + b"\x00" * 200, every=0.05))
        url = server.url.replace("http:", "https:")

        with pytest.raises(ApiUnreachable, match="timed out"):
            connect(url, total_timeout=TOTAL).place_otp(TO)

    def test_to_a_server_without_tls(self, serve: Serve, connect: Connect) -> None:
        server = serve(after_a_word(sends(b"HTTP/1.1 400 Bad Request\r\n\r\n")))
        url = server.url.replace("http:", "https:")

        with pytest.raises(ApiUnreachable, match="TLS failed"):
            connect(url).place_otp(TO)
        assert server.ledger == []

    def test_with_an_untrusted_certificate(self, serve: Serve, connect: Connect) -> None:
        server = serve(placing, tls=True)

        with pytest.raises(ApiUnreachable, match="certificate"):
            connect(server).place_otp(TO)
        assert server.ledger == []

    @pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"])
    def test_with_a_certificate_that_only_the_environment_trusts(
        self, variable: str, serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(variable, str(CERTIFICATE))
        server = serve(placing, tls=True)

        with pytest.raises(ApiUnreachable, match="certificate"):
            connect(server).place_otp(TO)
        assert server.ledger == []

    def test_with_a_certificate_of_another_host(
        self, serve: Serve, connect: Connect, trusting: None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        server = serve(placing, tls=True)
        resolve_to(monkeypatch, ("127.0.0.1", server.port))

        with pytest.raises(ApiUnreachable, match="certificate"):
            connect("https://app.telroi.example").place_otp(TO)
        assert server.ledger == []


class TestOverTLS:
    def test_a_call_is_placed_and_the_connection_kept(self, serve: Serve, connect: Connect, trusting: None) -> None:
        server = serve(placing, tls=True)
        client = connect(server)

        assert [client.place_otp(TO).id, client.place_otp(TO).id] == [ID, ID]
        assert (len(server.ledger), len(server.peers)) == (2, 1)

    @pytest.mark.parametrize(
        "fault",
        [
            "it hangs",
            "it drips its body",
            "it hangs up without a word",
            "it hangs up amid its body",
            "it resets",
            "its body has no end",
            "its headers have no end",
        ],
    )
    def test_a_failure_after_sending_is_unknown_too(
        self, fault: str, serve: Serve, connect: Connect, trusting: None, timed_from_sending: None
    ) -> None:
        server = serve(FAULTS[fault], tls=True)

        with pytest.raises(ApiOutcomeUnknown, match=what_ends(fault)):
            connect(server, total_timeout=total_for(fault)).place_otp(TO)
        assert soon(lambda: len(server.ledger) == 1)

    def test_a_server_that_never_reads_cannot_block_a_large_request(
        self, serve: Serve, connect: Connect, trusting: None, timed_from_sending: None
    ) -> None:
        server = serve(Peer.hold, tls=True)

        with pytest.raises(ApiOutcomeUnknown, match="timed out"):
            connect(server, total_timeout=TOTAL).request("POST", "/v1/speech", json={"text": "a" * 20_000_000})


class TestRedirects:
    @pytest.mark.parametrize("status", [300, 301, 302, 303, 304, 307, 308])
    def test_are_not_followed(self, status: int, serve: Serve, connect: Connect) -> None:
        elsewhere = serve(placing)
        location = [("Location", f"{elsewhere.url}/v1/otp")]
        server = serve(answering(reply(f"{status} Elsewhere", b"", headers=location)))

        with pytest.raises(ApiOutcomeUnknown, match=str(status)):
            connect(server).place_otp(TO)
        assert (len(server.ledger), len(elsewhere.peers)) == (1, 0)

    def test_in_a_loop_are_not_followed(self, serve: Serve, connect: Connect) -> None:
        server = serve(answering(reply("307 Again", b"", headers=[("Location", "/v1/otp")])))

        with pytest.raises(ApiOutcomeUnknown):
            connect(server).place_otp(TO)
        assert len(server.ledger) == 1


class TestSize:
    def test_a_body_of_64_kib_is_read_and_one_byte_more_is_not(self, serve: Serve, connect: Connect) -> None:
        longest = CALL.ljust(64 * 1024)

        assert connect(serve(answering(reply(body=longest)))).place_otp(TO).id == ID
        with pytest.raises(ApiOutcomeUnknown):
            connect(serve(answering(reply(body=longest + b" ")))).place_otp(TO)

    def test_a_refusal_with_a_very_long_page_keeps_its_status(self, serve: Serve, connect: Connect) -> None:
        with pytest.raises(ApiRefused) as caught:
            connect(serve(answering(reply("502 Bad Gateway", b"<p>" * 500_000)))).place_otp(TO)

        assert (caught.value.status, caught.value.code) == (502, "")

    @pytest.mark.parametrize("headers", ["Content-Length: 1000000000", CHUNKED, "Content-Encoding: gzip"])
    def test_a_huge_answer_is_read_partly_and_kept_even_less(
        self, headers: str, serve: Serve, connect: Connect
    ) -> None:
        piece = b"8000\r\n" + b" " * 0x8000 + b"\r\n"
        server = serve(after_reading(sends(with_headers(headers, body=b"")), forever(piece)))
        client = connect(server)

        tracemalloc.start()
        with pytest.raises(ApiOutcomeUnknown):
            client.place_otp(TO)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()

        assert peak < 1_000_000
        # The size of the kernel's buffers on both sides.
        assert soon(lambda: server.peers[0].sock.fileno() == -1)
        assert server.peers[0].sent < 5_000_000


class TestEnvironment:
    @pytest.fixture(autouse=True)
    def an_environment_that_steals(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        netrc = tmp_path / "netrc"
        netrc.write_text("machine 127.0.0.1 login thief password stolen\ndefault login thief password stolen\n")
        netrc.chmod(0o600)
        monkeypatch.setenv("NETRC", str(netrc))
        for scheme in ("HTTP", "HTTPS", "ALL"):
            monkeypatch.setenv(f"{scheme}_PROXY", "http://127.0.0.1:9")
            monkeypatch.setenv(f"{scheme}_PROXY".lower(), "http://127.0.0.1:9")

    def test_netrc_and_proxy_variables_are_ignored(self, serve: Serve, connect: Connect) -> None:
        server = serve(placing)

        assert connect(server).place_otp(TO).id == ID
        assert server.ledger[0].headers["authorization"] == "Bearer tlr_live_Canary0Key0Canary0Key0Canary"

    def test_netrc_and_proxy_variables_are_ignored_over_tls(
        self, serve: Serve, connect: Connect, trusting: None
    ) -> None:
        server = serve(placing, tls=True)

        assert connect(server).place_otp(TO).id == ID


class TestTheRequest:
    def test_has_the_headers_that_make_telroi_answer_in_json(self, serve: Serve, connect: Connect) -> None:
        server = serve(placing)

        connect(server).place_otp(TO)

        headers = server.ledger[0].headers
        assert headers["accept"] == "application/json"
        assert headers["accept-encoding"] == "identity"
        assert headers["content-type"] == "application/json"
        assert not {"cookie", "x-api-key", "expect", "transfer-encoding"} & set(headers)

    def test_has_no_cookie_of_an_earlier_answer(self, serve: Serve, connect: Connect) -> None:
        answer = reply(body=call_to(TO), headers=[("Set-Cookie", "session=1")])
        server = serve(answering(answer))
        client = connect(server)

        client.place_otp(TO)
        client.place_otp(TO)

        assert "cookie" not in server.ledger[1].headers

    def test_omits_none_values(self, serve: Serve, connect: Connect) -> None:
        server = serve(placing)
        client = connect(server)

        client.place_otp(TO)
        client.place_otp(TO, code_length=6, language="en-NG", code="483920")

        assert server.ledger[0].json == {"to": TO}
        assert server.ledger[1].json == {"to": TO, "code_length": 6, "language": "en-NG", "code": "483920"}

    def test_can_have_a_base_url_with_a_path(self, serve: Serve, connect: Connect) -> None:
        server = serve(placing)

        connect(f"{server.url}/telroi/").place_otp(TO)

        assert server.ledger[0].target == "/telroi/v1/otp"


@pytest.fixture
def trusting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Trust only the certificate of the test servers."""
    monkeypatch.setattr(deadline, "DEFAULT_CA_BUNDLE_PATH", str(CERTIFICATE))


@pytest.fixture
def dead_address() -> Iterator[tuple[str, int]]:
    """A listener with a full queue. The kernel drops new connections, as if the address had no host."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as listener:
        address = listener.getsockname()
        waiting = []
        for _ in range(4):
            visitor = socket.socket()
            visitor.setblocking(False)
            visitor.connect_ex(address)
            waiting.append(visitor)
        yield address
        for visitor in waiting:
            visitor.close()


@contextmanager
def refusing_port() -> Iterator[tuple[str, int]]:
    """A port that is bound and does not listen. Connections are refused, and no other server gets the port."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield bound.getsockname()


def resolve_to(monkeypatch: pytest.MonkeyPatch, *addresses: tuple[str, int]) -> None:
    found = [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", address) for address in addresses]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **kwargs: found)


def total_for(fault: str) -> float:
    return TOTAL if fault in ENDLESS else PATIENCE


def what_ends(fault: str) -> str:
    """Return the expected message. A fault without an end reaches the timeout, a broken connection does not."""
    return "timed out" if fault in ENDLESS else "^(?!.*timed out)"


def test_the_limits_equal_those_in_the_docs() -> None:
    assert (MAX_BODY_BYTES, transport.MAX_IDLE_SECONDS) == (64 * 1024, 2.0)
