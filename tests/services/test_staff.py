"""What staff do to a number, and to all calls: done at once, and told by an event."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.contrib.auth.models import User

from django_telroi import services
from django_telroi.backends.locmem import outbox
from django_telroi.errors import CallsStopped, CooldownActive, InvalidNumber, NotCallable, NumberHeld
from django_telroi.models import AttemptEvent, CallControl, PhoneNumber
from django_telroi.simulator import Simulator
from tests.services.world import NUMBER, OTHER_NUMBER, let_time_pass, moments, row_counts

pytestmark = pytest.mark.django_db


def told() -> list[tuple[str, str, str]]:
    events = AttemptEvent.objects.order_by("id")
    return [(event.kind, event.actor, event.detail) for event in events]


class TestABlockedNumber:
    """Is never rung, whoever asks."""

    def test_is_not_callable(self) -> None:
        phone = services.block_number("+234 803 123 4567", reason="asked us to", actor="grace")

        with pytest.raises(NotCallable):
            services.start_verification(NUMBER)
        assert (phone.number, phone.blocked_by, phone.blocked_reason) == (NUMBER, "grace", "asked us to")
        assert told() == [("number_blocked", "grace", "asked us to")]
        assert outbox == []

    def test_keeps_the_limits_it_had(self) -> None:
        services.start_verification(NUMBER)
        services.block_number(NUMBER, reason="", actor="grace")
        services.unblock_number(NUMBER, actor="heidi")

        with pytest.raises(CooldownActive):
            services.start_verification(NUMBER)
        assert [kind for kind, _, _ in told()] == ["number_blocked", "number_unblocked"]

    def test_still_takes_the_code_of_a_call_that_rang_before(self) -> None:
        attempt = services.start_verification(NUMBER)
        services.block_number(NUMBER, reason="", actor="grace")

        assert services.check_code(attempt.uuid, outbox[-1].code).outcome == "verified"

    def test_must_be_a_number(self) -> None:
        with pytest.raises(InvalidNumber):
            services.block_number("12345", reason="", actor="grace")

        assert row_counts() == {}

    def test_may_have_a_long_story(self) -> None:
        phone = services.block_number(NUMBER, reason="r" * 999, actor="a" * 999)

        phone.refresh_from_db()
        assert (len(phone.blocked_reason), len(phone.blocked_by)) == (200, 150)


class TestALimitedNumber:
    """May be let go."""

    def test_that_is_held_is_released(self, telroi: Simulator) -> None:
        telroi.fail_next("rate_limited", wait=500)
        services.start_verification(NUMBER)
        with pytest.raises(NumberHeld):
            services.start_verification(NUMBER)

        phone = services.release_hold(NUMBER, actor="grace")

        assert (phone.held_until, phone.limited_by, phone.next_call_at) == (None, "", None)
        assert services.start_verification(NUMBER).status == "placed"

    def test_is_forgiven_its_calls_and_not_a_hold_of_telrois(self) -> None:
        services.start_verification(NUMBER)
        held_until = datetime.now(UTC) + timedelta(seconds=500)
        PhoneNumber.objects.update(held_until=held_until)

        phone = services.forgive_window(NUMBER, actor="grace")

        assert (moments(), phone.limited_by, phone.next_call_at) == ((), "held", held_until)
        assert told() == [("window_forgiven", "grace", "")]
        with pytest.raises(NumberHeld):
            services.start_verification(NUMBER)

    def test_that_is_forgiven_may_be_rung_at_once(self) -> None:
        services.start_verification(NUMBER)

        services.forgive_window(NUMBER, actor="grace")

        assert services.start_verification(NUMBER).status == "placed"


class TestAnErasedNumber:
    """Leaves nothing but its limits."""

    def test_loses_its_attempts_events_and_records(self, ada: User) -> None:
        attempt = services.start_verification(NUMBER, user=ada)
        services.check_code(attempt.uuid, "999999x", user=ada)
        services.check_code(attempt.uuid, outbox[-1].code, user=ada)
        services.start_verification(OTHER_NUMBER)

        erased = services.erase_number(NUMBER, actor="grace")

        assert erased == 1
        assert row_counts() == {"PhoneNumber": 2, "VerificationAttempt": 1, "AttemptEvent": 1}
        [event] = AttemptEvent.objects.all()
        assert (event.kind, event.actor, event.phone, event.attempt) == ("number_erased", "grace", None, None)
        with pytest.raises(CooldownActive):
            services.start_verification(NUMBER)

    def test_loses_its_row_once_its_calls_are_a_day_old(self) -> None:
        services.start_verification(NUMBER)
        let_time_pass(86401)

        services.erase_number(NUMBER, actor="grace")

        assert PhoneNumber.objects.count() == 0

    def test_stays_blocked(self) -> None:
        services.block_number(NUMBER, reason="", actor="grace")

        services.erase_number(NUMBER, actor="grace")

        with pytest.raises(NotCallable):
            services.start_verification(NUMBER)

    def test_that_nobody_knew_is_no_error(self) -> None:
        assert services.erase_number(NUMBER, actor="grace") == 0
        assert told() == [("number_erased", "grace", "")]


class TestStoppedCalls:
    """Nobody is rung until they are resumed."""

    def test_refuse_every_start_and_judge_every_code(self) -> None:
        attempt = services.start_verification(NUMBER)
        services.stop_calls(reason="fire", actor="grace")

        with pytest.raises(CallsStopped):
            services.start_verification(OTHER_NUMBER)
        assert services.check_code(attempt.uuid, outbox[-1].code).outcome == "verified"
        assert services.call_control().stopped_reason == "fire"

    def test_go_on_once_they_are_resumed(self) -> None:
        services.stop_calls(reason="fire", actor="grace")
        services.resume_calls(actor="heidi")

        assert services.start_verification(NUMBER).status == "placed"
        assert told() == [("calls_stopped", "grace", "fire"), ("calls_resumed", "heidi", "")]
        assert CallControl.objects.get().stopped_at is None

    def test_twice_is_harmless(self) -> None:
        for _ in range(2):
            services.stop_calls(reason="fire", actor="grace")
        services.resume_calls(actor="grace")

        assert services.call_control().stopped_at is None
