"""The webhooks of the simulator equal those of Telroi: recorded ones byte for byte, others as measured."""

from __future__ import annotations

import hmac
import json
import re
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from django_telroi.client import TelroiClient
from django_telroi.errors import ApiError
from django_telroi.simulator import Simulator
from tests.simulator.receiver import Receiver, answer, receiving

RECORDINGS = Path(__file__).parent.parent / "recordings" / "telroi-exchanges.json"
RECORDED = {each["name"]: each for each in json.loads(RECORDINGS.read_text()) if each["name"].startswith("webhook.")}
MOMENT = re.compile(rb'"created_at":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"')
SIGNATURE = re.compile(rb"telroi-signature: [0-9a-f]{64}\r\n")
HOST = re.compile(rb"host: 127\.0\.0\.1:\d+\r\n")
NUMBER = "+2348031234567"
MINUTE = 60


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def telroi(receiver: Receiver) -> Iterator[Simulator]:
    with Simulator() as simulator:
        simulator.freeze()
        simulator.set_policy(cooldown=0, per_hour=10_000, per_day=10_000)
        simulator.set_webhook(receiver.url)
        yield simulator


@pytest.fixture
def client(telroi: Simulator) -> Iterator[TelroiClient]:
    with TelroiClient(telroi.api_key, base_url=telroi.base_url) as client:
        yield client


def states(telroi: Simulator) -> list[tuple[str, int, int | None]]:
    return [(each.state, each.attempts, each.status) for each in telroi.webhooks]


def place(client: TelroiClient, to: str, **options: Any) -> None:
    client.place_otp(to, **options)


def fail(client: TelroiClient, to: str) -> None:
    with pytest.raises(ApiError):
        client.place_otp(to)


def guess(client: TelroiClient, to: str, code: str) -> None:
    client.place_otp(to)
    client.check_otp(code, to=to)


ACTS: dict[str, Callable[[Simulator, TelroiClient, str], object]] = {
    "webhook.otp.completed": lambda telroi, client, to: place(client, to),
    "webhook.otp.completed.client_supplied": lambda telroi, client, to: place(client, to, code="483920"),
    "webhook.otp.failed": lambda telroi, client, to: (telroi.carrier("no_carrier"), fail(client, to)),
    "webhook.otp.verified.right_code": lambda telroi, client, to: guess(client, to, "515311"),
    "webhook.otp.verified.wrong_code": lambda telroi, client, to: guess(client, to, "987123"),
}


@pytest.mark.parametrize("name", RECORDED)
def test_a_recorded_delivery_is_reproduced_byte_for_byte(receiver: Receiver, name: str) -> None:
    """Only the time, the signature, which depends on it, and the receiver's address are masked."""
    recording = RECORDED[name]
    sent, secret = recording["request"], "".join(recording["signing_secret_parts"])
    told = json.loads(sent["body"])
    with Simulator(webhook_secret=secret) as telroi:
        telroi.next_otp(id=told["data"]["id"], code="515311")
        telroi.set_webhook(receiver.url.replace("ep=sbx", sent["path"].partition("?")[2]), events=[told["event"]])
        with TelroiClient(telroi.api_key, base_url=telroi.base_url) as client:
            ACTS[name](telroi, client, told["data"]["to"])
        telroi.deliver_webhooks()

    head = f"{sent['method']} {sent['path']} HTTP/1.1\r\n"
    head += "".join(f"{header}: {value}\r\n" for header, value in sent["headers"].items())
    recorded = head.encode() + b"\r\n" + sent["body"].encode()
    [came] = receiver.received
    assert masked(came) == masked(recorded)
    body = came.partition(b"\r\n\r\n")[2]
    assert hmac.new(secret.encode(), body, sha256).hexdigest().encode() in came


def masked(request: bytes) -> bytes:
    for pattern, word in ((MOMENT, b"<moment>"), (SIGNATURE, b"<signature>"), (HOST, b"<host>")):
        request = pattern.sub(word, request, count=1)
    return request


def test_other_operations_send_no_webhook(telroi: Simulator, client: TelroiClient, receiver: Receiver) -> None:
    client.place_otp(NUMBER)
    code = telroi.last_code_for(NUMBER)
    client.check_otp(code, to=NUMBER)
    client.check_otp(code, to=NUMBER)  # already verified
    client.check_otp(code, to="+2348039999999")  # not found
    telroi.set_wallet(0)
    fail(client, NUMBER)
    telroi.set_wallet(100)
    telroi.carrier("vendor_unreachable")
    fail(client, NUMBER)
    with TelroiClient(telroi.test_key, base_url=telroi.base_url) as tester:
        tester.place_otp(NUMBER)

    assert [each.event for each in telroi.webhooks] == ["otp.completed", "otp.verified"]


def test_a_failed_delivery_is_retried_after_5_20_and_60_minutes_only(
    telroi: Simulator, client: TelroiClient, receiver: Receiver
) -> None:
    receiver.answers = [answer(500), answer(404), answer(304), answer(410)]
    client.place_otp(NUMBER)
    seen = []
    for minutes in (0, 4, 1, 19, 1, 59, 1, 10_000):
        telroi.advance(minutes * MINUTE)
        telroi.deliver_webhooks()
        seen.append(len(receiver.received))

    assert seen == [1, 1, 2, 2, 3, 3, 4, 4]
    assert len(set(receiver.received)) == 1
    assert states(telroi) == [("given_up", 4, 410)]


def test_a_late_success_counts_and_ends_the_retries(
    telroi: Simulator, client: TelroiClient, receiver: Receiver
) -> None:
    receiver.answers = [answer(503), answer(204)]
    client.place_otp(NUMBER)

    for _ in range(3):
        telroi.deliver_webhooks()
        telroi.advance(5 * MINUTE)

    assert states(telroi) == [("delivered", 2, 204)]


def test_timeouts_and_refused_connections_are_failures(
    telroi: Simulator, client: TelroiClient, receiver: Receiver
) -> None:
    telroi.set_webhook(receiver.url, timeout=0.2)
    receiver.answers = [None]
    client.place_otp(NUMBER)
    telroi.deliver_webhooks()
    assert states(telroi) == [("waiting", 1, None)]

    with receiving() as gone:
        pass
    telroi.set_webhook(gone.url)
    telroi.advance(5 * MINUTE)
    telroi.deliver_webhooks()
    assert states(telroi) == [("waiting", 2, None)]


@pytest.mark.parametrize("status", [301, 302])
def test_a_redirect_is_followed_as_get_and_loses_the_event(
    telroi: Simulator, client: TelroiClient, receiver: Receiver, status: int
) -> None:
    receiver.answers = [answer(status, "/ok/")]
    client.place_otp(NUMBER)

    telroi.deliver_webhooks()

    assert receiver.first_lines == ["POST /ok?ep=sbx HTTP/1.1", "GET /ok/ HTTP/1.1"]
    assert receiver.bodies[1] == b""
    assert SIGNATURE.search(receiver.received[1])
    assert states(telroi) == [("delivered", 1, 200)]


@pytest.mark.parametrize("status", [307, 308])
def test_the_other_redirects_keep_the_event(
    telroi: Simulator, client: TelroiClient, receiver: Receiver, status: int
) -> None:
    receiver.answers = [answer(status, "/ok/")]
    client.place_otp(NUMBER)

    telroi.deliver_webhooks()

    assert receiver.first_lines == ["POST /ok?ep=sbx HTTP/1.1", "POST /ok/ HTTP/1.1"]
    assert receiver.bodies[0] == receiver.bodies[1] != b""


def test_a_redirect_loop_and_an_invalid_redirect_end(
    telroi: Simulator, client: TelroiClient, receiver: Receiver
) -> None:
    receiver.answers = [answer(302), *[answer(302, "/ok")] * 21]
    client.place_otp(NUMBER)
    telroi.deliver_webhooks()
    assert states(telroi) == [("waiting", 1, 302)]
    telroi.advance(5 * MINUTE)
    telroi.deliver_webhooks()

    assert states(telroi) == [("waiting", 2, None)]


def test_twenty_failures_in_a_row_disable_it_until_it_is_enabled(
    telroi: Simulator, client: TelroiClient, receiver: Receiver
) -> None:
    for _ in range(25):
        client.place_otp(NUMBER)
    receiver.answers = [answer(500)] * 19 + [answer(200)] + [answer(500)] * 20
    telroi.deliver_webhooks()
    assert telroi.webhook_is_on  # one of the 25 arrived, so the count started again
    telroi.advance(5 * MINUTE)
    telroi.deliver_webhooks()

    assert not telroi.webhook_is_on
    assert len(receiver.received) == 40
    assert {state for state, *_ in states(telroi)} == {"delivered", "dropped"}
    client.place_otp(NUMBER)
    assert len(telroi.webhooks) == 25

    receiver.answers = []
    telroi.enable_webhook()
    client.place_otp(NUMBER)
    telroi.deliver_webhooks()
    assert states(telroi)[-1] == ("delivered", 1, 200)


def test_overlapping_runs_send_everything_again_in_no_order(
    telroi: Simulator, client: TelroiClient, receiver: Receiver
) -> None:
    for _ in range(12):
        client.place_otp(NUMBER)

    telroi.deliver_webhooks(runs=3)

    assert len(receiver.bodies) == 36
    assert sorted(set(receiver.bodies)) == sorted(each.body for each in telroi.webhooks)
    assert [each for each in receiver.bodies if receiver.bodies.count(each) == 3] == receiver.bodies
    assert receiver.bodies[:12] != [each.body for each in telroi.webhooks]


def test_a_signature_can_be_omitted(telroi: Simulator, client: TelroiClient, receiver: Receiver) -> None:
    telroi.unsign_webhooks()
    client.place_otp(NUMBER)
    client.place_otp(NUMBER)

    telroi.deliver_webhooks()

    assert [SIGNATURE.search(each) is not None for each in receiver.received] == [False, True]
    telroi.unsign_webhooks(None)
    client.place_otp(NUMBER)
    telroi.deliver_webhooks()
    assert SIGNATURE.search(receiver.received[-1]) is None


def test_an_event_is_due_after_its_delay_and_delivered_by_its_own_job(
    telroi: Simulator, client: TelroiClient, receiver: Receiver
) -> None:
    telroi.set_webhook(receiver.url, delay=90)
    client.place_otp(NUMBER)
    telroi.deliver_webhooks()
    assert receiver.received == []
    telroi.advance(90)
    telroi.deliver_webhooks()
    assert len(receiver.received) == 1

    telroi.set_webhook(receiver.url, every=0.01)
    client.place_otp(NUMBER)
    receiver.wait_for(2)
    assert len(receiver.received) == 2
    telroi.remove_webhook()
    assert (telroi.webhooks, telroi.webhook_is_on) == ([], False)


@pytest.mark.parametrize("url", ["", "ftp://127.0.0.1/", "127.0.0.1:8000", "http://"])
def test_an_invalid_url_is_rejected(telroi: Simulator, url: str) -> None:
    with pytest.raises(ValueError, match="must begin with http"):
        telroi.set_webhook(url)
