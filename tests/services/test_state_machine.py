"""Random sequences of actions, faults and time, with invariants that are checked after each step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import pairwise
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from django_telroi import services, tasks
from django_telroi.backends.telroi import TelroiBackend
from django_telroi.client import OtpCall
from django_telroi.domain.phone import parse_phone
from django_telroi.domain.states import CHECKABLE, FINAL, TRANSITIONS, Status
from django_telroi.errors import AttemptNotFound, VerificationRefused
from django_telroi.models import VerificationAttempt, VerifiedPhone
from django_telroi.services.shared import backend_calls
from django_telroi.services.shared.number_state import read_state
from django_telroi.simulator import Simulator
from django_telroi.simulator.otp import Otp
from tests.calling_site import Configure
from tests.services.world import NUMBER, OTHER_NUMBER, ROWS, let_time_pass, wrong

NUMBERS = (NUMBER, OTHER_NUMBER)
JITTER = timedelta(seconds=2)
"""A call rings shortly after its claim. The delay varies."""

# After these answers no phone rang and no code was judged.
NOT_DONE = ("invalid", "unauthorized", "rate_limited", "key_limited", "service_unavailable", "insufficient_funds")
DONE_ALL_THE_SAME = ("close", "reset", "cut_body", "json_object", "no_id", "otp_failed")
FAULTS = st.none() | st.none() | st.sampled_from(NOT_DONE + DONE_ALL_THE_SAME)
VERIFY_FAULTS = st.none() | st.sampled_from(("close", "json_object", "key_limited", "service_unavailable"))
WHICH = st.integers(0, 3)
WAITS = (1, 20, 61, 125, 301, 3601, 86401)

# This machine does not make the transitions that only a webhook makes.
OURS = {**TRANSITIONS, Status.UNKNOWN: TRANSITIONS[Status.UNKNOWN] - {Status.PLACED, Status.FAILED}}
# Without a queue, no call is requeued.
OURS_WITHOUT_QUEUE = {**OURS, Status.DIALING: OURS[Status.DIALING] - {Status.QUEUED}}


def may_become(old: Status, new: Status, *, moves: Mapping[Status, frozenset[Status]]) -> bool:
    """Return whether legal transitions lead from one status to the other."""
    reached, before = {old}, set[Status]()
    while reached != before:
        before = reached
        reached = before.union(*(moves[status] for status in before))
    return new in reached


class Crash(BaseException):
    """The process was killed."""


class CrashingBackend(TelroiBackend):
    """The request was sent, and the process is killed before the answer."""

    crashes: ClassVar[bool] = False

    def place_call(self, to: str, *, code_length: int, language: str | None, code: str | None = None) -> OtpCall:
        call = super().place_call(to, code_length=code_length, language=language)
        if CrashingBackend.crashes:
            raise Crash
        return call


@dataclass
class Known:
    """The state of an attempt when it was last checked."""

    status: Status
    row: dict[str, Any]
    judged: set[str] = field(default_factory=set)


class Verifications(RuleBasedStateMachine):
    """The machine and its invariants for every attempt and number."""

    telroi: ClassVar[Simulator]
    users: ClassVar[Sequence[User | None]]
    moves: ClassVar[Mapping[Status, frozenset[Status]]] = OURS_WITHOUT_QUEUE

    def __init__(self) -> None:
        super().__init__()
        for model in reversed(ROWS):
            model._default_manager.all().delete()
        self.telroi.reset()
        self.telroi.set_policy(cooldown=0, per_hour=10**6, per_day=10**6, tries=99)
        self.known: dict[int, Known] = {}

    @rule(number=st.sampled_from(NUMBERS), fault=FAULTS, who=st.integers(0, 1))
    def start(self, number: str, fault: str | None, who: int) -> None:
        self._call(partial(services.start_verification, number, user=self.users[who]), fault)

    @rule(number=st.sampled_from(NUMBERS))
    def start_in_a_transaction(self, number: str) -> None:
        with suppress(VerificationRefused), transaction.atomic():
            services.start_verification(number)

    @rule(number=st.sampled_from(NUMBERS))
    def start_and_crash(self, number: str) -> None:
        CrashingBackend.crashes = True
        with suppress(Crash):
            self._call(partial(services.start_verification, number), None)
        CrashingBackend.crashes = False

    @precondition(lambda self: self.known)
    @rule(which=WHICH, fault=FAULTS)
    def call_again(self, which: int, fault: str | None) -> None:
        attempt = self._pick(which)
        with gone_if_too_old(attempt):
            self._call(partial(services.call_again, attempt.uuid, user=attempt.user), fault)
        self.telroi.stop_failing()

    @precondition(lambda self: self.known)
    @rule(which=WHICH, fault=FAULTS)
    def place(self, which: int, fault: str | None) -> None:
        self._call(partial(services.place_call, self._pick(which).pk), fault)

    @precondition(lambda self: self.known)
    @rule(which=WHICH, fault=VERIFY_FAULTS)
    def check_the_right_code(self, which: int, fault: str | None) -> None:
        attempt = self._pick(which)
        self._check(attempt, self._right_code(attempt), fault)

    @precondition(lambda self: self.known)
    @rule(which=WHICH, by=st.integers(1, 4), fault=VERIFY_FAULTS)
    def check_a_wrong_code(self, which: int, by: int, fault: str | None) -> None:
        attempt = self._pick(which)
        self._check(attempt, wrong(self._right_code(attempt), by=by), fault)

    @precondition(lambda self: self.known)
    @rule(which=WHICH, other=WHICH, fault=VERIFY_FAULTS)
    def check_the_code_of_another_call(self, which: int, other: int, fault: str | None) -> None:
        self._check(self._pick(which), self._right_code(self._pick(other)), fault)

    @precondition(lambda self: self.known)
    @rule(which=WHICH, code=st.sampled_from(("12", "abcdef", "123\u0664\u0665\u0666")))
    def check_what_is_no_code(self, which: int, code: str) -> None:
        attempt = self._pick(which)
        asked = len(self.telroi.requests)
        with gone_if_too_old(attempt):
            assert services.check_code(attempt.uuid, code, user=attempt.user).outcome == "invalid_code"
        assert len(self.telroi.requests) == asked

    @precondition(lambda self: self.known)
    @rule(which=WHICH)
    def cancel(self, which: int) -> None:
        attempt = self._pick(which)
        with gone_if_too_old(attempt):
            services.cancel_verification(attempt.uuid, user=attempt.user)

    @precondition(lambda self: self.known)
    @rule(which=WHICH)
    def follow(self, which: int) -> None:
        attempt = self._pick(which)
        with gone_if_too_old(attempt):
            standing = services.follow(attempt.uuid, user=attempt.user)
            assert standing.tries_left <= attempt.max_tries
            assert (standing.refusal is not None) is (standing.attempt.status == Status.FAILED)

    @precondition(lambda self: self.known)
    @rule(which=WHICH)
    def look_as_a_stranger(self, which: int) -> None:
        attempt = self._pick(which)
        if attempt.user:
            with pytest.raises(AttemptNotFound):
                services.follow(attempt.uuid)

    @rule(fault=FAULTS)
    def sweep(self, fault: str | None) -> None:
        self._call(services.sweep, fault)

    @rule(seconds=st.sampled_from(WAITS))
    def wait(self, seconds: int) -> None:
        let_time_pass(seconds, self.telroi)
        for pk, known in self.known.items():
            known.row = values_of(pk)

    @rule()
    def stop_and_resume(self) -> None:
        services.stop_calls(reason="", actor="grace")
        with pytest.raises(VerificationRefused):
            services.start_verification(NUMBER)
        services.resume_calls(actor="grace")

    @invariant()
    def every_move_is_legal_and_what_is_over_stays_as_it_is(self) -> None:
        for attempt in VerificationAttempt.objects.all():
            new, row = Status(attempt.status), values_of(attempt.pk)
            known = self.known.setdefault(attempt.pk, Known(new, row))
            assert may_become(known.status, new, moves=self.moves), (known.status, new)
            assert known.status not in FINAL or evidence_of(row) == evidence_of(known.row)
            assert (attempt.closed_at is not None) is (new in FINAL)
            assert new == Status.VERIFIED or (attempt.due_at is None) is (new in FINAL)
            assert new in CHECKABLE or not attempt.judging
            known.status, known.row = new, row

    @invariant()
    def no_attempt_has_more_codes_judged_than_tries(self) -> None:
        for attempt in VerificationAttempt.objects.all():
            assert attempt.tries <= attempt.max_tries
            if known := self.known.get(attempt.pk):
                assert len(known.judged) <= attempt.max_tries

    @invariant()
    def no_phone_rings_more_often_than_the_policy_allows(self) -> None:
        for number in NUMBERS:
            rung = [call.at for call in self.telroi.calls if call.to == number]
            assert all(later - earlier > timedelta(seconds=60) - JITTER for earlier, later in pairwise(rung))
            for most, window in ((5, timedelta(hours=1)), (20, timedelta(days=1))):
                assert all(rung[n + most] - rung[n] > window - JITTER for n in range(len(rung) - most))

    @invariant()
    def no_attempt_rings_twice(self) -> None:
        for number in NUMBERS:
            rung = sum(call.to == number for call in self.telroi.calls)
            assert rung <= VerificationAttempt.objects.filter(phone__number=number, dialed_at__isnull=False).count()

    @invariant()
    def a_number_counts_exactly_the_calls_that_count(self) -> None:
        for number in NUMBERS:
            state = read_state(parse_phone(number), using="default")
            attempts = VerificationAttempt.objects.filter(phone__number=number)
            expected = sorted(each.counted_at for each in attempts if counts(each))
            counted = sorted(state.phone.moments) if state.phone else []
            assert young(counted, state.now) == young(expected, state.now)

    @invariant()
    def a_user_has_exactly_the_numbers_they_answered(self) -> None:
        verified = VerificationAttempt.objects.filter(status=Status.VERIFIED, user__isnull=False)
        recorded = VerifiedPhone.objects.values_list("user_id", "number")
        assert set(recorded) == set(verified.values_list("user_id", "phone__number"))

    def _pick(self, which: int) -> VerificationAttempt:
        """Choose an attempt, open ones first."""
        attempts = VerificationAttempt.objects.order_by("-pk")
        unfinished, over = attempts.exclude(status__in=FINAL), attempts.filter(status__in=FINAL)
        candidates = [*unfinished, *over]
        return candidates[which % len(candidates)]

    def _call(self, call: Callable[[], object], fault: str | None) -> None:
        if fault:
            self.telroi.fail_next(fault, on="send")
        with suppress(VerificationRefused):
            call()
        self.telroi.stop_failing()

    def _check(self, attempt: VerificationAttempt, code: str, fault: str | None) -> None:
        right, asked = self._right_code(attempt), len(self.telroi.requests)
        if fault:
            self.telroi.fail_next(fault, on="verify")
        outcome = None
        with gone_if_too_old(attempt):
            outcome = services.check_code(attempt.uuid, code, user=attempt.user).outcome
        self.telroi.stop_failing()

        if len(self.telroi.requests) > asked and fault not in NOT_DONE:
            self.known[attempt.pk].judged.add(code)
        if outcome == "verified":
            assert code == right

    def _right_code(self, attempt: VerificationAttempt) -> str:
        """Return the code of the call that Telroi judges by."""
        by_id: list[Otp] = [otp for otp in self.telroi.otps if otp.id == attempt.telroi_id]
        return by_id[0].code if by_id else self._newest(attempt)

    def _newest(self, attempt: VerificationAttempt) -> str:
        codes = [otp.code for otp in self.telroi.otps if otp.to == attempt.number]
        return codes[-1] if codes else "000000"


class VerificationsByWorkers(Verifications):
    """The same machine with a queue. Its messages are late, out of order, duplicated or lost."""

    take_messages: ClassVar[Callable[[], list[tuple[str, list[Any]]]]]
    moves = OURS

    def __init__(self) -> None:
        super().__init__()
        self.take_messages()
        self.messages: list[int] = []

    @rule(which=WHICH, fault=FAULTS)
    def deliver_a_message_and_keep_it(self, which: int, fault: str | None) -> None:
        if message := self._message(which):
            self._call(partial(tasks.place_call, message), fault)

    @rule(number=st.sampled_from(NUMBERS), fault=st.sampled_from(("key_limited", "service_unavailable")))
    def start_and_be_put_off(self, number: str, fault: str) -> None:
        self.start(number, None, 0)
        self.deliver_a_message_and_keep_it(0, fault)

    @rule(which=WHICH)
    def deliver_a_message_to_a_worker_that_dies(self, which: int) -> None:
        CrashingBackend.crashes = True
        with suppress(Crash):
            if message := self._message(which):
                self._call(partial(tasks.place_call, message), None)
        CrashingBackend.crashes = False

    @rule()
    def lose_all_messages(self) -> None:
        self._message(0)
        self.messages.clear()

    def _message(self, which: int) -> int | None:
        """Choose a sent message, the newest first."""
        self.messages = [pk for _, [pk] in reversed(self.take_messages())] + self.messages
        return self.messages[which % len(self.messages)] if self.messages else None


def values_of(pk: int) -> dict[str, Any]:
    return VerificationAttempt.objects.filter(pk=pk).values().get()


def evidence_of(row: dict[str, Any]) -> dict[str, Any]:
    """Return the fields that never change after an attempt is closed. Fields for comparing later codes are excluded."""
    bookkeeping = {"tries", "asked", "code_digest", "due_at", "followed_by"}
    return {name: value for name, value in row.items() if name not in bookkeeping}


@contextmanager
def gone_if_too_old(attempt: VerificationAttempt) -> Iterator[None]:
    """Return whether the attempt has no user and its code expired more than an hour ago. Then it is not found."""
    try:
        yield
    except AttemptNotFound:
        assert attempt.user_id is None
        assert datetime.now(UTC) >= attempt.expires_at + timedelta(hours=1) - JITTER


def counts(attempt: VerificationAttempt) -> bool:
    return attempt.status == Status.QUEUED or (attempt.dialed_at is not None and attempt.status != Status.FAILED)


def young(moments: Sequence[datetime], now: datetime) -> list[datetime]:
    """Return the moments of the last day, without those that become a day old during the check."""
    return [moment for moment in moments if moment > now - timedelta(days=1) + JITTER]


@pytest.fixture(autouse=True)
def _no_sleep(telroi: Simulator, configure: Configure, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backend_calls, "time", SimpleNamespace(sleep=lambda seconds: None))
    configure(BACKEND=f"{__name__}.CrashingBackend")


@pytest.mark.django_db
def test_every_invariant_holds_after_any_steps(telroi: Simulator, ada: User) -> None:
    machine = type("Bound", (Verifications,), {"telroi": telroi, "users": (None, ada)})

    run_state_machine_as_test(machine, settings=settings(max_examples=12, stateful_step_count=25, deadline=None))


@pytest.mark.django_db
def test_every_invariant_holds_with_workers_and_a_broker_that_loses_messages(
    telroi: Simulator, configure: Configure, ada: User, enqueued: Any
) -> None:
    configure(DISPATCH="celery")
    bound = {"telroi": telroi, "users": (None, ada), "take_messages": staticmethod(enqueued)}
    machine = type("BoundByWorkers", (VerificationsByWorkers,), bound)

    run_state_machine_as_test(machine, settings=settings(max_examples=12, stateful_step_count=25, deadline=None))
