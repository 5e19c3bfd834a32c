"""Whose number it is by now that a session has verified: what its card may say, and what it may offer."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from django.contrib.auth.base_user import AbstractBaseUser

from django_telroi import conf
from django_telroi.models import VerificationAttempt, VerifiedPhone
from django_telroi.services.accounts import verified_phones
from django_telroi.services.outcomes import CheckOutcome, outcome_of
from django_telroi.services.owners import owner_id
from django_telroi.services.proofs import proof_of
from django_telroi.services.transactions import unavailable_without_database, write_alias


class Holding(StrEnum):
    """What a verified attempt means now to the person who typed its code."""

    HELD = "held"
    """The number is in the user's record. Without a user, or without records: the verification still counts."""
    OFFERED = "offered"
    """It was verified before this user logged in, and its proof is good: it can be added to their account."""
    TAKEN = "taken"
    """The same, or the user's own verification, and the number is in the record of another account."""
    GONE = "gone"
    """It was taken away, or its proof is spent or too old."""


@unavailable_without_database()
def holding_of(attempt: VerificationAttempt, *, user: AbstractBaseUser | None, now: datetime) -> Holding:
    """To be asked of a verified attempt whose code this session has typed. Raises Unavailable."""
    user_id = owner_id(user)
    if user is None or user_id is None or not conf.writes_record(attempt.purpose):
        still_counts = attempt.user_id is not None or proof_of(attempt, now=now) is not None
        return Holding.HELD if still_counts else Holding.GONE
    if attempt.purpose in set(verified_phones(user).filter(number=attempt.number).values_list("purpose", flat=True)):
        return Holding.HELD
    if outcome_of(attempt) == CheckOutcome.NUMBER_TAKEN:
        return Holding.TAKEN
    if proof_of(attempt, now=now) is None:
        return Holding.GONE
    others = VerifiedPhone.objects.using(write_alias()).filter(number=attempt.number).exclude(user_id=user_id)
    return Holding.TAKEN if conf.one_account_per_number() and others.exists() else Holding.OFFERED
