"""Any headers, framing, body and types that come back are a value or one of the three errors."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from django_telroi.client import OtpCall, OtpCheck, TelroiClient
from django_telroi.errors import ApiError, ApiOutcomeUnknown, ApiRefused
from tests.client.conftest import KEY
from tests.client.wire import PATIENCE, Peer, Server, call_to, reply

TO = "+2348012345678"
ID = "75cbe7ef-28b7-4842-b2c0-6e956a9c3d56"
HUGE = "9" * 400
DATES = [
    "Mon, 23 Nov 99999999999999999999 16:25:03 GMT",
    "Mon, 23 Nov 2026 16:25:03 +99999999999999999999",
    "Fri, 31 Dec 9999 23:59:59 -2359",
    "Sat, 01 Jan 0001 00:00:00 +2359",
    f"Mon, {HUGE} Nov 2026 16:25:03 GMT",
    f"Mon, 23 Nov 2026 {HUGE}:00:00 GMT",
    "Mon, 23 Nov 2026 16:25:03",
    HUGE,
    "-1",
    "1e400",
    "soon",
    ",",
    "",
]

FUZZ = settings(
    max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@dataclass
class Liar:
    """A server whose next answer is set by the test, and its client."""

    client: TelroiClient
    told: list[bytes] = field(default_factory=list)

    def answers(self, data: bytes) -> dict[str, Any]:
        """Return the outcome of this answer for both endpoints. An exception other than ApiError fails the test."""
        self.told[:] = [data]
        place, check = partial(self.client.place_otp, TO), partial(self.client.check_otp, "123456", id=ID)
        return {"call": self._outcome(place), "check": self._outcome(check)}

    def _outcome(self, ask: Callable[[], Any]) -> Any:
        self.client.close()  # the server closes each connection, so the next request needs a new one
        try:
            return ask()
        except ApiError as error:
            return error


@pytest.fixture(scope="module")
def liar() -> Iterator[Liar]:
    told: list[bytes] = []

    def script(peer: Peer) -> None:
        if peer.read():
            peer.send(told[0])

    server = Server(script)
    with TelroiClient(
        KEY, base_url=server.url, connect_timeout=PATIENCE, read_timeout=PATIENCE, total_timeout=PATIENCE
    ) as client:
        yield Liar(client, told)
    server.close()


def is_typed(found: Any) -> bool:
    return isinstance(found, OtpCall | OtpCheck | ApiError)


JSONS = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(min_value=-(10**40), max_value=10**40)
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["\ud800", "\udfff\ud800", "\x00", "verified", "true", "+2348012345678", HUGE]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
NAMES = ("object", "id", "to", "status", "livemode", "expires_at", "verification", "verified", "attempts_left", "error")
OBJECTS = st.dictionaries(st.sampled_from((*NAMES, "data", "message", "code", "__proto__")), JSONS, max_size=8)
# The bytes of a header on a raw socket: all except the two that end it.
VALUES = st.binary(max_size=60).map(lambda value: value.replace(b"\r", b"").replace(b"\n", b"")) | st.sampled_from(
    [date.encode() for date in DATES]
)
HEADERS = st.lists(
    st.tuples(
        st.sampled_from(
            [b"Date", b"Retry-After", b"Location", b"Content-Type", b"Content-Encoding", b"Set-Cookie", b"Connection"]
        )
        | st.binary(max_size=12).map(lambda name: name.replace(b"\r", b"").replace(b"\n", b"")),
        VALUES,
    ),
    max_size=6,
)
STATUSES = st.sampled_from([200, 201, 204, 206, 299, 300, 302, 304, 400, 401, 404, 418, 422, 429, 500, 502, 503, 599])


def with_headers(status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> bytes:
    lines = [f"HTTP/1.1 {status} -".encode(), b"Content-Length: %d" % len(body)]
    return b"\r\n".join([*lines, *(name + b": " + value for name, value in headers), b"", b""]) + body


@FUZZ
@given(status=STATUSES, headers=HEADERS)
@example(status=429, headers=[(b"Retry-After", DATES[0].encode())])
@example(status=401, headers=[(b"Retry-After", DATES[1].encode()), (b"Date", DATES[2].encode())])
def test_any_header_has_an_outcome(liar: Liar, status: int, headers: list[tuple[bytes, bytes]]) -> None:
    data = with_headers(status, headers, b"{}")

    found = liar.answers(data)

    assert all(map(is_typed, found.values())), found


@pytest.mark.parametrize("name", ["Date", "Retry-After"])
@pytest.mark.parametrize("value", DATES)
@pytest.mark.parametrize("status", [200, 401, 429, 503])
def test_a_number_in_a_date_does_not_hide_the_status(liar: Liar, status: int, value: str, name: str) -> None:
    other = ("Retry-After", "Mon, 23 Nov 2026 16:25:03 GMT") if name == "Date" else ("X", "x")
    answer = reply(f"{status} -", call_to(TO, verified=False), headers=[(name, value), other])

    found = liar.answers(answer)

    if status == 200:
        assert (type(found["call"]), type(found["check"])) == (OtpCall, OtpCheck)
    else:
        assert {(type(each), each.status) for each in found.values()} == {(ApiRefused, status)}
        assert all(each.retry_after is None or 1 <= each.retry_after <= 86_400 for each in found.values())


@pytest.mark.parametrize("value", DATES)
def test_a_probe_accepts_any_date(liar: Liar, value: str) -> None:
    liar.client.close()
    liar.told[:] = [reply(body={"object": "list", "data": []}, headers=[("Date", value)])]

    probe = liar.client.probe()

    assert probe.error is None


@FUZZ
@given(status=STATUSES, body=JSONS | OBJECTS)
@example(status=200, body={"id": "\ud800", "to": TO})
@example(status=429, body={"data": {"error": {"code": "rate_limited", "message": "Retry after \ud800s."}}})
def test_any_json_of_any_type_has_an_outcome(liar: Liar, status: int, body: Any) -> None:
    data = reply(f"{status} -", json.dumps(body).encode())

    found = liar.answers(data)

    assert all(map(is_typed, found.values())), found
    assert not (isinstance(found["check"], OtpCheck) and found["check"].verified and body.get("verified") is not True)


@FUZZ
@given(name=st.sampled_from(NAMES), value=JSONS)
@example(name="attempts_left", value=True)
@example(name="verified", value=1)
@example(name="livemode", value="true")
@example(name="expires_at", value="9999-12-31T23:59:59-23:59")
def test_each_field_can_have_any_type(liar: Liar, name: str, value: Any) -> None:
    """A field of the wrong type counts as missing. If it decides the answer, the outcome is unknown."""
    data = reply(body=json.dumps(call_to(TO, verified=False, attempts_left=2) | {name: value}).encode())

    found = liar.answers(data)

    assert all(map(is_typed, found.values())), found
    if isinstance(found["call"], OtpCall):
        assert type(found["call"].id) is str
        assert found["call"].livemode in (True, False, None)
    if isinstance(found["check"], OtpCheck):
        left = found["check"].tries_left
        assert left is None or (type(left) is int and left >= 0)
        assert found["check"].verified is False or value == "verified" or name == "verified"


@FUZZ
@given(body=st.binary(max_size=200), status=STATUSES)
@example(body=b'{"id":1e999}', status=200)
@example(body=b'{"attempts_left":-Infinity}', status=200)
@example(body=b'{"attempts_left":' + b"9" * 5000 + b"}", status=200)
@example(body=b"[" * 60_000, status=200)
@example(body=b'{"a":' * 12_000 + b"1" + b"}" * 12_000, status=502)
@example(body=b'{"verified":true,"verified":true,"status":"verified"}', status=200)
@example(body=b'{"verified":false,"verified":true,"status":"verified"}', status=200)
def test_any_bytes_as_a_body_have_an_outcome(liar: Liar, body: bytes, status: int) -> None:
    data = reply(f"{status} -", body)

    found = liar.answers(data)

    assert all(map(is_typed, found.values())), found
    assert not (isinstance(found["check"], OtpCheck) and found["check"].verified)


@FUZZ
@given(data=st.binary(max_size=300))
@example(data=b"")
@example(data=b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n{}")
@example(data=b"HTTP/1.1 200 OK\r\nContent-Length: 1_0\r\n\r\n{}")
@example(data="HTTP/1.1 200 OK\r\nContent-Length: ²\r\n\r\n{}".encode())
@example(data=b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\n{}")
@example(data=b"HTTP/1.1 200 OK\r\n" + b"X: x\r\n" * 500 + b"\r\n{}")
@example(data=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffffffff\r\n{}")
@example(data=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n")
@example(data=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"0" * 70_000 + b"2\r\n{}\r\n0\r\n\r\n")
@example(data=b"HTTP/1.1 99999999999999999999 OK\r\n\r\n")
@example(data=b"HTTP/1.1 \xb2\xb2\xb2 OK\r\n\r\n")
@example(data=b"HTTP/1.1 200 \xff\xfe\r\nX-\xff: \xff\r\nContent-Length: 2\r\n\r\n{}")
@example(data=b"HTTP/1.1 200 OK\r\n: nameless\r\n folded\r\nContent-Length: 2\r\n\r\n{}")
def test_any_bytes_as_an_answer_have_an_outcome(liar: Liar, data: bytes) -> None:
    found = liar.answers(data)

    assert all(isinstance(each, ApiError) for each in found.values()), found


@pytest.mark.parametrize("surprise", [MemoryError, OverflowError, RecursionError])
def test_an_unexpected_error_while_reading_is_an_unknown_outcome(
    surprise: type[Exception], liar: Liar, monkeypatch: pytest.MonkeyPatch
) -> None:
    def surprised(*args: object, **kwargs: object) -> None:
        raise surprise

    monkeypatch.setattr(json, "loads", surprised)

    found = liar.answers(reply(body=b"{}"))

    assert {type(each) for each in found.values()} == {ApiOutcomeUnknown}
    assert isinstance(liar.client.probe().error, ApiOutcomeUnknown)


class TestLogin:
    """Telroi redirects a wrong path or method to its login page, so nothing was done."""

    @pytest.mark.parametrize("location", ["/login", "/login?redirect=/v1/v1/otp", "https://app.telroi.ai/login#top"])
    def test_a_redirect_to_the_login_page_is_a_refusal(self, location: str, liar: Liar) -> None:
        answer = reply("302 Found", b"<html>", headers=[("Location", location)])

        found = liar.answers(answer)

        assert {(type(each), each.status, each.code) for each in found.values()} == {(ApiRefused, 302, "")}

    @pytest.mark.parametrize(
        ("status", "location"),
        [
            ("302 Found", "/log"),
            ("302 Found", "/login/as"),
            ("302 Found", "/v1/login"),
            ("302 Found", "//login"),
            ("302 Found", "http://[/login"),
            ("302 Found", "/log\xefn"),
            ("302 Found", ""),
            ("303 See Other", "/login"),
            ("307 Temporary Redirect", "/login"),
        ],
    )
    def test_any_other_redirect_leaves_the_outcome_unknown(self, status: str, location: str, liar: Liar) -> None:
        answer = reply(status, b"", headers=[("Location", location)])

        found = liar.answers(answer)

        assert {type(each) for each in found.values()} == {ApiOutcomeUnknown}

    @pytest.mark.parametrize("reason", ["Server Error", "Bad Request"])
    def test_a_redirect_that_hides_an_error_leaves_the_outcome_unknown(self, reason: str, liar: Liar) -> None:
        """A proxy removed our ``Accept`` header. The redirect may hide a 502 of a call that rings."""
        answer = reply(f"302 {reason}", b"", headers=[("Location", "/login")])

        found = liar.answers(answer)

        assert {type(each) for each in found.values()} == {ApiOutcomeUnknown}
