"""Records of numbers that another package verified, with a code of its own or before this app was installed."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.db import connections, transaction
from django.views.decorators.debug import sensitive_variables

from django_telroi import conf
from django_telroi.domain.phone import Phone
from django_telroi.domain.states import Judge
from django_telroi.errors import InvalidPurpose, UserNotFound
from django_telroi.models import PhoneNumber, VerificationAttempt, VerifiedPhone
from django_telroi.redaction import redact_arguments
from django_telroi.services.accounts.phones import (
    forget_record,
    forget_right_codes,
    lock_and_check_taken,
    record_verified_phone,
    signal_verified,
)
from django_telroi.services.accounts.proofs import TakenInForm
from django_telroi.services.shared.arguments import known_number, owner_id, typed_arguments
from django_telroi.services.shared.number_state import database_now
from django_telroi.services.shared.transactions import repeat_on_lock_error, unavailable_without_database, write_alias


@redact_arguments("number")
@typed_arguments
@sensitive_variables()
@unavailable_without_database()
def record_verification(
    user: AbstractBaseUser,
    number: str,
    *,
    purpose: str = "",
    verified_at: datetime | None = None,
    replace: bool = False,
) -> VerifiedPhone:
    """Write that another package verified ``number`` for ``user``. Returns the record.

    Call it only after that package accepted the person's code. ``verified_at``: None for now, or the moment of an
    earlier verification, such as one before this app was installed. If the record that exists is newer, it does not
    change. ``replace``: if the number is new to this user, remove their other numbers of this purpose.

    A record of now names the newest call to the number that read out a code for this user and purpose, and the signal
    ``phone_verified`` is sent with that call. Without such a call, and for an earlier moment, no signal is sent.

    Raises InvalidNumber, NumberTaken (which a form shows) if another account has the number and the site allows one,
    InvalidPurpose if the purpose writes no record, UserNotFound and Unavailable.
    """
    using = write_alias()
    user_id = owner_id(user)
    if user_id is None:
        raise UserNotFound
    if not conf.writes_record(purpose):
        raise InvalidPurpose
    phone = known_number(number, using=using)
    record = partial(
        _record, phone, user, user_id, purpose=purpose, verified_at=verified_at, replace=replace, using=using
    )
    return repeat_on_lock_error(record, using=using)


@sensitive_variables()
def _record(
    phone: Phone,
    user: AbstractBaseUser,
    user_id: Any,
    *,
    purpose: str,
    verified_at: datetime | None,
    replace: bool,
    using: str,
) -> VerifiedPhone:
    with transaction.atomic(using=using):
        row = _locked_number(phone, using=using)
        if lock_and_check_taken(phone.number, user_id=user_id, using=using):
            raise TakenInForm
        records = VerifiedPhone.objects.using(using).filter(user_id=user_id, purpose=purpose)
        if replace:
            _lock_user(user_id, using=using)
            # A locking read: at REPEATABLE READ any other read returns an old snapshot.
            earlier = list(records.select_for_update())
            if all(record.number != phone.number for record in earlier):
                _remove(earlier, user, using=using)
        call = None if verified_at else _newest_read_out(row, user_id, purpose=purpose, using=using)
        source = call or VerificationAttempt(phone=row, purpose=purpose)
        record_verified_phone(source, user_id, verified_at=verified_at or database_now(using), using=using)
        forget_record(user)
        if call:
            signal_verified(call, user_id=user_id, user=user, using=using)
        return records.get(number=phone.number)


@sensitive_variables()
def _locked_number(phone: Phone, *, using: str) -> PhoneNumber:
    """Return the row of the number, locked. Two accounts that record one number run one after the other.

    The first statement is a write. A transaction of SQLite that begins with a read fails if another one writes first.
    """
    rows = PhoneNumber.objects.using(using).filter(number=phone.number)
    if not rows.update(last4=phone.last4):
        new = PhoneNumber(number=phone.number, last4=phone.last4, region=phone.region)
        PhoneNumber.objects.using(using).bulk_create([new], ignore_conflicts=True)
    return rows.select_for_update().get()


def _lock_user(user_id: Any, *, using: str) -> None:
    """Lock the user's row. Otherwise two numbers that a user verifies at once would not see each other, and both stay.

    ``no_key``: rows that refer to the user can still be inserted.
    """
    no_key = connections[using].features.has_select_for_no_key_update
    users = get_user_model()._base_manager.using(using).select_for_update(no_key=no_key)
    users.filter(pk=user_id).values_list("pk").first()


def _remove(old: list[VerifiedPhone], user: AbstractBaseUser, *, using: str) -> None:
    for record in old:
        forget_right_codes(user, record.number, of={record.attempt_id} if record.attempt_id else set())
    VerifiedPhone.objects.using(using).filter(pk__in=[record.pk for record in old]).delete()


def _newest_read_out(row: PhoneNumber, user_id: Any, *, purpose: str, using: str) -> VerificationAttempt | None:
    calls = row.attempts.using(using).filter(user_id=user_id, purpose=purpose, judge=Judge.CALLER)
    return calls.select_related("phone").order_by("-created_at", "-pk").first()


def number_called_for(user: AbstractBaseUser, *, purpose: str) -> str | None:
    """Return the number (E.164) of the newest call that read out another package's code for ``user`` and ``purpose``.

    None if there was no such call, or its row was purged.
    """
    calls = VerificationAttempt.objects.using(write_alias()).filter(
        user_id=owner_id(user), purpose=purpose, judge=Judge.CALLER
    )
    newest = calls.select_related("phone").order_by("-created_at", "-pk").first()
    return None if newest is None else newest.number
