"""Phones of users: records, proofs, and one account per number if the site requires it."""

from __future__ import annotations

import pickle
from datetime import timedelta
from types import SimpleNamespace

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.core.exceptions import BadRequest, ValidationError
from django.db import transaction

from django_telroi import services
from django_telroi.backends.locmem import outbox
from django_telroi.errors import NumberTaken, ProofRejected
from django_telroi.models import VerificationAttempt, VerifiedPhone
from django_telroi.services import CheckResult
from django_telroi.services.sentences import sentence
from tests.calling_site import Configure
from tests.services.world import NUMBER, OTHER_NUMBER, Heard, before_the_first, let_time_pass, row_counts

pytestmark = pytest.mark.django_db


def verify(number: str = NUMBER, *, user: User | None = None, purpose: str = "") -> CheckResult:
    attempt = services.start_verification(number, user=user, purpose=purpose)
    return services.check_code(attempt.uuid, outbox[-1].code, user=user)


class TestAUser:
    """Has the numbers that they answered."""

    def test_has_none_before(self, ada: User) -> None:
        assert not services.has_verified_phone(ada)
        assert not services.has_verified_phone(AnonymousUser())  # type: ignore[arg-type]

    def test_has_one_after(self, ada: User, ben: User) -> None:
        verify(user=ada, purpose="payout")

        asked = [services.has_verified_phone(ada, purpose=purpose) for purpose in (None, "payout", "")]
        assert asked == [True, True, False]
        assert [phone.number for phone in services.verified_phones(ada)] == [NUMBER]
        assert not services.has_verified_phone(ben)

    def test_has_it_for_as_long_as_the_site_says(self, ada: User) -> None:
        verify(user=ada)
        let_time_pass(3600)

        ages = [services.has_verified_phone(ada, max_age=timedelta(minutes=minutes)) for minutes in (59, 61)]
        assert ages == [False, True]

    def test_loses_a_number_that_is_forgotten_and_no_other(self, ada: User, ben: User) -> None:
        for user, number in ((ada, NUMBER), (ada, OTHER_NUMBER), (ben, NUMBER)):
            verify(number, user=user)
            let_time_pass(61)

        assert services.forget_phone(ada, "\x00") == services.forget_phone(ada, "\ud800") == 0
        assert services.forget_phone(ada, f"\u202d{NUMBER[:4]}\u00a0{NUMBER[4:]}\u202c") == 1
        assert [phone.number for phone in services.verified_phones(ada)] == [OTHER_NUMBER]
        assert services.has_verified_phone(ben)

    def test_that_forgot_a_number_gets_no_success_for_its_old_code(self, ada: User) -> None:
        result = verify(user=ada)

        services.forget_phone(ada, NUMBER)

        again = services.check_code(result.attempt.uuid, outbox[-1].code, user=ada)
        assert (again.outcome, services.has_verified_phone(ada)) == ("already_verified", False)

    def test_that_forgot_a_number_gets_no_success_for_the_code_of_its_proof(self, ada: User) -> None:
        result = verify()
        services.redeem_proof(result.proof or "", purpose="", user=ada)

        services.forget_phone(ada, NUMBER)

        assert services.check_code(result.attempt.uuid, outbox[-1].code).outcome == "already_verified"

    def test_keeps_the_record_when_its_attempt_is_gone(self, ada: User) -> None:
        verify(user=ada)

        VerificationAttempt.objects.all().delete()

        assert services.has_verified_phone(ada)


class TestAProof:
    """This site's word that somebody answered a number just now: once, for one purpose, for ten minutes."""

    def test_tells_its_number_and_stays_unspent(self) -> None:
        proof = verify(purpose="sign-up").proof

        assert [services.read_proof(proof or "", purpose="sign-up") for _ in range(2)] == [NUMBER, NUMBER]

    def test_is_spent_once(self, ada: User) -> None:
        proof = verify().proof or ""

        assert services.redeem_proof(proof, purpose="", user=ada) == NUMBER
        for use in (services.read_proof, services.redeem_proof):
            with pytest.raises(ProofRejected):
                use(proof, purpose="")
        assert VerifiedPhone.objects.get().user == ada
        assert VerifiedPhone.objects.get().verified_at == VerificationAttempt.objects.get().verified_at

    def test_is_spent_once_by_two_who_have_both_read_it_unspent(self, ada: User, ben: User) -> None:
        proof = verify().proof or ""
        spent: list[str] = []

        def spend_it_first() -> None:
            spent.append(services.redeem_proof(proof, purpose="", user=ben))

        with before_the_first("SAVEPOINT", spend_it_first), pytest.raises(ProofRejected):
            services.redeem_proof(proof, purpose="", user=ada)

        assert spent == [NUMBER]
        assert [phone.user for phone in VerifiedPhone.objects.all()] == [ben]

    def test_may_be_spent_for_nobody(self) -> None:
        for user in (None, AnonymousUser()):
            proof = verify().proof or ""
            assert services.redeem_proof(proof, purpose="", user=user) == NUMBER  # type: ignore[arg-type]
            let_time_pass(61)

        assert VerifiedPhone.objects.count() == 0

    def test_stays_unspent_where_a_sign_up_rolls_back(self, ada: User) -> None:
        proof = verify().proof or ""

        with pytest.raises(ZeroDivisionError):
            self._sign_up_and_fail(proof, ada)

        assert services.read_proof(proof, purpose="") == NUMBER
        assert VerifiedPhone.objects.count() == 0

    @transaction.atomic
    def _sign_up_and_fail(self, proof: str, user: User) -> None:
        services.redeem_proof(proof, purpose="", user=user)
        raise ZeroDivisionError

    @pytest.mark.parametrize(("seconds", "is_good"), [(590, True), (601, False)])
    def test_is_good_for_ten_minutes_from_the_verification(self, seconds: int, is_good: bool) -> None:
        result = verify()
        now = (result.attempt.verified_at or result.attempt.created_at) + timedelta(seconds=seconds)

        try:
            read = services.read_proof(result.proof or "", purpose="", now=now)
        except ProofRejected:
            read = ""

        assert bool(read) is is_good

    def test_is_given_again_on_a_double_click_and_not_once_it_is_spent(self) -> None:
        attempt = verify().attempt
        again = services.check_code(attempt.uuid, outbox[-1].code).proof or ""
        services.redeem_proof(again, purpose="")

        assert services.check_code(attempt.uuid, outbox[-1].code).proof is None

    @pytest.mark.parametrize(
        "spoil",
        [
            lambda proof: "",
            lambda proof: proof[:-1],
            lambda proof: proof + "x",
            lambda proof: proof.partition(":")[0],
            lambda proof: proof.replace(proof[0], "f" if proof[0] != "f" else "e", 1),
            lambda proof: "é" * 50,
            lambda proof: "\ud800",
            lambda proof: "x" * 10**6,
            lambda proof: proof + "\x00",
        ],
    )
    def test_that_was_tampered_with_is_none(self, spoil: object) -> None:
        proof = spoil(verify().proof)  # type: ignore[operator]

        for use in (services.read_proof, services.redeem_proof):
            with pytest.raises(ProofRejected):
                use(proof, purpose="")

    def test_of_one_purpose_is_none_of_another(self) -> None:
        proof = verify(purpose="sign-up").proof or ""

        for use in (services.read_proof, services.redeem_proof):
            with pytest.raises(ProofRejected):
                use(proof, purpose="payout")

    def test_is_worth_nothing_on_another_site(self, settings: object) -> None:
        proof = verify().proof or ""
        settings.SECRET_KEY = "another"  # type: ignore[attr-defined]

        with pytest.raises(ProofRejected):
            services.read_proof(proof, purpose="")


class TestASiteThatAllowsOneAccountANumber:
    """The first account that answers it has it."""

    @pytest.fixture(autouse=True)
    def _one(self, configure: Configure) -> None:
        configure(ONE_ACCOUNT_PER_NUMBER=True)

    def test_gives_it_to_the_first(self, ada: User) -> None:
        result = verify(user=ada)

        assert (result.outcome, services.has_verified_phone(ada)) == ("verified", True)

    def test_tells_the_second_that_it_is_taken_and_nobody_else_of_a_verification(
        self, ada: User, ben: User, heard: Heard
    ) -> None:
        verify(user=ada)
        let_time_pass(61)

        result = verify(user=ben)

        again = services.check_code(result.attempt.uuid, outbox[-1].code, user=ben)
        assert (result.outcome, again.outcome, result.proof) == ("number_taken", "number_taken", None)
        assert not services.has_verified_phone(ben)
        assert heard.names == ["call_placed", "phone_verified", "call_placed"]

    def test_lets_the_same_account_answer_again_for_anything(self, ada: User) -> None:
        for purpose in ("", "", "payout"):
            assert verify(user=ada, purpose=purpose).outcome == "verified"
            let_time_pass(61)

        assert row_counts()["VerifiedPhone"] == 2

    def test_gives_its_owner_a_proof_who_is_logged_out(self, ada: User, heard: Heard) -> None:
        verify(user=ada)
        let_time_pass(61)

        result = verify()

        assert (result.outcome, services.read_proof(result.proof or "", purpose="")) == ("verified", NUMBER)
        assert heard.names.count("phone_verified") == 2

    def test_takes_the_proof_of_the_account_that_has_the_number(self, ada: User) -> None:
        verify(user=ada)
        let_time_pass(61)

        assert services.redeem_proof(verify().proof or "", purpose="", user=ada) == NUMBER
        assert [phone.user for phone in VerifiedPhone.objects.all()] == [ada]

    def test_refuses_the_proof_of_another_account_as_taken_and_leaves_it_unspent(
        self, ada: User, ben: User, heard: Heard
    ) -> None:
        verify(user=ada)
        let_time_pass(61)
        proof = verify().proof or ""

        with pytest.raises(NumberTaken) as refusal:
            services.redeem_proof(proof, purpose="", user=ben)

        assert (refusal.value.code, services.read_proof(proof, purpose="")) == ("number_taken", NUMBER)
        assert [phone.user for phone in VerifiedPhone.objects.all()] == [ada]
        assert heard.names.count("phone_verified") == 2

    def test_takes_a_proof_that_is_spent_for_nobody_whoever_has_the_number(self, ada: User) -> None:
        verify(user=ada)
        let_time_pass(61)

        assert services.redeem_proof(verify().proof or "", purpose="") == NUMBER

    def test_gives_it_away_again_once_it_is_forgotten(self, ada: User, ben: User) -> None:
        verify(user=ada)
        let_time_pass(61)
        services.forget_phone(ada, NUMBER)

        assert verify(user=ben).outcome == "verified"


class TestAPurposeWithoutRecord:
    """Such as a login: it shows that somebody answers a number now, and makes it nobody's."""

    @pytest.fixture(autouse=True)
    def _login(self, configure: Configure) -> None:
        configure(PURPOSES=["", "login"], PURPOSES_WITHOUT_RECORD=["login"], ONE_ACCOUNT_PER_NUMBER=True)

    def test_is_verified_for_a_user_and_leaves_no_record(self, ada: User) -> None:
        assert verify(user=ada, purpose="login").outcome == "verified"
        assert not services.has_verified_phone(ada)

    def test_is_verified_for_a_user_although_another_account_has_the_number(self, ada: User, ben: User) -> None:
        verify(user=ada)
        let_time_pass(61)

        assert verify(user=ben, purpose="login").outcome == "verified"
        assert [phone.user for phone in VerifiedPhone.objects.all()] == [ada]

    def test_gives_a_proof_that_is_spent_without_a_record(self, ada: User, ben: User) -> None:
        verify(user=ada)
        let_time_pass(61)
        proof = verify(purpose="login").proof or ""

        assert services.redeem_proof(proof, purpose="login", user=ben) == NUMBER

        with pytest.raises(ProofRejected):
            services.read_proof(proof, purpose="login")
        assert not services.has_verified_phone(ben)


class TestTheSignalOfAVerification:
    """``phone_verified`` brings the attempt and the user, whichever way the number came to them."""

    def test_of_a_user_brings_the_user(self, ada: User, heard: Heard) -> None:
        attempt = verify(user=ada).attempt

        assert told_of(heard) == [(attempt.pk, ada)]

    def test_of_nobody_brings_none_and_then_the_user_who_signs_up(self, ada: User, heard: Heard) -> None:
        result = verify()
        services.redeem_proof(result.proof or "", purpose="", user=ada)

        assert told_of(heard) == [(result.attempt.pk, None), (result.attempt.pk, ada)]
        assert told_of(heard)[1][1] is ada

    def test_of_a_proof_that_is_spent_for_nobody_is_sent_once(self, heard: Heard) -> None:
        services.redeem_proof(verify().proof or "", purpose="")

        assert len(told_of(heard)) == 1

    def test_of_a_sign_up_that_rolls_back_is_not_sent(self, ada: User, heard: Heard) -> None:
        proof = verify().proof or ""

        with pytest.raises(ZeroDivisionError):
            TestAProof()._sign_up_and_fail(proof, ada)

        assert len(told_of(heard)) == 1

    def test_brings_the_user_of_the_site_where_a_token_stands_for_them(self, ada: User, heard: Heard) -> None:
        stands_for = SimpleNamespace(pk=str(ada.pk), is_authenticated=True)

        services.redeem_proof(verify().proof or "", purpose="", user=stands_for)  # type: ignore[arg-type]

        assert told_of(heard)[1][1] == ada


def told_of(heard: Heard) -> list[tuple[int, User | None]]:
    """The attempts and users that ``phone_verified`` brought."""
    assert heard.names
    return [(told["attempt"].pk, told["user"]) for name, told in heard.told if name == "phone_verified"]


@pytest.mark.parametrize("error", [ProofRejected, NumberTaken])
def test_a_refused_proof_is_an_error_of_a_form_and_a_bad_request_and_survives_pickling(
    ada: User, ben: User, configure: Configure, error: type[ProofRejected]
) -> None:
    configure(ONE_ACCOUNT_PER_NUMBER=True)
    verify(user=ada)
    let_time_pass(61)
    proof = verify().proof or ""

    with pytest.raises(error) as refusal:
        services.redeem_proof(proof if error is NumberTaken else "", purpose="", user=ben)

    again = pickle.loads(pickle.dumps(refusal.value))
    assert isinstance(again, (ValidationError, BadRequest))
    assert (again.code, again.messages) == (error.code, [sentence(error.code)])
    assert str(again) == str(refusal.value) == error.description
