"""Each fault as a raw socket sees it, the requests that it applies to, and what was done in spite of it."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Any
from urllib.parse import urlsplit

import pytest

from django_telroi.simulator.fault_rules import CARRIERS
from django_telroi.simulator.faults import FAULTS

NUMBER = "+2348031234567"
LONG = 120
"""Seconds after which a test hangs, however busy the machine is."""
MOMENT = 0.5
"""Seconds of waiting for bytes that must not come."""
GOOD = {"object", "livemode", "id", "to", "status", "expires_at"}


class Heard:
    """Return all bytes of the answer and the end of the connection.

    ``is_all``: whether all bytes of an answer without an end have arrived.
    """

    def __init__(self, simulator, *, fields: Mapping[str, Any], is_all: Callable[[bytes], bool] | None = None) -> None:
        self.data = b""
        host = urlsplit(simulator.base_url)
        before = len(simulator.requests)
        with closing(socket.create_connection((host.hostname, host.port))) as sock:
            sock.sendall(_request(simulator.api_key, fields))
            if is_all:
                simulator.wait_for_requests(before + 1, timeout=LONG)
            self.ended_by = self._listen(sock, is_all or (lambda data: False))

    def _listen(self, sock: socket.socket, is_all: Callable[[bytes], bool]) -> str:
        while len(self.data) < 3_000_000:
            sock.settimeout(MOMENT if is_all(self.data) else LONG)
            try:
                part = sock.recv(65536)
            except TimeoutError:
                return "silence"
            except ConnectionResetError:
                return "reset"
            if not part:
                return "end"
            self.data += part
        return "plenty"

    @property
    def head(self) -> bytes:
        return self.data.partition(b"\r\n\r\n")[0]

    @property
    def body(self) -> bytes:
        return self.data.partition(b"\r\n\r\n")[2]

    @property
    def status(self) -> int:
        return int(self.head.split()[1])

    def is_whole(self) -> bool:
        return json.loads(self.body).keys() == GOOD


def _request(key: str, fields: Mapping[str, Any]) -> bytes:
    body = json.dumps(fields).encode()
    headers = (
        f"Host: 127.0.0.1\r\nAuthorization: Bearer {key}\r\nAccept: application/json\r\nConnection: close\r\n"
        f"Content-Length: {len(body)}\r\n"
    )
    return f"POST /v1/otp HTTP/1.1\r\n{headers}\r\n".encode() + body


Seen = Callable[[Heard], bool]


def body_is(body: bytes) -> Seen:
    return lambda heard: (heard.status, heard.body) == (200, body)


def field_is(name: str, value: object) -> Seen:
    return lambda heard: json.loads(heard.body)[name] == value


def refused(status: int, code: str = "") -> Seen:
    def seen(heard: Heard) -> bool:
        error = json.loads(heard.body).get("data", {"error": {"code": ""}})["error"]
        return (heard.status, error["code"]) == (status, code)

    return seen


def nothing_but(ended_by: str) -> Seen:
    return lambda heard: (heard.data, heard.ended_by) == (b"", ended_by)


SEEN: Mapping[str, tuple[Mapping[str, Any], Seen]] = {
    "reset_unread": ({}, nothing_but("reset")),
    "hold": ({}, nothing_but("silence")),
    "reset": ({}, nothing_but("reset")),
    "close": ({}, nothing_but("end")),
    "hang": ({}, nothing_but("silence")),
    "slow": ({"seconds": 0.1}, Heard.is_whole),
    "drip_headers": ({"every": LONG}, lambda heard: (heard.data, heard.ended_by) == (b"H", "silence")),
    "drip_body": (
        {"every": LONG},
        lambda heard: b"Content-Length" in heard.head and (heard.body, heard.ended_by) == (b"{", "silence"),
    ),
    "cut_headers": ({}, lambda heard: b"\r\n\r\n" not in heard.data and heard.ended_by == "end"),
    "cut_body": ({}, lambda heard: not heard.body.endswith(b"}") and heard.ended_by == "end"),
    "reset_body": ({}, lambda heard: not heard.body.endswith(b"}") and heard.ended_by == "reset"),
    "not_http": ({}, lambda heard: heard.data.startswith(b"SSH-2.0")),
    "endless_headers": ({}, lambda heard: heard.ended_by == "plenty" and b"\r\n\r\n" not in heard.data),
    "huge_header": ({"size": 500_000}, lambda heard: len(heard.head) > 500_000 and heard.is_whole()),
    "chunked": (
        {},
        lambda heard: b"Transfer-Encoding: chunked" in heard.head and heard.body.endswith(b"\r\n0\r\n\r\n"),
    ),
    "without_length": (
        {},
        lambda heard: b"Content-Length" not in heard.head and heard.is_whole() and heard.ended_by == "end",
    ),
    "early_hints": ({}, lambda heard: heard.head.endswith(b"103 Early Hints") and b"\r\n\r\n{" in heard.body),
    "answer": ({"status": 418, "body": "short", "headers": {"x-a": "b"}}, lambda heard: b"418" in heard.head),
    "fields": ({"change": {"id": [1]}, "drop": ["to"]}, field_is("id", [1])),
    "login_page": ({}, lambda heard: heard.status == 200 and b"Sign in" in heard.body),
    "begins_late": ({"seconds": 0.1}, Heard.is_whole),
    "login": ({}, lambda heard: heard.status == 302 and b"location: /login" in heard.head),
    "redirect": ({"location": "http://127.0.0.1:9/"}, lambda heard: b"307 Temporary Redirect" in heard.head),
    "proxy_page": ({"status": 520}, lambda heard: heard.status == 520 and b"<html>" in heard.body),
    "gzip": ({}, lambda heard: b"content-encoding: gzip" in heard.head and heard.body.startswith(b"\x1f\x8b")),
    "huge_body": ({"size": 300_000}, lambda heard: len(heard.body) == 300_000 and heard.is_whole()),
    "huge_gzip": ({"size": 20_000_000}, lambda heard: 0 < len(heard.body) < 100_000),
    "empty_body": ({}, body_is(b"")),
    "not_json": ({}, body_is(b"OK")),
    "not_utf8": ({}, body_is(b'{"id":"\xff\xfe"}')),
    "json_null": ({}, body_is(b"null")),
    "json_true": ({}, body_is(b"true")),
    "json_number": ({}, body_is(b"42")),
    "json_string": ({}, body_is(b'"verified"')),
    "json_list": ({}, body_is(b"[]")),
    "json_object": ({}, body_is(b"{}")),
    "json_deep": ({}, body_is(b"[" * 100_000 + b"]" * 100_000)),
    "json_nan": ({}, lambda heard: heard.body.endswith(b":NaN}")),
    "json_cut": ({}, lambda heard: not heard.body.endswith(b"}") and b"Content-Length: 7" in heard.head),
    "json_bom": ({}, lambda heard: heard.body.startswith(b"\xef\xbb\xbf{")),
    "no_id": ({}, lambda heard: json.loads(heard.body).keys() == GOOD - {"id"}),
    "null_id": ({}, field_is("id", None)),
    "empty_id": ({}, field_is("id", "")),
    "number_id": ({}, field_is("id", 7)),
    "other_to": ({}, field_is("to", "+10000000000")),
    "status_failed": ({}, field_is("status", "failed")),
    "verified_string": ({}, field_is("verified", "true")),
    "verified_number": ({}, field_is("verified", 1)),
    "verified_by_status_only": ({}, field_is("verified", False)),
    "verified_by_flag_only": ({}, field_is("verified", True)),
    "livemode_false": ({}, field_is("livemode", False)),
    "no_livemode": ({}, lambda heard: json.loads(heard.body).keys() == GOOD - {"livemode"}),
    "invalid": ({}, refused(400, "invalid")),
    "malformed": ({}, refused(400)),
    "unauthorized": ({}, refused(401, "unauthorized")),
    "forbidden": ({}, refused(403, "forbidden")),
    "not_found": ({}, refused(404, "not_found")),
    "method_not_allowed": ({}, refused(405, "method_not_allowed")),
    "not_verifiable": ({}, refused(422, "not_verifiable")),
    "rate_limited": ({"wait": "soon"}, lambda heard: b"Retry after soons." in heard.body),
    "key_limited": ({"wait": 10**30}, lambda heard: b"Try again in 1000000" in heard.body),
    "server_error": ({"status": 503}, refused(503)),
    "otp_failed": ({"message": "no\nway"}, refused(502, "otp_failed")),
    "insufficient_funds": ({}, lambda heard: heard.status == 502 and b'"insufficient_funds"' in heard.body),
    "service_unavailable": ({}, refused(503, "service_unavailable")),
}

ENDLESS: Mapping[str, Callable[[bytes], bool]] = {
    "hang": lambda data: True,
    "hold": lambda data: True,
    "drip_headers": lambda data: bool(data),
    "drip_body": lambda data: bool(data.partition(b"\r\n\r\n")[2]),
}
"""Return what was received after the first byte. Nothing else comes for ``LONG`` seconds."""


def soon(condition: Callable[[], bool]) -> bool:
    """Return whether the condition becomes true before the guard against hanging ends."""
    ends = time.monotonic() + LONG
    while not condition() and time.monotonic() < ends:
        time.sleep(0.01)
    return condition()


def ask_to_send(simulator, **options: Any) -> Heard:
    return Heard(simulator, fields={"to": NUMBER}, **options)


def test_every_fault_is_tested() -> None:
    assert SEEN.keys() == FAULTS.keys()
    assert not FAULTS.keys() & CARRIERS.keys()


@pytest.mark.parametrize("fault", SEEN)
def test_a_fault_has_its_effect_once_and_is_in_the_ledger(simulator, fault) -> None:
    options, is_seen = SEEN[fault]
    simulator.fail_next(fault, **options)

    struck = ask_to_send(simulator, is_all=ENDLESS.get(fault))

    assert is_seen(struck), struck.data[:600]
    assert soon(lambda: len(simulator.calls) == FAULTS[fault].acts)
    assert [(each.method, each.path) for each in simulator.requests] == [("POST", "/v1/otp")]
    simulator.advance(61)
    assert ask_to_send(simulator).is_whole()


@pytest.mark.parametrize("fault", ["reset", "close", "login_page", "json_null", "no_id"])
def test_a_fault_can_ring_the_phone_or_not(simulator, fault) -> None:
    simulator.fail_next(fault, acts=False)
    ask_to_send(simulator)
    assert simulator.calls == []

    simulator.fail_next(fault, acts=True)
    ask_to_send(simulator)

    assert len(simulator.calls) == 1


def test_a_refusal_can_come_although_the_phone_rings(simulator) -> None:
    simulator.fail_next("service_unavailable", acts=True)

    assert ask_to_send(simulator).status == 503
    assert len(simulator.calls) == 1


def test_given_fields_of_a_refusal_are_sent_unchanged(simulator, telroi) -> None:
    telroi.send()
    simulator.fail_next("no_id")

    assert telroi.send().error["code"] == "rate_limited"


def test_a_failure_of_the_carrier_can_be_set_like_a_fault(simulator, telroi) -> None:
    simulator.fail_next("carrier_refuses", message="Busy")

    assert telroi.send().error["message"] == "Busy"


def test_faults_occur_in_order_and_before_a_permanent_one(simulator, telroi) -> None:
    simulator.fail_always("service_unavailable")
    simulator.fail_next("unauthorized")
    simulator.fail_next("forbidden", times=2)

    assert [telroi.send().status for _ in range(5)] == [401, 403, 403, 503, 503]
    simulator.stop_failing()
    assert telroi.send().status == 200


def test_a_fault_can_be_limited_to_one_number(simulator, telroi) -> None:
    simulator.fail_always("server_error", to="+15550001111")

    assert [telroi.send(to).status for to in (NUMBER, "+15550001111", "+15550001111")] == [200, 500, 500]


def test_a_verify_by_id_belongs_to_the_called_number(simulator, telroi) -> None:
    sent = telroi.send().json()
    simulator.fail_next("server_error", to=NUMBER)

    assert telroi.verify("0000", to="+15550001111").status == 200
    assert telroi.verify("0000", id=sent["id"].upper()).status == 500


def test_a_fault_can_be_limited_to_verifies(simulator, telroi) -> None:
    simulator.fail_next("server_error", on="verify")

    sent = telroi.send()

    assert sent.status == 200
    assert telroi.verify("0000", to=NUMBER).status == 500
    assert telroi.verify("0000", to=NUMBER).status == 200


def test_a_lost_answer_to_a_right_code_leaves_it_already_verified(simulator, telroi) -> None:
    sent = telroi.send().json()
    simulator.fail_next("reset", on="verify")
    with pytest.raises(ConnectionError):
        telroi.verify(simulator.calls[0].code, id=sent["id"])

    assert telroi.outcome(simulator.calls[0].code, id=sent["id"]) == ("already_verified", None)


def test_a_held_request_is_answered_when_it_is_released(simulator, telroi) -> None:
    simulator.fail_next("hold")
    replies: list[int] = []
    asking = threading.Thread(target=lambda: replies.append(telroi.send().status))
    asking.start()

    simulator.wait_for_requests(1, timeout=LONG)
    assert replies == []
    assert telroi.send("+15550001111").status == 200, "others pass meanwhile"
    simulator.release()

    asking.join(LONG)
    assert replies == [200]


def test_a_delayed_request_is_processed_after_its_delay(simulator, telroi) -> None:
    simulator.freeze()
    simulator.fail_next("begins_late", seconds=None)
    replies: list[int] = []
    asking = threading.Thread(target=lambda: replies.append(telroi.send().status))
    asking.start()
    simulator.wait_for_requests(1, timeout=LONG)
    assert (simulator.otps, replies) == ([], [])

    simulator.advance(6)
    simulator.release()

    asking.join(LONG)
    assert replies == [200]
    simulator.advance(55)
    assert telroi.send().error["message"].endswith("Retry after 5s."), "Telroi counts from its own row"


def test_latency_delays_the_answer_but_not_the_call(simulator, telroi) -> None:
    simulator.latency(10 * LONG, to=NUMBER)

    assert telroi.send("+15550001111").status == 200, "others are not delayed"
    assert ask_to_send(simulator, is_all=lambda data: True).data == b""
    assert soon(lambda: [call.to for call in simulator.calls] == ["+15550001111", NUMBER])


def test_an_answer_arrives_after_its_latency(simulator, telroi) -> None:
    simulator.latency(0.2, times=1)
    began = time.monotonic()

    assert telroi.send().status == 200
    assert time.monotonic() - began >= 0.2


def test_misspelled_faults_are_rejected_when_they_are_set(simulator) -> None:
    with pytest.raises(ValueError, match="'tpyo' must be one of "):
        simulator.fail_next("tpyo")
    with pytest.raises(ValueError, match="unknown option: second"):
        simulator.fail_next("slow", second=1)
    with pytest.raises(ValueError, match="unknown option: seconds"):
        simulator.fail_next("reset_unread", seconds=1)
    with pytest.raises(ValueError, match="on='sends' must be one of send, verify, other, any"):
        simulator.latency(1, on="sends")
    with pytest.raises(ValueError, match="cannot be limited to a number"):
        simulator.fail_next("reset_unread", to=NUMBER)


def test_waiting_for_requests_that_never_come_raises_an_error(simulator) -> None:
    with pytest.raises(TimeoutError, match="0 of 1 requests were received"):
        simulator.wait_for_requests(1, timeout=0.01)
