"""Every exchange that was recorded at Telroi's server, replayed byte for byte."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from django_telroi.client import OtpCall, OtpCheck, TelroiClient
from django_telroi.errors import ApiError, ApiOutcomeUnknown, ApiRefused
from tests.client.wire import Peer, Server

RECORDINGS = json.loads((Path(__file__).parents[1] / "recordings" / "telroi-exchanges.json").read_text())
BY_NAME = {recording["name"]: recording for recording in RECORDINGS}

# The wait in seconds, and the scope of the limit.
LIMITS = {
    "otp.send.live.cooldown_429": (60, "number"),
    "otp.send.live.cooldown_429_own_code": (60, "number"),
    "otp.send.live.cooldown_429_even_after_verified": (60, "number"),
    "otp.send.live.cooldown_429_5s_left": (5, "number"),
    "otp.send.live.hourly_limit_429": (3600, "number"),
    "otp.send.live.hourly_limit_counts_failed_rows": (3600, "number"),
    "otp.send.live_workspace.after_otp_failed_cooldown_429": (60, "number"),
    "otp.send.live_workspace.tenant_override_cooldown_5s_429": (5, "number"),
    "otp.send.live_workspace.vendor_unreachable_then_cooldown": (60, "number"),
    "auth.per_key_rate_limit_429": (56, "key"),
    "auth.per_key_rate_limit_429_verify": (56, "key"),
}

# Answers without ``data``, which have no error code.
CODELESS = {
    "otp.send.test.proto": (400, "Invalid JSON body"),
    "otp.verify.test.malformed": (400, "Invalid JSON body"),
    "otp.send.live.to_nul_byte": (500, "Server Error"),
    "otp.verify.live.to_nul_byte": (500, "Server Error"),
    "otp.send.live_workspace.vendor_unreachable": (500, "Server Error"),
    "cron.bad_secret": (401, "bad cron secret"),
    "probe_path": (404, ""),
}

CALL_FIELDS = {"to": str, "code": str, "code_length": int, "language": str}
CHECK_FIELDS = {"code": str, "id": str, "to": str}


@pytest.mark.parametrize("name", BY_NAME)
def test_a_recorded_exchange_has_its_recorded_outcome(
    name: str, serve: Callable[..., Server], connect: Callable[..., TelroiClient]
) -> None:
    recording = BY_NAME[name]
    server = serve(playing_back(recording["response"]))

    outcome = ask_as_recorded(connect(server), recording["request"])

    assert what_it_is(outcome) == what_it_was(recording)
    assert len(server.ledger) == 1


@pytest.mark.parametrize("name", [name for name, it in BY_NAME.items() if not name.startswith("webhook.")])
def test_a_recorded_request_is_sent_as_recorded(
    name: str, serve: Callable[..., Server], connect: Callable[..., TelroiClient]
) -> None:
    recording = BY_NAME[name]
    server = serve(playing_back(recording["response"]))

    ask_as_recorded(connect(server), recording["request"])

    asked = server.ledger[0]
    assert (asked.method, asked.target) == (recording["request"]["method"], recording["request"]["path"])
    assert json_in(asked.body.decode()) == json_in(recording["request"]["body"])


def test_all_recordings_are_replayed() -> None:
    statuses = Counter(recording["response"]["status"] for recording in RECORDINGS)

    refused = {400: 44, 401: 14, 403: 4, 404: 1, 422: 3, 429: 11, 500: 3, 502: 11, 503: 2}
    assert statuses == {200: 108, 302: 26} | refused
    assert len(BY_NAME) == 227


def playing_back(response: dict[str, Any]) -> Callable[[Peer], None]:
    lines = [f"{name}: {value}" for name, value in response["headers"].items()]
    head = "\r\n".join([f"HTTP/1.1 {response['status']} {response['reason']}", *lines, "", ""])

    def script(peer: Peer) -> None:
        while peer.read():
            peer.send((head + (response["body"] or "")).encode())
            if "content-length" not in head.lower():
                return

    return script


def ask_as_recorded(client: TelroiClient, request: dict[str, Any]) -> object:
    method, path, body = request["method"], request["path"], json_in(request["body"])
    try:
        if (method, path) == ("POST", "/v1/otp") and fits(body, CALL_FIELDS, "to"):
            return client.place_otp(**body)
        if (method, path) == ("POST", "/v1/otp/verify") and fits(body, CHECK_FIELDS, "code", "to"):
            return client.check_otp(**body)
        if (method, path) == ("POST", "/v1/otp/verify") and fits(body, CHECK_FIELDS, "code", "id"):
            return client.check_otp(**body)
        return client.request(method, path, json=body)
    except ApiError as error:
        return error


def fits(body: Any, fields: dict[str, type], *needed: str) -> bool:
    return (
        isinstance(body, dict)
        and all(field in body for field in needed)
        and all(type(value) is fields.get(name) for name, value in body.items())
    )


def json_in(text: str | None) -> Any:
    try:
        return json.loads(text or "null")
    except ValueError:
        return None


def what_it_is(outcome: object) -> object:
    if isinstance(outcome, ApiRefused):
        return outcome.status, outcome.code, outcome.message, outcome.retry_after, outcome.scope
    return (type(outcome),) if isinstance(outcome, ApiError) else outcome


def what_it_was(recording: dict[str, Any]) -> object:
    """Read the expected values from the recording without code of the client."""
    name, request, response = recording["name"], recording["request"], recording["response"]
    status = response["status"]
    if status == 302 and response["reason"] == "Found":
        return 302, "", "Redirected to /login: a wrong path or method.", None, None
    if status == 302:
        return (ApiOutcomeUnknown,)
    if name in CODELESS:
        assert "data" not in response["body"]
        return CODELESS[name][0], "", CODELESS[name][1], None, None
    body = json.loads(response["body"])
    if status >= 400:
        error = body["data"]["error"]
        return status, error["code"], error["message"], *LIMITS.get(name, (None, None))
    sent = json_in(request["body"])
    if body.get("object") == "otp" and fits(sent, CALL_FIELDS, "to") and request["path"] == "/v1/otp":
        return recorded_call(body)
    return recorded_check(body) if body.get("object") == "otp_verification" else body


def recorded_call(body: dict[str, Any]) -> OtpCall:
    expires = body.get("expires_at")
    return OtpCall(
        id=body["id"],
        to=body["to"],
        status="delivered",
        livemode=not body.get("simulated", False),
        expires_at=expires and datetime.strptime(expires, "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC),
        verification="client" if "verification" in body else None,
    )


def recorded_check(body: dict[str, Any]) -> OtpCheck:
    return OtpCheck(
        status=body["status"],
        verified=body["status"] == "verified",
        tries_left=body.get("attempts_left"),
        livemode=not body.get("simulated", False),
    )
