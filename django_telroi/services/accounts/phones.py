"""The verified phones of a user: reading, writing and removing them, and the signal ``phone_verified``."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from weakref import ref

from django.contrib.auth import get_user_model
from django.contrib.auth.base_user import AbstractBaseUser
from django.db import connections
from django.db.models import F, Q, QuerySet, Subquery

from django_telroi import conf, signals
from django_telroi.domain.states import Status
from django_telroi.errors import UserNotFound
from django_telroi.models import DbNow, PhoneNumber, VerificationAttempt, VerifiedPhone
from django_telroi.redaction import redact_arguments
from django_telroi.services.shared.arguments import is_storable, owner_id, spelled_number, typed_arguments
from django_telroi.services.shared.transactions import after_commit, unavailable_without_database, write_alias


def signal_verified(
    attempt: VerificationAttempt, *, user_id: Any, using: str, user: AbstractBaseUser | None = None
) -> None:
    """Send ``phone_verified`` after the commit. ``user_id`` is None if the number has no account yet.

    ``user`` is the caller's object. If it is not an instance of the site's user model, such as the user of a stateless
    token, the row is read and sent instead.
    """
    after_commit(partial(_send_verified, attempt, user_id, user), using=using)


def _send_verified(attempt: VerificationAttempt, user_id: Any, user: AbstractBaseUser | None) -> None:
    if not signals.phone_verified.has_listeners(VerificationAttempt):
        return  # saves the query for the user
    model = get_user_model()
    if user_id is None:
        user = None
    elif not isinstance(user, model):
        user = model._default_manager.filter(pk=user_id).first()
    signals.phone_verified.send_robust(sender=VerificationAttempt, attempt=attempt, user=user)


def tell_owners(attempt: VerificationAttempt, moment: str, *, using: str) -> None:
    """Send ``number_of_other_user`` after the commit, if the number is verified for other users than the attempt's.

    ``moment``: ``"called"`` for a call that was claimed, ``"verified"`` for a right code. A site without a receiver
    executes no query.
    """
    # A login is of one of the owners. Nothing may depend on whether the number has an account before the code is right.
    if conf.is_login(attempt.purpose):
        return
    if signals.number_of_other_user.has_listeners(VerificationAttempt):
        after_commit(partial(_tell_owners, attempt, moment, using), using=using)


def _tell_owners(attempt: VerificationAttempt, moment: str, using: str) -> None:
    records = VerifiedPhone.objects.using(using).filter(number=attempt.number)
    if attempt.user_id is not None:
        records = records.exclude(user_id=attempt.user_id)
    users = get_user_model()._default_manager
    owners = list(users.filter(pk__in=list(records.order_by().values_list("user_id", flat=True).distinct())))
    if owners:
        signals.number_of_other_user.send_robust(
            sender=VerificationAttempt,
            attempt=attempt,
            owners=owners,
            moment=moment,
            number=attempt.masked_number,
        )


RECORD_MEMORY = "_telroi_phone_record"
"""The attribute of the user object that holds the RecordMemory."""


@typed_arguments
@unavailable_without_database()
def has_verified_phone(user: AbstractBaseUser, *, purpose: str | None = None, max_age: timedelta | None = None) -> bool:
    """Return whether the user verified a number for ``purpose`` (None: any) within ``max_age`` (None: ever).

    Raises Unavailable if the database fails.
    """
    rows = verified_phones(user)
    if purpose is not None:
        if not is_storable(purpose, using=write_alias()):
            return False
        rows = rows.filter(purpose=purpose)
    if max_age is not None:
        rows = rows.filter(verified_at__gt=DbNow() - max_age)
    return rows.exists()


@dataclass(frozen=True)
class PhoneRecord:
    """When a user last verified a number, by purpose. One query reads all that gates need.

    ``by_number``: the same for each purpose and number (E.164).
    """

    read_at: datetime | None
    newest: Mapping[str, datetime]
    by_number: Mapping[tuple[str, str], datetime] = field(default_factory=dict, repr=False)

    def has_phone(
        self, *, purpose: str | None = None, max_age: timedelta | None = None, number: str | None = None
    ) -> bool:
        """Return the same as ``has_verified_phone``. ``number`` (E.164): only this number counts, None for any."""
        if number is None:
            moments = [moment for each, moment in self.newest.items() if purpose in (None, each)]
        else:
            of_number = [(each, moment) for (each, of), moment in self.by_number.items() if of == number]
            moments = [moment for each, moment in of_number if purpose in (None, each)]
        if max_age is None or self.read_at is None:
            return bool(moments)
        return any(moment > self.read_at - max_age for moment in moments)


@typed_arguments
@unavailable_without_database()
def phone_record(user: AbstractBaseUser) -> PhoneRecord:
    """Read the user's PhoneRecord, for a caller that needs it more than once. Raises Unavailable."""
    newest: dict[str, datetime] = {}
    by_number: dict[tuple[str, str], datetime] = {}
    read_at = None
    columns = ("purpose", "number", "verified_at", DbNow())
    for purpose, number, verified_at, now in verified_phones(user).values_list(*columns):
        newest.setdefault(purpose, verified_at)
        by_number[purpose, number] = verified_at
        read_at = now
    return PhoneRecord(read_at, newest, by_number)


class RecordMemory:
    """A PhoneRecord that is stored on the user object. It is not pickled with the user."""

    def __init__(self, record: PhoneRecord | None = None, *, request: object | None = None) -> None:
        self.record = record
        self.request = None if request is None else ref(request)

    def __reduce__(self) -> tuple[type[RecordMemory], tuple[()]]:
        return type(self), ()

    def serves(self, request: object | None) -> bool:
        """Return whether the record may be used for ``request``: it was read in it, or ``request`` is None."""
        return request is None or (self.request is not None and self.request() is request)


def known_phone_record(user: AbstractBaseUser, *, request: object | None = None) -> PhoneRecord:
    """Return ``phone_record``, read once per request for all gates, permissions and templates. Raises Unavailable.

    Without ``request``, the record that an earlier request stored on this user object is returned.
    """
    memory: RecordMemory | None = getattr(user, RECORD_MEMORY, None)
    if memory and memory.record and memory.serves(request):
        return memory.record
    record = phone_record(user)
    setattr(user, RECORD_MEMORY, RecordMemory(record, request=request))
    return record


def forget_record(user: AbstractBaseUser | None) -> None:
    """Remove the stored record from this user object. It must be called when the user's phones change."""
    if getattr(user, RECORD_MEMORY, None) is not None:
        setattr(user, RECORD_MEMORY, None)


@typed_arguments
def verified_phones(user: AbstractBaseUser) -> QuerySet[VerifiedPhone]:
    """Return a queryset of the user's verified numbers, newest first. It is empty for an anonymous user.

    Evaluating the queryset may raise database errors, which the caller must handle.
    """
    rows = VerifiedPhone.objects.using(write_alias()).order_by("-verified_at", "-pk")
    try:
        return rows.filter(user_id=owner_id(user))
    except UserNotFound:
        return rows.none()


@redact_arguments("number")
@typed_arguments
@unavailable_without_database()
def forget_phone(user: AbstractBaseUser, number: str, *, purpose: str | None = None) -> int:
    """Remove a number from the user, for ``purpose`` (None: every purpose). Returns how many records were removed.

    ``number`` is E.164 or any other spelling. Returns 0 if it is not a number. Raises Unavailable.
    """
    forget_record(user)
    spelled = spelled_number(number)
    if spelled is None:
        return 0
    records = verified_phones(user).filter(number=spelled)
    if purpose is not None:
        if not is_storable(purpose, using=write_alias()):
            return 0
        records = records.filter(purpose=purpose)
    # Before the records are deleted, because they name the attempts.
    attempts = {pk for pk in records.values_list("attempt", flat=True) if pk}
    forget_right_codes(user, spelled, of=attempts, purpose=purpose)
    return records.delete()[0]


def forget_right_codes(user: AbstractBaseUser, number: str, *, of: Collection[int], purpose: str | None = None) -> None:
    """Clear the digests of right codes, so that they give no success again although their ten minutes are not over.

    ``of``: the primary keys of further attempts. ``purpose``: None means every purpose.
    """
    using = write_alias()
    rows = VerificationAttempt.objects.using(using).exclude(code_digest="").filter(status=Status.VERIFIED)
    # Compared with a subquery by =, because an UPDATE with a join or with IN reads the whole table on MariaDB.
    phone_id = Subquery(PhoneNumber.objects.using(using).filter(number=number).values("pk")[:1])
    right_codes = rows.filter(phone_id=phone_id).filter(Q(user_id=user.pk) | Q(pk__in=of))
    if purpose is not None:
        right_codes = right_codes.filter(purpose=purpose)
    right_codes.update(code_digest="", due_at=None)


def record_verified_phone(attempt: VerificationAttempt, user_id: Any, *, verified_at: datetime, using: str) -> None:
    """Insert or renew the record that gates read.

    A newer record is not changed: a proof may be redeemed up to ten minutes after its verification, and the user may
    have verified the number again meanwhile. It is written in SQL, because ``bulk_create`` can only replace rows
    without a condition. With a read first, an older renewal could replace a newer one.
    """
    connection = connections[using]
    quote = connection.ops.quote_name
    fields: list[Any] = [
        VerifiedPhone._meta.get_field(name) for name in ("user", "number", "purpose", "verified_at", "attempt")
    ]
    user, number, purpose, moment, source = columns = [quote(field.column) for field in fields]
    table = quote(VerifiedPhone._meta.db_table)
    if connection.vendor == "mysql":
        # The columns are set from left to right. ``verified_at`` is last, because both conditions use its old value.
        renewal = (
            f"ON DUPLICATE KEY UPDATE {source} = IF({moment} < %s, %s, {source}),"
            f" {moment} = IF({moment} < %s, %s, {moment})"
        )
    else:
        renewal = (
            f"ON CONFLICT ({user}, {number}, {purpose}) DO UPDATE SET {moment} = excluded.{moment},"
            f" {source} = excluded.{source} WHERE {table}.{moment} < excluded.{moment}"
        )
    values = (user_id, attempt.number, attempt.purpose, verified_at, attempt.pk)
    prepared = [field.get_db_prep_save(value, connection) for field, value in zip(fields, values, strict=True)]
    if connection.vendor == "mysql":
        prepared += [prepared[3], prepared[4], prepared[3], prepared[3]]
    with connection.cursor() as cursor:
        cursor.execute(f"INSERT INTO {table} ({', '.join(columns)}) VALUES (%s, %s, %s, %s, %s) {renewal}", prepared)


def lock_and_check_taken(number: str, *, user_id: Any, using: str) -> bool:
    """Return whether another account has this number. Always False if the site allows several accounts for a number.

    Call it first in the transaction that writes. It updates the number's row, so two accounts that verify the number at
    the same moment run one after the other. It uses a locking read, because that sees all rows committed by now. At
    REPEATABLE READ, MariaDB and MySQL answer any other read from the snapshot of the transaction's first read, which
    may be old in a caller's transaction.
    """
    if not conf.one_account_per_number():
        return False
    PhoneNumber.objects.using(using).filter(number=number).update(version=F("version") + 1)
    others = VerifiedPhone.objects.using(using).select_for_update().filter(number=number).exclude(user_id=user_id)
    return others.order_by().first() is not None
