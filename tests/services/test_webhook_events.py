"""Telroi's reports take effect once, in any order, and never prove more than they say."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
from django.db import connection, transaction

from django_telroi import services
from django_telroi.backends import Backend
from django_telroi.client import OtpCall, OtpCheck
from django_telroi.domain.states import FINAL, Status
from django_telroi.errors import ApiOutcomeUnknown, ApiRefused
from django_telroi.models import AttemptEvent, EventKind, PhoneNumber, VerificationAttempt, VerifiedPhone
from django_telroi.services import EventEffect, record_event
from django_telroi.services.calls.webhook_events import last_event_at
from django_telroi.simulator import Simulator
from tests.services.conftest import Configure
from tests.services.world import NUMBER, OTHER_NUMBER, Heard, before_the_first, let_time_pass, moments, statements
from tests.webhooks.telroi import CALL_ID, event_of

pytestmark = pytest.mark.django_db

OTHER_ID = "11111111-2222-4333-8444-555555555555"


@pytest.fixture
def lost(telroi: Simulator) -> VerificationAttempt:
    """A call that was placed, and whose answer was lost."""
    telroi.next_otp(id=CALL_ID)
    telroi.fail_next("reset")
    attempt = services.start_verification(NUMBER)
    assert (attempt.status, attempt.telroi_id) == (Status.UNKNOWN, None)
    return attempt


@pytest.fixture
def placed(telroi: Simulator) -> VerificationAttempt:
    telroi.next_otp(id=CALL_ID)
    return services.start_verification(NUMBER)


def details(attempt: VerificationAttempt | None = None) -> list[str]:
    return list(
        AttemptEvent.objects.filter(kind=EventKind.WEBHOOK, attempt=attempt)
        .order_by("id")
        .values_list("detail", flat=True)
    )


@pytest.mark.codes("telroi")
def test_a_call_whose_answer_was_lost_is_placed_and_its_code_is_judged_by_id(
    telroi: Simulator, lost: VerificationAttempt, heard: Heard
) -> None:
    effect = record_event(event_of("otp.completed"))

    lost.refresh_from_db()
    assert (effect, lost.status, lost.telroi_id, lost.error_code) == (EventEffect.PLACED, "placed", CALL_ID, "")
    assert lost.placed_at is not None
    assert lost.due_at == lost.expires_at
    assert details(lost) == ["otp.completed: was unknown no_reply"]
    assert heard.names == ["call_placed"]

    # Another system has called the number since. Judged by number, this code would be wrong.
    telroi.set_policy(cooldown=0)
    code = telroi.last_code_for(NUMBER)
    services.start_verification(OTHER_NUMBER)
    assert services.check_code(lost.uuid, code).outcome == "verified"


def test_a_later_failure_event_fails_the_call_and_keeps_its_time(lost: VerificationAttempt, heard: Heard) -> None:
    effect = record_event(event_of("otp.failed", reason="Trunk is congested"))

    lost.refresh_from_db()
    assert (effect, lost.status, lost.telroi_id) == (EventEffect.FAILED, "failed", CALL_ID)
    assert (lost.error_code, lost.error_detail) == ("call_failed", "Trunk is congested")
    assert (lost.due_at, lost.closed_at is not None) == (None, True)
    assert heard.names == ["call_failed"]
    # Telroi counts it too, and would refuse a call that our limits allow.
    assert moments() == (lost.dialed_at,)
    assert type(services.follow(lost.uuid).refusal).__name__ == "Unavailable"


@pytest.mark.parametrize("verified", [True, False])
def test_a_check_event_of_telroi_does_not_verify(lost: VerificationAttempt, heard: Heard, verified: bool) -> None:
    effect = record_event(event_of("otp.verified", verified=verified))

    lost.refresh_from_db()
    assert (effect, lost.status, heard.names) == (EventEffect.NOTED, "unknown", [])
    assert details(lost) == [f"otp.verified: {'right' if verified else 'wrong'} code"]
    assert not VerifiedPhone.objects.exists()


@pytest.mark.parametrize("status", sorted(set(Status) - {Status.DIALING, Status.UNKNOWN}))
@pytest.mark.parametrize("name", ["otp.completed", "otp.failed", "otp.verified"])
def test_other_statuses_do_not_change(placed: VerificationAttempt, heard: Heard, status: Status, name: str) -> None:
    heard.told.clear()
    let_time_pass(1000)  # so late that other leases have ended
    VerificationAttempt.objects.filter(pk=placed.pk).update(
        status=status, due_at=None if status in FINAL else placed.due_at
    )
    before = VerificationAttempt.objects.values().get()

    effect = record_event(event_of(name))

    assert VerificationAttempt.objects.values().get() == before
    assert effect == EventEffect.NOTED
    assert [name for name in heard.names if name != "call_placed"] == []


def test_a_redelivered_body_counts_once(lost: VerificationAttempt, heard: Heard) -> None:
    event = event_of("otp.completed")

    effects = [record_event(event) for _ in range(3)]

    assert effects == [EventEffect.PLACED, EventEffect.REPEATED, EventEffect.REPEATED]
    assert (heard.names, len(details(lost))) == (["call_placed"], 1)


def test_an_event_may_be_a_day_old_and_not_older(lost: VerificationAttempt) -> None:
    now = datetime.now(UTC)

    late = record_event(event_of("otp.completed", at=now - timedelta(minutes=85)))
    old = record_event(event_of("otp.completed", at=now - timedelta(hours=48)))

    assert (late, old) == (EventEffect.UNMATCHED, EventEffect.TOO_OLD)
    assert details() == [f"otp.completed: {CALL_ID}"]


def test_a_retry_of_85_minutes_settles_the_call_with_its_id(telroi: Simulator, configure: Configure) -> None:
    telroi.set_policy(code_ttl=7200)
    configure(CODE_TTL_SECONDS=7200)
    attempt = services.start_verification(NUMBER)
    VerificationAttempt.objects.update(status=Status.UNKNOWN, telroi_id=CALL_ID)
    let_time_pass(85 * 60)

    effect = record_event(event_of("otp.failed", at=datetime.now(UTC) - timedelta(minutes=85)))

    attempt.refresh_from_db()
    assert (effect, attempt.status) == (EventEffect.FAILED, "failed")


def test_a_closed_attempt_is_not_reopened(lost: VerificationAttempt) -> None:
    let_time_pass(301)

    effect = record_event(event_of("otp.completed", at=lost.created_at - timedelta(seconds=301)))

    lost.refresh_from_db()
    assert (effect, lost.status) == (EventEffect.NOTED, "expired")


@pytest.mark.parametrize("seconds", [-61, 301])
def test_an_event_outside_the_time_of_the_call_belongs_to_another_call(lost: VerificationAttempt, seconds: int) -> None:
    effect = record_event(event_of("otp.completed", at=lost.created_at + timedelta(seconds=seconds)))

    lost.refresh_from_db()
    assert (effect, lost.status, lost.telroi_id) == (EventEffect.UNMATCHED, "unknown", None)


def test_an_event_with_another_number_or_without_a_time_matches_no_call(lost: VerificationAttempt) -> None:
    effects = [
        record_event(event_of("otp.completed", to=OTHER_NUMBER)),
        record_event(event_of("otp.completed", to="abc")),
        record_event(event_of("otp.completed", id=None)),
        record_event(event_of("otp.completed", id="with a space")),
        record_event(event_of("otp.completed", at=datetime.max.replace(tzinfo=UTC))),
    ]

    lost.refresh_from_db()
    assert (set(effects), lost.status) == ({EventEffect.UNMATCHED}, "unknown")
    stored = AttemptEvent.objects.filter(kind=EventKind.WEBHOOK)
    assert {(each.attempt_id, each.phone_id) for each in stored} == {(None, None)}


def test_an_event_that_matches_two_calls_settles_neither(
    telroi: Simulator, configure: Configure, lost: VerificationAttempt
) -> None:
    configure(COOLDOWN_SECONDS=0)
    telroi.set_policy(cooldown=0)
    telroi.fail_next("reset")
    services.start_verification(NUMBER)

    effect = record_event(event_of("otp.completed"))

    assert effect == EventEffect.UNMATCHED
    assert set(VerificationAttempt.objects.values_list("status", "telroi_id")) == {("unknown", None)}


def test_a_call_that_was_canceled_a_moment_ago_makes_an_event_ambiguous(
    telroi: Simulator, configure: Configure, lost: VerificationAttempt
) -> None:
    configure(COOLDOWN_SECONDS=0)
    telroi.set_policy(cooldown=0)
    telroi.fail_next("reset")
    again = services.call_again(lost.uuid)

    effect = record_event(event_of("otp.completed"))

    again.refresh_from_db()
    assert (effect, again.status) == (EventEffect.UNMATCHED, "unknown")


def test_a_call_that_was_canceled_a_minute_ago_does_not(telroi: Simulator, lost: VerificationAttempt) -> None:
    let_time_pass(75, telroi)
    telroi.fail_next("reset")
    again = services.call_again(lost.uuid)

    first = record_event(event_of("otp.completed", at=again.created_at - timedelta(seconds=70)))
    second = record_event(event_of("otp.completed", id=OTHER_ID, at=again.created_at))

    again.refresh_from_db()
    assert (first, second) == (EventEffect.NOTED, EventEffect.PLACED)
    assert (again.status, again.telroi_id) == ("placed", OTHER_ID)


class Answering(Backend):
    """A backend that receives Telroi's webhook during the call."""

    rings = False

    @classmethod
    def provider_url(cls) -> str:
        return "http://127.0.0.1"

    def __init__(self, name: str, answer: OtpCall | Exception) -> None:
        self.name, self.answer = name, answer

    def place_call(self, to: str, *, code_length: int, language: str | None, code: str | None = None) -> OtpCall:
        record_event(event_of(self.name))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    def check_code(self, code: str, *, call_id: str | None, to: str) -> OtpCheck:
        raise ApiOutcomeUnknown


def answered(**changes: Any) -> OtpCall:
    told: dict[str, Any] = {
        "id": CALL_ID,
        "to": NUMBER,
        "status": "delivered",
        "livemode": True,
        "expires_at": None,
        "verification": None,
    }
    return OtpCall(**told | changes)


Started = Callable[[str, OtpCall | Exception], VerificationAttempt]


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> Started:
    def start(name: str, answer: OtpCall | Exception) -> VerificationAttempt:
        backend = Answering(name, answer)
        monkeypatch.setattr("django_telroi.services.calls.start.get_backend", lambda _name: backend)
        return services.start_verification(NUMBER)

    return start


def test_an_event_may_come_before_the_answer_to_our_own_request(started: Started, heard: Heard) -> None:
    soon = datetime.now(UTC) + timedelta(seconds=100)

    attempt = started("otp.completed", answered(expires_at=soon))

    attempt.refresh_from_db()
    assert (attempt.status, attempt.telroi_id, attempt.livemode) == ("placed", CALL_ID, True)
    assert attempt.expires_at == attempt.due_at == soon
    assert heard.names == ["call_placed"]
    assert list(AttemptEvent.objects.values_list("kind", flat=True)) == [EventKind.WEBHOOK]


def test_the_id_of_our_own_answer_replaces_the_reported_one(started: Started) -> None:
    attempt = started("otp.completed", answered(id=OTHER_ID))

    assert (attempt.status, attempt.telroi_id) == ("placed", OTHER_ID)


@pytest.mark.parametrize("answer", [ApiRefused(502, "otp_failed", "Trunk is congested"), ApiOutcomeUnknown()])
def test_a_failure_event_may_come_before_the_answer(started: Started, heard: Heard, answer: Exception) -> None:
    attempt = started("otp.failed", answer)

    assert (attempt.status, attempt.telroi_id, moments()) == ("failed", CALL_ID, (attempt.dialed_at,))
    assert heard.names == ["call_failed"]


@pytest.mark.parametrize("answer", [ApiRefused(502, "otp_failed", "Gateway"), ApiOutcomeUnknown()])
def test_an_answer_without_a_result_does_not_undo_a_reported_event(
    started: Started, heard: Heard, answer: Exception
) -> None:
    attempt = started("otp.completed", answer)

    assert (attempt.status, attempt.telroi_id, heard.names) == ("placed", CALL_ID, ["call_placed"])


@pytest.mark.codes("telroi")
def test_an_older_code_is_not_judged_by_a_failed_newer_call(
    telroi: Simulator, lost: VerificationAttempt, configure: Configure
) -> None:
    heard_code = telroi.last_code_for(NUMBER)
    let_time_pass(61, telroi)
    telroi.carrier("gateway_500")
    failed = services.start_verification(NUMBER)
    VerificationAttempt.objects.filter(pk=failed.pk).update(telroi_id=telroi.otps[-1].id)
    record_event(event_of("otp.failed", id=telroi.otps[-1].id))
    failed.refresh_from_db()
    assert failed.status == "failed"

    result = services.check_code(lost.uuid, heard_code)

    # By number, Telroi would compare it with the code of the failed call and reject it.
    assert (result.outcome, result.attempt.tries) == ("closed", 0)


def six_events(at: datetime) -> list[Any]:
    return [
        event_of("otp.completed", at=at),
        event_of("otp.completed", at=at),
        event_of("otp.completed", at=at + timedelta(seconds=1)),
        event_of("otp.verified", at=at + timedelta(seconds=20), verified=False),
        event_of("otp.verified", at=at + timedelta(seconds=30), verified=True),
        event_of("call.completed", at=at + timedelta(seconds=40)),
    ]


def end_of(attempt: VerificationAttempt) -> tuple[object, ...]:
    attempt.refresh_from_db()
    noted = sorted(detail.partition(": was")[0] for detail in details(attempt))
    return (attempt.status, attempt.telroi_id, attempt.error_code, attempt.tries, tuple(noted), moments())


@pytest.mark.parametrize("orders", [24, pytest.param(720, marks=pytest.mark.long)])
@pytest.mark.parametrize("status", ["dialing", "unknown", "placed", "expired"])
def test_every_order_of_six_events_has_the_same_result(lost: VerificationAttempt, status: str, orders: int) -> None:
    changes: dict[str, Any] = {"placed": {"telroi_id": CALL_ID}, "expired": {"due_at": None}}.get(status, {})
    VerificationAttempt.objects.update(status=status, **changes)
    now = datetime.now(UTC)

    ends = set()
    for order in random.Random(1).sample(list(permutations(six_events(now))), orders):
        with transaction.atomic():
            for event in order:
                record_event(event, now=now)
            ends.add(end_of(lost))
            transaction.set_rollback(True)

    [(end, *_, noted, calls)] = ends
    assert end == {"unknown": "placed"}.get(status, status)
    assert (len(noted), len(calls)) == (5, 1)


def test_a_contradicting_event_does_not_move_a_status_backward(lost: VerificationAttempt, heard: Heard) -> None:
    record_event(event_of("otp.completed"))
    record_event(event_of("otp.failed"))

    lost.refresh_from_db()
    assert (lost.status, heard.names) == ("placed", ["call_placed"])
    assert details(lost)[-1] == "otp.failed: Trunk is congested"


def test_an_event_executes_few_statements(lost: VerificationAttempt) -> None:
    event = event_of("otp.completed")
    cost = []
    for each in (event, event, event_of("otp.verified"), event_of("call.completed", to=OTHER_NUMBER, id=OTHER_ID)):
        with statements() as seen:
            record_event(each)
        cost.append(len(seen))

    assert cost == [4, 1, 2, 3]


def test_the_time_of_the_last_event_is_read_from_an_index(placed: VerificationAttempt) -> None:
    assert last_event_at() is None
    record_event(event_of("otp.verified"))

    with statements() as seen:
        came = last_event_at()

    assert came == AttemptEvent.objects.get(kind=EventKind.WEBHOOK).at
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN QUERY PLAN {seen[0]}")
            assert "telroi_event_by_kind" in str(cursor.fetchall())


def test_erasing_a_number_deletes_its_events(lost: VerificationAttempt) -> None:
    record_event(event_of("otp.completed"))

    services.erase_number(NUMBER, actor="ada")

    assert details() == []
    assert record_event(event_of("otp.verified")) == EventEffect.UNMATCHED
    assert not PhoneNumber.objects.filter(attempts__isnull=False).exists()


def test_an_event_of_another_call_does_not_settle_a_call_with_a_known_id(
    placed: VerificationAttempt,
) -> None:
    effect = record_event(event_of("otp.completed", id=OTHER_ID))

    assert (effect, details(placed)) == (EventEffect.UNMATCHED, [])


def test_an_event_does_not_replace_an_id_that_was_stored_meanwhile(lost: VerificationAttempt) -> None:
    def answer_late() -> None:
        VerificationAttempt.objects.update(telroi_id=OTHER_ID)

    with before_the_first("SAVEPOINT", answer_late):
        effect = record_event(event_of("otp.completed"))

    lost.refresh_from_db()
    assert (effect, lost.status, lost.telroi_id) == (EventEffect.UNMATCHED, "unknown", OTHER_ID)
