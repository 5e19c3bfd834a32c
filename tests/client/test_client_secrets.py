"""No key, code or number in a repr, an error, a log line, or a report that shows the locals of each frame."""

from __future__ import annotations

import copy
import logging
import pickle
from collections.abc import Callable, Iterator
from types import TracebackType

import pytest

from django_telroi.client import OtpCall, TelroiClient
from django_telroi.errors import ApiError, ApiOutcomeUnknown, ApiRefused, ApiUnreachable
from django_telroi.redaction import Secret, SecretBytes
from tests.client.conftest import KEY
from tests.client.wire import Server, answering, call_to, once, placing, reply

TO = "+2348099912345"
CODE = "73519264"
CANARIES = (KEY, KEY[9:], TO, TO[1:], CODE)

Serve = Callable[..., Server]
Connect = Callable[..., TelroiClient]


def echoing(status: str) -> bytes:
    """Return an answer that repeats all data of the request in every field."""
    words = f"{KEY} may not ring {TO} with {CODE}"
    error = {"code": "otp_failed", "message": words}
    return reply(status, {"error": True, "url": words, "message": words, "data": {"error": error}, "to": TO, "x": CODE})


ANSWERS = {
    "a refusal": echoing("400 Bad Request"),
    "a limit": echoing("429 Too Many Requests"),
    "a failed call": echoing("502 Bad Gateway"),
    "a value without an id": echoing("200 OK"),
    "another number": reply(body=call_to(TO + "0", status=[CODE])),
    "a redirect": reply("302 Found", f"{KEY} {TO} {CODE}".encode(), headers=[("Location", f"/{KEY}/{TO}/{CODE}")]),
    "garbage": f"{KEY} {TO} {CODE}".encode(),
    "a cut": reply(body=call_to(TO), length=5000),
    "nothing": b"",
}


@pytest.mark.parametrize("answer", ANSWERS)
def test_an_error_with_its_frames_and_its_log_line_contains_no_secret(
    answer: str, serve: Serve, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    client = connect(serve(once(ANSWERS[answer])))
    caplog.set_level(logging.DEBUG)

    for ask in (place, check, list_numbers):
        error = error_of(ask, client)

        assert error.__cause__ is None
        assert error.__context__ is None
        assert modules_in(error) == {"django_telroi.client.telroi_client"}
        assert_no_canary(str(error), repr(error), repr(error.args), *locals_in(error))
    assert_no_canary(caplog.text, *(repr(vars(record)) for record in caplog.records))
    assert [record.name for record in caplog.records] == ["django_telroi.client"] * 3


@pytest.mark.parametrize("answer", ["a refusal", "a limit", "a redirect", "garbage", "a cut", "nothing"])
def test_an_error_of_a_custom_request_contains_no_secret(answer: str, serve: Serve, connect: Connect) -> None:
    error = error_of(place_by_hand, connect(serve(once(ANSWERS[answer]))))

    assert error.__context__ is None
    assert_no_canary(str(error), repr(error), repr(error.args), *locals_in(error))


def test_an_error_of_a_request_that_was_not_sent_contains_no_secret(connect: Connect) -> None:
    client = connect("http://127.0.0.1:1")

    error = error_of(place, client)

    assert type(error) is ApiUnreachable
    assert error.__context__ is None
    assert_no_canary(str(error), repr(error), *locals_in(error))


def test_values_clients_and_their_log_lines_contain_no_secret(
    serve: Serve, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    client = connect(serve(placing))

    call = client.place_otp(TO)

    assert_no_canary(repr(client), repr(call), caplog.text, repr(vars(client)), repr(client.session.headers))
    assert "telroi_answered method=POST path=/v1/otp" in caplog.text


def test_a_number_in_a_path_is_not_logged(serve: Serve, connect: Connect, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    client = connect(serve(answering(reply(body={}))))

    client.request("GET", f"/v1/contacts/{TO}?code={CODE}")

    assert "path=/v1/contacts/[hidden] " in caplog.text
    assert_no_canary(caplog.text)


@pytest.mark.parametrize(
    ("status", "event"),
    [("400 -", "telroi_refused"), ("200 OK", "telroi_outcome_unknown"), ("302 -", "telroi_outcome_unknown")],
)
def test_each_request_is_logged_as_one_line(
    status: str, event: str, serve: Serve, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    client = connect(serve(answering(reply(status, b'{"error": {"code": "bad\\nline", "message": "two\\nlines"}}'))))

    error_of(place, client)

    assert [record.getMessage().split()[0] for record in caplog.records] == [event]
    assert "\n" not in caplog.records[0].getMessage()


@pytest.mark.parametrize(
    "error",
    [
        ApiUnreachable("refused"),
        ApiOutcomeUnknown("timed out"),
        ApiRefused(429, "rate_limited", "Retry after 60s.", 60, "number"),
        ApiRefused(502),
    ],
)
def test_an_error_can_be_pickled(error: ApiError) -> None:
    for carried in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
        assert type(carried) is type(error)
        assert (carried.args, vars(carried), str(carried)) == (error.args, vars(error), str(error))


def test_an_error_of_a_real_answer_can_be_pickled(serve: Serve, connect: Connect) -> None:
    for answer in ANSWERS.values():
        error = error_of(place, connect(serve(once(answer))))

        assert pickle.loads(pickle.dumps(error)).args == error.args


def test_a_value_can_be_pickled() -> None:
    call = OtpCall("x1", TO, "delivered", livemode=True, expires_at=None, verification=None)

    assert pickle.loads(pickle.dumps(call)) == call


def test_secret_text_is_text_with_a_hidden_repr() -> None:
    assert (repr(Secret("abc")), str(Secret("abc")), Secret("abc") == "abc", f"{Secret('abc')}") == (
        "'•••'",
        "abc",
        True,
        "abc",
    )
    assert (repr(SecretBytes(b"abc")), bytes(SecretBytes(b"abc"))) == ("'•••'", b"abc")


class TestSettings:
    @pytest.mark.parametrize(
        "key", ["", " ", "tlr live", "tlr_live_x\n", "tlr\r\nX-Evil: 1", "tlr_\x00", "tlr_\x7f", "tlr_é", "tlr_\u202e"]
    )
    def test_a_key_that_fits_no_header_is_rejected_without_being_shown(self, key: str) -> None:
        with pytest.raises(ValueError, match="api_key") as caught:
            TelroiClient(key)

        assert not key.strip() or key not in str(caught.value)

    @pytest.mark.parametrize("key", ["tlr_test_x", "tlr_live_" + "a" * 20, "tlr_live_" + "a" * 200, "whatever"])
    def test_a_key_of_any_length_is_accepted(self, key: str) -> None:
        TelroiClient(key).close()

    @pytest.mark.parametrize(
        "base_url",
        [
            "http://app.telroi.ai",
            "http://10.0.0.1",
            "http://127.0.0.1.evil.example",
            "http://localhost.evil.example",
            "ftp://127.0.0.1",
            "app.telroi.ai",
            "//app.telroi.ai",
            "https://",
            "https://app.telroi.ai:port",
            "https://app.telroi.ai:99999",
            "https://user:secret@app.telroi.ai",
            "https://app.telroi.ai/?key=secret",
            "https://app.telroi.ai/#there",
            "https://app.telroi.ai/a b",
            "https://app.telroi.ai\r\nX-Evil: 1",
            "https://äpp.telroi.ai",
            "",
        ],
    )
    def test_a_base_url_that_would_expose_the_key_is_rejected(self, base_url: str) -> None:
        with pytest.raises(ValueError, match="base_url") as caught:
            TelroiClient(KEY, base_url=base_url)

        assert "secret" not in str(caught.value)
        assert_no_canary(str(caught.value), *locals_in(caught.value))

    @pytest.mark.parametrize(
        "base_url",
        [
            "https://app.telroi.ai",
            "https://app.telroi.ai:8443/api/",
            "http://127.0.0.1:8000",
            "http://127.8.8.8",
            "http://[::1]:8000",
            "http://localhost:8000",
            "https://10.0.0.1",
        ],
    )
    def test_https_to_any_host_and_http_to_loopback_are_accepted(self, base_url: str) -> None:
        with TelroiClient(KEY, base_url=base_url) as client:
            assert repr(client) == f"<TelroiClient {base_url.rstrip('/')}>"

    @pytest.mark.parametrize("timeout", ["connect_timeout", "read_timeout", "total_timeout"])
    @pytest.mark.parametrize("seconds", [0, -1, float("inf"), float("nan")])
    def test_a_timeout_of_zero_or_infinity_is_rejected(self, timeout: str, seconds: float) -> None:
        with pytest.raises(ValueError, match="Timeouts"):
            TelroiClient(KEY, **{timeout: seconds})

    @pytest.mark.parametrize("to", [None, 2348012345678, b"+2348012345678", ["+2348012345678"]])
    def test_a_number_that_is_not_a_string_is_rejected(self, to: object, serve: Serve, connect: Connect) -> None:
        server = serve(placing)

        with pytest.raises(TypeError):
            connect(server).place_otp(to)
        assert server.peers == []

    def test_a_check_needs_a_number_or_an_id(self, connect: Connect) -> None:
        with pytest.raises(ValueError, match="id or to"):
            connect("http://127.0.0.1:1").check_otp(CODE)

    @pytest.mark.parametrize(
        ("method", "path"),
        [
            ("GET", "v1"),
            ("GET", ""),
            ("GET", "@evil.example/"),
            ("GET", "/a b"),
            ("GET", "/a\r\nX-Evil: 1"),
            ("GET", "/ü"),
            ("GET", "/a#b"),
            ("GET /x HTTP/1.1\r\n", "/"),
            ("", "/"),
            ("GÉT", "/"),
        ],
    )
    def test_an_invalid_request_is_not_sent(self, method: str, path: str, serve: Serve, connect: Connect) -> None:
        server = serve(placing)

        with pytest.raises(ValueError, match="path"):
            connect(server).request(method, path)
        assert server.peers == []

    def test_invalid_json_is_not_sent(self, serve: Serve, connect: Connect) -> None:
        server = serve(placing)

        with pytest.raises(ValueError, match="JSON"):
            connect(server).request("POST", "/v1/speech", json={"speed": float("nan")})
        assert server.peers == []


def place(client: TelroiClient) -> object:
    return client.place_otp(TO, code=CODE)


def check(client: TelroiClient) -> object:
    return client.check_otp(CODE, to=TO)


def list_numbers(client: TelroiClient) -> object:
    return client.list_numbers()


def place_by_hand(client: TelroiClient) -> object:
    return client.request("POST", "/v1/otp", json={"to": TO, "code": CODE})


def error_of(ask: Callable[[TelroiClient], object], client: TelroiClient) -> ApiError:
    with pytest.raises(ApiError) as caught:
        ask(client)
    return caught.value


def locals_in(error: BaseException) -> Iterator[str]:
    """Return the text of an error report: the locals of every frame, except those of the test itself."""
    for frame in frames_of(error.__traceback__):
        if not frame.tb_frame.f_code.co_filename.endswith("test_client_secrets.py"):
            yield from (repr(value) for value in frame.tb_frame.f_locals.values())


def modules_in(error: BaseException) -> set[str]:
    return {frame.tb_frame.f_globals["__name__"] for frame in frames_of(error.__traceback__)} - {__name__}


def frames_of(traceback: TracebackType | None) -> Iterator[TracebackType]:
    while traceback:
        yield traceback
        traceback = traceback.tb_next


def assert_no_canary(*texts: str) -> None:
    for text in texts:
        for canary in CANARIES:
            assert canary not in text
