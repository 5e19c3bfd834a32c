"""Telling the site whose number was verified: one payload, whichever way the number came to its user."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
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
    """Send ``phone_verified`` once it is certain that the user with this key verified the number; None for nobody.

    ``user`` is the caller's object. If it is no instance of the site's model, such as that of a stateless token, the
    row is read instead.
    """
    after_commit(partial(_tell, attempt, user_id, user), using=using)


def _tell(attempt: VerificationAttempt, user_id: Any, user: AbstractBaseUser | None) -> None:
    if not signals.phone_verified.has_listeners(VerificationAttempt):
        return  # without the query
    model = get_user_model()
    if user_id is None:
        user = None
    elif not isinstance(user, model):
        user = model._default_manager.filter(pk=user_id).first()
    signals.phone_verified.send_robust(sender=VerificationAttempt, attempt=attempt, user=user)


MEMORY = "_telroi_phone_record"


@typed_arguments
@unavailable_without_database()
def has_verified_phone(user: AbstractBaseUser, *, purpose: str | None = None, max_age: timedelta | None = None) -> bool:
    """Whether the user answered a number, for ``purpose`` (None means any), within ``max_age`` (None means ever).

    Raises Unavailable where the database cannot say.
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
    """When a user last answered a number, by purpose: all that gates can ask, from one query."""

    read_at: datetime | None
    newest: Mapping[str, datetime]

    def has_phone(self, *, purpose: str | None = None, max_age: timedelta | None = None) -> bool:
        """The same question as ``has_verified_phone``."""
        moments = [moment for each, moment in self.newest.items() if purpose in (None, each)]
        if max_age is None or self.read_at is None:
            return bool(moments)
        return any(moment > self.read_at - max_age for moment in moments)


@typed_arguments
@unavailable_without_database()
def phone_record(user: AbstractBaseUser) -> PhoneRecord:
    """What there is to know of the user's phones, for a caller that asks more than once. Raises Unavailable."""
    newest: dict[str, datetime] = {}
    read_at = None
    for purpose, verified_at, now in verified_phones(user).values_list("purpose", "verified_at", DbNow()):
        newest.setdefault(purpose, verified_at)
        read_at = now
    return PhoneRecord(read_at, newest)


class RecordMemory:
    """What is known of a user's phones, kept on the user's object; a pickled user forgets it."""

    def __init__(self, record: PhoneRecord | None = None, *, request: object | None = None) -> None:
        self.record = record
        self.request = None if request is None else ref(request)

    def __reduce__(self) -> tuple[type[RecordMemory], tuple[()]]:
        return type(self), ()

    def serves(self, request: object | None) -> bool:
        """Whether it is fresh enough: a request that says who it is believes only what it learned itself."""
        return request is None or (self.request is not None and self.request() is request)


def known_phone_record(user: AbstractBaseUser, *, request: object | None = None) -> PhoneRecord:
    """``phone_record``, asked once a request, however many gates, permissions and templates want to know.

    Without ``request`` what this object of the user knows already is good enough.
    """
    memory: RecordMemory | None = getattr(user, MEMORY, None)
    if memory and memory.record and memory.serves(request):
        return memory.record
    record = phone_record(user)
    setattr(user, MEMORY, RecordMemory(record, request=request))
    return record


def forget_record(user: AbstractBaseUser | None) -> None:
    """To be called when the user's phones change: what this object knows of them is old."""
    if getattr(user, MEMORY, None) is not None:
        setattr(user, MEMORY, None)


@typed_arguments
def verified_phones(user: AbstractBaseUser) -> QuerySet[VerifiedPhone]:
    """The user's verified numbers, newest first; none for an anonymous user.

    A queryset: what the database raises where it is read is the caller's to handle.
    """
    rows = VerifiedPhone.objects.using(write_alias()).order_by("-verified_at", "-pk")
    try:
        return rows.filter(user_id=owner_id(user))
    except UserNotFound:
        return rows.none()


@redact_arguments("number")
@typed_arguments
@unavailable_without_database()
def forget_phone(user: AbstractBaseUser, number: str) -> int:
    """Take a number from the user, for every purpose. Returns how many verifications were forgotten.

    ``number`` is E.164 or any spelling of it. One that is no number is nobody's, so it returns 0. Raises Unavailable.
    """
    forget_record(user)
    spelled = spelled_number(number)
    if spelled is None:
        return 0
    records = verified_phones(user).filter(number=spelled)
    _forget_right_codes(user, spelled, of={pk for pk in records.values_list("attempt", flat=True) if pk})
    return records.delete()[0]


def _forget_right_codes(user: AbstractBaseUser, number: str, *, of: Collection[int]) -> None:
    """Give no success to a code again whose verification is forgotten, although its ten minutes are not over."""
    using = write_alias()
    rows = VerificationAttempt.objects.using(using).exclude(code_digest="").filter(status=Status.VERIFIED)
    # Equal to a subquery, because an UPDATE with a join or with IN reads the whole table on MariaDB.
    phone_id = Subquery(PhoneNumber.objects.using(using).filter(number=number).values("pk")[:1])
    theirs = rows.filter(phone_id=phone_id).filter(Q(user_id=user.pk) | Q(pk__in=of))
    theirs.update(code_digest="", due_at=None)


def record_verified_phone(attempt: VerificationAttempt, user_id: Any, *, verified_at: datetime, using: str) -> None:
    """Write the one record that gates ask, or renew it.

    A record that is newer already stays: a proof may be redeemed up to ten minutes after its verification, and the user
    may have verified the number again meanwhile. Written in SQL because ``bulk_create`` can only replace what is there,
    without a condition, and reading first would let two renewals overtake each other.
    """
    connection = connections[using]
    quote = connection.ops.quote_name
    fields: list[Any] = [
        VerifiedPhone._meta.get_field(name) for name in ("user", "number", "purpose", "verified_at", "attempt")
    ]
    user, number, purpose, moment, source = columns = [quote(field.column) for field in fields]
    table = quote(VerifiedPhone._meta.db_table)
    if connection.vendor == "mysql":
        # The columns are set from left to right. ``verified_at`` comes last, because its old value decides on both.
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


def is_taken(number: str, *, user_id: Any, using: str) -> bool:
    """Whether another account has this number, on a site that allows one account a number.

    To be asked first in the transaction that writes: the number's row is changed, so that two accounts that verify it
    at once ask one after the other. The question locks what it finds, because a locking read sees what was committed by
    now: at REPEATABLE READ, MariaDB and MySQL answer any other read as of the transaction's first one, which in a
    caller's transaction may be long ago.
    """
    if not conf.one_account_per_number():
        return False
    PhoneNumber.objects.using(using).filter(number=number).update(version=F("version") + 1)
    others = VerifiedPhone.objects.using(using).select_for_update().filter(number=number).exclude(user_id=user_id)
    return others.order_by().first() is not None
