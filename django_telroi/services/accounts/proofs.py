"""A proof: for people without an account, this site's own word that they answered a number just now.

The token is the attempt's public id, signed. All else is in the row, so that a proof can be spent once, and the number
stands in no form, URL or log.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, Self
from uuid import UUID

from django.contrib.auth.base_user import AbstractBaseUser
from django.core import signing
from django.core.exceptions import BadRequest, ValidationError
from django.db import transaction
from django.views.decorators.debug import sensitive_variables

from django_telroi import conf
from django_telroi.domain.states import Status
from django_telroi.errors import AttemptNotFound, InvalidPurpose, NumberTaken, ProofRejected, UserNotFound
from django_telroi.models import DbNow, VerificationAttempt, VerifiedPhone
from django_telroi.redaction import redact_arguments
from django_telroi.services.accounts.phones import (
    forget_record,
    is_taken,
    record_verified_phone,
    signal_verified,
    verified_phones,
)
from django_telroi.services.attempts.find import find_attempt
from django_telroi.services.attempts.transitions import RIGHT_CODE_LIFETIME
from django_telroi.services.sentences import SENTENCES
from django_telroi.services.shared.arguments import is_storable, owner_id, typed_arguments
from django_telroi.services.shared.transactions import (
    DATABASE_LOST,
    repeat_on_lock_error,
    unavailable_without_database,
    write_alias,
)

SALT = "django_telroi.proof"
LONGEST_TOKEN = 200


class RejectedInForm(ProofRejected, ValidationError, BadRequest):  # type: ignore[misc]  # the two codes agree
    """How every ProofRejected is raised here: a form shows it as an error, with the sentence and the code.

    Where a view lets it through, Django answers 400 and not 500.
    """

    def __init__(self) -> None:
        words: Any = SENTENCES[type(self).code]
        ValidationError.__init__(self, words, code=type(self).code)

    def __str__(self) -> str:
        return self.words

    def __reduce__(self) -> tuple[type[Self], tuple[()]]:
        return type(self), ()


class TakenInForm(NumberTaken, RejectedInForm):  # type: ignore[misc]
    """The same for NumberTaken."""


def proof_of(attempt: VerificationAttempt, *, now: datetime) -> str | None:
    """The token of a verified attempt without a user, while it is good for something."""
    if attempt.proof_spent_at is not None or not _gives_proof(attempt, now=now):
        return None
    return signing.Signer(salt=SALT).sign(str(attempt.uuid))


def _gives_proof(attempt: VerificationAttempt, *, now: datetime) -> bool:
    """Whether the attempt is one whose proof is good now, if it is unspent."""
    if attempt.status != Status.VERIFIED or attempt.had_user or attempt.user_id is not None:
        return False
    if attempt.livemode is False and not conf.allow_test_key():
        return False
    return attempt.verified_at is not None and now < attempt.verified_at + RIGHT_CODE_LIFETIME


def proof_for(attempt_uuid: UUID, *, user: AbstractBaseUser | None = None) -> str | None:
    """The proof that an attempt gives right now.

    Only for the session that typed the right code: the id alone does not show that.
    """
    try:
        attempt, now = find_attempt(attempt_uuid, user=user, using=write_alias())
    except (AttemptNotFound, UserNotFound, *DATABASE_LOST):
        return None
    return proof_of(attempt, now=now)


@redact_arguments("token")
@typed_arguments
@sensitive_variables()
@unavailable_without_database()
def read_proof(token: str, *, purpose: str, now: datetime | None = None) -> str:
    """The number (E.164) that ``token`` proves for ``purpose``; it stays unspent.

    A proof is good for 10 minutes after the verification. Raises ProofRejected, without a reason: whoever made one up
    should not learn what was wrong with it.
    """
    return _proven(token, purpose=purpose, now=now).number


@redact_arguments("token")
@typed_arguments
@sensitive_variables()
@unavailable_without_database()
def redeem_proof(token: str, *, purpose: str, user: AbstractBaseUser | None = None, now: datetime | None = None) -> str:
    """Spend the proof, once and for all, and return its number (E.164); with ``user`` write their ``VerifiedPhone``.

    A purpose in ``PURPOSES_WITHOUT_RECORD`` leaves no record. With ``user`` the signal ``phone_verified`` is sent.

    Call it inside the transaction that saves what the proof is for: a sign-up that rolls back leaves it unspent. Raises
    ProofRejected, and NumberTaken where the site allows one account a number and another has this one: then the proof
    stays unspent. Both are ValidationErrors for a form.
    """
    using = write_alias()
    attempt = _proven(token, purpose=purpose, now=now)
    spend = partial(_spend, attempt, user, at=now or attempt.read_at, using=using)  # type: ignore[attr-defined]
    repeat_on_lock_error(spend, using=using)
    return attempt.number


@redact_arguments("token")
@typed_arguments
@sensitive_variables()
@unavailable_without_database()
def add_phone(token: str, *, purpose: str, user: AbstractBaseUser) -> VerifiedPhone:
    """Spend the proof for a user who has an account already, and return their record of its number.

    A repeat for the same user returns the same record for as long as the proof is good, because the answer to the first
    request may have been lost. Not once the number was forgotten or moved to another account.

    Raises InvalidPurpose for one that the site does not have or that never writes a record; otherwise like
    ``redeem_proof``.
    """
    if purpose not in conf.purposes() or not conf.writes_record(purpose):
        raise InvalidPurpose
    using = write_alias()
    try:
        attempt = _proven(token, purpose=purpose, now=None)
        return repeat_on_lock_error(partial(_add, attempt, user, using=using), using=using)
    except NumberTaken:
        raise
    except ProofRejected:
        added = _added_before(token, user, purpose=purpose, using=using)
        if added is None:
            raise
        return added


def _added_before(token: str, user: AbstractBaseUser, *, purpose: str, using: str) -> VerifiedPhone | None:
    """The record of ``user`` that this proof wrote, while the proof would be good if it were unspent."""
    attempt = _attempt_behind(token, purpose=purpose, using=using)
    now = attempt.read_at  # type: ignore[attr-defined]
    if attempt.proof_spent_at is None or not _gives_proof(attempt, now=now):
        return None
    return verified_phones(user).filter(number=attempt.number, purpose=purpose, attempt=attempt).first()


def _add(attempt: VerificationAttempt, user: AbstractBaseUser, *, using: str) -> VerifiedPhone:
    with transaction.atomic(using=using):
        _spend(attempt, user, at=attempt.read_at, using=using)  # type: ignore[attr-defined]
        return verified_phones(user).get(number=attempt.number, purpose=attempt.purpose)


def _spend(attempt: VerificationAttempt, user: AbstractBaseUser | None, *, at: datetime, using: str) -> None:
    user_id = owner_id(user)
    writes_record = user_id is not None and conf.writes_record(attempt.purpose)
    with transaction.atomic(using=using):
        if writes_record and is_taken(attempt.number, user_id=user_id, using=using):
            raise TakenInForm
        unspent = VerificationAttempt.objects.using(using).filter(pk=attempt.pk, proof_spent_at=None)
        if not unspent.update(proof_spent_at=at):
            raise RejectedInForm
        if writes_record and attempt.verified_at is not None:
            record_verified_phone(attempt, user_id, verified_at=attempt.verified_at, using=using)
            forget_record(user)
        attempt.proof_spent_at = at
        if user_id is not None:
            signal_verified(attempt, user_id=user_id, user=user, using=using)


@dataclass(frozen=True)
class Proof:
    """A proof that was read and found good, for whoever saves what it is for: a form's or a serializer's value."""

    token: str = field(repr=False)
    purpose: str
    number: str = field(repr=False)

    @classmethod
    def read(cls, token: str, *, purpose: str) -> Self:
        """Raises ProofRejected. Nothing is spent."""
        return cls(token, purpose, read_proof(token, purpose=purpose))

    def redeem(self, *, user: AbstractBaseUser | None = None) -> str:
        """Spend it; see ``redeem_proof``. Raises ProofRejected where it was spent since it was read."""
        return redeem_proof(self.token, purpose=self.purpose, user=user)


def _proven(token: str, *, purpose: str, now: datetime | None) -> VerificationAttempt:
    """The attempt behind a token that is good right now."""
    attempt = _attempt_behind(token, purpose=purpose, using=write_alias())
    if proof_of(attempt, now=now or attempt.read_at) is None:  # type: ignore[attr-defined]
        raise RejectedInForm
    return attempt


def _attempt_behind(token: str, *, purpose: str, using: str) -> VerificationAttempt:
    """The attempt whose proof has this token, whether or not it is good for anything, with the database's ``read_at``.

    Raises ProofRejected.
    """
    try:
        uuid = signing.Signer(salt=SALT).unsign(token[:LONGEST_TOKEN])
    except (signing.BadSignature, UnicodeEncodeError):
        # JSON may bring half a surrogate pair, which nothing can be the signature of.
        raise RejectedInForm from None
    if not is_storable(purpose, using=using):
        raise ProofRejected
    rows = VerificationAttempt.objects.using(using).select_related("phone").annotate(read_at=DbNow())
    attempt = rows.filter(uuid=uuid, purpose=purpose).first()
    if attempt is None:
        raise RejectedInForm
    return attempt
