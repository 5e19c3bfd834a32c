"""Proofs: signed tokens by which people without an account show that they verified a number a short time ago.

The token is the signed public id of the attempt. All else is in the row, so a proof can be spent only once, and no
form, URL or log contains the number.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any, Self
from uuid import UUID

from django.contrib.auth.base_user import AbstractBaseUser
from django.core import signing
from django.core.exceptions import BadRequest, ValidationError
from django.db import IntegrityError, transaction
from django.views.decorators.debug import sensitive_variables

from django_telroi import conf
from django_telroi.domain.states import Status
from django_telroi.errors import (
    AttemptNotFound,
    InvalidPurpose,
    NumberTaken,
    ProofRejected,
    UserNotFound,
)
from django_telroi.models import AttemptEvent, DbNow, EventKind, VerificationAttempt, VerifiedPhone
from django_telroi.redaction import redact_arguments
from django_telroi.services.accounts.phones import (
    forget_record,
    lock_and_check_taken,
    record_verified_phone,
    signal_verified,
    verified_phones,
)
from django_telroi.services.attempts.find import find_and_settle
from django_telroi.services.attempts.transitions import RIGHT_CODE_LIFETIME
from django_telroi.services.sentences import SENTENCES
from django_telroi.services.shared.arguments import is_gone, is_storable, owner_id, typed_arguments
from django_telroi.services.shared.reviewers import is_of_reviewer
from django_telroi.services.shared.transactions import (
    DATABASE_LOST,
    repeat_on_lock_error,
    unavailable_without_database,
    write_alias,
)

logger = logging.getLogger("django_telroi")


SALT = "django_telroi.proof"
MAX_TOKEN_LENGTH = 200
"""Characters. A token has about 80. Longer text from a form is cut, so that its signature costs little to check."""


class RejectedInForm(ProofRejected, ValidationError, BadRequest):  # type: ignore[misc]  # the two codes agree
    """The form of ProofRejected that is raised here. A form shows it as an error with its sentence and code.

    If a view does not catch it, Django answers 400 instead of 500.
    """

    def __init__(self) -> None:
        sentence: Any = SENTENCES[type(self).code]
        ValidationError.__init__(self, sentence, code=type(self).code)

    def __str__(self) -> str:
        return self.description

    def __reduce__(self) -> tuple[type[Self], tuple[()]]:
        return type(self), ()


class TakenInForm(NumberTaken, RejectedInForm):  # type: ignore[misc]
    """The same for NumberTaken."""


def proof_of(attempt: VerificationAttempt, *, now: datetime) -> str | None:
    """Return the token of a verified attempt without a user. None if its proof is spent or expired."""
    if attempt.proof_spent_at is not None or not _gives_proof(attempt, now=now):
        return None
    return signing.Signer(salt=SALT).sign(str(attempt.uuid))


def _gives_proof(attempt: VerificationAttempt, *, now: datetime) -> bool:
    """Return whether the proof of this attempt is valid now, if it is unspent."""
    if attempt.status != Status.VERIFIED or attempt.had_user or attempt.user_id is not None:
        return False
    if attempt.livemode is False and not conf.allow_test_key(attempt.key_name):
        return False
    return attempt.verified_at is not None and now < attempt.verified_at + RIGHT_CODE_LIFETIME


def load_proof(attempt_uuid: UUID, *, user: AbstractBaseUser | None = None) -> str | None:
    """Return the proof of an attempt, or None if it has none now or the database fails.

    Give it only to the session that typed the right code. The id of the attempt alone is not enough.
    """
    try:
        attempt, now = find_and_settle(attempt_uuid, user=user, using=write_alias())
    except (AttemptNotFound, UserNotFound, *DATABASE_LOST):
        return None
    return proof_of(attempt, now=now)


@redact_arguments("token")
@typed_arguments
@sensitive_variables()
@unavailable_without_database()
def read_proof(token: str, *, purpose: str, now: datetime | None = None) -> str:
    """Return the number (E.164) that ``token`` proves for ``purpose``. The proof stays unspent.

    A proof is valid for 10 minutes after the verification. ``now`` replaces the database's clock, for tests. Raises
    ProofRejected without a reason, because a forger should not learn what was wrong. Raises Unavailable if the database
    fails.
    """
    return _attempt_of_valid_proof(token, purpose=purpose, now=now).number


@redact_arguments("token")
@typed_arguments
@sensitive_variables()
@unavailable_without_database()
def redeem_proof(token: str, *, purpose: str, user: AbstractBaseUser | None = None, now: datetime | None = None) -> str:
    """Spend the proof and return its number (E.164). With ``user``, write their ``VerifiedPhone``.

    A purpose in ``PURPOSES_WITHOUT_RECORD`` writes no record. With ``user``, the signal ``phone_verified`` is sent.

    Call it inside the transaction that saves what the proof is for. If a sign-up rolls back, the proof stays unspent.
    Raises ProofRejected if the proof is not valid or was spent. Raises NumberTaken if another account has the number
    and the site allows one account for a number; the proof then stays unspent. Both are ValidationErrors for a form.
    Raises Unavailable if the database fails.
    """
    using = write_alias()
    attempt = _attempt_of_valid_proof(token, purpose=purpose, now=now)
    # Its code never changes and no phone rang, so it proves nothing. It may only log in, which is limited.
    if is_of_reviewer(attempt):
        raise ProofRejected
    spend = partial(_spend, attempt, user, at=now or attempt.read_at, using=using)  # type: ignore[attr-defined]
    repeat_on_lock_error(spend, using=using)
    return attempt.number


@redact_arguments("token")
@sensitive_variables()
@unavailable_without_database()
def spend_login_proof(token: str, user: AbstractBaseUser) -> None:
    """Spend the proof of a login by phone. Records an event with the primary key of the user, for staff.

    The attempt keeps no user, and no ``VerifiedPhone`` is written. Raises ProofRejected and Unavailable.
    """
    using = write_alias()
    attempt = _attempt_of_valid_proof(token, purpose=conf.LOGIN_PURPOSE, now=None)
    repeat_on_lock_error(partial(_spend_at_login, attempt, user, using=using), using=using)


def _spend_at_login(attempt: VerificationAttempt, user: AbstractBaseUser, *, using: str) -> None:
    at: datetime = attempt.read_at  # type: ignore[attr-defined]
    with transaction.atomic(using=using):
        _spend(attempt, None, at=at, using=using)
        # Not the user's name, which may be the number.
        AttemptEvent.objects.using(using).create(
            kind=EventKind.LOGGED_IN, attempt=attempt, phone_id=attempt.phone_id, at=at, actor=f"user {user.pk}"
        )


@redact_arguments("token")
@typed_arguments
@sensitive_variables()
@unavailable_without_database()
def add_phone(token: str, *, purpose: str, user: AbstractBaseUser) -> VerifiedPhone:
    """Spend the proof for a user who already has an account. Returns their record of its number.

    A retry by the same user returns the same record while the proof would be valid, because the first response may have
    been lost. It fails if the number was removed or moved to another account meanwhile.

    Raises InvalidPurpose if the site does not have the purpose, or the purpose writes no record, and UserNotFound if
    the user was deleted. All else is as in ``redeem_proof``.
    """
    if purpose not in conf.purposes() or not conf.writes_record(purpose):
        raise InvalidPurpose
    using = write_alias()
    # Not only ``redeem_proof``: the record is read in the same transaction, before another process can remove it.
    try:
        attempt = _attempt_of_valid_proof(token, purpose=purpose, now=None)
        return repeat_on_lock_error(partial(_add, attempt, user, using=using), using=using)
    except IntegrityError:
        if is_gone(owner_id(user), using=using):
            raise UserNotFound from None
        raise
    except NumberTaken:
        raise
    except ProofRejected:
        earlier = _record_written_by(token, user, purpose=purpose, using=using)
        if earlier is None:
            raise
        return earlier


def _record_written_by(token: str, user: AbstractBaseUser, *, purpose: str, using: str) -> VerifiedPhone | None:
    """Return the record of ``user`` that this proof wrote. None if the proof is unspent or expired, or wrote none.

    Raises ProofRejected if the token is invalid.
    """
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
    # Inside the caller's transaction this is a savepoint: if the sign-up rolls back, the proof is unspent again.
    with transaction.atomic(using=using):
        if writes_record and lock_and_check_taken(attempt.number, user_id=user_id, using=using):
            raise TakenInForm
        # The condition in the UPDATE makes one of two concurrent requests fail.
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
    """A valid proof that was read but not spent: the value of a form field or a serializer field."""

    token: str = field(repr=False)
    purpose: str
    number: str = field(repr=False)

    @classmethod
    def read(cls, token: str, *, purpose: str) -> Self:
        """Read the proof without spending it. Raises ProofRejected and Unavailable."""
        return cls(token, purpose, read_proof(token, purpose=purpose))

    def redeem(self, *, user: AbstractBaseUser | None = None) -> str:
        """Spend the proof; see ``redeem_proof``. Raises ProofRejected if it was spent since it was read."""
        return redeem_proof(self.token, purpose=self.purpose, user=user)


def _attempt_of_valid_proof(token: str, *, purpose: str, now: datetime | None) -> VerificationAttempt:
    """Return the attempt of a token that is valid now. Raises ProofRejected."""
    attempt = _attempt_behind(token, purpose=purpose, using=write_alias())
    if proof_of(attempt, now=now or attempt.read_at) is None:  # type: ignore[attr-defined]
        raise RejectedInForm
    return attempt


def _attempt_behind(token: str, *, purpose: str, using: str) -> VerificationAttempt:
    """Return the attempt of this token, valid or not, with the database's time as ``read_at``.

    Raises ProofRejected if the signature is wrong or no attempt matches.
    """
    try:
        uuid = signing.Signer(salt=SALT).unsign(token[:MAX_TOKEN_LENGTH])
    except (signing.BadSignature, UnicodeEncodeError):
        # JSON may contain half a surrogate pair, which cannot be encoded.
        raise RejectedInForm from None
    if not is_storable(purpose, using=using):
        raise ProofRejected
    rows = VerificationAttempt.objects.using(using).select_related("phone").annotate(read_at=DbNow())
    attempt = rows.filter(uuid=uuid, purpose=purpose).first()
    if attempt is None:
        raise RejectedInForm
    return attempt
