"""An attempt after its start: queued, placed late, expired, superseded and canceled."""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.db import transaction

from django_telroi import services
from django_telroi.errors import CooldownActive, HourlyLimitReached, InsideTransaction, NotCallable
from django_telroi.models import AttemptEvent, PhoneNumber, VerificationAttempt
from django_telroi.simulator import Simulator
from tests.calling_site import Configure
from tests.services.world import (
    CLAIM_ENDS_AFTER,
    NUMBER,
    OTHER_NUMBER,
    Heard,
    checks,
    commit,
    database_gone,
    let_time_pass,
    moments,
    row_counts,
    sends,
)

pytestmark = pytest.mark.django_db

SECOND = timedelta(seconds=1)


def queued(number: str = NUMBER) -> VerificationAttempt:
    """Return a call that waits for its caller's commit, which never happens."""
    with transaction.atomic():
        return services.start_verification(number)


def row(attempt: VerificationAttempt) -> VerificationAttempt:
    return VerificationAttempt.objects.get(pk=attempt.pk)


@pytest.mark.django_db(transaction=True)
class TestACallThatIsBeingPlaced:
    """Its lease ends when no request to Telroi can be pending any more."""

    @pytest.fixture
    def dialing(self, telroi: Simulator, configure: Configure) -> VerificationAttempt:
        configure(TOTAL_TIMEOUT_SECONDS=7)
        with database_gone(after=CLAIM_ENDS_AFTER):
            attempt = services.start_verification(NUMBER)
        return row(attempt)

    def test_has_a_lease_of_the_total_timeout_and_15_seconds(self, dialing: VerificationAttempt) -> None:
        assert (dialing.status, dialing.due_at) == ("dialing", dialing.dialed_at + 22 * SECOND)

    def test_keeps_its_status_until_the_lease_ends(self, dialing: VerificationAttempt) -> None:
        standing = services.follow(dialing.uuid, now=dialing.due_at - SECOND)

        assert (standing.attempt.status, standing.tries_left) == ("dialing", 3)

    def test_is_unknown_after_the_lease(self, dialing: VerificationAttempt) -> None:
        standing = services.follow(dialing.uuid, now=dialing.due_at)

        after = row(dialing)
        assert (standing.attempt.status, after.status, after.error_code) == ("unknown", "unknown", "lease_ended")
        assert (after.due_at, after.closed_at) == (after.expires_at, None)
        assert standing.refusal is None
        assert len(moments()) == 1

    def test_accepts_its_code_after_the_lease(self, telroi: Simulator, dialing: VerificationAttempt) -> None:
        let_time_pass(23)

        assert services.check_code(dialing.uuid, telroi.last_code_for(NUMBER)).outcome == "verified"

    def test_is_expired_if_it_is_first_read_after_its_code_expired(self, dialing: VerificationAttempt) -> None:
        standing = services.follow(dialing.uuid, now=dialing.expires_at)

        after = row(dialing)
        assert (standing.attempt.status, after.status, after.due_at) == ("expired", "expired", None)
        assert after.closed_at == dialing.expires_at


class TestAPlacedCall:
    """The attempt ends with its code."""

    def test_is_open_until_its_expiry(self, telroi: Simulator) -> None:
        attempt = services.start_verification(NUMBER)

        standing = services.follow(attempt.uuid, now=attempt.expires_at - SECOND)

        assert (standing.attempt.status, standing.tries_left, standing.refusal) == ("placed", 3, None)

    def test_is_expired_when_it_is_read_after_its_expiry(self, telroi: Simulator, heard: Heard) -> None:
        attempt = services.start_verification(NUMBER)

        standing = services.follow(attempt.uuid, now=attempt.expires_at)

        after = row(attempt)
        assert (standing.attempt.status, standing.tries_left, after.status) == ("expired", 0, "expired")
        assert (after.closed_at, after.due_at, len(moments())) == (attempt.expires_at, None, 1)

    @pytest.mark.parametrize("status", ["verified", "locked", "failed", "canceled", "superseded"])
    def test_that_is_closed_never_changes_again(self, telroi: Simulator, ada: User, status: str) -> None:
        attempt = services.start_verification(NUMBER, user=ada)
        VerificationAttempt.objects.update(status=status)

        standing = services.follow(attempt.uuid, user=ada, now=attempt.expires_at + timedelta(days=9))
        canceled = services.cancel_verification(attempt.uuid, user=ada)
        checked = services.check_code(attempt.uuid, telroi.last_code_for(NUMBER), user=ada)

        statuses = {standing.attempt.status, canceled.status, checked.attempt.status, row(attempt).status}
        assert (statuses, checks(telroi)) == ({status}, 0)

    def test_says_how_long_the_next_call_must_wait(self, telroi: Simulator) -> None:
        attempt = services.start_verification(NUMBER)

        moments_later = [attempt.dialed_at + seconds * SECOND for seconds in (0, 0.5, 59, 59.9, 60)]
        waits = [services.follow(attempt.uuid, now=moment).call_again_in for moment in moments_later]

        assert waits == [60, 60, 1, 1, 0]


class TestAQueuedCall:
    """It is placed once, before its deadline."""

    def test_is_placed_by_one_of_several_workers(self, telroi: Simulator, heard: Heard) -> None:
        attempt = queued()

        for _ in range(10):
            services.place_call(attempt.pk)

        assert (row(attempt).status, sends(telroi), heard.names) == ("placed", 1, ["call_placed"])
        assert len(moments()) == 1

    @pytest.mark.parametrize("status", ["dialing", "placed", "unknown", "verified", "failed", "canceled", "expired"])
    def test_is_not_placed_in_any_other_status(self, telroi: Simulator, status: str) -> None:
        attempt = queued()
        VerificationAttempt.objects.update(status=status)

        services.place_call(attempt.pk)

        assert (row(attempt).status, telroi.requests) == (status, [])

    def test_that_does_not_exist_is_not_placed(self, telroi: Simulator) -> None:
        services.place_call(12345)

        assert telroi.requests == []

    def test_is_not_placed_inside_a_callers_transaction(self, telroi: Simulator) -> None:
        attempt = queued()

        with transaction.atomic(), pytest.raises(InsideTransaction):
            services.place_call(attempt.pk)

        assert (row(attempt).status, telroi.requests) == ("queued", [])

    def test_counts_from_the_moment_it_rings_and_its_code_is_valid_from_then(self, telroi: Simulator) -> None:
        attempt = queued()
        now = attempt.created_at + 50 * SECOND

        services.place_call(attempt.pk, now=now)

        after = row(attempt)
        assert (moments(), after.dialed_at, after.created_at) == ((now,), now, attempt.created_at)
        assert now < after.expires_at <= now + 300 * SECOND

    def test_that_fails_is_closed_and_does_not_count(self, telroi: Simulator, heard: Heard) -> None:
        attempt = queued()
        telroi.fail_next("insufficient_funds")

        services.place_call(attempt.pk, now=attempt.created_at + 50 * SECOND)

        assert (row(attempt).status, moments()) == ("failed", ())
        assert sorted(heard.names) == ["alert", "call_failed"]

    def test_is_placed_until_its_deadline_and_not_later(self, telroi: Simulator, configure: Configure) -> None:
        configure(QUEUE_DEADLINE_SECONDS=30)
        early, late = queued(), queued(OTHER_NUMBER)

        services.place_call(early.pk, now=early.created_at + 29 * SECOND)
        services.place_call(late.pk, now=late.created_at + 30 * SECOND)

        assert (row(early).status, row(late).status, row(late).error_code) == ("placed", "expired", "deadline")
        assert (sends(telroi), moments(OTHER_NUMBER)) == (1, ())

    def test_stays_queued_while_all_calls_are_stopped(self, telroi: Simulator) -> None:
        attempt = queued()
        services.stop_calls(reason="", actor="grace")
        now = attempt.created_at + 10 * SECOND

        services.place_call(attempt.pk, now=now)

        assert (row(attempt).status, row(attempt).due_at, telroi.requests) == ("queued", now + 15 * SECOND, [])
        services.resume_calls(actor="grace")
        services.place_call(attempt.pk, now=now + 15 * SECOND)
        assert row(attempt).status == "placed"

    def test_stays_queued_while_the_key_is_paused(self, telroi: Simulator) -> None:
        attempt = queued()
        telroi.fail_next("key_limited", wait=20)
        services.start_verification(OTHER_NUMBER)
        paused_until = services.call_control().paused_until

        services.place_call(attempt.pk, now=paused_until - 10 * SECOND)
        waiting = row(attempt)
        services.place_call(attempt.pk, now=paused_until)

        assert (waiting.status, waiting.due_at, row(attempt).status) == ("queued", paused_until, "placed")

    def test_stays_queued_no_longer_than_its_deadline(self, telroi: Simulator) -> None:
        attempt = queued()
        telroi.fail_next("key_limited", wait=3600)
        services.start_verification(OTHER_NUMBER)

        services.place_call(attempt.pk, now=attempt.created_at + 10 * SECOND)

        deadline = attempt.created_at + 120 * SECOND
        assert row(attempt).due_at == deadline
        assert services.follow(attempt.uuid, now=deadline).attempt.status == "expired"

    def test_is_not_placed_after_its_deadline_although_its_next_look_is_later(self, telroi: Simulator) -> None:
        attempt = queued()
        VerificationAttempt.objects.update(due_at=attempt.created_at + 500 * SECOND)

        services.place_call(attempt.pk, now=attempt.created_at + 121 * SECOND)

        assert (row(attempt).status, telroi.requests) == ("expired", [])

    def test_never_rings_within_the_cooldown_of_another_call(self, telroi: Simulator) -> None:
        telroi.set_policy(cooldown=0)
        first = queued()
        second = VerificationAttempt.objects.create(
            phone_id=first.phone_id,
            status="queued",
            dispatch="inline",
            max_tries=3,
            created_at=first.created_at + 60 * SECOND,
            expires_at=first.created_at + 360 * SECOND,
            due_at=first.created_at + 60 * SECOND,
        )
        phone = PhoneNumber.objects.get()
        phone.moments = [second.created_at, first.created_at]
        phone.save()

        services.place_call(first.pk, now=first.created_at + 61 * SECOND)
        services.place_call(second.pk, now=first.created_at + 62 * SECOND)
        services.place_call(first.pk, now=first.created_at + 119 * SECOND)

        assert (row(first).status, row(second).status) == ("queued", "placed")
        assert row(first).due_at <= first.created_at + 120 * SECOND
        assert sends(telroi) == 1

    @pytest.mark.codes("telroi")
    def test_that_rang_after_a_later_request_is_the_newest_call(self, telroi: Simulator) -> None:
        telroi.set_policy(cooldown=0)
        telroi.fail_next("no_id", times=2)
        older = queued()
        with transaction.atomic():
            services.reset_limits(NUMBER, actor="grace")
            younger = services.start_verification(NUMBER)
        services.place_call(younger.pk)
        services.reset_limits(NUMBER, actor="grace")
        services.place_call(older.pk)
        code = telroi.last_code_for(NUMBER)

        outcomes = [services.check_code(each.uuid, code).outcome for each in (younger, older)]

        assert (outcomes, checks(telroi)) == (["closed", "verified"], 1)

    def test_of_a_callers_transaction_rings_at_its_commit(self, telroi: Simulator) -> None:
        attempt = queued()

        commit()

        assert row(attempt).status == "placed"


class TestCancel:
    """After a cancel, the attempt is closed."""

    @pytest.mark.parametrize("fault", ["placed", "close"])
    def test_closes_an_open_attempt(self, telroi: Simulator, fault: str) -> None:
        if fault != "placed":
            telroi.fail_next(fault, on="send")
        attempt = services.start_verification(NUMBER)

        canceled = services.cancel_verification(attempt.uuid)

        after = row(attempt)
        assert (canceled.status, after.status, after.due_at) == ("canceled", "canceled", None)
        assert after.closed_at is not None
        assert len(moments()) == 1
        assert services.check_code(attempt.uuid, telroi.last_code_for(NUMBER)).outcome == "closed"
        assert checks(telroi) == 0

    def test_twice_changes_nothing(self, telroi: Simulator) -> None:
        attempt = services.start_verification(NUMBER)
        services.cancel_verification(attempt.uuid)
        before = row(attempt).closed_at

        again = services.cancel_verification(attempt.uuid)

        assert (again.status, row(attempt).closed_at) == ("canceled", before)

    def test_does_not_undo_a_verification(self, telroi: Simulator) -> None:
        attempt = services.start_verification(NUMBER)
        services.check_code(attempt.uuid, telroi.last_code_for(NUMBER))

        assert services.cancel_verification(attempt.uuid).status == "verified"

    def test_does_not_change_an_attempt_whose_code_expired(self, telroi: Simulator) -> None:
        attempt = services.start_verification(NUMBER)

        assert services.cancel_verification(attempt.uuid, now=attempt.expires_at).status == "expired"


class TestCallingAgain:
    """It creates a new attempt in the same flow. The old one accepts codes until the new call rings or may ring."""

    @pytest.fixture
    def old(self, telroi: Simulator, ada: User) -> VerificationAttempt:
        attempt = services.start_verification(
            NUMBER, user=ada, purpose="payout", language="yo", requester_ip="203.0.113.7"
        )
        let_time_pass(61, telroi)
        return row(attempt)

    def test_calls_the_same_number_for_the_same_user_and_purpose(
        self, telroi: Simulator, old: VerificationAttempt, ada: User
    ) -> None:
        new = services.call_again(old.uuid, user=ada, requester_ip="198.51.100.2")

        after = row(new)
        assert (after.number, after.user, after.purpose, after.language) == (NUMBER, ada, "payout", "yo")
        assert (after.requester_ip, after.status, after.tries) == ("198.51.100.2", "placed", 0)
        assert new.uuid != old.uuid
        assert sends(telroi) == 2

    def test_supersedes_the_old_attempt_once_the_new_call_is_placed(
        self, telroi: Simulator, old: VerificationAttempt, ada: User
    ) -> None:
        code = telroi.last_code_for(NUMBER)
        new = services.call_again(old.uuid, user=ada)

        after = row(old)
        assert (after.status, after.closed_at, after.due_at) == ("superseded", after.closed_at, None)
        assert new.placed_at <= after.closed_at
        assert services.check_code(old.uuid, code, user=ada).outcome == "closed"
        assert checks(telroi) == 0

    def test_twice_places_one_call(self, telroi: Simulator, old: VerificationAttempt, ada: User) -> None:
        first = services.call_again(old.uuid, user=ada)
        second = services.call_again(old.uuid, user=ada)
        let_time_pass(61, telroi)
        third = services.call_again(old.uuid, user=ada)

        assert (first.pk, first.pk, sends(telroi)) == (second.pk, third.pk, 2)

    def test_returns_an_attempt_that_can_be_called_again(
        self, telroi: Simulator, old: VerificationAttempt, ada: User
    ) -> None:
        second = services.call_again(old.uuid, user=ada)
        let_time_pass(61, telroi)
        third = services.call_again(second.uuid, user=ada)

        assert (row(second).status, third.status, sends(telroi)) == ("superseded", "placed", 3)

    def test_during_the_cooldown_leaves_the_old_attempt_unchanged(self, telroi: Simulator) -> None:
        old = services.start_verification(NUMBER)

        with pytest.raises(CooldownActive):
            services.call_again(old.uuid)

        assert (row(old).status, sends(telroi)) == ("placed", 1)
        assert services.check_code(old.uuid, telroi.last_code_for(NUMBER)).outcome == "verified"

    def test_gives_each_attempt_its_own_tries(self, telroi: Simulator, old: VerificationAttempt, ada: User) -> None:
        for code in ("000001", "000002"):
            services.check_code(old.uuid, code, user=ada)

        new = services.call_again(old.uuid, user=ada)

        assert (row(old).tries, services.follow(new.uuid, user=ada).tries_left) == (2, 3)

    def test_for_a_verified_attempt_places_no_call(
        self, telroi: Simulator, old: VerificationAttempt, ada: User
    ) -> None:
        services.check_code(old.uuid, telroi.last_code_for(NUMBER), user=ada)

        again = services.call_again(old.uuid, user=ada)

        assert (again.pk, again.status, sends(telroi)) == (old.pk, "verified", 1)

    @pytest.mark.parametrize("status", ["locked", "failed", "expired", "canceled", "superseded"])
    def test_for_a_closed_attempt_leaves_it_unchanged(
        self, telroi: Simulator, old: VerificationAttempt, ada: User, status: str
    ) -> None:
        VerificationAttempt.objects.update(status=status, due_at=None)

        new = services.call_again(old.uuid, user=ada)

        assert (row(old).status, row(old).closed_at, new.status) == (status, None, "placed")

    def test_for_an_attempt_that_was_not_placed_rings_at_once(self, telroi: Simulator) -> None:
        telroi.fail_next("insufficient_funds")
        old = services.start_verification(NUMBER)

        assert services.call_again(old.uuid).status == "placed"

    def test_is_refused_once_the_number_is_blocked(
        self, telroi: Simulator, old: VerificationAttempt, ada: User
    ) -> None:
        services.block_number(NUMBER, reason="", actor="grace")

        with pytest.raises(NotCallable):
            services.call_again(old.uuid, user=ada)

        assert row(old).status == "placed"

    def test_in_a_transaction_that_rolls_back_changes_nothing(
        self, telroi: Simulator, old: VerificationAttempt, ada: User
    ) -> None:
        with pytest.raises(ZeroDivisionError):
            self._call_again_and_fail(old.uuid, ada)
        commit()

        assert (row(old).status, sends(telroi), row_counts()) == (
            "placed",
            1,
            {"PhoneNumber": 1, "VerificationAttempt": 1},
        )

    @transaction.atomic
    def _call_again_and_fail(self, uuid: UUID, user: User) -> None:
        assert services.call_again(uuid, user=user).status == "queued"
        raise ZeroDivisionError

    def test_settles_an_overdue_old_attempt_first(self, telroi: Simulator) -> None:
        old = services.start_verification(NUMBER)
        let_time_pass(400, telroi)

        services.call_again(old.uuid)

        assert row(old).status == "expired"


@pytest.mark.codes("telroi")
def test_calling_again_and_again_gives_no_more_tries(telroi: Simulator, configure: Configure) -> None:
    """Five calls an hour with three tries each allow fifteen guesses an hour, for any number of requests."""
    configure(WRONG_CODES={"warn": 100, "wait": 100, "lock": 100})
    telroi.set_policy(cooldown=0, per_hour=1000)
    attempt, judged = services.start_verification(NUMBER), 0
    for asked in range(9):
        for n in range(5):
            services.check_code(attempt.uuid, f"00000{n}")
        judged = checks(telroi)
        let_time_pass(61)
        with suppress(HourlyLimitReached):
            attempt = services.call_again(attempt.uuid)
        assert judged == min(asked + 1, 5) * 3

    assert (judged, sends(telroi)) == (15, 5)


def test_each_attempt_has_its_events_in_order(telroi: Simulator) -> None:
    attempt = services.start_verification(NUMBER)
    for code in ("000001", "000002"):
        services.check_code(attempt.uuid, code)

    events = AttemptEvent.objects.filter(attempt=attempt).order_by("id")
    assert [event.kind for event in events] == ["code_rejected", "code_rejected"]
    assert events[0].at <= events[1].at
