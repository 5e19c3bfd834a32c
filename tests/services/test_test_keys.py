"""If ``ALLOW_TEST_KEY`` is off, neither a test key nor an answer to one verifies a number."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from django.contrib.auth.models import User
from django.db import transaction

from django_telroi import services
from django_telroi.errors import Misconfigured, ProofRejected
from django_telroi.models import VerificationAttempt, VerifiedPhone
from django_telroi.services import place_call, record_event
from django_telroi.simulator import Simulator
from tests.calling_site import Configure
from tests.services.world import NUMBER, Heard, commit, sends
from tests.webhooks.telroi import event_of

pytestmark = [pytest.mark.django_db, pytest.mark.codes("telroi")]


@pytest.fixture(autouse=True)
def _not_allowed(telroi: Simulator, configure: Configure) -> None:
    configure(ALLOW_TEST_KEY=False)


def verified() -> list[str]:
    """Return everything that counts as verified, in any table."""
    return [*VerificationAttempt.objects.filter(status="verified"), *VerifiedPhone.objects.all()]


class TestARejectedTestKey:
    """The key is not used."""

    @pytest.fixture(autouse=True)
    def _test_key(self, telroi: Simulator, configure: Configure) -> None:
        configure(API_KEY=telroi.test_key)

    def test_starts_no_call(self, telroi: Simulator) -> None:
        with pytest.raises(Misconfigured):
            services.start_verification(NUMBER)

        assert (telroi.requests, verified()) == ([], [])

    def test_places_no_queued_call(self, telroi: Simulator, configure: Configure) -> None:
        configure(API_KEY=telroi.api_key)
        with transaction.atomic():
            attempt = services.start_verification(NUMBER)
            configure(API_KEY=telroi.test_key)
        commit()
        place_call(attempt.pk)

        attempt.refresh_from_db()
        assert (attempt.status, attempt.error_code, sends(telroi)) == ("failed", "misconfigured", 0)

    def test_judges_no_code(self, telroi: Simulator, configure: Configure, ada: User) -> None:
        configure(API_KEY=telroi.api_key)
        attempt = services.start_verification(NUMBER, user=ada)
        configure(API_KEY=telroi.test_key)

        outcomes = {str(services.check_code(attempt.uuid, code, user=ada).outcome) for code in ("000000", "123456")}

        assert (outcomes, verified()) == ({"unavailable"}, [])


@pytest.fixture
def placed(telroi: Simulator, configure: Configure) -> VerificationAttempt:
    """A call that a test key placed while that was allowed. No phone rang."""
    configure(API_KEY=telroi.test_key, ALLOW_TEST_KEY=True)
    attempt = services.start_verification(NUMBER)
    configure(API_KEY=telroi.api_key, ALLOW_TEST_KEY=False)
    assert attempt.livemode is False
    return attempt


class TestACallWithATestKey:
    """An attempt that was placed with a test key before test keys were forbidden."""

    @pytest.mark.parametrize("livemode", [True, False, None])
    def test_is_not_verified_by_any_answer(
        self, telroi: Simulator, placed: VerificationAttempt, livemode: bool | None
    ) -> None:
        telroi.fail_always("fields", on="verify", change={"status": "verified", "verified": True, "livemode": livemode})

        outcomes = [str(services.check_code(placed.uuid, "000000").outcome) for _ in range(3)]

        assert (set(outcomes), verified()) == ({"unavailable"}, [])

    def test_has_no_proof_any_more(self, telroi: Simulator, configure: Configure) -> None:
        configure(API_KEY=telroi.test_key, ALLOW_TEST_KEY=True)
        attempt = services.start_verification(NUMBER)
        proof = services.check_code(attempt.uuid, "000000").proof
        assert proof
        configure(API_KEY=telroi.api_key, ALLOW_TEST_KEY=False)

        with pytest.raises(ProofRejected):
            services.read_proof(proof, purpose="")
        with pytest.raises(ProofRejected):
            services.redeem_proof(proof, purpose="")
        assert services.check_code(attempt.uuid, "000000").proof is None


class TestAnAnswerOfATestKey:
    """An answer of a test key to a request with a live key, as from a fake Telroi."""

    @pytest.mark.parametrize("waited", [False, True], ids=["inline", "queued"])
    @pytest.mark.parametrize("status", ["verified", "already_verified"])
    def test_does_not_verify(self, telroi: Simulator, ada: User, heard: Heard, waited: bool, status: str) -> None:
        if waited:
            with transaction.atomic():
                attempt = services.start_verification(NUMBER, user=ada)
            commit()
        else:
            attempt = services.start_verification(NUMBER, user=ada)
        telroi.fail_always("fields", on="verify", change={"status": status, "verified": True, "livemode": False})
        code = telroi.last_code_for(NUMBER)

        results = [services.check_code(attempt.uuid, code, user=ada) for _ in range(4)]

        assert {result.proof for result in results} == {None}
        assert (verified(), "phone_verified" in heard.names) == ([], False)

    def test_does_not_verify_a_code_whose_own_answer_was_lost(self, telroi: Simulator) -> None:
        attempt = services.start_verification(NUMBER)
        code = telroi.last_code_for(NUMBER)
        telroi.fail_next("reset", on="verify")
        lost = services.check_code(attempt.uuid, code)
        change = {"status": "already_verified", "verified": True, "livemode": False}
        telroi.fail_always("fields", on="verify", change=change)

        repeated = services.check_code(attempt.uuid, code)

        assert (lost.outcome, repeated.outcome, repeated.proof, verified()) == ("unavailable", "unavailable", None, [])

    @pytest.mark.parametrize("name", ["otp.verified", "otp.completed"])
    def test_does_not_verify_by_a_webhook(self, telroi: Simulator, placed: VerificationAttempt, name: str) -> None:
        record_event(
            event_of(name, id=placed.telroi_id, to=NUMBER, at=datetime.now(UTC), verified=True, livemode=False)
        )

        assert verified() == []
