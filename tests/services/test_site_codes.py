"""Codes that this site makes: the call reads them out, and the attempt's digest judges them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from django_telroi import services
from django_telroi.backends.telroi import TelroiBackend
from django_telroi.client import OtpCall
from django_telroi.domain.states import Judge
from django_telroi.models import AttemptEvent, CallControl, VerificationAttempt, VerifiedPhone
from django_telroi.services import CheckOutcome
from django_telroi.services.attempts import telroi_tries
from django_telroi.services.attempts.find import close_orphan
from django_telroi.services.codes import telroi_judge
from django_telroi.services.shared.secrets import digest_of, matches
from django_telroi.simulator import Simulator
from tests.calling_site import Configure
from tests.limits.faces import FACES
from tests.services.world import (
    NUMBER,
    OTHER_NUMBER,
    Heard,
    before_the_first,
    checks,
    let_time_pass,
    sends,
    statements,
    wrong,
)
from tests.webhooks.telroi import event_of

pytestmark = [pytest.mark.django_db, pytest.mark.codes("site"), pytest.mark.urls("tests.limits.site")]

UNKNOWN_ID = "11111111-2222-4333-8444-555555555555"


def row(attempt: VerificationAttempt) -> VerificationAttempt:
    return VerificationAttempt.objects.select_related("phone").get(pk=attempt.pk)


def only_row() -> VerificationAttempt:
    return VerificationAttempt.objects.get()


@pytest.fixture
def sent_codes(monkeypatch: pytest.MonkeyPatch) -> list[str | None]:
    """The code of each request for a call, in order. The simulator stores no bodies."""
    codes: list[str | None] = []
    place = TelroiBackend.place_call

    def place_call(self: TelroiBackend, to: str, **options: Any) -> OtpCall:
        codes.append(options["code"])
        return place(self, to, **options)

    monkeypatch.setattr(TelroiBackend, "place_call", place_call)
    return codes


def verbs(act: Callable[[], object]) -> list[str]:
    with statements() as seen:
        act()
    return [sql.split()[0] for sql in seen]


@pytest.fixture
def attempt(telroi: Simulator) -> VerificationAttempt:
    return services.start_verification(NUMBER)


@pytest.fixture
def code(telroi: Simulator, attempt: VerificationAttempt) -> str:
    return telroi.last_code_for(NUMBER)


@pytest.fixture(params=sorted(FACES))
def face(request: pytest.FixtureRequest, telroi: Simulator) -> Any:
    return FACES[request.param]()


class TestACall:
    """The site makes the code at the claim, and Telroi confirms that it reads it out."""

    def test_reads_out_a_new_code_of_the_site_which_no_column_contains(
        self, telroi: Simulator, sent_codes: list[str | None], attempt: VerificationAttempt, code: str
    ) -> None:
        services.start_verification(OTHER_NUMBER)

        assert sent_codes == [code, telroi.last_code_for(OTHER_NUMBER)]
        assert len(set(sent_codes)) == 2
        assert (row(attempt).judge, len(row(attempt).code_digest)) == (Judge.SITE, 64)
        values = VerificationAttempt.objects.filter(pk=attempt.pk).values().get()
        del values["uuid"], values["code_digest"]  # random hexadecimal digits contain any six digits sometimes
        assert code not in str(values)

    @pytest.mark.parametrize("length", range(4, 11))
    def test_reads_out_as_many_digits_as_the_setting_says(
        self, telroi: Simulator, configure: Configure, face: Any, length: int
    ) -> None:
        configure(CODE_LENGTH=length)

        face.starts(NUMBER)
        code = telroi.last_code_for(NUMBER)
        face.checks(code[:-1] if length > 4 else "123")
        face.checks(code + "1" if length < 10 else code + "12")

        assert (len(code), only_row().tries, only_row().status) == (length, 0, "placed")
        face.checks(code)
        assert (only_row().tries, only_row().status, checks(telroi)) == (1, "verified", 0)

    def test_may_have_a_code_that_starts_with_zeros(
        self, telroi: Simulator, sent_codes: list[str | None], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("secrets.randbelow", lambda below: 42)

        attempt = services.start_verification(NUMBER)

        assert sent_codes == ["000042"]
        assert services.check_code(attempt.uuid, "000042").outcome == "verified"


class TestACode:
    """It is judged by the digest, without a request."""

    def test_that_is_right_costs_one_read_and_one_write(
        self, telroi: Simulator, attempt: VerificationAttempt, code: str
    ) -> None:
        assert verbs(lambda: services.check_code(attempt.uuid, code)) == ["SELECT", "UPDATE"]
        assert (row(attempt).status, checks(telroi)) == ("verified", 0)

    def test_that_is_wrong_uses_a_try_and_sends_no_request(
        self, telroi: Simulator, attempt: VerificationAttempt, code: str, heard: Heard
    ) -> None:
        results = [services.check_code(attempt.uuid, wrong(code, by=by)) for by in (1, 2, 3)]

        assert [(each.outcome, each.tries_left, each.was_judged) for each in results] == [
            ("wrong_code", 2, True),
            ("wrong_code", 1, True),
            ("locked", 0, True),
        ]
        assert heard.names[-3:] == ["code_rejected"] * 3
        assert services.check_code(attempt.uuid, code).outcome == "locked"
        assert checks(telroi) == 0

    def test_that_is_right_verifies_on_every_face_while_telroi_is_down(self, telroi: Simulator, face: Any) -> None:
        face.starts(NUMBER)
        code = telroi.last_code_for(NUMBER)
        with telroi.refusing():
            face.checks(wrong(code))
            assert (only_row().status, only_row().tries) == ("placed", 1)
            face.checks(code)

        assert (only_row().status, only_row().tries) == ("verified", 2)

    def test_that_is_right_gives_its_user_the_number(self, telroi: Simulator, ada: User) -> None:
        attempt = services.start_verification(NUMBER, user=ada)

        services.check_code(attempt.uuid, telroi.last_code_for(NUMBER), user=ada)

        assert VerifiedPhone.objects.get().user == ada

    def test_of_another_attempt_is_wrong(self, telroi: Simulator, attempt: VerificationAttempt, code: str) -> None:
        other = services.start_verification(OTHER_NUMBER)
        VerificationAttempt.objects.filter(pk=other.pk).update(code_digest=row(attempt).code_digest)

        assert services.check_code(other.uuid, code).outcome == "wrong_code"

    def test_is_right_after_the_secret_key_was_rotated(
        self, attempt: VerificationAttempt, code: str, settings: Any
    ) -> None:
        settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
        settings.SECRET_KEY = "a newer one"

        assert services.check_code(attempt.uuid, wrong(code)).outcome == "wrong_code"
        assert services.check_code(attempt.uuid, code).outcome == "verified"

    def test_is_wrong_if_the_secret_key_was_replaced(
        self, attempt: VerificationAttempt, code: str, settings: Any
    ) -> None:
        settings.SECRET_KEY = "a newer one"

        assert services.check_code(attempt.uuid, code).outcome == "wrong_code"

    def test_after_the_expiry_is_expired(self, attempt: VerificationAttempt, code: str) -> None:
        let_time_pass(300)

        assert services.check_code(attempt.uuid, code).outcome == "expired"

    @pytest.mark.parametrize(("is_right", "outcome"), [(True, "verified"), (False, "wrong_code")])
    def test_that_is_judged_while_another_one_is_wrong_uses_a_try_of_its_own(
        self, attempt: VerificationAttempt, code: str, is_right: bool, outcome: str
    ) -> None:
        # A wrong code is a transaction, in which no other request can run on this connection.
        with before_the_first(
            "UPDATE" if is_right else "SAVEPOINT", lambda: services.check_code(attempt.uuid, wrong(code, by=2))
        ):
            result = services.check_code(attempt.uuid, code if is_right else wrong(code))

        assert (result.outcome, row(attempt).tries) == (outcome, 2)

    def test_counts_only_if_no_other_code_used_the_last_try_meanwhile(
        self, attempt: VerificationAttempt, code: str
    ) -> None:
        def others() -> None:
            for by in (1, 2, 3):
                services.check_code(attempt.uuid, wrong(code, by=by))

        with before_the_first("UPDATE", others):
            result = services.check_code(attempt.uuid, code)

        assert (result.outcome, result.proof, row(attempt).status) == ("locked", None, "locked")


@pytest.mark.parametrize("name", ["page", "rest"])
def test_no_page_and_no_session_contains_the_code(
    telroi: Simulator, configure: Configure, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    configure(CODE_LENGTH=10)
    shown: list[str] = []
    request = Client.request

    def recorded(self: Client, **options: Any) -> Any:
        reply = request(self, **options)
        shown.append(f"{reply.content.decode()} {reply.headers} {reply.cookies} {dict(self.session)}")
        return reply

    monkeypatch.setattr(Client, "request", recorded)
    face = FACES[name]()
    face.starts(NUMBER)
    code = telroi.last_code_for(NUMBER)
    face.checks(wrong(code))
    face.checks(code)

    assert (only_row().status, len(shown) > 2) == ("verified", True)
    assert [text for text in shown if code in text or wrong(code) in text] == []


class TestTheDigest:
    """It is deleted when the attempt closes, and ten minutes after a success."""

    def close(self, attempt: VerificationAttempt, way: str, code: str, user: User) -> None:
        if way == "expired":
            let_time_pass(300)
            services.follow(attempt.uuid, user=user)
        elif way == "swept":
            let_time_pass(300)
            services.sweep()
        elif way == "canceled":
            services.cancel_verification(attempt.uuid, user=user)
        elif way == "superseded":
            let_time_pass(61)
            services.call_again(attempt.uuid, user=user)
        elif way == "locked":
            for by in (1, 2, 3):
                services.check_code(attempt.uuid, wrong(code, by=by), user=user)
        elif way == "orphan":
            user.delete()
            close_orphan(row(attempt), now=attempt.created_at, using="default")

    @pytest.mark.parametrize("way", ["expired", "swept", "canceled", "superseded", "locked", "orphan"])
    def test_is_deleted_when_the_attempt_ends(self, telroi: Simulator, ada: User, way: str) -> None:
        telroi.set_policy(cooldown=0)
        attempt = services.start_verification(NUMBER, user=ada)
        assert row(attempt).code_digest

        self.close(attempt, way, telroi.last_code_for(NUMBER), ada)

        expected = {"swept": "expired", "orphan": "canceled"}.get(way, way)
        assert (row(attempt).status, row(attempt).code_digest) == (expected, "")

    def test_is_deleted_when_the_call_fails(self, telroi: Simulator) -> None:
        telroi.fail_next("insufficient_funds")

        attempt = services.start_verification(NUMBER)

        assert (row(attempt).status, row(attempt).code_digest) == ("failed", "")

    @pytest.mark.parametrize("reader", [services.sweep, lambda: services.follow(only_row().uuid)])
    def test_is_deleted_ten_minutes_after_the_success(
        self, attempt: VerificationAttempt, code: str, reader: Callable[[], object]
    ) -> None:
        services.check_code(attempt.uuid, code)
        let_time_pass(599)
        reader()
        assert row(attempt).code_digest
        let_time_pass(1)
        reader()

        assert row(attempt).code_digest == ""


class Unrung(TelroiBackend):
    """Confirms the code of the site with a test key, so no phone rings."""

    def place_call(self, to: str, *, code_length: int, language: str | None, code: str | None = None) -> OtpCall:
        Unrung.code = code or ""
        return OtpCall(id=UNKNOWN_ID, to=to, status="delivered", livemode=False, verification="client")


class TestATestKey:
    """Its calls ring no phone."""

    def test_has_a_code_of_telroi(self, telroi: Simulator, configure: Configure) -> None:
        configure(API_KEY=telroi.test_key, ALLOW_TEST_KEY=True)

        attempt = services.start_verification(NUMBER)

        assert (attempt.judge, attempt.code_digest, attempt.livemode) == (Judge.TELROI, "", False)
        assert services.check_code(attempt.uuid, "000000").outcome == "verified"

    def test_that_confirms_a_code_verifies_no_number(
        self, telroi: Simulator, configure: Configure, heard: Heard
    ) -> None:
        configure(BACKEND=f"{__name__}.Unrung", ALLOW_TEST_KEY=False)
        attempt = services.start_verification(NUMBER)

        outcomes = [services.check_code(attempt.uuid, Unrung.code).outcome for _ in range(3)]

        assert (attempt.judge, outcomes) == (Judge.SITE, ["unavailable", "unavailable", "locked"])
        assert row(attempt).verified_at is None
        assert "alert" in heard.names

    def test_that_is_allowed_verifies(self, telroi: Simulator, configure: Configure) -> None:
        configure(BACKEND=f"{__name__}.Unrung", ALLOW_TEST_KEY=True)
        attempt = services.start_verification(NUMBER)

        assert services.check_code(attempt.uuid, Unrung.code).outcome == "verified"


class TestALostAnswer:
    """The phone may ring, and it is not known whose code it reads out."""

    @pytest.fixture
    def lost(self, telroi: Simulator) -> VerificationAttempt:
        telroi.fail_next("reset", on="send")
        lost = services.start_verification(NUMBER)
        assert (lost.status, lost.judge, bool(lost.code_digest)) == ("unknown", Judge.UNDECIDED, True)
        return lost

    def test_is_no_obstacle_for_the_right_code(self, telroi: Simulator, lost: VerificationAttempt) -> None:
        result = services.check_code(lost.uuid, telroi.last_code_for(NUMBER))

        assert (result.outcome, checks(telroi), row(lost).judge) == ("verified", 0, Judge.SITE)

    def test_leaves_a_wrong_code_to_telroi_which_does_not_know_it(
        self, telroi: Simulator, lost: VerificationAttempt
    ) -> None:
        code = telroi.last_code_for(NUMBER)

        slip = services.check_code(lost.uuid, wrong(code))

        assert (slip.outcome, slip.tries_left, row(lost).status, checks(telroi)) == ("wrong_code", 2, "unknown", 1)
        assert services.check_code(lost.uuid, code).outcome == "verified"

    def test_has_a_try_reserved_before_any_code_is_compared(
        self, telroi: Simulator, lost: VerificationAttempt, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        tries: list[int] = []

        def compare(attempt: VerificationAttempt, digits: str, digest: str) -> bool:
            tries.append(row(attempt).tries)
            return matches(attempt, digits, digest)

        monkeypatch.setattr(telroi_judge, "matches", compare)
        right = telroi.last_code_for(NUMBER)

        outcomes = [services.check_code(lost.uuid, code).outcome for code in (wrong(right), right)]

        assert (outcomes, tries) == (["wrong_code", "verified"], [1, 2])

    def test_that_a_late_answer_settles_while_a_code_waits_for_its_try_is_checked_here(
        self, telroi: Simulator, lost: VerificationAttempt, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def settled_meanwhile(*arguments: Any, **named: Any) -> Any:
            monkeypatch.undo()
            settled = {"judge": Judge.SITE, "telroi_id": telroi.otps[-1].id, "livemode": True}
            VerificationAttempt.objects.filter(pk=lost.pk).update(**settled)
            return reserve(*arguments, **named)

        reserve = telroi_tries._reserve
        monkeypatch.setattr(telroi_tries, "_reserve", settled_meanwhile)
        right = telroi.last_code_for(NUMBER)

        slip = services.check_code(lost.uuid, wrong(right))

        assert (slip.outcome, slip.tries_left, row(lost).status, checks(telroi)) == ("wrong_code", 2, "unknown", 0)
        assert services.check_code(lost.uuid, right).outcome == "verified"

    def test_with_no_try_left_takes_no_code_when_a_late_answer_settles_who_checks(
        self, telroi: Simulator, lost: VerificationAttempt
    ) -> None:
        right = telroi.last_code_for(NUMBER)
        telroi.fail_always("service_unavailable", on="verify")
        guesses = [services.check_code(lost.uuid, wrong(right, by=by)).outcome for by in (1, 2, 3)]
        VerificationAttempt.objects.filter(pk=lost.pk).update(judge=Judge.SITE, livemode=True)

        late = services.check_code(lost.uuid, right).outcome

        assert (guesses, late, row(lost).status) == (["unavailable"] * 3, "locked", "locked")

    @pytest.mark.parametrize("judge", [Judge.SITE, Judge.UNDECIDED])
    @pytest.mark.parametrize(("by", "outcome"), [(0, "verified"), (4, "already_verified")])
    def test_with_no_try_left_verifies_no_other_code_while_the_right_one_succeeds(
        self, telroi: Simulator, lost: VerificationAttempt, judge: Judge, by: int, outcome: str
    ) -> None:
        right = telroi.last_code_for(NUMBER)
        telroi.fail_always("service_unavailable", on="verify")
        for used in (1, 2, 3):
            services.check_code(lost.uuid, wrong(right, by=used))
        VerificationAttempt.objects.filter(pk=lost.pk).update(judge=judge, livemode=True)

        def succeed() -> None:
            digest = digest_of(lost.uuid, NUMBER, right)
            VerificationAttempt.objects.filter(pk=lost.pk).update(
                status="verified", code_digest=digest, verified_at=timezone.now()
            )

        with before_the_first("UPDATE", succeed):
            result = services.check_code(lost.uuid, wrong(right, by=by) if by else right)

        assert (result.outcome, result.proof is None) == (outcome, by > 0)

    def test_of_a_server_that_ignores_our_code_leaves_its_code_to_it(self, telroi: Simulator) -> None:
        telroi.own_codes("ignore")
        telroi.next_otp(code="135790")
        telroi.fail_next("reset", on="send")
        lost = services.start_verification(NUMBER)

        assert services.check_code(lost.uuid, "135791").outcome == "wrong_code"
        assert services.check_code(lost.uuid, "135790").outcome == "verified"
        assert (checks(telroi), row(lost).judge) == (2, Judge.TELROI)

    def test_gives_no_try_back_while_telroi_is_down(self, telroi: Simulator, lost: VerificationAttempt) -> None:
        code = telroi.last_code_for(NUMBER)
        with telroi.refusing():
            slips = [services.check_code(lost.uuid, wrong(code, by=by)).outcome for by in (1, 2, 3)]
            last = services.check_code(lost.uuid, code).outcome

        assert (slips, last) == (["unavailable"] * 3, "answer_lost")
        assert (row(lost).tries, row(lost).verified_at) == (3, None)

    @pytest.mark.parametrize(
        ("client_supplied", "judge"), [(True, Judge.SITE), (False, Judge.TELROI), (None, Judge.UNDECIDED)]
    )
    @pytest.mark.parametrize("while_dialing", [True, False])
    def test_is_settled_by_the_webhook(
        self,
        telroi: Simulator,
        configure: Configure,
        client_supplied: bool | None,
        judge: Judge,
        while_dialing: bool,
    ) -> None:
        event = event_of("otp.completed", client_supplied=client_supplied)
        if while_dialing:
            configure(BACKEND=f"{__name__}.WebhookFirst")
            WebhookFirst.event = event
        telroi.fail_next("reset", on="send")

        lost = services.start_verification(NUMBER)
        if not while_dialing:
            services.record_event(event)

        assert (row(lost).status, row(lost).judge) == ("placed", judge)
        assert bool(row(lost).code_digest) is (judge != Judge.TELROI)

    @pytest.mark.parametrize("while_dialing", [True, False])
    def test_is_settled_by_the_webhook_of_a_test_key_and_verifies_no_number(
        self, telroi: Simulator, configure: Configure, while_dialing: bool
    ) -> None:
        event = event_of("otp.completed", client_supplied=True, livemode=False)
        if while_dialing:
            configure(BACKEND=f"{__name__}.WebhookFirst")
            WebhookFirst.event = event
        configure(ALLOW_TEST_KEY=False)
        telroi.fail_next("reset", on="send")

        lost = services.start_verification(NUMBER)
        if not while_dialing:
            services.record_event(event)

        assert (row(lost).status, row(lost).livemode) == ("placed", False)
        assert services.check_code(lost.uuid, telroi.last_code_for(NUMBER)).outcome == "unavailable"

    def test_that_comes_late_says_who_judges(self, telroi: Simulator, configure: Configure) -> None:
        configure(BACKEND=f"{__name__}.LeaseEndsFirst")

        attempt = services.start_verification(NUMBER)

        assert (attempt.status, attempt.judge) == ("unknown", Judge.SITE)
        assert services.check_code(attempt.uuid, wrong(telroi.last_code_for(NUMBER))).outcome == "wrong_code"
        assert checks(telroi) == 0

    def test_that_comes_late_is_believed_more_than_the_webhook_before_it(
        self, telroi: Simulator, configure: Configure
    ) -> None:
        configure(BACKEND=f"{__name__}.WebhookThenLeaseEndsFirst")

        attempt = services.start_verification(NUMBER)

        assert (attempt.status, attempt.judge) == ("placed", Judge.SITE)
        assert services.check_code(attempt.uuid, telroi.last_code_for(NUMBER)).outcome == "verified"

    def test_that_comes_late_from_a_test_key_verifies_no_number(self, telroi: Simulator, configure: Configure) -> None:
        configure(BACKEND=f"{__name__}.LateAndUnrung", ALLOW_TEST_KEY=False)
        attempt = services.start_verification(NUMBER)

        outcome = services.check_code(attempt.uuid, Unrung.code).outcome

        assert (attempt.status, attempt.livemode, outcome) == ("unknown", False, "unavailable")


def end_lease(number: str) -> None:
    """Let another process find that the lease of the call to this number is over."""
    dialing = VerificationAttempt.objects.get(phone__number=number, status="dialing")
    VerificationAttempt.objects.filter(pk=dialing.pk).update(due_at=dialing.created_at)
    services.follow(dialing.uuid)


class LeaseEndsFirst(TelroiBackend):
    """The answer comes after the lease of the call ended."""

    def place_call(self, to: str, *, code_length: int, language: str | None, code: str | None = None) -> OtpCall:
        call = super().place_call(to, code_length=code_length, language=language, code=code)
        end_lease(to)
        return call


class WebhookThenLeaseEndsFirst(LeaseEndsFirst):
    """A webhook says before that Telroi made the code. It may be about a call of another site."""

    def place_call(self, to: str, *, code_length: int, language: str | None, code: str | None = None) -> OtpCall:
        services.record_event(event_of("otp.completed", client_supplied=False))
        return super().place_call(to, code_length=code_length, language=language, code=code)


class LateAndUnrung(Unrung):
    """The same, with a test key."""

    def place_call(self, to: str, *, code_length: int, language: str | None, code: str | None = None) -> OtpCall:
        call = super().place_call(to, code_length=code_length, language=language, code=code)
        end_lease(to)
        return call


class WebhookFirst(TelroiBackend):
    """The webhook comes before the answer."""

    event: Any = None

    def place_call(self, to: str, *, code_length: int, language: str | None, code: str | None = None) -> OtpCall:
        services.record_event(self.event)
        return super().place_call(to, code_length=code_length, language=language, code=code)


class TestAServerThatRejectsCodes:
    """The call is requested once more without a code, and for an hour the key sends none."""

    @pytest.fixture(autouse=True, params=[400, 422])
    def _rejects(self, telroi: Simulator, request: pytest.FixtureRequest) -> None:
        telroi.set_policy(cooldown=0)
        telroi.own_codes("reject", status=request.param)

    def test_rings_once_and_checks_its_own_code(
        self, telroi: Simulator, sent_codes: list[str | None], face: Any
    ) -> None:
        face.starts(NUMBER)

        assert [bool(code) for code in sent_codes] == [True, False]
        assert (len(telroi.calls), only_row().judge, only_row().code_digest) == (1, Judge.TELROI, "")
        face.checks(telroi.last_code_for(NUMBER))
        assert (only_row().status, checks(telroi)) == ("verified", 1)

    def test_gets_no_code_for_an_hour_and_one_alert(
        self, telroi: Simulator, sent_codes: list[str | None], heard: Heard
    ) -> None:
        services.start_verification(NUMBER)
        let_time_pass(3590)
        services.start_verification(NUMBER)
        services.start_verification(OTHER_NUMBER)

        assert [bool(code) for code in sent_codes] == [True, False, False, False]
        assert AttemptEvent.objects.filter(kind="alert").count() == heard.names.count("alert") == 1

    def test_gets_a_code_again_after_the_hour(self, telroi: Simulator, sent_codes: list[str | None]) -> None:
        services.start_verification(NUMBER)
        let_time_pass(3601)
        telroi.own_codes("confirm")

        attempt = services.start_verification(NUMBER)

        assert [bool(code) for code in sent_codes] == [True, False, True]
        assert attempt.judge == Judge.SITE

    def test_does_not_stop_the_codes_of_another_key(
        self, telroi: Simulator, sent_codes: list[str | None], configure: Configure
    ) -> None:
        services.start_verification(NUMBER)
        telroi.add_key("tlr_live_another")
        configure(API_KEY="tlr_live_another")

        services.start_verification(OTHER_NUMBER)

        assert [bool(code) for code in sent_codes] == [True, False, True, False]

    def test_that_rejects_the_number_too_is_asked_twice_and_still_gets_codes(self, telroi: Simulator) -> None:
        telroi.fail_next("invalid", times=2)

        attempt = services.start_verification(NUMBER)

        assert (attempt.status, attempt.error_code, sends(telroi)) == ("failed", "invalid", 2)
        assert not CallControl.objects.exclude(codes_refused_until=None).exists()

    def test_reads_out_no_code_of_another_package(self, telroi: Simulator, sent_codes: list[str | None]) -> None:
        attempt = services.read_out(NUMBER, "482913")

        assert (attempt.status, attempt.error_code, sent_codes) == ("failed", "invalid", ["482913"])


class TestAWorker:
    """Under Celery the code is made by the worker that places the call."""

    @pytest.fixture(autouse=True)
    def _by_workers(self, telroi: Simulator, configure: Configure, celery_app: Any) -> None:
        configure(DISPATCH="celery")

    def test_makes_the_code_so_that_no_message_and_no_queued_row_has_one(
        self, telroi: Simulator, enqueued: Callable[[], list[tuple[str, list[Any]]]]
    ) -> None:
        attempt = services.start_verification(NUMBER)
        assert (attempt.status, attempt.code_digest, attempt.judge) == ("queued", "", Judge.UNDECIDED)

        services.place_call(attempt.pk)

        assert enqueued() == [("django_telroi.tasks.place_call", [attempt.pk])]
        assert services.check_code(attempt.uuid, telroi.last_code_for(NUMBER)).outcome == "verified"

    def test_makes_a_new_code_when_the_call_is_enqueued_again(
        self, telroi: Simulator, sent_codes: list[str | None]
    ) -> None:
        attempt = services.start_verification(NUMBER)
        telroi.fail_next("service_unavailable", on="send")
        services.place_call(attempt.pk)
        assert (row(attempt).status, row(attempt).code_digest) == ("queued", "")
        let_time_pass(60)

        services.sweep()
        services.place_call(attempt.pk)

        first, second = sent_codes
        assert first != second == telroi.last_code_for(NUMBER)
        assert services.check_code(attempt.uuid, str(first)).outcome == "wrong_code"
        assert services.check_code(attempt.uuid, str(second)).outcome == "verified"


def test_no_code_is_made_if_the_provider_makes_them(
    telroi: Simulator, sent_codes: list[str | None], configure: Configure
) -> None:
    configure(CODES="telroi")

    attempt = services.start_verification(NUMBER)

    assert (sent_codes, attempt.judge, attempt.code_digest) == ([None], Judge.TELROI, "")


def test_a_change_of_the_setting_does_not_change_open_attempts(
    telroi: Simulator, configure: Configure, attempt: VerificationAttempt, code: str
) -> None:
    configure(CODES="telroi")
    other = services.start_verification(OTHER_NUMBER)
    configure(CODES="site")

    assert services.check_code(other.uuid, telroi.last_code_for(OTHER_NUMBER)).outcome == "verified"
    configure(CODES="telroi")
    assert services.check_code(attempt.uuid, code).outcome == CheckOutcome.VERIFIED
    assert checks(telroi) == 1
