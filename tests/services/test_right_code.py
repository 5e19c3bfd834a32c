"""Only the code that was judged right verifies: through services, API and page."""

from __future__ import annotations

import base64
import zlib
from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any, ClassVar
from uuid import UUID

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.utils import timezone

from django_telroi import conf, services
from django_telroi.backends.telroi import TelroiBackend
from django_telroi.client import OtpCheck
from django_telroi.errors import ApiOutcomeUnknown, AttemptNotFound, ProofRejected
from django_telroi.models import VerificationAttempt, VerifiedPhone
from django_telroi.services.accounts import proofs
from django_telroi.services.codes import success
from django_telroi.services.shared import backend_calls
from django_telroi.simulator import Simulator
from tests.rest.world import PhoneApi
from tests.services.world import NUMBER, Heard, checks, let_time_pass, wrong
from tests.web.visitor import Visitor

pytestmark = pytest.mark.django_db

TEN_MINUTES = timedelta(minutes=10)


class OvertakenBackend(TelroiBackend):
    """While Telroi judges a code, another request sends the right one and gets its answer."""

    meanwhile: ClassVar[Callable[[], object] | None] = None
    says: ClassVar[OtpCheck]

    def check_code(self, code: str, *, call_id: str | None, to: str) -> OtpCheck:
        overtake, OvertakenBackend.meanwhile = OvertakenBackend.meanwhile, None
        if overtake is None:
            return super().check_code(code, call_id=call_id, to=to)
        overtake()
        return OvertakenBackend.says


class BackendOfAnOlderCall(TelroiBackend):
    """Telroi stored only an older call to the number, which was verified. ``first`` runs for the first code."""

    first: ClassVar[ApiOutcomeUnknown | Callable[[], object] | None] = None

    def check_code(self, code: str, *, call_id: str | None, to: str) -> OtpCheck:
        first, BackendOfAnOlderCall.first = BackendOfAnOlderCall.first, None
        if isinstance(first, ApiOutcomeUnknown):
            raise first
        if first:
            first()
        return OtpCheck(status="already_verified", verified=False, tries_left=None, livemode=True)


class SlowBackend(TelroiBackend):
    """Telroi answers after the attempt has expired. ``meanwhile`` runs before the answer, as in another process."""

    meanwhile: ClassVar[Callable[[], object]]

    def check_code(self, code: str, *, call_id: str | None, to: str) -> OtpCheck:
        check = super().check_code(code, call_id=call_id, to=to)
        let_time_pass(10)
        SlowBackend.meanwhile()
        return check


def row(attempt: VerificationAttempt) -> VerificationAttempt:
    return VerificationAttempt.objects.get(pk=attempt.pk)


@pytest.fixture
def attempt(telroi: Simulator) -> VerificationAttempt:
    return services.start_verification(NUMBER)


@pytest.fixture
def code(telroi: Simulator, attempt: VerificationAttempt) -> str:
    return telroi.last_code_for(NUMBER)


class TestAnotherCodeAfterTheRightOne:
    """It gives no success and no proof, and uses one of the remaining tries."""

    @pytest.mark.codes("telroi")
    def test_is_already_verified_without_a_proof(
        self, telroi: Simulator, attempt: VerificationAttempt, code: str, heard: Heard
    ) -> None:
        services.check_code(attempt.uuid, code)

        result = services.check_code(attempt.uuid, wrong(code))

        assert (result.outcome, result.proof, result.was_judged) == ("already_verified", None, False)
        assert (row(attempt).tries, checks(telroi)) == (2, 1)
        assert heard.names.count("phone_verified") == 1

    def test_ends_the_comparison_with_the_last_try(self, attempt: VerificationAttempt, code: str) -> None:
        services.check_code(attempt.uuid, code)
        for by in (1, 2):
            services.check_code(attempt.uuid, wrong(code, by=by))

        result = services.check_code(attempt.uuid, code)

        assert (result.outcome, result.proof, row(attempt).tries) == ("already_verified", None, 3)
        assert row(attempt).code_digest == ""

    @pytest.mark.codes("telroi")
    def test_sent_in_parallel_gets_no_extra_comparison(
        self, attempt: VerificationAttempt, code: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        services.check_code(attempt.uuid, code)
        compare = success.matches

        def while_others_use_the_tries(*compared: Any) -> bool:
            monkeypatch.setattr(success, "matches", compare)
            for by in (1, 2):
                services.check_code(attempt.uuid, wrong(code, by=by))
            return compare(*compared)

        monkeypatch.setattr(success, "matches", while_others_use_the_tries)

        assert services.check_code(attempt.uuid, code).outcome == "already_verified"

    @pytest.mark.codes("telroi")
    def test_is_already_verified_on_the_api_for_another_client(self, telroi: Simulator) -> None:
        started = PhoneApi().started()
        right = PhoneApi().check(started, telroi.last_code_for(NUMBER)).json()

        reply = PhoneApi().check(started, "0000")

        body = reply.json()
        assert (right["verified"], bool(right["proof"])) == (True, True)
        assert (reply.status_code, body["outcome"], body["verified"], body["proof"]) == (
            409,
            "already_verified",
            False,
            None,
        )

    @pytest.mark.codes("telroi")
    @pytest.mark.parametrize("word", ["mismatch", "already_verified", "verified", "locked", "expired", "not_found"])
    def test_judged_at_the_same_time_never_verifies(
        self, telroi: Simulator, configure: Any, word: str, heard: Heard
    ) -> None:
        configure(BACKEND=f"{__name__}.OvertakenBackend")
        attempt = services.start_verification(NUMBER)
        code = telroi.last_code_for(NUMBER)
        rights = []
        OvertakenBackend.meanwhile = lambda: rights.append(services.check_code(attempt.uuid, code))
        OvertakenBackend.says = OtpCheck(status=word, verified=word == "verified", tries_left=None, livemode=True)

        result = services.check_code(attempt.uuid, wrong(code))

        assert [(right.outcome, bool(right.proof)) for right in rights] == [("verified", True)]
        assert (result.outcome, result.proof) in {("wrong_code", None), ("already_verified", None)}
        assert heard.names.count("phone_verified") == 1


@pytest.mark.codes("telroi")
class TestACallThatTelroiNeverStored:
    """Its code is judged by the number, so Telroi's answer may be about an older call and verifies no code."""

    @pytest.fixture
    def unstored(self, telroi: Simulator, configure: Any, ben: User) -> VerificationAttempt:
        configure(COOLDOWN_SECONDS=0)
        telroi.set_policy(cooldown=0)
        older = services.start_verification(NUMBER)
        services.check_code(older.uuid, telroi.last_code_for(NUMBER))
        telroi.fail_next("proxy_page", on="send", status=502)
        attempt = services.start_verification(NUMBER, user=ben)
        configure(BACKEND=f"{__name__}.BackendOfAnOlderCall")
        assert attempt.status == "unknown"
        return attempt

    def test_is_not_verified_by_a_lost_wrong_code_that_is_sent_again(
        self, unstored: VerificationAttempt, ben: User
    ) -> None:
        BackendOfAnOlderCall.first = ApiOutcomeUnknown()
        first = services.check_code(unstored.uuid, "000001", user=ben)

        second = services.check_code(unstored.uuid, "000001", user=ben)

        assert (first.outcome, second.outcome, second.proof) == ("unavailable", "expired", None)
        assert not VerifiedPhone.objects.exists()

    def test_is_not_verified_by_a_wrong_code_that_is_sent_twice_at_once(
        self, unstored: VerificationAttempt, ben: User
    ) -> None:
        others: list[Any] = []
        BackendOfAnOlderCall.first = lambda: others.append(services.check_code(unstored.uuid, "000001", user=ben))

        result = services.check_code(unstored.uuid, "000001", user=ben)

        assert (others[0].outcome, result.outcome) == ("in_progress", "expired")
        assert not VerifiedPhone.objects.exists()

    def test_uses_no_try_of_another_users_open_call(self, telroi: Simulator, configure: Any, ben: User) -> None:
        configure(COOLDOWN_SECONDS=0)
        telroi.set_policy(cooldown=0)
        owners = services.start_verification(NUMBER)
        code = telroi.last_code_for(NUMBER)
        telroi.fail_next("proxy_page", on="send", status=502)
        strangers = services.start_verification(NUMBER, user=ben)

        guesses = [services.check_code(strangers.uuid, wrong(code, by=by), user=ben) for by in (1, 2, 3)]

        assert [guess.outcome for guess in guesses] == ["unavailable"] * 3
        assert services.check_code(owners.uuid, code).outcome == "verified"


class TestACodeThatWasSentInTime:
    """The judgement counts, also if the attempt expires meanwhile."""

    @pytest.mark.parametrize("look", [services.sweep, None], ids=["a sweep", "a reader"])
    def test_verifies_although_the_attempt_expires_before_the_answer(
        self, telroi: Simulator, configure: Any, look: Any
    ) -> None:
        configure(BACKEND=f"{__name__}.SlowBackend")
        attempt = services.start_verification(NUMBER)
        code = telroi.last_code_for(NUMBER)
        let_time_pass(299)
        SlowBackend.meanwhile = look or partial(services.follow, attempt.uuid)

        result = services.check_code(attempt.uuid, code)

        assert (result.outcome, row(attempt).status) == ("verified", "verified")

    def test_is_pending_no_longer_than_an_answer_can_take(self, attempt: VerificationAttempt) -> None:
        let_time_pass(299)
        now = timezone.now().isoformat()
        VerificationAttempt.objects.update(tries=1, asked=1, judging={"a digest": {"1": now}})

        longest = (conf.lease() + backend_calls.MAX_SLEEP).total_seconds()
        let_time_pass(longest - 5)
        services.sweep()
        while_it_may_come = row(attempt).status
        let_time_pass(5)
        services.sweep()

        assert (while_it_may_come, row(attempt).status) == ("placed", "expired")


class TestTheRightCodeAgain:
    """After a double click or a lost answer, the same code gets the same answer for ten minutes."""

    @pytest.mark.codes("telroi")
    def test_returns_the_same_proof_without_asking_telroi(
        self, telroi: Simulator, attempt: VerificationAttempt, code: str
    ) -> None:
        first = services.check_code(attempt.uuid, code)

        second = services.check_code(attempt.uuid, code)

        assert (second.outcome, second.proof, second.was_judged) == ("verified", first.proof, False)
        assert (row(attempt).tries, checks(telroi)) == (1, 1)

    def test_returns_the_same_proof_on_the_last_try(self, attempt: VerificationAttempt, code: str) -> None:
        for by in (1, 2):
            services.check_code(attempt.uuid, wrong(code, by=by))
        first = services.check_code(attempt.uuid, code)

        assert services.check_code(attempt.uuid, code).proof == first.proof

    def test_is_not_compared_after_ten_minutes(self, attempt: VerificationAttempt, code: str) -> None:
        services.check_code(attempt.uuid, code)
        let_time_pass(601)

        result = services.check_code(attempt.uuid, code)

        assert (result.outcome, result.proof) == ("already_verified", None)
        assert (row(attempt).code_digest, row(attempt).due_at) == ("", None)

    def test_has_no_digest_left_after_the_sweep(self, attempt: VerificationAttempt, code: str) -> None:
        services.check_code(attempt.uuid, code)
        kept = row(attempt)

        services.sweep(now=kept.verified_at + TEN_MINUTES - timedelta(seconds=1))
        before = row(attempt).code_digest
        services.sweep(now=kept.verified_at + TEN_MINUTES)

        assert (len(before), row(attempt).code_digest, row(attempt).due_at) == (64, "", None)

    def test_is_recognized_under_an_older_secret_key(
        self, attempt: VerificationAttempt, code: str, settings: Any
    ) -> None:
        services.check_code(attempt.uuid, code)
        settings.SECRET_KEY_FALLBACKS = [settings.SECRET_KEY]
        settings.SECRET_KEY = "a newer one"

        assert services.check_code(attempt.uuid, code).outcome == "verified"
        assert services.check_code(attempt.uuid, wrong(code)).outcome == "already_verified"


class TestAPage:
    """Only the session that typed the right code sees the success."""

    def test_of_a_session_that_knows_only_the_attempt_asks_for_the_code_and_has_no_proof(
        self, telroi: Simulator, client: Client
    ) -> None:
        owner = Visitor(client)
        owner.opens("/phone/").presses("Call me", number=NUMBER)
        fixed = Client()
        fixed.cookies = client.cookies.copy()
        services.check_code(VerificationAttempt.objects.get().uuid, telroi.last_code_for(NUMBER))

        stranger = Visitor(fixed).opens("/phone/code/")

        assert stranger.heading() == "Type the code again"
        assert stranger.buttons() == ["Verify", "Start again"]
        assert Visitor(fixed).opens("/phone/done/").path == "/phone/"

    def test_of_the_session_that_typed_the_code_shows_success(self, telroi: Simulator, client: Client) -> None:
        visitor = Visitor(client)
        visitor.opens("/phone/").presses("Call me", number=NUMBER)

        visitor.presses("Verify", code=telroi.last_code_for(NUMBER))

        assert visitor.heading() == "Your number is verified"

    def test_shows_success_to_a_browser_whose_answer_was_lost(self, telroi: Simulator, client: Client) -> None:
        visitor = Visitor(client)
        visitor.opens("/phone/").presses("Call me", number=NUMBER)
        action, fields = visitor.form("Verify")
        fields["code"] = telroi.last_code_for(NUMBER)
        before = client.cookies.copy()
        client.post(action, fields)
        client.cookies = before

        again = Visitor(client).sends(action, fields)

        assert again.heading() == "Your number is verified"

    def test_does_not_accept_a_ticket_as_the_cookie_of_a_right_code(self, telroi: Simulator, client: Client) -> None:
        visitor = Visitor(client)
        visitor.opens("/phone/").presses("Call me", number=NUMBER)
        ticket = visitor.form("Verify")[1]["ticket"]
        services.check_code(VerificationAttempt.objects.get().uuid, telroi.last_code_for(NUMBER))
        del client.cookies["sessionid"]
        client.cookies["telroi_proven"] = ticket

        assert Visitor(client).opens("/phone/done/").heading() == "Verify your phone"

    def test_keeps_its_success_when_an_old_tab_asks_for_another_call(self, telroi: Simulator, client: Client) -> None:
        visitor = Visitor(client)
        visitor.opens("/phone/").presses("Call me", number=NUMBER)
        action, fields = visitor.form("Call again")
        visitor.presses("Verify", code=telroi.last_code_for(NUMBER))

        visitor.sends(action, fields)

        assert Visitor(client).opens("/phone/done/").heading() == "Your number is verified"

    def test_contains_no_id_that_can_be_decoded(self, telroi: Simulator, client: Client) -> None:
        visitor = Visitor(client)
        visitor.opens("/phone/")
        first = visitor.form("Call me")[1]["ticket"]
        visitor.presses("Call me", number=NUMBER)
        second = visitor.form("Verify")[1]["ticket"]

        uuid = VerificationAttempt.objects.get().uuid

        for ticket in (first, second):
            payload = decoded(ticket)
            assert not any(spelling in payload for spelling in (uuid.hex, str(uuid), uuid.urn))


def decoded(ticket: str) -> str:
    """Return the readable part of a signed value."""
    body = ticket.split(":", maxsplit=1)[0].lstrip(".")
    data = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))
    return (zlib.decompress(data) if ticket.startswith(".") else data).decode()


class TestAnAttemptOfADeletedUser:
    """It belongs to no user, also if the user was deleted by SQL, which sends no signal."""

    @staticmethod
    def delete_by_sql(user: User) -> None:
        with connection.cursor() as cursor:
            cursor.execute("UPDATE django_telroi_verificationattempt SET user_id = NULL WHERE user_id = %s", [user.pk])

    def test_that_is_verified_has_no_proof(self, telroi: Simulator, ada: User) -> None:
        attempt = services.start_verification(NUMBER, user=ada)
        code = telroi.last_code_for(NUMBER)
        services.check_code(attempt.uuid, code, user=ada)
        self.delete_by_sql(ada)

        # This also holds before any request has read the row and spent the proof.
        assert proofs.proof_of(row(attempt), now=row(attempt).verified_at) is None
        for typed in (code, wrong(code)):
            with pytest.raises(AttemptNotFound):
                services.check_code(attempt.uuid, typed)

        assert row(attempt).proof_spent_at is not None

    def test_is_closed_by_the_sweep(self, telroi: Simulator, ada: User) -> None:
        attempt = services.start_verification(NUMBER, user=ada)
        self.delete_by_sql(ada)

        services.sweep()

        assert (row(attempt).status, row(attempt).due_at) == ("canceled", None)

    def test_is_not_placed_from_the_queue(self, telroi: Simulator, configure: Any, ada: User, enqueued: Any) -> None:
        configure(DISPATCH="celery")
        attempt = services.start_verification(NUMBER, user=ada)
        self.delete_by_sql(ada)

        services.place_call(attempt.pk)

        assert (row(attempt).status, len(telroi.requests)) == ("canceled", 0)
        assert attempt.phone.moments == () or row(attempt).phone.moments == ()

    def test_is_404_on_the_api(self, telroi: Simulator, ada: User) -> None:
        started = PhoneApi(ada).started()
        self.delete_by_sql(ada)

        api = PhoneApi()
        replies = [api.follow(started), api.check(started, "123456"), api.call_again(started), api.cancel(started)]

        assert [reply.status_code for reply in replies] == [404] * 4
        assert not VerifiedPhone.objects.exists()


class TestAnOldIdWithoutAUser:
    """It is valid until an hour after its code expired. An id from an old log must not place a call."""

    def test_is_404_everywhere_and_places_no_call(self, telroi: Simulator) -> None:
        api = PhoneApi()
        started = api.started()
        let_time_pass(300 + 3601, telroi)
        rung = len(telroi.requests)

        replies = [api.follow(started), api.check(started, "123456"), api.call_again(started), api.cancel(started)]

        assert [reply.status_code for reply in replies] == [404] * 4
        assert len(telroi.requests) == rung

    def test_is_409_for_a_start(self, telroi: Simulator) -> None:
        api = PhoneApi()
        started = api.started()
        let_time_pass(300 + 3601, telroi)

        reply = api.start(key=started)

        assert (reply.status_code, reply.json()["code"]) == (409, "idempotency_key_used")

    def test_is_valid_before(self, telroi: Simulator) -> None:
        api = PhoneApi()
        started = api.started()
        let_time_pass(300 + 3590, telroi)

        assert api.follow(started).json()["status"] == "expired"

    def test_with_a_user_stays_valid_for_that_user(self, telroi: Simulator, ada: User) -> None:
        api = PhoneApi(ada)
        started = api.started()
        let_time_pass(10**5, telroi)

        assert api.follow(started).json()["status"] == "expired"


def test_a_used_id_with_another_purpose_is_another_request(telroi: Simulator, configure: Any) -> None:
    configure(PURPOSES=["", "payout"])
    api = PhoneApi()
    started = api.started()
    api.check(started, telroi.last_code_for(NUMBER))

    reply = api.start(key=started, purpose="payout")

    assert (reply.status_code, reply.json()["code"]) == (409, "idempotency_key_used")
    with pytest.raises(AttemptNotFound):
        services.start_verification(NUMBER, purpose="payout", attempt_uuid=UUID(started))


def test_a_proof_is_invalid_for_another_purpose(telroi: Simulator) -> None:
    attempt = services.start_verification(NUMBER, purpose="a")
    proof = services.check_code(attempt.uuid, telroi.last_code_for(NUMBER)).proof

    with pytest.raises(ProofRejected):
        services.read_proof(proof or "", purpose="b")
