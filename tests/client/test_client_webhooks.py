"""The signature and the contents of a webhook."""

from __future__ import annotations

import hmac
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from django_telroi.client import read_webhook
from django_telroi.client.webhooks import read_event, sign
from django_telroi.errors import SignatureRejected
from tests.webhooks.telroi import CALL_ID, NUMBER, SECRET, body_of, signed

RECORDINGS = Path(__file__).parent.parent / "recordings" / "telroi-exchanges.json"
RECORDED = [each for each in json.loads(RECORDINGS.read_text()) if each["name"].startswith("webhook.")]
BODY = body_of("otp.completed")
RIGHT = sign(BODY, SECRET)


@pytest.mark.parametrize("recording", RECORDED, ids=lambda recording: recording["name"])
def test_recorded_webhooks_are_authentic_and_read(recording: Any) -> None:
    request = recording["request"]

    event = read_webhook(
        request["body"].encode(), request["headers"], secrets=["".join(recording["signing_secret_parts"])]
    )

    sent = json.loads(request["body"])
    assert (event.name, event.id, event.to) == (sent["event"], sent["data"]["id"], sent["data"]["to"])
    assert event.created_at == datetime.fromisoformat(sent["created_at"])
    assert (event.verified, event.reason) == (sent["data"].get("verified"), sent["data"].get("reason", ""))


@pytest.mark.parametrize("name", ["telroi-signature", "Telroi-Signature", "X-Telroi-Signature", "x-telroi-signature"])
def test_the_signature_can_be_in_either_header(name: str) -> None:
    assert read_webhook(BODY, {name: RIGHT}, secrets=[SECRET]).id == CALL_ID


@pytest.mark.parametrize("secrets", [[SECRET, "whsec_new"], ["whsec_new", SECRET], ["", SECRET]])
def test_any_of_the_secrets_is_accepted(secrets: list[str]) -> None:
    assert read_webhook(BODY, signed(BODY), secrets=secrets).id == CALL_ID


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({}, "unsigned"),
        ({"telroi-signature": ""}, "unsigned"),
        ({"telroi-signature": RIGHT[:-1]}, "unsigned"),
        ({"telroi-signature": RIGHT + "0"}, "unsigned"),
        ({"telroi-signature": RIGHT.upper()}, "unsigned"),
        ({"telroi-signature": f"sha256={RIGHT}"}, "unsigned"),
        ({"telroi-signature": f"{RIGHT}, {RIGHT}"}, "unsigned"),
        ({"telroi-signature": RIGHT + "\n"}, "unsigned"),
        ({"telroi-signature": "٠" * 64}, "unsigned"),
        ({"telroi-signature": "\udcff" * 64}, "unsigned"),
        ({"telroi-signature": "z" * 64}, "unsigned"),
        ({"telroi-signature": "a" * 1_000_000}, "unsigned"),
        ({"telroi-signature": "0" * 64}, "wrong_signature"),
        (signed(BODY, "whsec_other"), "wrong_signature"),
        (signed(BODY, SECRET.removeprefix("whsec_")), "wrong_signature"),
        (signed(BODY + b"\n"), "wrong_signature"),
        (signed(BODY[:-1]), "wrong_signature"),
        (signed(json.dumps(json.loads(BODY)).encode()), "wrong_signature"),
        ({"signature": RIGHT}, "unsigned"),
    ],
)
def test_every_other_request_is_rejected(headers: dict[str, str], reason: str) -> None:
    with pytest.raises(SignatureRejected) as refused:
        read_webhook(BODY, headers, secrets=[SECRET])

    assert refused.value.reason == reason


@pytest.mark.parametrize("secrets", [[], [""], ["", ""]])
def test_an_empty_secret_is_rejected(secrets: list[str]) -> None:
    with pytest.raises(SignatureRejected) as refused:
        read_webhook(BODY, signed(BODY, ""), secrets=secrets)

    assert refused.value.reason == "no_secret"


def test_the_other_published_format_is_read_too() -> None:
    body = {"event": "otp.failed", "tenantId": "t", "firedAt": "2026-11-23T16:27:16Z", "data": {"id": CALL_ID}}

    event = read_event(json.dumps(body).encode())

    assert (event.name, event.id, event.created_at) == (
        "otp.failed",
        CALL_ID,
        datetime(2026, 11, 23, 16, 27, 16, tzinfo=UTC),
    )


def test_texts_are_shortened_and_cleaned_and_numbers_hidden() -> None:
    event = read_event(body_of("otp.failed", reason=f"{NUMBER}\n\x00 tlr_live_abc \ud800" + "x" * 500))

    assert event.reason.startswith("[hidden] [hidden] x")
    assert len(event.reason) == 200
    assert NUMBER not in repr(event)


def test_a_code_that_a_reason_spells_is_hidden() -> None:
    event = read_event(body_of("otp.failed", reason="Cannot say 4, 8, 3, 9 after 2 tries, cause 17, error 21211"))

    assert event.reason == "Cannot say [hidden] after 2 tries, cause 17, error 21211"


@pytest.mark.parametrize(
    "odd",
    [
        {"event": 1},
        {"event": "Otp Failed"},
        {"event": "otp.failed\n"},
        {"event": "a" * 500},
        {"created_at": "yesterday", "firedAt": 7},
        {"created_at": "9999-12-31T23:59:59-23:59"},
        {"created_at": "2026-11-23T16:27:16"},
        {"data": None},
        {"data": []},
        {"data": {"id": 5, "to": ["+234"], "verified": "true", "reason": {}}},
        {"data": {"id": "a b", "to": "+234803\u0000", "verified": 1, "status": "Nö"}},
    ],
)
def test_an_invalid_field_is_none(odd: dict[str, Any]) -> None:
    event = read_event(json.dumps({"event": "", "created_at": None, "data": {}} | odd).encode())

    assert (event.name, event.created_at, event.id, event.to, event.verified, event.reason) == ("", *[None] * 4, "")


@given(
    st.binary()
    | st.recursive(
        st.none() | st.text() | st.floats(),
        lambda inner: st.dictionaries(
            st.sampled_from(["event", "created_at", "firedAt", "data", "id", "to", "verified", "reason"]), inner
        ),
    ).map(lambda value: json.dumps(value).encode())
)
def test_every_json_body_can_be_read(body: bytes) -> None:
    read_event(body)


def test_signatures_are_compared_in_constant_time_with_every_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[bytes, bytes]] = []
    compare = hmac.compare_digest

    def note(given: bytes, ours: bytes) -> bool:
        compared.append((given, ours))
        return compare(given, ours)

    monkeypatch.setattr(hmac, "compare_digest", note)

    read_webhook(BODY, {"telroi-signature": RIGHT}, secrets=[SECRET, "whsec_new"])

    assert compared == [(RIGHT.encode(), sign(BODY, secret).encode()) for secret in (SECRET, "whsec_new")]
