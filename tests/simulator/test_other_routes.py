"""The routes outside OTP: the requests of Telroi's script for its API, and the validation of bodies."""

from __future__ import annotations

from typing import Any

import pytest

JSON = {"Content-Type": "application/json"}
AGENT = {"id": "11111111-2222-4333-8444-555555555555", "name": "Front desk"}

# Telroi's script sends each of these with curl and a test key.
SCRIPT: list[tuple[str, str, dict[str, Any] | None, str, int]] = [
    ("GET", "/v1/calls", None, "test", 200),
    ("GET", "/v1/numbers", None, "test", 200),
    ("GET", "/v1/vans", None, "test", 200),
    ("GET", "/v1/agents", None, "test", 200),
    ("GET", "/v1/calls", None, "none", 401),
    ("GET", "/v1/calls", None, "bad", 401),
    ("POST", "/v1/otp", {"to": "+2348000000000"}, "test", 200),
    ("POST", "/v1/contacts", {"phone": "+2348000000001", "name": "API test"}, "test", 200),
    ("POST", "/v1/otp", {}, "test", 400),
    ("POST", "/v1/calls", {"phone": "+2348000000002"}, "test", 200),
    ("POST", "/v1/calls", {}, "test", 400),
    ("POST", "/v1/speech/tts", {"text": "Testing the speech endpoint."}, "test", 200),
    ("POST", "/v1/speech/tts", {}, "test", 400),
    ("POST", "/v1/speech/stt", {}, "test", 400),
    ("POST", "/v1/otp/verify", {}, "test", 400),
    ("GET", f"/v1/agents/{AGENT['id']}/knowledge", None, "test", 200),
]


@pytest.mark.parametrize(("method", "path", "fields", "key", "status"), SCRIPT)
def test_telrois_own_script_passes(simulator, telroi, method, path, fields, key, status) -> None:
    simulator.set_list("agents", [AGENT])
    keys = {"test": simulator.test_key, "none": "none", "bad": "tlr_test_notarealkey"}
    curl = {"Accept": "*/*", "User-Agent": "curl/7.88.1", **JSON}

    reply = telroi.ask(method, path, fields, key=keys[key], headers=curl)

    assert reply.status == status


FITS: list[tuple[str, Any, bool]] = [
    ("/v1/calls", {"phone": "123"}, True),
    ("/v1/calls", {"phone": "12"}, False),
    ("/v1/calls", {"phone": 12345}, False),
    ("/v1/calls", {"phone": "+2348031230002", "from": None}, False),
    ("/v1/calls", {"phone": "+2348031230002", "from": "+2348000000000", "user": "a", "group": "b"}, True),
    ("/v1/calls", ["+2348031230002"], False),
    ("/v1/contacts", {"phone": "1234"}, True),
    ("/v1/contacts", {"phone": "123"}, False),
    ("/v1/contacts", [{"phone": "1234"}] * 1000, True),
    ("/v1/contacts", [{"phone": "1234"}] * 1001, False),
    ("/v1/contacts", [{"phone": "1234"}, {"phone": "1"}], False),
    ("/v1/contacts", {"phone": "1234", "email": "a@example.com"}, True),
    ("/v1/contacts", {"phone": "1234", "email": "a"}, False),
    ("/v1/vans", {"name": "Line", "telnum": "+2348000010001"}, True),
    ("/v1/vans", {"name": "", "telnum": "+2348000010001"}, False),
    ("/v1/speech/tts", {"text": "a" * 5000, "format": "wav"}, True),
    ("/v1/speech/tts", {"text": "a" * 5001}, False),
    ("/v1/speech/tts", {"text": "😀" * 2501}, False),
    ("/v1/speech/tts", {"text": "a", "format": "flac"}, False),
    ("/v1/speech/stt", {"audio_base64": "UklGRg=="}, True),
    ("/v1/speech/stt", {"audio_url": "a"}, False),
    ("/v1/speech/stt", {"audio_url": "https://example.com/a.mp3", "language": 1}, False),
]


@pytest.mark.parametrize(("path", "body", "fits"), FITS)
def test_a_body_is_accepted_or_refused_with_the_message_of_its_route(simulator, telroi, path, body, fits) -> None:
    reply = telroi.ask("POST", path, body, key=simulator.test_key, headers=JSON)

    assert reply.status == (200 if fits else 400)
    assert fits or reply.error["code"] == "invalid"


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/v1/calls", {"phone": "+2348031230002"}, 409),
        ("/v1/contacts", [{"phone": "+2348031230003"}, {"phone": "+2348031230004"}], 200),
        ("/v1/vans", {"name": "Line", "telnum": "+2348000010001"}, 200),
        ("/v1/speech/tts", {"text": "hi"}, 502),
        ("/v1/speech/stt", {"audio_url": "https://example.com/a.mp3"}, 502),
    ],
)
def test_with_a_live_key_no_call_and_no_speech_is_made(simulator, telroi, path, body, status) -> None:
    reply = telroi.ask("POST", path, body, headers=JSON)

    assert (reply.status, simulator.calls) == (status, [])


@pytest.mark.parametrize(
    "body",
    [
        '{"to":"+234","constructor":1}',
        '{"to":"+234","__proto__" : {}}',
        '{"to":"+234","\\u005f_proto__":1}',
        '{"to":"+234","a":[{"const\\u0072uctor":2}]}',
    ],
)
def test_a_body_that_could_change_a_prototype_is_malformed(simulator, telroi, body) -> None:
    reply = telroi.ask_raw("POST", "/v1/otp", body, key=simulator.test_key, headers=JSON)

    assert (reply.status, reply.json()["message"]) == (400, "Invalid JSON body")


@pytest.mark.parametrize("body", ['{"to":"constructor"}', '{"to":"__proto__"}', '{"to":"+234","Constructor":1}'])
def test_a_body_that_only_names_a_prototype_is_accepted(simulator, telroi, body) -> None:
    assert telroi.ask_raw("POST", "/v1/otp", body, key=simulator.test_key, headers=JSON).status == 200


def test_an_error_of_the_carrier_is_reported_as_recorded(simulator, telroi) -> None:
    simulator.carrier("custom_vendor_500")

    reply = telroi.send()

    assert (reply.status, reply.error) == (502, {"code": "otp_failed", "message": "Custom vendor error 500"})
    assert simulator.calls == []
