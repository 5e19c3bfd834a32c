"""One account per number at every isolation level, and a record that only becomes newer."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.utils import timezone

from django_telroi import services
from django_telroi.domain.states import Dispatch, Status
from django_telroi.errors import ProofRejected, Unavailable
from django_telroi.models import PhoneNumber, VerificationAttempt, VerifiedPhone
from django_telroi.services.accounts.proofs import proof_of
from tests.calling_site import Configure
from tests.services.world import Elsewhere

pytestmark = pytest.mark.django_db(transaction=True)

NUMBER = "+2348031234567"
ISOLATION = {
    "mysql": "SET SESSION TRANSACTION ISOLATION LEVEL {}",
    "postgresql": "SET SESSION CHARACTERISTICS AS TRANSACTION ISOLATION LEVEL {}",
}


@pytest.fixture
def phone(db: None) -> PhoneNumber:
    return PhoneNumber.objects.create(number=NUMBER, last4="4567", region="NG")


def proof_of_a_moment(phone: PhoneNumber, *, seconds_ago: float = 0, purpose: str = "") -> str:
    """Return the proof of a verification without an account, this long ago."""
    now = timezone.now()
    attempt = VerificationAttempt.objects.create(
        phone=phone,
        status=Status.VERIFIED,
        dispatch=Dispatch.INLINE,
        purpose=purpose,
        max_tries=3,
        expires_at=now + timedelta(minutes=5),
        verified_at=now - timedelta(seconds=seconds_ago),
    )
    return proof_of(attempt, now=now) or ""


class TestOneAccountPerNumber:
    @pytest.fixture(autouse=True)
    def _one(self, configure: Configure) -> None:
        configure(ONE_ACCOUNT_PER_NUMBER=True)

    @pytest.fixture(params=["READ COMMITTED", "REPEATABLE READ"])
    def isolation(self, request: Any, db: None) -> Any:
        if connection.vendor in ISOLATION:
            with connection.cursor() as cursor:
                cursor.execute(ISOLATION[connection.vendor].format(request.param))
        yield request.param
        connection.close()

    def test_holds_in_a_transaction_with_an_earlier_read(self, phone: PhoneNumber, isolation: str) -> None:
        """At REPEATABLE READ, later reads see the rows of the first read, unless they lock."""
        ada, ben = User.objects.create_user("ada"), User.objects.create_user("ben")
        proofs = [proof_of_a_moment(phone) for _ in range(2)]

        with transaction.atomic():
            assert VerifiedPhone.objects.count() == 0
            redeem_elsewhere(proofs[0], ada)
            # PostgreSQL aborts the transaction at REPEATABLE READ with a serialization failure.
            with pytest.raises((ProofRejected, Unavailable)):
                services.redeem_proof(proofs[1], purpose="", user=ben)

        assert [record.user for record in VerifiedPhone.objects.all()] == [ada]


def redeem_elsewhere(proof: str, user: User) -> None:
    if connection.vendor == "sqlite":  # one writer at a time: a read here would block the other transaction
        services.redeem_proof(proof, purpose="", user=user)
    else:
        Elsewhere(lambda: services.redeem_proof(proof, purpose="", user=user)).result()


class TestARecord:
    def test_is_not_replaced_by_an_older_proof(self, phone: PhoneNumber) -> None:
        ada = User.objects.create_user("ada")
        late, early = proof_of_a_moment(phone), proof_of_a_moment(phone, seconds_ago=300)
        services.redeem_proof(late, purpose="", user=ada)
        newest = the_record()

        services.redeem_proof(early, purpose="", user=ada)

        assert the_record() == newest

    def test_is_renewed_by_a_newer_one(self, phone: PhoneNumber) -> None:
        ada = User.objects.create_user("ada")
        early, late = proof_of_a_moment(phone, seconds_ago=300), proof_of_a_moment(phone)
        services.redeem_proof(early, purpose="", user=ada)
        oldest = the_record()

        services.redeem_proof(late, purpose="", user=ada)

        moment, source = the_record()
        newest = VerificationAttempt.objects.latest("pk")
        assert (moment > oldest[0], moment, source) == (True, newest.verified_at, newest.pk)


def the_record() -> tuple[datetime, int | None]:
    record = VerifiedPhone.objects.get()
    return record.verified_at, record.attempt_id
