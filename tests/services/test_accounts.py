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
    """A user has the numbers whose codes they typed."""

    def test_has_no_number_before(self, ada: User) -> None:
        assert not services.has_verified_phone(ada)
        assert not services.has_verified_phone(AnonymousUser())  # type: ignore[arg-type]

    def test_has_a_number_after(self, ada: User, ben: User) -> None:
        verify(user=ada, purpose="payout")

        asked = [services.has_verified_phone(ada, purpose=purpose) for purpose in (None, "payout", "")]
        assert asked == [True, True, False]
        assert [phone.number for phone in services.verified_phones(ada)] == [NUMBER]
        assert not services.has_verified_phone(ben)

    def test_keeps_it_for_the_validity_that_the_site_sets(self, ada: User) -> None:
        verify(user=ada)
        let_time_pass(3600)

        ages = [services.has_verified_phone(ada, max_age=timedelta(minutes=minutes)) for minutes in (59, 61)]
        assert ages == [False, True]

    def test_loses_only_the_number_that_is_forgotten(self, ada: User, ben: User) -> None:
        for user, number in ((ada, NUMBER), (ada, OTHER_NUMBER), (ben, NUMBER)):
            verify(number, user=user)
            let_time_pass(61)

        assert services.forget_phone(ada, "\x00") == services.forget_phone(ada, "\ud800") == 0
        assert services.forget_phone(ada, f"\u202d{NUMBER[:4]}\u00a0{NUMBER[4:]}\u202c") == 1
        assert [phone.number for phone in services.verified_phones(ada)] == [OTHER_NUMBER]
        assert services.has_verified_phone(ben)

    def test_loses_the_number_only_for_the_purpose_that_is_named(self, ada: User) -> None:
        for purpose in ("", "payout"):
            services.record_verification(ada, NUMBER, purpose=purpose)

        assert services.forget_phone(ada, NUMBER, purpose="\x00") == 0
        assert services.forget_phone(ada, NUMBER, purpose="") == 1
        assert [phone.purpose for phone in services.verified_phones(ada)] == ["payout"]

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

    def test_keeps_the_record_when_its_attempt_is_deleted(self, ada: User) -> None:
        verify(user=ada)

        VerificationAttempt.objects.all().delete()

        assert services.has_verified_phone(ada)


class TestAProof:
    """A proof that a number was verified. It can be spent once, for one purpose, within ten minutes."""

    def test_contains_its_number_and_stays_unspent(self) -> None:
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

    def test_is_spent_once_when_two_requests_read_it_unspent(self, ada: User, ben: User) -> None:
        proof = verify().proof or ""
        spent: list[str] = []

        def spend_it_first() -> None:
            spent.append(services.redeem_proof(proof, purpose="", user=ben))

        with before_the_first("SAVEPOINT", spend_it_first), pytest.raises(ProofRejected):
            services.redeem_proof(proof, purpose="", user=ada)

        assert spent == [NUMBER]
        assert [phone.user for phone in VerifiedPhone.objects.all()] == [ben]

    def test_can_be_spent_without_a_user(self) -> None:
        for user in (None, AnonymousUser()):
            proof = verify().proof or ""
            assert services.redeem_proof(proof, purpose="", user=user) == NUMBER  # type: ignore[arg-type]
            let_time_pass(61)

        assert VerifiedPhone.objects.count() == 0

    def test_stays_unspent_when_a_sign_up_rolls_back(self, ada: User) -> None:
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
    def test_is_valid_for_ten_minutes_after_the_verification(self, seconds: int, is_good: bool) -> None:
        result = verify()
        now = (result.attempt.verified_at or result.attempt.created_at) + timedelta(seconds=seconds)

        try:
            read = services.read_proof(result.proof or "", purpose="", now=now)
        except ProofRejected:
            read = ""

        assert bool(read) is is_good

    def test_is_returned_again_on_a_double_click_until_it_is_spent(self) -> None:
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
    def test_with_a_changed_character_is_invalid(self, spoil: object) -> None:
        proof = spoil(verify().proof)  # type: ignore[operator]

        for use in (services.read_proof, services.redeem_proof):
            with pytest.raises(ProofRejected):
                use(proof, purpose="")

    def test_is_invalid_for_another_purpose(self) -> None:
        proof = verify(purpose="sign-up").proof or ""

        for use in (services.read_proof, services.redeem_proof):
            with pytest.raises(ProofRejected):
                use(proof, purpose="payout")

    def test_is_invalid_on_another_site(self, settings: object) -> None:
        proof = verify().proof or ""
        settings.SECRET_KEY = "another"  # type: ignore[attr-defined]

        with pytest.raises(ProofRejected):
            services.read_proof(proof, purpose="")


class TestOneAccountPerNumber:
    """The first account that verifies a number gets it."""

    @pytest.fixture(autouse=True)
    def _one(self, configure: Configure) -> None:
        configure(ONE_ACCOUNT_PER_NUMBER=True)

    def test_the_first_account_gets_the_number(self, ada: User) -> None:
        result = verify(user=ada)

        assert (result.outcome, services.has_verified_phone(ada)) == ("verified", True)

    def test_the_second_account_gets_number_taken_and_no_signal_is_sent(
        self, ada: User, ben: User, heard: Heard
    ) -> None:
        verify(user=ada)
        let_time_pass(61)

        result = verify(user=ben)

        again = services.check_code(result.attempt.uuid, outbox[-1].code, user=ben)
        assert (result.outcome, again.outcome, result.proof) == ("number_taken", "number_taken", None)
        assert not services.has_verified_phone(ben)
        assert heard.names == ["call_placed", "phone_verified", "call_placed"]

    def test_the_same_account_can_verify_again_for_any_purpose(self, ada: User) -> None:
        for purpose in ("", "", "payout"):
            assert verify(user=ada, purpose=purpose).outcome == "verified"
            let_time_pass(61)

        assert row_counts()["VerifiedPhone"] == 2

    def test_the_owner_gets_a_proof_while_logged_out(self, ada: User, heard: Heard) -> None:
        verify(user=ada)
        let_time_pass(61)

        result = verify()

        assert (result.outcome, services.read_proof(result.proof or "", purpose="")) == ("verified", NUMBER)
        assert heard.names.count("phone_verified") == 2

    def test_the_proof_of_the_account_that_has_the_number_is_accepted(self, ada: User) -> None:
        verify(user=ada)
        let_time_pass(61)

        assert services.redeem_proof(verify().proof or "", purpose="", user=ada) == NUMBER
        assert [phone.user for phone in VerifiedPhone.objects.all()] == [ada]

    def test_the_proof_of_another_account_raises_number_taken_and_stays_unspent(
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

    def test_a_proof_can_be_spent_without_a_user_although_an_account_has_the_number(self, ada: User) -> None:
        verify(user=ada)
        let_time_pass(61)

        assert services.redeem_proof(verify().proof or "", purpose="") == NUMBER

    def test_a_forgotten_number_can_be_verified_by_another_account(self, ada: User, ben: User) -> None:
        verify(user=ada)
        let_time_pass(61)
        services.forget_phone(ada, NUMBER)

        assert verify(user=ben).outcome == "verified"


class TestAPurposeWithoutRecord:
    """For example a login: it shows who uses a number now, and creates no record."""

    @pytest.fixture(autouse=True)
    def _login(self, configure: Configure) -> None:
        configure(PURPOSES=["", "login"], PURPOSES_WITHOUT_RECORD=["login"], ONE_ACCOUNT_PER_NUMBER=True)

    def test_is_verified_for_a_user_without_a_record(self, ada: User) -> None:
        assert verify(user=ada, purpose="login").outcome == "verified"
        assert not services.has_verified_phone(ada)

    def test_is_verified_for_a_user_although_another_account_has_the_number(self, ada: User, ben: User) -> None:
        verify(user=ada)
        let_time_pass(61)

        assert verify(user=ben, purpose="login").outcome == "verified"
        assert [phone.user for phone in VerifiedPhone.objects.all()] == [ada]

    def test_gives_a_proof_that_can_be_spent_without_a_record(self, ada: User, ben: User) -> None:
        verify(user=ada)
        let_time_pass(61)
        proof = verify(purpose="login").proof or ""

        assert services.redeem_proof(proof, purpose="login", user=ben) == NUMBER

        with pytest.raises(ProofRejected):
            services.read_proof(proof, purpose="login")
        assert not services.has_verified_phone(ben)


class TestTheSignalOfAVerification:
    """``phone_verified`` contains the attempt and the user, for every way to verify a number."""

    def test_contains_the_user(self, ada: User, heard: Heard) -> None:
        attempt = verify(user=ada).attempt

        assert told_of(heard) == [(attempt.pk, ada)]

    def test_has_no_user_until_the_proof_is_spent_for_one(self, ada: User, heard: Heard) -> None:
        result = verify()
        services.redeem_proof(result.proof or "", purpose="", user=ada)

        assert told_of(heard) == [(result.attempt.pk, None), (result.attempt.pk, ada)]
        assert told_of(heard)[1][1] is ada

    def test_is_sent_once_when_a_proof_is_spent_without_a_user(self, heard: Heard) -> None:
        services.redeem_proof(verify().proof or "", purpose="")

        assert len(told_of(heard)) == 1

    def test_is_not_sent_when_the_sign_up_rolls_back(self, ada: User, heard: Heard) -> None:
        proof = verify().proof or ""

        with pytest.raises(ZeroDivisionError):
            TestAProof()._sign_up_and_fail(proof, ada)

        assert len(told_of(heard)) == 1

    def test_contains_the_user_row_when_the_site_passes_a_token_user(self, ada: User, heard: Heard) -> None:
        stands_for = SimpleNamespace(pk=str(ada.pk), is_authenticated=True)

        services.redeem_proof(verify().proof or "", purpose="", user=stands_for)  # type: ignore[arg-type]

        assert told_of(heard)[1][1] == ada


def told_of(heard: Heard) -> list[tuple[int, User | None]]:
    """Return the attempts and users of the ``phone_verified`` signals."""
    assert heard.names
    return [(told["attempt"].pk, told["user"]) for name, told in heard.told if name == "phone_verified"]


@pytest.mark.parametrize("error", [ProofRejected, NumberTaken])
def test_a_rejected_proof_is_a_form_error_and_a_bad_request_and_can_be_pickled(
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
