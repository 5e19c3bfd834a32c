"""Staff actions on a number and on all calls: they take effect at once and write an event."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command
from django.db import connection

from django_telroi import services
from django_telroi.backends.locmem import LocmemBackend, outbox
from django_telroi.client import OtpCall
from django_telroi.errors import (
    AlreadyBlocked,
    AttemptNotFound,
    CallsStopped,
    CooldownActive,
    InvalidNumber,
    NotCallable,
    NumberHeld,
)
from django_telroi.models import (
    AttemptEvent,
    CallControl,
    PhoneNumber,
    UserWrongCodes,
    VerificationAttempt,
    VerifiedPhone,
)
from django_telroi.services.calls import start
from django_telroi.services.staff import staff_actions
from django_telroi.simulator import Simulator
from tests.services.conftest import Configure
from tests.services.world import (
    NUMBER,
    OF_TRANSACTIONS,
    OTHER_NUMBER,
    before_the_first,
    let_time_pass,
    moments,
    row_counts,
    wrong,
)

pytestmark = pytest.mark.django_db


def told() -> list[tuple[str, str, str]]:
    events = AttemptEvent.objects.order_by("id")
    return [(event.kind, event.actor, event.detail) for event in events]


class TestABlockedNumber:
    """A blocked number is never called."""

    def test_cannot_be_called(self) -> None:
        phone = services.block_number("+234 803 123 4567", reason="asked us to", actor="grace")

        with pytest.raises(NotCallable):
            services.start_verification(NUMBER)
        assert (phone.number, phone.blocked_by, phone.blocked_reason) == (NUMBER, "grace", "asked us to")
        assert told() == [("number_blocked", "grace", "asked us to")]
        assert outbox == []

    def test_keeps_its_limits(self) -> None:
        services.start_verification(NUMBER)
        services.block_number(NUMBER, reason="", actor="grace")
        services.unblock_number(NUMBER, actor="heidi")

        with pytest.raises(CooldownActive):
            services.start_verification(NUMBER)
        assert [kind for kind, _, _ in told()] == ["number_blocked", "number_unblocked"]

    def test_still_accepts_the_code_of_an_earlier_call(self) -> None:
        attempt = services.start_verification(NUMBER)
        services.block_number(NUMBER, reason="", actor="grace")

        assert services.check_code(attempt.uuid, outbox[-1].code).outcome == "verified"

    def test_must_be_valid(self) -> None:
        with pytest.raises(InvalidNumber):
            services.block_number("12345", reason="", actor="grace")

        assert row_counts() == {}

    def test_can_have_a_long_reason(self) -> None:
        phone = services.block_number(NUMBER, reason="r" * 999, actor="a" * 999)

        phone.refresh_from_db()
        assert (len(phone.blocked_reason), len(phone.blocked_by)) == (200, 150)


class TestALimitedNumber:
    """Staff can end a limit."""

    def test_that_is_held_is_released(self, telroi: Simulator) -> None:
        telroi.fail_next("rate_limited", wait=500)
        services.start_verification(NUMBER)
        with pytest.raises(NumberHeld):
            services.start_verification(NUMBER)

        phone = services.release_hold(NUMBER, actor="grace")

        assert (phone.held_until, phone.limited_by, phone.next_call_at) == (None, "", None)
        assert services.start_verification(NUMBER).status == "placed"

    def test_loses_its_counted_calls_and_keeps_telrois_hold_on_a_reset(self) -> None:
        services.start_verification(NUMBER)
        held_until = datetime.now(UTC) + timedelta(seconds=500)
        PhoneNumber.objects.update(held_until=held_until)

        phone = services.reset_limits(NUMBER, actor="grace")

        assert (moments(), phone.limited_by, phone.next_call_at) == ((), "held", held_until)
        assert told() == [("limits_reset", "grace", "")]
        with pytest.raises(NumberHeld):
            services.start_verification(NUMBER)

    def test_can_be_called_at_once_after_a_reset(self) -> None:
        services.start_verification(NUMBER)

        services.reset_limits(NUMBER, actor="grace")

        assert services.start_verification(NUMBER).status == "placed"


@pytest.mark.parametrize(
    ("act", "state"),
    [
        (lambda who: services.unblock_number(NUMBER, actor=who), {"blocked_at": datetime.now(UTC)}),
        (lambda who: services.release_hold(NUMBER, actor=who), {"held_until": datetime.now(UTC) + timedelta(days=1)}),
        (lambda who: services.reset_limits(NUMBER, actor=who), {"calls": [datetime.now(UTC).isoformat()]}),
        (lambda who: services.reset_wrong_codes(NUMBER, reason="is the owner", actor=who), {"wrong_codes": 7}),
    ],
    ids=["unblock", "release", "reset", "reset_wrong_codes"],
)
class TestAnEndThatTwoOfStaffAskForAtOnce:
    """One of them ends it, and the timeline names only this one."""

    @pytest.fixture(autouse=True)
    def limited(self, state: dict[str, Any]) -> None:
        PhoneNumber.objects.create(number=NUMBER, last4="4567", region="NG", **state)

    def test_is_recorded_once(self, act: Callable[[str], PhoneNumber], monkeypatch: pytest.MonkeyPatch) -> None:
        once_read(staff_actions, lambda: act("heidi"), monkeypatch)

        phone = act("grace")

        assert [actor for _, actor, _ in told()] == ["heidi"]
        assert not phone.was_changed

    def test_changes_nothing_the_second_time(self, act: Callable[[str], PhoneNumber]) -> None:
        assert act("heidi").was_changed
        before = PhoneNumber.objects.values().get()

        act("grace")

        assert PhoneNumber.objects.values().get() == before
        assert [actor for _, actor, _ in told()] == ["heidi"]


class TestAnErasedNumber:
    """Only the limits of an erased number are kept."""

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

    def test_loses_its_row_when_its_calls_are_a_day_old(self) -> None:
        services.start_verification(NUMBER)
        let_time_pass(86401)

        services.erase_number(NUMBER, actor="grace")

        assert PhoneNumber.objects.count() == 0

    def test_stays_blocked(self) -> None:
        services.block_number(NUMBER, reason="", actor="grace")

        services.erase_number(NUMBER, actor="grace")

        with pytest.raises(NotCallable):
            services.start_verification(NUMBER)

    def test_that_is_unknown_is_no_error(self) -> None:
        assert services.erase_number(NUMBER, actor="grace") is None
        assert told() == []

    def test_that_was_erased_is_not_erased_again(self) -> None:
        services.start_verification(NUMBER)

        assert services.erase_number(NUMBER, actor="grace") == 1
        assert services.erase_number(NUMBER, actor="eve") is None

        assert PhoneNumber.objects.exists()
        assert told() == [("number_erased", "grace", "")]


class TestANumberThatIsErasedDuringARequest:
    """During any other request with the number, no request gets a database error."""

    ASK: ClassVar[dict[str, Callable[[VerificationAttempt], object]]] = {
        "a right code": lambda attempt: services.check_code(attempt.uuid, outbox[-1].code),
        "a wrong code": lambda attempt: services.check_code(attempt.uuid, wrong(outbox[-1].code)),
        "giving up": lambda attempt: services.cancel_verification(attempt.uuid),
        "looking": lambda attempt: services.follow(attempt.uuid),
    }

    @pytest.mark.django_db(transaction=True)
    @pytest.mark.parametrize("ask", ASK.values(), ids=ASK)
    @pytest.mark.parametrize("after", [1, 2])
    @pytest.mark.parametrize("tries", [0, 2])
    @pytest.mark.parametrize("overdue", [0, 301])
    def test_is_not_found(
        self, ask: Callable[[VerificationAttempt], object], after: int, tries: int, overdue: int
    ) -> None:
        attempt = services.start_verification(NUMBER)
        VerificationAttempt.objects.update(tries=tries)
        let_time_pass(overdue)

        with suppress(AttemptNotFound), erased_after(after):
            ask(attempt)
        services.erase_number(NUMBER, actor="grace")

        with pytest.raises(AttemptNotFound):
            ask(attempt)
        assert VerificationAttempt.objects.count() == 0

    def test_still_returns_the_attempt_of_a_call_in_progress(self, configure: Configure) -> None:
        configure(BACKEND="tests.services.test_staff.ErasingBackend")

        attempt = services.start_verification(NUMBER)

        assert (attempt.number, VerificationAttempt.objects.count()) == (NUMBER, 0)
        with pytest.raises(CooldownActive):
            services.start_verification(NUMBER)

    def test_is_erased_again_if_a_call_was_claimed_first(
        self, configure: Configure, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        configure(COOLDOWN_SECONDS=0)
        services.start_verification(NUMBER)
        let_time_pass(86401)
        once_read(staff_actions, lambda: services.start_verification(NUMBER), monkeypatch)

        services.erase_number(NUMBER, actor="grace")

        assert row_counts() == {"PhoneNumber": 1, "AttemptEvent": 1}
        assert len(moments()) == 1

    def test_does_not_get_the_reason_of_its_hold_back(self, monkeypatch: pytest.MonkeyPatch) -> None:
        services.start_verification(NUMBER)
        PhoneNumber.objects.update(held_reason="Retry after 500s.")
        let_time_pass(61)
        once_read(start, lambda: services.erase_number(NUMBER, actor="grace"), monkeypatch)

        with suppress(CooldownActive):
            services.start_verification(NUMBER)

        assert PhoneNumber.objects.get().held_reason == ""


def once_read(module: ModuleType, act: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> None:
    """Run ``act`` just after ``module`` has read the state of a number, as another process could."""

    def read_state(number: str, **options: Any) -> Any:
        state = state_of(number, **options)
        monkeypatch.setattr(module, "read_state", state_of)
        act()
        return state

    state_of = module.read_state
    monkeypatch.setattr(module, "read_state", read_state)


class ErasingBackend(LocmemBackend):
    """Staff erase the number during the request."""

    def place_call(self, to: str, *, code_length: int, language: str | None, code: str | None = None) -> OtpCall:
        services.erase_number(to, actor="grace")
        return super().place_call(to, code_length=code_length, language=language)


@contextmanager
def erased_after(statements: int) -> Iterator[None]:
    """Erase the number after this many statements."""
    answered = 0

    def execute(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        nonlocal answered
        answered += not sql.startswith(OF_TRANSACTIONS)
        if answered == statements + 1:
            answered += 1
            services.erase_number(NUMBER, actor="grace")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(execute):
        yield


class TestStoppedCalls:
    """No call is placed until calls are resumed."""

    def test_refuse_every_start_and_judge_every_code(self) -> None:
        attempt = services.start_verification(NUMBER)
        services.stop_calls(reason="fire", actor="grace")

        with pytest.raises(CallsStopped):
            services.start_verification(OTHER_NUMBER)
        assert services.check_code(attempt.uuid, outbox[-1].code).outcome == "verified"
        assert services.call_control().stopped_reason == "fire"

    def test_continue_once_they_are_resumed(self) -> None:
        services.stop_calls(reason="fire", actor="grace")
        services.resume_calls(actor="heidi")

        assert services.start_verification(NUMBER).status == "placed"
        assert told() == [("calls_stopped", "grace", "fire"), ("calls_resumed", "heidi", "")]
        assert CallControl.objects.get().stopped_at is None

    def test_twice_changes_nothing(self) -> None:
        for _ in range(2):
            services.stop_calls(reason="fire", actor="grace")
        services.resume_calls(actor="grace")

        assert services.call_control().stopped_at is None


def test_the_privacy_page_names_what_an_erasure_leaves(ada: User) -> None:
    attempt = services.start_verification(NUMBER, user=ada)
    services.check_code(attempt.uuid, wrong(outbox[-1].code), user=ada)
    services.block_number(NUMBER, reason="", actor="grace")
    services.erase_number(NUMBER, actor="grace")

    row = UserWrongCodes.objects.get()
    page = (Path(__file__).parents[2] / "docs" / "howto" / "privacy.rst").read_text()
    stays = page.partition("What stays after an erasure")[2]
    assert row.by_number == {str(PhoneNumber.objects.get().pk): 1}
    assert all(name in stays for name in ("UserWrongCodes.by_number", "CallDevice", "A hold and a lock"))


class TestANumberInAText:
    """A number in a reason or a note is masked for every caller: a command, the code of a site, the admin."""

    SAID, KEPT = "called as +234 803 123 4567", "called as +234 803 ••• 4567"

    @pytest.mark.clear_numbers
    def test_is_masked_in_the_rows_and_in_the_events(self, ada: User) -> None:
        phone = services.start_verification(NUMBER, user=ada).phone
        VerifiedPhone.objects.create(user=ada, number=NUMBER)
        note = services.add_note(phone, text=self.SAID, actor="grace")
        blocked = services.block_number(NUMBER, reason=self.SAID, actor="grace")
        services.unblock_number(NUMBER, reason=self.SAID, actor="grace")
        PhoneNumber.objects.update(wrong_codes=1, last_wrong_code_at=datetime.now(UTC))
        services.reset_wrong_codes(NUMBER, reason=self.SAID, actor="grace")
        services.move_number(NUMBER, user=None, reason=self.SAID, actor="grace")
        services.stop_calls(reason=self.SAID, actor="grace")
        prefix = services.block_destination("+2348031", reason=self.SAID, actor="grace")

        kept = {note.text, blocked.blocked_reason, prefix.reason, services.call_control().stopped_reason}
        details = [detail for _, _, detail in told() if detail]
        assert kept == {self.KEPT}
        assert len(details) == 6
        assert all(detail.endswith(self.KEPT) for detail in details)
        assert "+2348031: " in details[-1]

    def test_has_no_digits_beside_encrypted_numbers(self, settings: Any) -> None:
        settings.TELROI = {"NUMBER_ENCRYPTION": "on", "NUMBER_KEYS": ["a key of at least 32 characters, for tests"]}

        call_command("telroi_do_not_call", NUMBER, block=True, stdout=StringIO())
        call_command("telroi_do_not_call", NUMBER, unblock=f"{self.SAID}, identity checked", stdout=StringIO())

        assert told()[-1][2] == "called as •••, identity checked"


def test_a_staff_action_is_repeated_after_a_version_conflict() -> None:
    held_until = datetime.now(UTC) + timedelta(seconds=500)
    PhoneNumber.objects.create(number=NUMBER, last4=NUMBER[-4:], held_until=held_until, next_call_at=held_until)

    def ring() -> None:
        phone = PhoneNumber.objects.get()
        phone.moments, phone.version = [datetime.now(UTC)], phone.version + 1
        phone.save()

    with before_the_first("SAVEPOINT", ring):
        services.release_hold(NUMBER, actor="grace")

    phone = PhoneNumber.objects.get()
    assert (phone.held_until, len(phone.moments), phone.limited_by) == (None, 1, "cooldown")


def test_a_second_stop_a_second_resume_and_a_second_block_change_nothing(telroi: Simulator) -> None:
    stops = [services.stop_calls(reason=name, actor=name) for name in ("ada", "ben")]
    assert (stops, services.call_control().stopped_by) == ([True, False], "ada")
    assert [services.resume_calls(actor=name) for name in ("ada", "ben")] == [True, False]

    services.block_number(NUMBER, reason="first", actor="ada")
    with pytest.raises(AlreadyBlocked) as told:
        services.block_number(NUMBER, reason="second", actor="ben")

    assert told.value.by == "ada"
    kinds = list(AttemptEvent.objects.order_by("id").values_list("kind", "actor"))
    assert kinds == [("calls_stopped", "ada"), ("calls_resumed", "ada"), ("number_blocked", "ada")]
