"""Thousands of deliveries in random order, a quarter forged and a quarter repeated."""

from __future__ import annotations

import json
import logging
import os
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from django.test import Client

from django_telroi.client.webhooks import sign
from django_telroi.domain.states import FINAL, Dispatch, Status
from django_telroi.models import AttemptEvent, EventKind, PhoneNumber, VerificationAttempt, VerifiedPhone
from tests.services.world import Heard
from tests.webhooks.conftest import URL
from tests.webhooks.telroi import SECRET, body_of

DELIVERIES = 400
TEN_THOUSAND = pytest.param(10_000, marks=pytest.mark.long)
SEED = int(os.environ.get("TELROI_SEED", "1"))
OPEN = (Status.DIALING, Status.UNKNOWN)
MOVES = {"otp.completed": Status.PLACED, "otp.failed": Status.FAILED}


@dataclass(frozen=True)
class Delivered:
    body: bytes
    headers: dict[str, str]
    is_authentic: bool


def forged(rng: random.Random, body: bytes) -> Delivered:
    """Return forged copies of a delivery, in several ways."""
    right = sign(body, SECRET)
    ways: list[tuple[bytes, dict[str, str]]] = [
        (body, {}),
        (body, {"telroi-signature": ""}),
        (body, {"telroi-signature": sign(body, "")}),
        (body, {"telroi-signature": sign(body, "whsec_" + "0" * 48)}),
        (body, {"telroi-signature": sign(body, SECRET.removeprefix("whsec_"))}),
        (body, {"telroi-signature": right.upper()}),
        (body, {"telroi-signature": f"sha256={right}"}),
        (body, {"telroi-signature": right[:-1]}),
        (body, {"telroi-signature": right[:-1] + ("0" if right[-1] != "0" else "1")}),
        (body, {"telroi-signature": "é" * 64}),
        (body, {"telroi-signature": f"{right},{right}"}),
        (body, {"signature": right}),
        (body.replace(b"+234", b"+235", 1), {"telroi-signature": right}),
        (body.replace(b'":', b'": '), {"telroi-signature": right}),
        (body[:-1], {"telroi-signature": right}),
        (body + b"\n", {"X-Telroi-Signature": right}),
        (body + b" " * 70_000, {"telroi-signature": sign(body + b" " * 70_000, SECRET)}),
    ]
    forged_body, headers = rng.choice(ways)
    return Delivered(forged_body, headers, is_authentic=False)


def people(count: int, rng: random.Random, now: datetime) -> list[VerificationAttempt]:
    """Create numbers with one call each, in any status. Half of the open calls have lost their answer."""
    phones = [PhoneNumber(number=f"+234803{line:07d}", last4=f"{line:04d}"[-4:], region="NG") for line in range(count)]
    PhoneNumber.objects.bulk_create(phones)
    rows = []
    for phone in phones:
        status = rng.choice([*OPEN * 4, *sorted(set(Status) - set(OPEN))])
        known = status not in OPEN or rng.random() < 0.5
        rows.append(
            VerificationAttempt(
                phone=phone,
                status=status,
                dispatch=Dispatch.INLINE,
                telroi_id=str(UUID(int=rng.getrandbits(128), version=4)) if known else None,
                max_tries=3,
                created_at=now,
                dialed_at=now,
                expires_at=now + timedelta(hours=2),
                due_at=None if status in FINAL else now + timedelta(hours=1),
            )
        )
    return VerificationAttempt.objects.bulk_create(rows)


def events_of(row: VerificationAttempt, rng: random.Random, now: datetime) -> Iterator[bytes]:
    """Return events of one call: placed or failed, typed codes, and unknown events."""
    call = {"id": row.telroi_id or str(UUID(int=rng.getrandbits(128), version=4)), "to": row.number}
    yield body_of(rng.choice(["otp.completed", "otp.failed"]), at=now, **call)
    yield body_of("otp.verified", at=now + timedelta(seconds=20), verified=True, **call)
    yield body_of("otp.verified", at=now + timedelta(seconds=30), verified=False, **call)
    yield body_of("otp.completed", at=now - timedelta(hours=48), **call)
    yield body_of("otp.exploded", at=now, **call)


def deliveries(rows: list[VerificationAttempt], rng: random.Random, *, count: int, now: datetime) -> list[Delivered]:
    """Return deliveries in random order: half authentic, a quarter repeated, a quarter forged."""
    bodies = [body for row in rows for body in events_of(row, rng, now)][: count // 2]
    first = [Delivered(body, {"telroi-signature": sign(body, SECRET)}, is_authentic=True) for body in bodies]
    again = rng.choices(first, k=count // 4)
    forgeries = [forged(rng, each) for each in rng.choices(bodies, k=count // 4)]
    every = [*first, *again, *forgeries]
    return rng.sample(every, len(every))


@pytest.mark.django_db
@pytest.mark.parametrize("count", [DELIVERIES, TEN_THOUSAND])
def test_no_forged_repeated_or_late_delivery_changes_a_status(
    count: int, heard: Heard, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    caplog.set_level(logging.CRITICAL, "django_telroi")
    caplog.set_level(logging.CRITICAL, "django.request")
    rng, now = random.Random(SEED), datetime.now(UTC)
    rows = people(count // 10, rng, now)
    before = {row.pk: Status(row.status) for row in rows}
    settled = {row.pk for row in rows if row.status == Status.UNKNOWN or (row.status in OPEN and row.telroi_id)}
    calls = deliveries(rows, rng, count=count, now=now)
    client = Client(enforce_csrf_checks=True)

    answers: Counter[tuple[bool, int]] = Counter()
    for each in calls:
        reply = client.post(URL, each.body, content_type="application/json", headers=each.headers)
        answers[each.is_authentic, reply.status_code // 100 * 100] += 1

    assert answers == {(True, 200): count * 3 // 4, (False, 400): count // 4}
    told = what_was_told(calls, now)
    after = {row.pk: row for row in VerificationAttempt.objects.all()}
    for pk, status in before.items():
        row = after[pk]
        moved = MOVES.get(told.get(row.number, ""), status)
        assert row.status == (moved if pk in settled else status)
        assert (row.tries, row.verified_at) == (0, None)
    assert not VerifiedPhone.objects.exists()
    fresh = {each.body for each in calls if each.is_authentic and is_fresh(each.body, now)}
    assert AttemptEvent.objects.filter(kind=EventKind.WEBHOOK).count() == len(fresh)
    moves = [pk for pk in settled if after[pk].number in told]
    assert Counter(heard.names) == Counter(f"call_{after[pk].status}" for pk in moves)
    assert len(moves) > count / 50


def what_was_told(calls: list[Delivered], now: datetime) -> dict[str, str]:
    """Return for each number which of the two settling events came, authentic and not two days old."""
    told = {}
    for each in calls:
        if each.is_authentic and is_fresh(each.body, now):
            said = json.loads(each.body)
            if said["event"] in MOVES:
                told[said["data"]["to"]] = said["event"]
    return told


def is_fresh(body: bytes, now: datetime) -> bool:
    return datetime.fromisoformat(json.loads(body)["created_at"]) > now - timedelta(hours=24)
