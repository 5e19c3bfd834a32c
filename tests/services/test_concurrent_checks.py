"""Concurrent checks, each in its own thread with its own database connection."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection

from django_telroi import services
from django_telroi.errors import CooldownActive
from django_telroi.models import PhoneNumber, VerificationAttempt, VerifiedPhone
from django_telroi.services.attempts import telroi_tries
from django_telroi.simulator import Simulator
from tests.calling_site import Configure
from tests.services.world import NUMBER, Elsewhere, Heard, checks, let_time_pass, sends, wrong

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.codes("telroi")]


def test_a_code_sent_while_the_last_try_is_judged_is_in_progress(telroi: Simulator) -> None:
    attempt = services.start_verification(NUMBER)
    code = telroi.last_code_for(NUMBER)
    for by in (1, 2):
        services.check_code(attempt.uuid, wrong(code, by=by))
    telroi.fail_next("hold", on="verify")
    third = Elsewhere(partial(services.check_code, attempt.uuid, code))
    telroi.wait_for_requests(4)

    fourth = services.check_code(attempt.uuid, wrong(code, by=3))
    telroi.release()

    assert (fourth.outcome, fourth.attempt.status, third.result().outcome) == ("in_progress", "placed", "verified")
    assert checks(telroi) == 3


def test_the_right_code_verifies_although_a_wrong_one_was_sent_twice_before(telroi: Simulator) -> None:
    attempt = services.start_verification(NUMBER)
    code = telroi.last_code_for(NUMBER)
    telroi.fail_next("close", on="verify")
    services.check_code(attempt.uuid, wrong(code))
    services.check_code(attempt.uuid, wrong(code))
    telroi.fail_next("hold", on="verify")
    right = Elsewhere(partial(services.check_code, attempt.uuid, code))
    telroi.wait_for_requests(4)

    other = services.check_code(attempt.uuid, wrong(code, by=2))
    telroi.release()

    assert (other.outcome, right.result().outcome) == ("in_progress", "verified")


@pytest.mark.parametrize("has_user", [True, False], ids=["a user", "no user"])
def test_two_right_codes_at_once_verify_once(telroi: Simulator, ada: User, heard: Heard, has_user: bool) -> None:
    user = ada if has_user else None
    attempt = services.start_verification(NUMBER, user=user)
    code = telroi.last_code_for(NUMBER)
    telroi.race(0.2, on="verify")
    check = partial(services.check_code, attempt.uuid, code, user=user)

    clicks = [Elsewhere(check), Elsewhere(check)]

    assert [click.result().outcome for click in clicks] == ["verified", "verified"]
    assert heard.names == ["call_placed", "phone_verified"]
    assert VerifiedPhone.objects.count() == (1 if has_user else 0)


def test_a_right_code_does_not_verify_if_the_attempt_was_canceled_meanwhile(telroi: Simulator, heard: Heard) -> None:
    attempt = services.start_verification(NUMBER)
    telroi.fail_next("hold", on="verify")
    right = Elsewhere(partial(services.check_code, attempt.uuid, telroi.last_code_for(NUMBER)))
    telroi.wait_for_requests(2)

    services.cancel_verification(attempt.uuid)
    telroi.release()

    assert right.result().outcome == "closed"
    attempt.refresh_from_db()
    assert (attempt.status, heard.names) == ("canceled", ["call_placed"])


def test_a_call_is_recorded_before_telroi_is_asked(telroi: Simulator) -> None:
    telroi.fail_next("hold", on="send")
    start = Elsewhere(partial(services.start_verification, NUMBER))
    telroi.wait_for_requests(1)

    attempt, phone = VerificationAttempt.objects.get(), PhoneNumber.objects.get()
    telroi.release()

    assert (attempt.status, attempt.telroi_id) == ("dialing", None)
    assert phone.moments == (attempt.dialed_at,)
    assert start.result().status == "placed"


def test_a_try_is_recorded_before_telroi_is_asked(telroi: Simulator) -> None:
    attempt = services.start_verification(NUMBER)
    telroi.fail_next("hold", on="verify")
    check = Elsewhere(partial(services.check_code, attempt.uuid, telroi.last_code_for(NUMBER)))
    telroi.wait_for_requests(2)

    attempt.refresh_from_db()
    telroi.release()

    assert (attempt.tries, attempt.status) == (1, "placed")
    assert check.result().outcome == "verified"


def test_two_codes_that_read_the_same_row_use_a_try_each(telroi: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    attempt = services.start_verification(NUMBER)
    code = telroi.last_code_for(NUMBER)
    reserve = telroi_tries._reserve

    def overtaken(*arguments: Any, **named: Any) -> Any:
        monkeypatch.undo()
        services.check_code(attempt.uuid, wrong(code, by=2))
        return reserve(*arguments, **named)

    monkeypatch.setattr(telroi_tries, "_reserve", overtaken)
    services.check_code(attempt.uuid, wrong(code))

    attempt.refresh_from_db()
    assert (attempt.tries, checks(telroi)) == (2, 2)


class TestALateReply:
    """Telroi answers after the row has changed. The answer is kept for staff and does not change the status."""

    @pytest.fixture
    def start(self, telroi: Simulator, configure: Configure) -> Elsewhere[VerificationAttempt]:
        configure(TOTAL_TIMEOUT_SECONDS=20, READ_TIMEOUT_SECONDS=20)
        telroi.fail_next("hold", on="send")
        start = Elsewhere(partial(services.start_verification, NUMBER))
        telroi.wait_for_requests(1)
        return start

    def test_after_the_lease_keeps_the_call_unknown_and_stores_its_id(
        self, telroi: Simulator, start: Elsewhere[VerificationAttempt], heard: Heard
    ) -> None:
        dialing = VerificationAttempt.objects.get()
        services.follow(dialing.uuid, now=dialing.due_at)
        telroi.release()

        late = start.result()
        row = VerificationAttempt.objects.get()
        [call] = telroi.calls
        assert (late.status, row.status, row.telroi_id) == ("unknown", "unknown", call.id)
        assert [event.kind for event in row.events.all()] == ["late_reply"]
        assert heard.names == []
        assert services.check_code(row.uuid, call.code).outcome == "verified"

    def test_does_not_change_a_canceled_call(
        self, telroi: Simulator, start: Elsewhere[VerificationAttempt], heard: Heard
    ) -> None:
        services.cancel_verification(VerificationAttempt.objects.get().uuid)
        telroi.release()

        late = start.result()
        row = VerificationAttempt.objects.get()
        assert (late.status, row.status, row.telroi_id) == ("canceled", "canceled", None)
        [event] = row.events.all()
        assert (event.kind, event.detail) == ("late_reply", telroi.calls[0].id)
        assert heard.names == []

    def test_that_no_call_was_placed_changes_nothing(
        self, telroi: Simulator, start: Elsewhere[VerificationAttempt]
    ) -> None:
        row = VerificationAttempt.objects.get()
        services.follow(row.uuid, now=row.due_at)
        telroi.fail_next("insufficient_funds")
        telroi.release()

        assert start.result().status == "unknown"


def test_a_canceled_call_that_was_certainly_not_placed_does_not_count(telroi: Simulator, configure: Configure) -> None:
    configure(CALLS_PER_DAY_TOTAL=5)
    telroi.fail_next("hold", on="send")
    telroi.set_wallet(0)
    start = Elsewhere(partial(services.start_verification, NUMBER))
    telroi.wait_for_requests(1)

    services.cancel_verification(VerificationAttempt.objects.get().uuid)
    telroi.release()

    assert start.result().status == "canceled"
    assert (PhoneNumber.objects.get().calls, services.call_control().day_calls) == ([], 0)


def test_two_starts_at_once_place_one_call(telroi: Simulator, site_clock: Any) -> None:
    telroi.fail_next("hold", on="send")
    first = Elsewhere(partial(services.start_verification, NUMBER))
    telroi.wait_for_requests(1)

    with pytest.raises(CooldownActive) as refused:
        services.start_verification(NUMBER)
    telroi.release()

    assert (first.result().status, sends(telroi)) == ("placed", 1)
    assert refused.value.retry_after == 60


def test_a_repeat_while_the_call_is_being_placed_returns_the_same_attempt(telroi: Simulator) -> None:
    uuid = VerificationAttempt().uuid
    telroi.fail_next("hold", on="send")
    first = Elsewhere(partial(services.start_verification, NUMBER, attempt_uuid=uuid))
    telroi.wait_for_requests(1)

    second = services.start_verification(NUMBER, attempt_uuid=uuid)
    telroi.release()

    assert (second.uuid, second.status, first.result().pk, sends(telroi)) == (uuid, "dialing", second.pk, 1)


def test_the_newer_call_supersedes_the_older_one_while_its_code_is_judged(telroi: Simulator) -> None:
    attempt = services.start_verification(NUMBER)
    code = telroi.last_code_for(NUMBER)
    let_time_pass(61, telroi)
    telroi.fail_next("hold", on="verify")
    right = Elsewhere(partial(services.check_code, attempt.uuid, code))
    telroi.wait_for_requests(2)

    again = services.call_again(attempt.uuid)
    telroi.release()

    assert (right.result().outcome, again.status) == ("closed", "placed")
    attempt.refresh_from_db()
    assert (attempt.status, attempt.closed_at >= again.placed_at) == ("superseded", True)
    assert not connection.in_atomic_block
