"""Whose phone is whose: records, proofs, and one account a number where a site wants that."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.contrib.auth.models import AnonymousUser, User
from django.db import transaction

from django_telroi import services
from django_telroi.backends.locmem import outbox
from django_telroi.errors import ProofRejected
from django_telroi.models import VerificationAttempt, VerifiedPhone
from django_telroi.services import CheckResult
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

    def test_gives_no_proof_of_a_number_that_an_account_has(self, ada: User) -> None:
        verify(user=ada)
        let_time_pass(61)

        result = verify()

        assert (result.outcome, result.proof) == ("number_taken", None)

    def test_takes_no_proof_for_a_number_that_was_taken_meanwhile(self, ada: User, ben: User) -> None:
        proof = verify().proof or ""
        let_time_pass(61)
        verify(user=ada)

        with pytest.raises(ProofRejected):
            services.redeem_proof(proof, purpose="", user=ben)

        assert [phone.user for phone in VerifiedPhone.objects.all()] == [ada]

    def test_gives_it_away_again_once_it_is_forgotten(self, ada: User, ben: User) -> None:
        verify(user=ada)
        let_time_pass(61)
        services.forget_phone(ada, NUMBER)

        assert verify(user=ben).outcome == "verified"
