"""The outcome of a check for each answer of Telroi, on a real socket."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from django.contrib.auth.models import AnonymousUser, User

from django_telroi import services
from django_telroi.errors import AttemptNotFound
from django_telroi.models import AttemptEvent, CallControl, VerificationAttempt, VerifiedPhone
from django_telroi.services import CheckResult
from django_telroi.services.attempts.telroi_tries import codes_in_doubt
from django_telroi.services.shared.secrets import digest_of
from django_telroi.simulator import Simulator
from tests.calling_site import Configure
from tests.services.world import NUMBER, Heard, checks, let_time_pass, sends, wrong

pytestmark = [pytest.mark.django_db, pytest.mark.codes("telroi")]

MALFORMED = [
    "",
    " ",
    "-",
    "abcdef",
    "12345a",
    "123",
    "12345678901",
    "123456\n",
    "123456\t",
    "\n123456",
    "123.456",
    "+123456",
    "123\u0664\u0665\u0666",
    "\uff11\uff12\uff13456",
    "12345\u00b2",
    "\u202e123456",
    "123456\x00",
    "\ud800",
    "📞" * 6,
    "1" * 10**6,
    " " * 10**6,
]


@dataclass(frozen=True)
class Called:
    """An attempt whose call was placed."""

    attempt: VerificationAttempt
    code: str

    def row(self) -> VerificationAttempt:
        return VerificationAttempt.objects.get(pk=self.attempt.pk)

    def check(self, code: str) -> CheckResult:
        return services.check_code(self.attempt.uuid, code, user=self.attempt.user)

    def outcome(self, code: str) -> str:
        return str(self.check(code).outcome)


def call(telroi: Simulator, **wish: Any) -> Called:
    attempt = services.start_verification(NUMBER, **wish)
    return Called(attempt, telroi.last_code_for(NUMBER))


@pytest.fixture
def called(telroi: Simulator) -> Called:
    return call(telroi)


@dataclass(frozen=True)
class Comes:
    """The outcome of a right code, and the row afterwards."""

    outcome: str
    status: str
    tries: int
    error_code: str = ""
    keeps_doubt: bool = False
    paused: str = ""


VERIFIED = Comes("verified", "verified", 1)
LOST = Comes("expired", "expired", 1, "lost")
GIVEN_BACK = Comes("unavailable", "placed", 0)
IN_DOUBT = Comes("unavailable", "placed", 1, keeps_doubt=True)
WORTHLESS = Comes("unavailable", "placed", 1, keeps_doubt=True)

ANSWERS: list[tuple[str, dict[str, Any], Comes]] = [
    ("chunked", {}, VERIFIED),
    ("without_length", {}, VERIFIED),
    ("early_hints", {}, VERIFIED),
    ("slow", {"seconds": 0.1}, VERIFIED),
    ("no_livemode", {}, VERIFIED),
    ("livemode_false", {}, WORTHLESS),
    ("verified_by_flag_only", {}, Comes("wrong_code", "placed", 1)),
    ("fields", {"change": {"status": "locked", "verified": False}}, Comes("locked", "locked", 1)),
    ("fields", {"change": {"status": "expired", "verified": False}}, Comes("expired", "expired", 1)),
    ("fields", {"change": {"status": "already_verified", "verified": False}}, Comes("closed", "locked", 1, "lost")),
    ("fields", {"change": {"status": "not_found", "verified": False}}, LOST),
    ("not_verifiable", {}, LOST),
    ("invalid", {}, LOST),
    ("not_found", {}, LOST),
    ("key_limited", {}, Comes("unavailable", "placed", 0, paused="key_limited")),
    ("unauthorized", {}, Comes("unavailable", "placed", 0, paused="misconfigured")),
    ("forbidden", {}, Comes("unavailable", "placed", 0, paused="misconfigured")),
    ("service_unavailable", {}, GIVEN_BACK),
    ("method_not_allowed", {}, GIVEN_BACK),
    ("login", {}, GIVEN_BACK),
    (
        "answer",
        {"status": 401, "headers": {"Retry-After": "Mon, 23 Nov 99999999999999999999 16:25:03 GMT"}},
        Comes("unavailable", "placed", 0, paused="misconfigured"),
    ),
    ("server_error", {"status": 500}, IN_DOUBT),
    ("server_error", {"status": 503}, IN_DOUBT),
    ("server_error", {"status": 504}, IN_DOUBT),
    ("otp_failed", {}, IN_DOUBT),
    ("proxy_page", {"status": 502}, IN_DOUBT),
    ("proxy_page", {"status": 503}, IN_DOUBT),
    ("reset_unread", {}, IN_DOUBT),
    ("reset", {}, IN_DOUBT),
    ("close", {}, IN_DOUBT),
    ("cut_headers", {}, IN_DOUBT),
    ("cut_body", {}, IN_DOUBT),
    ("not_http", {}, IN_DOUBT),
    ("gzip", {}, IN_DOUBT),
    ("huge_body", {}, IN_DOUBT),
    ("login_page", {}, IN_DOUBT),
    ("redirect", {}, IN_DOUBT),
    ("empty_body", {}, IN_DOUBT),
    ("json_true", {}, IN_DOUBT),
    ("json_string", {}, IN_DOUBT),
    ("json_object", {}, IN_DOUBT),
    ("json_nan", {}, IN_DOUBT),
    ("json_bom", {}, IN_DOUBT),
    ("verified_string", {}, IN_DOUBT),
    ("verified_number", {}, IN_DOUBT),
    ("verified_by_status_only", {}, IN_DOUBT),
    ("fields", {"change": {"status": "perhaps"}}, IN_DOUBT),
    ("fields", {"drop": ["status"]}, IN_DOUBT),
]


def what_came(outcome: str, attempt: VerificationAttempt) -> Comes:
    control = CallControl.objects.first() or CallControl()
    return Comes(
        outcome=outcome,
        status=attempt.status,
        tries=attempt.tries,
        error_code=attempt.error_code,
        keeps_doubt=bool(attempt.judging and codes_in_doubt(attempt, using="default")),
        paused=control.paused_reason,
    )


@pytest.mark.parametrize(("fault", "options", "comes"), ANSWERS, ids=[f"{row[0]}-{row[1]}" for row in ANSWERS])
def test_each_answer_to_a_right_code_has_the_outcome_of_the_table(
    telroi: Simulator, called: Called, heard: Heard, fault: str, options: dict[str, Any], comes: Comes
) -> None:
    telroi.fail_next(fault, on="verify", **options)

    result = called.check(called.code)

    assert what_came(str(result.outcome), called.row()) == comes
    assert checks(telroi) == 1
    assert ("phone_verified" in heard.names) is (comes.status == "verified")
    assert VerifiedPhone.objects.count() == 0
    assert (result.proof is not None) is (comes.status == "verified")


@pytest.mark.parametrize("fault", ["hang", "drip_headers", "drip_body"])
def test_a_code_is_in_doubt_when_its_answer_times_out(
    telroi: Simulator, called: Called, request: pytest.FixtureRequest, fault: str
) -> None:
    request.getfixturevalue("short_timeouts")  # the answer to the call itself may be slow
    telroi.fail_next(fault, on="verify")

    result = called.check(called.code)

    assert what_came(str(result.outcome), called.row()) == IN_DOUBT
    assert checks(telroi) == 1


def test_a_try_is_given_back_when_telroi_cannot_be_reached(telroi: Simulator, called: Called) -> None:
    with telroi.refusing():
        result = called.check(called.code)

    assert what_came(str(result.outcome), called.row()) == GIVEN_BACK
    assert (result.tries_left, checks(telroi)) == (3, 0)


def test_the_right_code_verifies_once(telroi: Simulator, called: Called, heard: Heard) -> None:
    result = called.check(called.code)

    row = called.row()
    assert (result.outcome, result.tries_left, row.status) == ("verified", 0, "verified")
    assert row.verified_at == row.closed_at
    assert (row.due_at, row.judging) == (row.verified_at + timedelta(minutes=10), {})
    assert heard.names == ["call_placed", "phone_verified"]


def test_a_double_click_verifies_once_and_changes_no_row(
    telroi: Simulator, called: Called, heard: Heard, ada: User
) -> None:
    called.check(called.code)
    verified_at = called.row().verified_at

    again = called.check(called.code)

    assert (again.outcome, called.row().verified_at) == ("verified", verified_at)
    assert (checks(telroi), heard.names.count("phone_verified")) == (1, 1)


def test_a_verified_number_of_a_user_is_recorded(telroi: Simulator, ada: User) -> None:
    called = call(telroi, user=ada, purpose="payout")

    result = called.check(called.code)

    [phone] = VerifiedPhone.objects.all()
    row = called.row()
    assert (phone.user, phone.number, phone.purpose, phone.attempt) == (ada, NUMBER, "payout", row)
    assert phone.verified_at == row.verified_at
    assert result.proof is None


def test_verifying_again_updates_the_same_record(telroi: Simulator, ada: User) -> None:
    first = call(telroi, user=ada)
    first.check(first.code)
    let_time_pass(3600, telroi)
    before = VerifiedPhone.objects.get()

    second = call(telroi, user=ada)
    second.check(second.code)

    after = VerifiedPhone.objects.get()
    assert (before.pk, before.attempt_id, after.attempt_id) == (after.pk, first.attempt.pk, second.attempt.pk)
    assert after.verified_at > before.verified_at


def test_another_purpose_has_another_record(telroi: Simulator, ada: User) -> None:
    for purpose in ("", "payout"):
        called = call(telroi, user=ada, purpose=purpose)
        called.check(called.code)
        let_time_pass(61, telroi)

    assert sorted(VerifiedPhone.objects.values_list("purpose", flat=True)) == ["", "payout"]


def test_wrong_codes_use_up_the_tries_and_the_last_one_locks(telroi: Simulator, called: Called, heard: Heard) -> None:
    results = [called.check(wrong(called.code, by=by)) for by in (1, 2, 3, 4)]

    assert [(str(result.outcome), result.tries_left) for result in results] == [
        ("wrong_code", 2),
        ("wrong_code", 1),
        ("locked", 0),
        ("locked", 0),
    ]
    row = called.row()
    assert (row.status, row.tries, row.due_at, checks(telroi)) == ("locked", 3, None, 3)
    assert heard.names == ["call_placed", *["code_rejected"] * 3]


def test_a_locked_attempt_does_not_accept_the_right_code(telroi: Simulator, called: Called) -> None:
    for by in (1, 2, 3):
        called.check(wrong(called.code, by=by))

    outcome = called.outcome(called.code)

    assert (outcome, called.row().status, checks(telroi)) == ("locked", "locked", 3)


def test_the_right_code_on_the_last_try_verifies(called: Called) -> None:
    for by in (1, 2):
        called.check(wrong(called.code, by=by))

    assert called.outcome(called.code) == "verified"


def test_tries_left_is_the_smaller_of_our_count_and_telrois(telroi: Simulator, called: Called) -> None:
    telroi.set_policy(tries=2)

    first, second = called.check(wrong(called.code)), called.check(wrong(called.code, by=2))

    assert (first.outcome, first.tries_left, first.attempt.tries_left) == ("wrong_code", 1, 2)
    assert (second.outcome, second.tries_left, second.attempt.status) == ("locked", 0, "locked")


def test_a_site_may_allow_fewer_tries_than_telroi(telroi: Simulator, configure: Configure) -> None:
    configure(CODE_TRIES=1)
    called = call(telroi)

    result = called.check(wrong(called.code))

    assert (result.outcome, result.tries_left, called.row().status) == ("locked", 0, "locked")


def test_an_attempt_keeps_the_number_of_tries_it_was_created_with(
    telroi: Simulator, configure: Configure, called: Called
) -> None:
    configure(CODE_TRIES=1)

    result = called.check(wrong(called.code))

    assert (result.outcome, result.tries_left) == ("wrong_code", 2)


@pytest.mark.parametrize("code", MALFORMED, ids=ascii)
def test_input_that_is_not_a_code_uses_no_try(telroi: Simulator, called: Called, code: str) -> None:
    result = called.check(code)

    assert (result.outcome, result.tries_left, called.row().tries, checks(telroi)) == ("invalid_code", 3, 0, 0)


@pytest.mark.parametrize("spelling", ["{0}-{1}", " {0} {1} ", "{0} - {1}", "-{0}{1}-"])
def test_spaces_and_dashes_are_ignored(called: Called, spelling: str) -> None:
    typed = spelling.format(called.code[:3], called.code[3:])

    assert called.outcome(typed) == "verified"


def test_a_code_after_the_expiry_is_expired(telroi: Simulator, called: Called) -> None:
    let_time_pass(301)

    outcome = called.outcome(called.code)

    assert (outcome, called.row().status, checks(telroi)) == ("expired", "expired", 0)


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("queued", "not_ready"),
        ("dialing", "not_ready"),
        ("failed", "closed"),
        ("canceled", "closed"),
        ("superseded", "closed"),
        ("locked", "locked"),
        ("expired", "expired"),
        ("verified", "already_verified"),
    ],
)
def test_a_code_that_is_not_judged_has_the_outcome_of_the_status(
    telroi: Simulator, called: Called, status: str, outcome: str
) -> None:
    VerificationAttempt.objects.update(status=status)

    result = called.check(wrong(called.code))

    assert (result.outcome, result.tries_left, called.row().status) == (outcome, 0, status)
    assert (called.row().tries, checks(telroi)) == (0, 0)


def test_a_site_without_a_key_judges_no_code(telroi: Simulator, called: Called, configure: Configure) -> None:
    configure(API_KEY="")

    result = called.check(called.code)

    assert (result.outcome, result.tries_left, called.row().tries) == ("unavailable", 3, 0)


class TestACodeWhoseAnswerWasLost:
    """The lost code may be right or wrong. After a right code, Telroi answers ``already_verified`` to every code."""

    @staticmethod
    def lose(telroi: Simulator, called: Called, code: str) -> str:
        telroi.fail_next("close", on="verify")
        return called.outcome(code)

    def test_verifies_when_it_is_typed_again(self, telroi: Simulator, called: Called, heard: Heard) -> None:
        self.lose(telroi, called, called.code)

        outcome = called.outcome(called.code)

        assert (outcome, called.row().tries, called.row().judging) == ("verified", 1, {})
        assert heard.names.count("phone_verified") == 1

    def test_verifies_on_the_last_try_when_it_is_typed_again(self, telroi: Simulator, called: Called) -> None:
        for by in (1, 2):
            called.check(wrong(called.code, by=by))
        self.lose(telroi, called, called.code)

        outcome = called.outcome(called.code)

        assert (outcome, called.row().tries) == ("verified", 3)

    def test_can_be_typed_again_until_an_answer_arrives(self, telroi: Simulator, called: Called) -> None:
        outcomes = [self.lose(telroi, called, called.code) for _ in range(5)]

        assert outcomes == ["unavailable"] * 5
        assert called.row().tries == 1
        assert called.outcome(called.code) == "verified"

    def test_creates_the_record_of_its_user(self, telroi: Simulator, ada: User) -> None:
        called = call(telroi, user=ada)
        self.lose(telroi, called, called.code)

        called.check(called.code)

        assert VerifiedPhone.objects.get().attempt_id == called.attempt.pk

    def test_makes_no_other_code_right(self, telroi: Simulator, called: Called, heard: Heard) -> None:
        self.lose(telroi, called, called.code)

        outcome = called.outcome(wrong(called.code))

        assert (outcome, called.row().status) == ("answer_lost", "placed")
        assert "phone_verified" not in heard.names
        assert called.outcome(called.code) == "verified"

    def test_is_wrong_when_telroi_rejects_it_later(self, telroi: Simulator, called: Called) -> None:
        self.lose(telroi, called, wrong(called.code))

        again = called.check(wrong(called.code))

        assert (again.outcome, again.tries_left, called.row().tries) == ("wrong_code", 1, 1)
        assert codes_in_doubt(called.row(), using="default") == {}
        assert called.outcome(called.code) == "verified"

    def test_does_not_verify_while_another_code_is_in_doubt(self, telroi: Simulator, called: Called) -> None:
        self.lose(telroi, called, wrong(called.code))
        self.lose(telroi, called, called.code)

        outcomes = [called.outcome(called.code), called.outcome(called.code)]

        assert outcomes == ["closed", "closed"]
        assert (called.row().status, called.row().tries, called.row().error_code) == ("locked", 2, "lost")

    def test_does_not_verify_after_two_codes_were_in_doubt(self, telroi: Simulator, called: Called) -> None:
        self.lose(telroi, called, called.code)
        self.lose(telroi, called, wrong(called.code))

        outcome = self.lose(telroi, called, called.code)

        assert (outcome, called.row().tries) == ("unavailable", 2)
        assert called.outcome(called.code) == "closed"

    def test_on_the_last_try_makes_the_outcome_of_other_codes_answer_lost(
        self, telroi: Simulator, called: Called
    ) -> None:
        for by in (1, 2):
            called.check(wrong(called.code, by=by))
        self.lose(telroi, called, called.code)

        outcome = called.outcome(wrong(called.code, by=3))

        assert (outcome, called.row().status, checks(telroi)) == ("answer_lost", "placed", 3)

    def test_that_is_wrong_on_the_last_try_locks_when_it_is_typed_again(
        self, telroi: Simulator, called: Called, heard: Heard
    ) -> None:
        telroi.set_policy(tries=9)
        for by in (1, 2):
            called.check(wrong(called.code, by=by))
        self.lose(telroi, called, wrong(called.code, by=3))

        outcome = called.outcome(wrong(called.code, by=3))

        assert (outcome, called.row().status, called.row().tries) == ("locked", "locked", 3)
        assert heard.names.count("code_rejected") == 3

    def test_keeps_its_try_when_telroi_cannot_be_reached_for_the_repeat(
        self, telroi: Simulator, called: Called
    ) -> None:
        self.lose(telroi, called, called.code)
        with telroi.refusing():
            outcome = called.outcome(called.code)

        assert (outcome, called.row().tries) == ("unavailable", 1)
        assert called.outcome(called.code) == "verified"

    def test_is_stored_only_as_a_digest(self, telroi: Simulator, called: Called) -> None:
        self.lose(telroi, called, called.code)

        other = VerificationAttempt.objects.create(
            phone=called.row().phone,
            status="placed",
            max_tries=3,
            expires_at=called.row().expires_at,
            dispatch="inline",
        )
        digests = {digest_of(each.uuid, each.number, called.code) for each in (called.row(), other)}

        assert set(called.row().judging) < digests
        assert len(digests) == 2

    def test_is_expired_after_the_expiry(self, telroi: Simulator, called: Called) -> None:
        self.lose(telroi, called, called.code)
        let_time_pass(301)

        assert (called.outcome(called.code), checks(telroi)) == ("expired", 1)


class TestATestKey:
    """With a test key, Telroi says ``verified`` for the code 000000."""

    @pytest.fixture(autouse=True)
    def _test_key(self, telroi: Simulator, configure: Configure) -> None:
        configure(API_KEY=telroi.test_key, ALLOW_TEST_KEY=True)

    def test_judges_by_number_where_it_is_allowed(self, telroi: Simulator) -> None:
        attempt = services.start_verification(NUMBER)

        wrong_one = services.check_code(attempt.uuid, "123456")
        right_one = services.check_code(attempt.uuid, "000000")

        assert attempt.telroi_id.startswith("otp_test_")
        assert (attempt.livemode, wrong_one.outcome, wrong_one.tries_left) == (False, "wrong_code", 2)
        assert right_one.outcome == "verified"

    def test_locks_after_our_own_number_of_tries(self) -> None:
        attempt = services.start_verification(NUMBER)

        outcomes = [str(services.check_code(attempt.uuid, "123456").outcome) for _ in range(3)]

        assert outcomes == ["wrong_code", "wrong_code", "locked"]

    def test_judges_by_number_only_while_the_call_is_the_newest(self, telroi: Simulator, ada: User) -> None:
        old = services.start_verification(NUMBER)
        let_time_pass(61, telroi)
        services.start_verification(NUMBER, user=ada)

        result = services.check_code(old.uuid, "000000")

        old.refresh_from_db()
        assert (result.outcome, old.status, old.due_at, checks(telroi)) == ("closed", "superseded", None, 0)


class TestAVerifiedAnswerOfATestKey:
    """If test keys are not allowed, the answer does not verify."""

    @pytest.fixture(autouse=True)
    def _worthless(self, telroi: Simulator) -> None:
        telroi.fail_always("fields", on="verify", change={"status": "verified", "verified": True, "livemode": False})

    def test_does_not_verify_and_alerts_the_site(self, called: Called, heard: Heard) -> None:
        outcome = called.outcome(called.code)

        assert (outcome, called.row().status) == ("unavailable", "placed")
        assert sorted(heard.names) == ["alert", "call_placed"]
        assert CallControl.objects.count() == 0

    def test_verifies_where_test_keys_are_allowed(self, called: Called, configure: Configure) -> None:
        configure(ALLOW_TEST_KEY=True)

        assert called.outcome(called.code) == "verified"

    def test_uses_one_try_however_often_it_is_sent(self, called: Called) -> None:
        outcomes = [called.outcome(called.code) for _ in range(4)]

        assert outcomes == ["unavailable"] * 4
        assert (called.row().status, called.row().tries) == ("placed", 1)


class TestACallWithoutAnId:
    """Without an id, Telroi judges by the newest call to the number."""

    @pytest.fixture
    def called(self, telroi: Simulator) -> Called:
        telroi.fail_next("close", on="send")
        return call(telroi)

    def test_is_judged_by_number(self, called: Called) -> None:
        outcome = called.outcome(called.code)

        assert (outcome, called.row().status, called.row().telroi_id) == ("verified", "verified", None)

    def test_is_not_judged_after_a_newer_call_was_placed(self, telroi: Simulator, called: Called) -> None:
        let_time_pass(61, telroi)
        newer = call(telroi)

        outcomes = [called.outcome(newer.code), called.outcome(called.code), newer.outcome(newer.code)]

        assert outcomes == ["closed", "closed", "verified"]
        assert (called.row().status, checks(telroi)) == ("superseded", 1)

    def test_is_judged_when_the_newer_call_was_certainly_not_placed(self, telroi: Simulator, called: Called) -> None:
        let_time_pass(61, telroi)
        telroi.fail_next("insufficient_funds")
        services.start_verification(NUMBER)

        assert called.outcome(called.code) == "verified"


def test_an_older_call_with_an_id_is_judged_by_its_id(telroi: Simulator, called: Called) -> None:
    let_time_pass(61, telroi)
    newer = call(telroi)

    assert (called.outcome(called.code), newer.outcome(newer.code)) == ("verified", "verified")


def test_the_code_of_one_call_is_wrong_for_another_call(telroi: Simulator, called: Called) -> None:
    let_time_pass(61, telroi)
    telroi.next_otp(code=wrong(called.code))
    newer = call(telroi)

    assert (called.outcome(newer.code), newer.outcome(called.code)) == ("wrong_code", "wrong_code")


class TestAnAttemptOfAUser:
    """Only that user can read it."""

    @pytest.fixture
    def called(self, telroi: Simulator, ada: User) -> Called:
        return call(telroi, user=ada)

    def test_is_not_found_by_another_user(self, telroi: Simulator, called: Called, ben: User) -> None:
        for stranger in (ben, None, AnonymousUser()):
            for _ in range(5):
                with pytest.raises(AttemptNotFound):
                    services.check_code(called.attempt.uuid, called.code, user=stranger)

        assert (called.row().tries, checks(telroi)) == (0, 0)
        assert called.outcome(called.code) == "verified"

    def test_cannot_be_read_canceled_or_called_again_by_another_user(self, called: Called, ben: User) -> None:
        for serve in (services.follow, services.cancel_verification, services.call_again):
            with pytest.raises(AttemptNotFound):
                serve(called.attempt.uuid, user=ben)

        assert called.row().status == "placed"

    @pytest.mark.parametrize("serve", [services.follow, services.cancel_verification, services.call_again])
    def test_belongs_to_no_user_once_its_user_is_deleted(self, called: Called, ada: User, serve: Any) -> None:
        ada.delete()

        with pytest.raises(AttemptNotFound):
            serve(called.attempt.uuid)

        assert (called.row().status, called.row().due_at) == ("canceled", None)

    def test_is_not_judged_once_its_user_is_deleted(self, telroi: Simulator, called: Called, ada: User) -> None:
        ada.delete()

        with pytest.raises(AttemptNotFound):
            services.check_code(called.attempt.uuid, called.code)

        assert (called.row().status, checks(telroi)) == ("canceled", 0)


NOTHINGS = [UUID(int=7), str(UUID(int=7)), "", "x", "1" * 10**6, "'; DROP TABLE", "\ud800", "../etc"]


@pytest.mark.parametrize("uuid", NOTHINGS, ids=range(len(NOTHINGS)))
def test_an_unknown_id_is_not_found(telroi: Simulator, uuid: Any) -> None:
    for ask in (services.follow, services.cancel_verification, services.call_again):
        with pytest.raises(AttemptNotFound):
            ask(uuid)
    with pytest.raises(AttemptNotFound):
        services.check_code(uuid, "123456")


def test_an_attempt_without_a_user_is_found_by_its_id_alone(called: Called, ben: User) -> None:
    result = services.check_code(str(called.attempt.uuid), called.code, user=ben)

    assert (result.outcome, VerifiedPhone.objects.count()) == ("verified", 0)


def test_a_key_that_is_refused_for_a_code_also_pauses_calls(telroi: Simulator, called: Called, heard: Heard) -> None:
    telroi.revoke_key(telroi.api_key)

    called.check(called.code)

    assert CallControl.objects.get().paused_reason == "misconfigured"
    assert sorted(heard.names) == ["alert", "call_placed"]


def test_every_judged_code_writes_an_event(telroi: Simulator, called: Called) -> None:
    called.check(wrong(called.code))
    telroi.fail_next("close", on="verify")
    called.check(wrong(called.code, by=2))
    called.check("not a code")

    kinds = AttemptEvent.objects.order_by("id").values_list("kind", flat=True)
    assert list(kinds) == ["code_rejected", "code_unjudged"]


def test_judging_a_code_places_no_call(telroi: Simulator, called: Called) -> None:
    for code in (wrong(called.code), "x", called.code):
        called.check(code)

    assert sends(telroi) == 1
