"""Concurrent and duplicate deliveries of webhooks."""

from __future__ import annotations

import random
from functools import partial
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client

from django_telroi import signals
from django_telroi.models import AttemptEvent, EventKind, VerificationAttempt
from django_telroi.services import check_code, start_verification
from tests.races.racing import RACERS, Telroi, errors, race, values
from tests.webhooks.telroi import SECRET, body_of, signed

pytestmark = pytest.mark.django_db(transaction=True)

NUMBER = "+2348031234567"


@pytest.fixture
def lost(telroi: Telroi, settings: Any) -> VerificationAttempt:
    """A call whose answer was lost. Telroi knows its id."""
    settings.TELROI["WEBHOOK_SECRETS"] = [SECRET]
    telroi.throw("fail_next", fault="reset")
    return start_verification(NUMBER)


@pytest.fixture
def told() -> Any:
    """The signals for placed and failed calls."""
    heard: list[str] = []
    receivers = {
        signal: lambda name=name, **_: heard.append(name)
        for name, signal in (("placed", signals.call_placed), ("failed", signals.call_failed))
    }
    for signal, receiver in receivers.items():
        signal.connect(receiver)
    yield heard
    for signal, receiver in receivers.items():
        signal.disconnect(receiver)


def deliver(body: bytes) -> HttpResponse:
    return Client().post("/telroi/webhook", body, content_type="application/json", headers=signed(body))


@pytest.mark.parametrize("name", ["otp.completed", "otp.failed", "otp.verified"])
def test_fifty_concurrent_deliveries_have_one_effect(
    telroi: Telroi, lost: VerificationAttempt, told: list[str], name: str, repeat: int
) -> None:
    body = body_of(name)

    finishes = race([partial(deliver, body)] * RACERS)

    assert errors(finishes) == []
    assert [reply.status_code for reply in values(finishes)] == [200] * RACERS
    assert AttemptEvent.objects.filter(kind=EventKind.WEBHOOK, attempt=lost).count() == 1
    lost.refresh_from_db()
    expected = {"otp.completed": "placed", "otp.failed": "failed"}.get(name)
    assert (lost.status, told) == (expected or "unknown", [expected] if expected else [])


@pytest.mark.codes("telroi")
def test_all_events_of_a_call_and_its_code_at_once_have_consistent_results(
    telroi: Telroi, lost: VerificationAttempt, told: list[str], verified: list[VerificationAttempt], repeat: int
) -> None:
    code = telroi.code_of(NUMBER)
    call_id = telroi.id_of(NUMBER)
    bodies = [
        body_of("otp.completed", id=call_id),
        body_of("otp.completed", id=call_id, client_supplied=True),
        body_of("otp.verified", id=call_id, verified=False),
        body_of("otp.verified", id=call_id, verified=True),
    ]
    acts: list[Any] = [partial(deliver, body) for body in bodies] * 10 + [partial(check_code, lost.uuid, code)] * 10

    finishes = race(random.Random(repeat).sample(acts, len(acts)))

    assert errors(finishes) == []
    replies = [each for each in values(finishes) if isinstance(each, HttpResponse)]
    assert [reply.status_code for reply in replies] == [200] * 40
    assert AttemptEvent.objects.filter(kind=EventKind.WEBHOOK).count() == 4
    lost.refresh_from_db()
    assert (lost.status, [each.pk for each in verified]) == ("verified", [lost.pk])
    assert told in ([], ["placed"])  # the code may have been judged first
