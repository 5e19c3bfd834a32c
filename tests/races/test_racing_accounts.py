"""Concurrent claims of one number by many accounts, on a site that allows one account per number."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone

from django_telroi.domain.states import Dispatch, Status
from django_telroi.errors import NumberTaken
from django_telroi.models import PhoneNumber, VerificationAttempt, VerifiedPhone
from django_telroi.services import move_number, redeem_proof
from django_telroi.services.accounts.proofs import proof_of
from tests.races.racing import errors, race, values

pytestmark = pytest.mark.django_db(transaction=True)

NUMBER = "+2348031234567"
ACCOUNTS = 10


def proof_just_earned(phone: PhoneNumber) -> str:
    now = timezone.now()
    attempt = VerificationAttempt.objects.create(
        phone=phone,
        status=Status.VERIFIED,
        dispatch=Dispatch.INLINE,
        max_tries=3,
        expires_at=now + timedelta(minutes=5),
        verified_at=now,
    )
    proof = proof_of(attempt, now=now)
    assert proof
    return proof


def test_one_of_concurrent_accounts_gets_the_number(settings: Any, repeat: int) -> None:
    settings.TELROI = {"ONE_ACCOUNT_PER_NUMBER": True}
    phone = PhoneNumber.objects.create(number=NUMBER, last4="4567", region="NG")
    users = [User.objects.create_user(f"user{ordinal}") for ordinal in range(ACCOUNTS)]
    proofs = [proof_just_earned(phone) for _ in users]

    claims = [partial(redeem_proof, proof, purpose="", user=user) for proof, user in zip(proofs, users, strict=True)]
    finishes = race(claims)

    assert all(isinstance(error, NumberTaken) for error in errors(finishes))
    assert [number for number in values(finishes) if number] == [NUMBER]
    assert VerifiedPhone.objects.count() == 1
    assert VerificationAttempt.objects.exclude(proof_spent_at=None).count() == 1


def test_a_number_that_moves_during_claims_of_accounts_has_one_account(settings: Any, repeat: int) -> None:
    settings.TELROI = {"ONE_ACCOUNT_PER_NUMBER": True}
    phone = PhoneNumber.objects.create(number=NUMBER, last4="4567", region="NG")
    users = [User.objects.create_user(f"user{ordinal}") for ordinal in range(ACCOUNTS)]
    VerifiedPhone.objects.create(user=users[0], number=NUMBER, verified_at=timezone.now() - timedelta(hours=1))
    move = partial(move_number, NUMBER, user=users[1], reason="recycled", actor="grace")

    claims: list[Any] = [partial(redeem_proof, proof_just_earned(phone), purpose="", user=user) for user in users[2:]]
    finishes = race([*claims, move])

    assert all(isinstance(error, NumberTaken) for error in errors(finishes))
    claimed = [number for number in values(finishes) if number == NUMBER]
    assert len(claimed) == VerifiedPhone.objects.count() <= 1
    assert not VerifiedPhone.objects.filter(user=users[0]).exists()
