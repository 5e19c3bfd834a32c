"""Who owns a verified number. A user changes their number, and staff move a number to another account."""

from __future__ import annotations

import logging
import textwrap
from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from functools import partial
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.db import transaction
from django.db.models import F, Q
from django.views.decorators.debug import sensitive_variables

from django_telroi import conf, signals
from django_telroi.domain.phone import Phone
from django_telroi.domain.states import Status
from django_telroi.models import AttemptEvent, EventKind, PhoneNumber, VerificationAttempt, VerifiedPhone
from django_telroi.redaction import Secret, redact_arguments
from django_telroi.services.accounts.phones import (
    forget_record,
    forget_right_codes,
    record_verified_phone,
    signal_verified,
    verified_phones,
)
from django_telroi.services.accounts.proofs import proof_of
from django_telroi.services.attempts.status import CheckOutcome, outcome_of
from django_telroi.services.shared.arguments import (
    known_number,
    owner_id,
    spelled_number,
    storable,
    text_to_keep,
    typed_arguments,
)
from django_telroi.services.shared.outcomes import ErrorCode
from django_telroi.services.shared.transactions import (
    after_commit,
    repeat_on_lock_error,
    unavailable_without_database,
    write_alias,
)
from django_telroi.services.staff.staff_actions import MAX_ACTOR_LENGTH, MAX_REASON_LENGTH

logger = logging.getLogger("django_telroi")


class Ownership(StrEnum):
    """Who owns the number of a verified attempt now."""

    OWNED = "owned"
    """The number is in the user's record. Without a user, or without records, the verification still counts."""
    OFFERED = "offered"
    """It was verified before this user logged in, and its proof is valid. The user can add it to their account."""
    TAKEN = "taken"
    """The number is in the record of another account. It was verified by this user, or before this user logged in."""
    GONE = "gone"
    """The number was moved away, or its proof is spent or expired."""


@unavailable_without_database()
def ownership_of(attempt: VerificationAttempt, *, user: AbstractBaseUser | None, now: datetime) -> Ownership:
    """Return who owns the number. This session must have typed the right code of ``attempt``. Raises Unavailable."""
    user_id = owner_id(user)
    # Without records, only the verification itself can count: its user, or a proof that is still valid.
    if user is None or user_id is None or not conf.writes_record(attempt.purpose):
        still_counts = attempt.user_id is not None or proof_of(attempt, now=now) is not None
        return Ownership.OWNED if still_counts else Ownership.GONE
    if attempt.purpose in set(verified_phones(user).filter(number=attempt.number).values_list("purpose", flat=True)):
        return Ownership.OWNED
    if outcome_of(attempt) == CheckOutcome.NUMBER_TAKEN:
        return Ownership.TAKEN
    if proof_of(attempt, now=now) is None:
        return Ownership.GONE
    others = VerifiedPhone.objects.using(write_alias()).filter(number=attempt.number).exclude(user_id=user_id)
    return Ownership.TAKEN if conf.one_account_per_number() and others.exists() else Ownership.OFFERED


@redact_arguments("number")
@typed_arguments
@sensitive_variables()
@unavailable_without_database()
def move_number(number: str, *, user: AbstractBaseUser | None, reason: str, actor: str) -> list[VerifiedPhone] | None:
    """Remove a number from all other accounts. Give it to ``user`` if they have verified it since.

    They have verified it if their right code was refused as ``number_taken``, after the newest verification of all
    other accounts. Otherwise they can verify it from now on. With ``user=None`` the number is only removed.

    ``number`` is E.164 or any other spelling. ``actor`` and ``reason`` are shown in the event. Returns the user's
    records of the number, or None, without an event, if no other account has it. Raises InvalidNumber, UnstorableText
    and Unavailable.
    """
    using = write_alias()
    reason = text_to_keep(reason, "reason", using=using)
    phone = known_number(number, using=using)
    move = partial(_move, phone, user, reason=reason, actor=actor, using=using)
    return repeat_on_lock_error(move, using=using)


@sensitive_variables()
def _move(
    phone: Phone, user: AbstractBaseUser | None, *, reason: str, actor: str, using: str
) -> list[VerifiedPhone] | None:
    user_id = owner_id(user)
    records = VerifiedPhone.objects.using(using).filter(number=phone.number)
    with transaction.atomic(using=using):
        # The first statement locks the number's row, as every verification does before it reads the records. After an
        # earlier SELECT, MariaDB's transaction would read the records as they were before the lock.
        PhoneNumber.objects.using(using).filter(number=phone.number).update(version=F("version") + 1)
        row, _ = PhoneNumber.objects.using(using).get_or_create(
            number=phone.number, defaults={"last4": phone.last4, "region": phone.region}
        )
        # A locking read, as in ``lock_and_check_taken``: another read could return data from before the lock.
        others = records.exclude(user_id=user_id) if user_id is not None else records
        old = list(others.select_for_update())
        if not old:
            return None
        _remove_from_accounts(old, row=row, using=using)
        if user_id is not None:
            _write_records(row, user_id, user, after=[record.verified_at for record in old], using=using)
        _write_events(row, old, user_id, reason=reason, actor=actor, using=using)
        return list(records.filter(user_id=user_id)) if user_id is not None else []


def _remove_from_accounts(old: Sequence[VerifiedPhone], *, row: PhoneNumber, using: str) -> None:
    """Delete the records. Their right codes are not accepted again, even if their ten minutes are not over."""
    of_accounts = Q(user__in=[record.user_id for record in old]) | Q(pk__in=[each.attempt_id for each in old])
    attempts = VerificationAttempt.objects.using(using).filter(of_accounts, phone=row, status=Status.VERIFIED)
    attempts.exclude(code_digest="").update(code_digest="", due_at=None)
    VerifiedPhone.objects.using(using).filter(pk__in=[record.pk for record in old]).delete()


def _write_records(
    row: PhoneNumber, user_id: Any, user: AbstractBaseUser | None, *, after: Sequence[datetime], using: str
) -> None:
    """Write one record for each purpose, from the newest right code that was refused because the number was taken."""
    verified = row.attempts.using(using).filter(
        user_id=user_id,
        status=Status.VERIFIED,
        error_code=ErrorCode.NUMBER_TAKEN,
        # An older code shows who had the number before the other accounts.
        verified_at__gt=max(after),
    )
    newest = {attempt.purpose: attempt for attempt in verified.order_by("verified_at", "pk")}
    for attempt in newest.values():
        if attempt.verified_at is not None and conf.writes_record(attempt.purpose):
            record_verified_phone(attempt, user_id, verified_at=attempt.verified_at, using=using)
            signal_verified(attempt, user_id=user_id, user=user, using=using)
    forget_record(user)


MAX_ACCOUNTS_LENGTH = 80
"""Characters of the accounts in one event. The rest of its detail is for the new account and the reason."""


def _write_events(
    row: PhoneNumber, old: Sequence[VerifiedPhone], user_id: Any, *, reason: str, actor: str, using: str
) -> None:
    """Write an event with the accounts that lost the number, or several if they do not fit into one.

    It contains their primary keys: a user name may be a phone number, or may change.
    """
    after = "none" if user_id is None else user_id
    keys = sorted({str(record.user_id) for record in old}, key=lambda key: (len(key), key))
    for before in textwrap.wrap(", ".join(keys), MAX_ACCOUNTS_LENGTH, break_on_hyphens=False):
        AttemptEvent.objects.using(using).create(
            kind=EventKind.NUMBER_MOVED,
            phone=row,
            actor=storable(actor, using=using)[:MAX_ACTOR_LENGTH],
            detail=f"User {before.removesuffix(',')} to {after}: {reason}"[:MAX_REASON_LENGTH],
        )


@redact_arguments("old", "new")
@typed_arguments
@sensitive_variables()
@unavailable_without_database()
def change_phone(user: AbstractBaseUser, *, old: str, new: str, purpose: str = "") -> bool:
    """Remove ``old`` from the user for ``purpose``, if they have verified ``new`` for it. Returns True if it was.

    Call it after the code of ``new`` was right. A repeated call returns False and changes nothing. The records of other
    purposes stay: a code for one purpose shows nothing about the others. The signal ``phone_changed`` is sent after the
    commit. ``old`` and ``new`` are E.164 or any other spelling. Raises Unavailable.
    """
    forget_record(user)
    numbers = spelled_number(old), spelled_number(new)
    if None in numbers or numbers[0] == numbers[1] or owner_id(user) is None:
        return False
    using = write_alias()
    change = partial(_change, user, str(numbers[0]), str(numbers[1]), purpose=purpose, using=using)
    return repeat_on_lock_error(change, using=using)


@sensitive_variables()
def _change(user: AbstractBaseUser, old: str, new: str, *, purpose: str, using: str) -> bool:
    records = verified_phones(user).filter(purpose=purpose)
    with transaction.atomic(using=using):
        # Both numbers are locked first, as every verification does before it reads the records. Otherwise staff could
        # move the new number to another account meanwhile, and the user would lose both.
        PhoneNumber.objects.using(using).filter(number__in=[old, new]).update(version=F("version") + 1)
        if records.select_for_update().filter(number=new).order_by().first() is None:
            return False
        replaced = records.filter(number=old)
        # Before the record is deleted, because it names the attempt.
        attempts = {pk for pk in replaced.values_list("attempt", flat=True) if pk}
        forget_right_codes(user, old, of=attempts, purpose=purpose)
        if not replaced.delete()[0]:
            return False
        after_commit(partial(_send_changed, user, Secret(old), Secret(new), purpose), using=using)
    return True


def _send_changed(user: AbstractBaseUser, old: Secret, new: Secret, purpose: str) -> None:
    logger.info("phone_changed user=%s", user.pk)
    model = get_user_model()
    # The user of a stateless token is no row, so the row is read.
    row = user if isinstance(user, model) else model._default_manager.filter(pk=user.pk).first()
    signals.phone_changed.send_robust(sender=VerifiedPhone, user=row, old_number=old, new_number=new, purpose=purpose)
