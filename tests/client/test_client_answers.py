"""Answers as documented, answers of a proxy in front of Telroi, and invalid answers."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import format_datetime
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from requests import Response

from django_telroi.client import OtpCall, OtpCheck, TelroiClient
from django_telroi.client.classify import RequestKind, classify, seconds_in_header
from django_telroi.client.replies import read_call, read_check, read_list
from django_telroi.errors import ApiError, ApiOutcomeUnknown, ApiRefused, ApiRefusedByProxy
from tests.client.wire import Server, answering, call_to, once, reply

TO = "+2348012345678"
ID = "75cbe7ef-28b7-4842-b2c0-6e956a9c3d56"

Ask = Callable[[bytes], TelroiClient]


@pytest.fixture
def hearing(serve: Callable[..., Server], connect: Callable[..., TelroiClient]) -> Ask:
    """Return a client that gets this answer."""
    return lambda answer: connect(serve(answering(answer)))


def documented(code: str, message: str = "What went wrong.") -> dict[str, Any]:
    return {"error": {"code": code, "message": message}}


def actual(code: str, message: str = "What went wrong.") -> dict[str, Any]:
    return {"error": True, "statusCode": 400, "message": message, "data": {"error": {"code": code, "message": message}}}


class TestValues:
    def test_a_created_call_is_read_for_every_2xx(self, hearing: Ask) -> None:
        for status in ("200 OK", "201 Created", "202 Accepted"):
            assert hearing(reply(status, call_to(TO))).place_otp(TO) == OtpCall(
                id=ID,
                to=TO,
                status="delivered",
                livemode=True,
                expires_at=datetime(2026, 11, 23, 16, 30, 59, 52000, tzinfo=UTC),
                verification=None,
            )

    def test_a_missing_field_is_none(self, hearing: Ask) -> None:
        call = hearing(reply("201 Created", {"id": "otp_8f3c", "to": TO, "status": "calling"})).place_otp(TO)

        assert call == OtpCall("otp_8f3c", TO, "calling", livemode=None, expires_at=None, verification=None)

    @pytest.mark.parametrize(
        ("field", "value", "read"),
        [
            ("expires_at", "2026-11-23T17:30:59+01:00", datetime(2026, 11, 23, 16, 30, 59, tzinfo=UTC)),
            ("expires_at", "2026-11-23T16:30:59", None),
            ("expires_at", "0001-01-01T00:00:00+23:00", None),
            ("expires_at", "tomorrow", None),
            ("expires_at", "9" * 50_000, None),
            ("expires_at", 1795451459, None),
            ("livemode", "true", None),
            ("livemode", 1, None),
            ("livemode", None, None),
            ("livemode", False, False),
            ("status", ["delivered"], ""),
            ("status", "DELIVERED\n", ""),
            ("verification", 1, None),
        ],
    )
    def test_a_field_of_the_wrong_type_is_none(self, field: str, value: object, read: object, hearing: Ask) -> None:
        call = hearing(reply(body=call_to(TO, **{field: value}))).place_otp(TO)

        assert getattr(call, field) == read
        assert call.id == ID

    @pytest.mark.parametrize(
        ("said", "is_verified"),
        [
            ({"status": "verified", "verified": True}, True),
            ({"status": "verified", "verified": "true"}, False),
            ({"status": "verified", "verified": 1}, False),
            ({"status": "verified", "verified": [True]}, False),
            ({"status": "verified", "verified": None}, False),
            ({"status": "verified", "verified": False}, False),
            ({"status": "verified"}, False),
            ({"status": "mismatch", "verified": True}, False),
            ({"status": "already_verified", "verified": True}, False),
        ],
    )
    def test_only_true_and_verified_together_verify(
        self, said: dict[str, Any], is_verified: bool, hearing: Ask
    ) -> None:
        assert hearing(reply(body=said)).check_otp("123456", id=ID).verified is is_verified

    @pytest.mark.parametrize(
        ("left", "read"), [(2, 2), (0, 0), (-1, None), (True, None), ("2", None), (1.0, None), (None, None)]
    )
    def test_tries_left_is_a_count_or_none(self, left: object, read: int | None, hearing: Ask) -> None:
        said = {"status": "mismatch", "verified": False, "attempts_left": left, "livemode": True}

        assert hearing(reply(body=said)).check_otp("123456", to=TO) == OtpCheck(
            status="mismatch", verified=False, tries_left=read, livemode=True
        )

    def test_numbers_are_listed(self, hearing: Ask) -> None:
        assert hearing(reply(body={"object": "list", "data": [{"telnum": TO}]})).list_numbers() == [{"telnum": TO}]

    def test_an_empty_204_is_none(self, hearing: Ask) -> None:
        assert hearing(b"HTTP/1.1 204 No Content\r\n\r\n").request("DELETE", "/v1/contacts/7") is None

    def test_a_body_that_ends_with_the_connection_is_read(
        self, serve: Callable[..., Server], connect: Callable[..., TelroiClient]
    ) -> None:
        server = serve(once(b"HTTP/1.1 200 OK\r\n\r\n" + json.dumps(call_to(TO)).encode()))

        assert connect(server).place_otp(TO).id == ID

    def test_a_chunked_body_is_read_and_its_connection_kept(
        self, serve: Callable[..., Server], connect: Callable[..., TelroiClient]
    ) -> None:
        chunks = [b"1\r\n%c\r\n" % byte for byte in json.dumps(call_to(TO)).encode()] + [b"0\r\n\r\n"]
        server = serve(answering(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"".join(chunks)))
        client = connect(server)

        assert [client.place_otp(TO).id, client.place_otp(TO).id] == [ID, ID]
        assert len(server.peers) == 1

    def test_the_response_after_interim_ones_is_read_and_its_connection_kept(
        self, serve: Callable[..., Server], connect: Callable[..., TelroiClient]
    ) -> None:
        interim = b"".join(
            b"HTTP/1.1 %s\r\nLink: </style.css>; rel=preload\r\nContent-Length: 7\r\n\r\n" % status
            for status in (b"103 Early Hints", b"102 Processing", b"100 Continue", b"103 Early Hints", b"199 -")
        )
        server = serve(answering(interim + reply(body=call_to(TO))))
        client = connect(server)

        assert [client.place_otp(TO).id, client.place_otp(TO).id] == [ID, ID]
        assert len(server.peers) == 1


class TestRefusals:
    @pytest.mark.parametrize("shape", [documented, actual])
    @pytest.mark.parametrize(
        ("status", "code"),
        [
            (400, "invalid"),
            (401, "unauthorized"),
            (402, "insufficient_funds"),
            (403, "forbidden"),
            (404, "not_found"),
            (405, "method_not_allowed"),
            (408, "request_timeout"),
            (413, "too_large"),
            (422, "not_verifiable"),
            (500, "internal"),
            (502, "otp_failed"),
            (502, "speech_failed"),
            (503, "service_unavailable"),
            (504, "gateway_timeout"),
            (599, "Never-published.2"),
        ],
    )
    def test_codes_are_read_from_the_documented_body_and_the_actual_one(
        self, status: int, code: str, shape: Callable[[str], object], hearing: Ask
    ) -> None:
        error = refusal_of(hearing(reply(f"{status} Server Error", shape(code))))

        assert (error.status, error.code, error.message) == (status, code, "What went wrong.")
        assert (error.retry_after, error.scope) == (None, None)

    @pytest.mark.parametrize(
        "body",
        [
            b"",
            b"<!DOCTYPE html><html><body>Bad gateway</body></html>",
            b"\xff\xfe\x00",
            b"null",
            b"[]",
            b"42",
            b'"otp_failed"',
            b"{",
            b'{"error": null, "data": null}',
            b'{"error": [], "data": {"error": "otp_failed"}}',
            b'{"data": {"error": {"code": 7, "message": ["x"]}}}',
            b'{"data": {"error": {"code": "", "message": null}}}',
            b'{"data": {"error": {"code": "two words"}}}',
            b'{"data": {"error": {"code": "line\\nbreak"}}}',
            b"[" * 60_000,
            b" " * 70_000,
        ],
    )
    @pytest.mark.parametrize("status", [404, 502])
    def test_an_unreadable_refusal_keeps_its_status(self, status: int, body: bytes, hearing: Ask) -> None:
        error = refusal_of(hearing(reply(f"{status} Sorry", body)))

        assert (error.status, error.code, error.message) == (status, "", "")

    @pytest.mark.parametrize(
        ("body", "content_type"),
        [
            (b"<html>Not found</html>", "application/json"),
            (b"\r\n <!DOCTYPE html>", "text/plain"),
            (b"Sorry", "text/html; charset=utf-8"),
            (b"", "Text/HTML"),
        ],
    )
    @pytest.mark.parametrize(
        ("status", "is_page_of_proxy"), [(400, True), (404, True), (422, True), (403, False), (502, False)]
    )
    def test_a_page_instead_of_a_statement_about_the_request_is_from_a_proxy(
        self, status: int, body: bytes, content_type: str, hearing: Ask, *, is_page_of_proxy: bool
    ) -> None:
        answer = reply(f"{status} Sorry", body).replace(b"application/json", content_type.encode())

        error = refusal_of(hearing(answer))

        assert (type(error) is ApiRefusedByProxy, error.status) == (is_page_of_proxy, status)

    def test_a_compressed_refusal_keeps_its_status_and_is_not_inflated(self, hearing: Ask) -> None:
        answer = reply("403 Forbidden", documented("forbidden"), headers=[("Content-Encoding", "gzip")])

        assert (refusal_of(hearing(answer)).status, refusal_of(hearing(answer)).code) == (403, "")

    def test_a_code_without_a_message_uses_the_message_beside_it(self, hearing: Ask) -> None:
        body = {"error": True, "message": "Beside it.", "data": {"error": {"code": "invalid"}}}

        assert refusal_of(hearing(reply("400 Bad Request", body))).message == "Beside it."

    @pytest.mark.parametrize(
        ("message", "cleaned"),
        [
            ("two\r\nlines \x1b[31m\u202e\u2028 and\ttabs", "two lines [31m and tabs"),
            ("x" * 5_000, "x" * 200),
            ("No route to +234 801 234 5678, sorry", "No route to [hidden], sorry"),
            ("No route to 2348012345678.", "No route to [hidden]."),
            ("No route to +234/801/234/5678", "No route to [hidden]"),
            ("No route to +234\u2011801\u2011234\u20115678", "No route to [hidden]"),
            ("Cannot dial 2,3,4,8,0,1,2,3,4,5,6,7,8", "Cannot dial [hidden]"),
            ("Code 483920 is in use", "Code [hidden] is in use"),
            ("Cannot say 4 8 3 9 2 0.", "Cannot say [hidden]."),
            ("Cannot say 4, 8, 3, 9, 2, 0.", "Cannot say [hidden]."),
            ("<say-as>4-8-3-9-2-0</say-as> 500", "<say-as>[hidden]</say-as> 500"),
            ("Code 483 920 after 502, 503", "Code [hidden] after 502, 503"),
            ("Key tlr_live_aB3dE6 and whsec_00ff", "Key [hidden] and [hidden]"),
            ("Gateway returned 500 after 86400s, error 21211", "Gateway returned 500 after 86400s, error 21211"),
            ("\ud800 alone", "alone"),
        ],
    )
    def test_a_message_is_one_clean_line_without_data_of_the_request(
        self, message: str, cleaned: str, hearing: Ask
    ) -> None:
        with pytest.raises(ApiRefused) as caught:
            hearing(reply("502 Bad Gateway", actual("otp_failed", message))).place_otp(TO, code="483920")

        assert caught.value.message == cleaned

    def test_a_code_that_repeats_the_request_is_not_used(self, hearing: Ask) -> None:
        with pytest.raises(ApiRefused) as caught:
            hearing(reply("400 Bad Request", actual("x483920"))).place_otp(TO, code="483920")

        assert caught.value.code == ""


class TestWaits:
    NUMBER = "Too many requests for this number. Retry after {}s."
    KEY = "Too many requests. Try again in {}s."

    @pytest.mark.parametrize("shape", [documented, actual])
    def test_the_two_messages_distinguish_number_and_key(self, shape: Callable[..., object], hearing: Ask) -> None:
        number, key = (
            refusal_of(hearing(reply("429 Server Error", shape("rate_limited", sentence.format(34)))))
            for sentence in (self.NUMBER, self.KEY)
        )

        assert (number.retry_after, number.scope) == (34, "number")
        assert (key.retry_after, key.scope) == (34, "key")

    @pytest.mark.parametrize(
        ("seconds", "read"),
        [
            ("1", 1),
            ("86400", 86400),
            ("0", None),
            ("86401", None),
            ("-5", None),
            ("1e3", None),
            ("٣", None),
            ("", None),
        ],
    )
    def test_only_a_wait_between_a_second_and_a_day_is_accepted(
        self, seconds: str, read: int | None, hearing: Ask
    ) -> None:
        in_words = refusal_of(hearing(reply("429 -", actual("rate_limited", self.NUMBER.format(seconds)))))
        header = [("Retry-After", seconds)] if seconds.isascii() else []
        in_header = refusal_of(hearing(reply("429 -", actual("rate_limited", "Later."), headers=header)))

        assert (in_words.retry_after, in_header.retry_after) == (read, read)

    def test_a_valid_header_precedes_the_message(self, hearing: Ask) -> None:
        body = actual("rate_limited", self.NUMBER.format(60))

        for header, seconds in (("7", 7), ("soon", 60), ("0", 60)):
            answer = reply("429 -", body, headers=[("Retry-After", header)])
            assert refusal_of(hearing(answer)).retry_after == seconds

    def test_a_date_is_compared_with_the_date_of_the_answer(self, hearing: Ask) -> None:
        headers = [("Date", "Mon, 23 Nov 2020 16:25:03 GMT"), ("Retry-After", "Mon, 23 Nov 2020 16:26:33 GMT")]

        assert refusal_of(hearing(reply("429 -", b"", headers=headers))).retry_after == 90

    def test_a_date_without_that_is_compared_with_our_clock(self) -> None:
        in_an_hour = datetime.fromtimestamp(datetime.now(UTC).timestamp() + 3600, UTC)

        seconds = seconds_in_header({"Retry-After": format_datetime(in_an_hour, usegmt=True)})

        assert seconds is not None
        assert 3500 < seconds <= 3600

    def test_a_503_may_have_a_wait_too(self, hearing: Ask) -> None:
        answer = reply("503 -", actual("service_unavailable"), headers=[("Retry-After", "12")])

        assert (refusal_of(hearing(answer)).retry_after, refusal_of(hearing(answer)).scope) == (12, None)

    def test_an_unknown_message_limits_the_number_of_a_call(self, hearing: Ask) -> None:
        client = hearing(reply("429 -", documented("rate_limited", "You rang too often.")))

        with pytest.raises(ApiRefused) as caught:
            client.place_otp(TO)

        assert caught.value.scope == "number"

    def test_a_request_that_is_not_a_call_is_limited_by_key_only(self, hearing: Ask) -> None:
        client = hearing(reply("429 -", documented("rate_limited", "Easy now.")))

        for ask in (lambda: client.check_otp("123456", id=ID), client.list_numbers, lambda: client.request("GET", "/")):
            with pytest.raises(ApiRefused) as caught:
                ask()
            assert caught.value.scope == "key"

    def test_a_429_that_is_not_from_telroi_limits_the_key(self, hearing: Ask) -> None:
        assert refusal_of(hearing(reply("429 -", b"<html>Slow down, this number is busy</html>"))).scope == "key"

    @given(st.text(st.characters(max_codepoint=255)) | st.from_regex(r"[A-Z][a-z]{2}, \d+ [A-Z][a-z]{2} \d+ [\d:]+ .*"))
    def test_every_header_value_is_a_wait_or_none(self, value: str) -> None:
        seconds = seconds_in_header({"Retry-After": value, "Date": value})

        assert seconds is None or 1 <= seconds <= 86_400


class TestInvalidAnswers:
    GARBAGE = (
        b"",
        b" ",
        b"null",
        b"true",
        b"0",
        b'"delivered"',
        b"[]",
        b"{}",
        b"[{}]",
        b"NaN",
        b"Infinity",
        b'{"id": NaN, "status": "verified", "verified": true}',
        b'{"id": 1e999, "data": [1e999], "status": "verified"}',
        b'\xef\xbb\xbf{"id": "x1", "status": "verified", "verified": true, "data": []}',
        b'{"id": "\xff", "status": "verified", "verified": true, "data": []}',
        '{"id": "x1", "status": "verified", "verified": true, "data": []}'.encode("utf-16"),
        b'{"id": "x1", "id": "x2", "status": "mismatch", "status": "verified", "verified": true, "data": []}',
        b'{"id": "x1", "status": "verified", "verified": true, "data": []} trailing',
        b'{"id": "x1", "status": "verified", "verified": true, "data": [',
        b'{"id": 12' + b"3" * 10_000 + b"}",
        b"[" * 60_000 + b"]" * 5_000,
        b'{"a":' * 10_000,
        b'{"id": "x1", "status": "verified", "verified": true, "data": []}' + b" " * 70_000,
        b"<!DOCTYPE html><html><head><title>Sign in</title></head></html>",
    )

    @pytest.mark.parametrize("body", GARBAGE)
    def test_an_invalid_2xx_leaves_the_outcome_unknown(self, body: bytes, hearing: Ask) -> None:
        client = hearing(reply(body=body))

        for ask in (lambda: client.place_otp(TO), lambda: client.check_otp("123456", id=ID), client.list_numbers):
            with pytest.raises(ApiOutcomeUnknown):
                ask()

    @pytest.mark.parametrize(
        "call_id",
        [None, "", 7, True, [], {}, "x" * 65, "two words", "line\nbreak", "nul\x00", "\u202eid", "ïd", "\ud800"],
    )
    def test_a_call_without_a_usable_id_is_unknown(self, call_id: object, hearing: Ask) -> None:
        with pytest.raises(ApiOutcomeUnknown):
            hearing(reply(body=call_to(TO, id=call_id))).place_otp(TO)

    @pytest.mark.parametrize("other", ["+2348012345679", "2348012345678", "", None, 2348012345678, [TO]])
    def test_a_call_to_another_number_is_unknown(self, other: object, hearing: Ask) -> None:
        with pytest.raises(ApiOutcomeUnknown):
            hearing(reply(body=call_to(TO) | {"to": other})).place_otp(TO)

    @pytest.mark.parametrize("status", [None, "", 1, True, ["verified"], "VERIFIED", "two words", "x" * 40])
    def test_a_check_without_a_status_is_unknown(self, status: object, hearing: Ask) -> None:
        with pytest.raises(ApiOutcomeUnknown):
            hearing(reply(body={"status": status, "verified": True})).check_otp("123456", id=ID)

    @pytest.mark.parametrize("data", [None, {}, "x", 1, [1], [{}, None]])
    def test_a_list_without_objects_is_unknown(self, data: object, hearing: Ask) -> None:
        with pytest.raises(ApiOutcomeUnknown):
            hearing(reply(body={"object": "list", "data": data})).list_numbers()

    @pytest.mark.parametrize("encoding", ["gzip", "GZIP", "br", "deflate", "gzip, identity", "x-unheard-of"])
    def test_a_compressed_2xx_is_unknown(self, encoding: str, hearing: Ask) -> None:
        with pytest.raises(ApiOutcomeUnknown):
            hearing(reply(body=call_to(TO), headers=[("Content-Encoding", encoding)])).place_otp(TO)

    @pytest.mark.parametrize("status", ["101 Switching Protocols", "600 -", "999 -"])
    def test_an_unknown_status_class_is_unknown(self, status: str, hearing: Ask) -> None:
        with pytest.raises(ApiOutcomeUnknown):
            hearing(reply(status, call_to(TO))).place_otp(TO)

    def test_a_204_for_a_call_is_unknown(self, hearing: Ask) -> None:
        with pytest.raises(ApiOutcomeUnknown):
            hearing(b"HTTP/1.1 204 No Content\r\n\r\n").place_otp(TO)

    @given(
        body=st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
            lambda inner: (
                st.lists(inner)
                | st.dictionaries(
                    st.sampled_from(
                        ["id", "to", "status", "verified", "attempts_left", "data", "error", "code", "message"]
                    ),
                    inner,
                )
            ),
        )
    )
    def test_any_json_raises_only_our_errors(self, body: Any) -> None:
        for status in (200, 302, 400, 429, 502):
            response = Response()
            response.status_code = status
            response.raw = BytesIO(json.dumps(body).encode())
            outcome = classify(response, RequestKind())

            assert isinstance(outcome, ApiError) or (status == 200 and outcome == body)
        for read in (read_check(body), read_list(body), read_call(body, TO)):
            assert isinstance(read, ApiError | OtpCheck | OtpCall | list)


def refusal_of(client: TelroiClient) -> ApiRefused:
    with pytest.raises(ApiRefused) as caught:
        client.place_otp(TO)
    return caught.value
