"""Finding an attempt, for whoever may see it, and as it stands by now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import Any
from uuid import UUID

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import IntegrityError, InterfaceError, OperationalError
from django.db.models import Q

from django_telroi.domain.states import CHECKABLE, Status
from django_telroi.errors import AttemptNotFound
from django_telroi.models import DbNow, VerificationAttempt
from django_telroi.services.moves import move, move_and_give_back
from django_telroi.services.overdue import overdue_move
from django_telroi.services.transactions import write_alias
from django_telroi.services.verdicts import ErrorCode


def owner_id(user: AbstractBaseUser | None) -> Any:
    """The user's key, None for nobody and for Django's anonymous one.

    As a row has it: the user of a stateless token brings it as text.
    """
    if user is None or not user.is_authenticated:
        return None
    return VerificationAttempt._meta.get_field("user").target_field.to_python(user.pk)


def find_attempt(
    attempt_uuid: UUID | str,
    *,
    user: AbstractBaseUser | None,
    using: str,
    now: datetime | None = None,
    with_phone: bool = False,
) -> tuple[VerificationAttempt, datetime]:
    """The attempt and the database's now, in one SELECT; what is overdue is settled first.

    ``with_phone``: its number's row comes along. Raises AttemptNotFound, for another user's attempt too. An attempt
    without a user answers to whoever knows its id.
    """
    rows = VerificationAttempt.objects.using(using).filter(uuid=_uuid(attempt_uuid)).annotate(read_at=DbNow())
    attempt = (rows.select_related("phone") if with_phone else rows).first()
    if attempt is None or attempt.user_id not in (None, owner_id(user)):
        raise AttemptNotFound
    now = now or attempt.read_at
    with not_found_if_erased(attempt, using=using):
        settle_overdue(attempt, now=now, using=using)
    return attempt, now


@contextmanager
def not_found_if_erased(attempt: VerificationAttempt, *, using: str) -> Iterator[None]:
    """Turn the errors of a row that is gone into AttemptNotFound: staff erased its number meanwhile."""
    try:
        yield
    except (VerificationAttempt.DoesNotExist, IntegrityError):
        if VerificationAttempt.objects.using(using).filter(pk=attempt.pk).exists():
            raise
        raise AttemptNotFound from None


def was_started(attempt_uuid: UUID | None) -> bool:
    """Whether a start with this id would be a repeat, which rings nobody. Not where the database cannot say."""
    return attempt_uuid is not None and _is_there(uuid=attempt_uuid)


def is_verified(attempt_uuid: UUID) -> bool:
    """Whether a code for it would be judged by nobody any more, and answered with what was judged before."""
    return _is_there(uuid=attempt_uuid, status=Status.VERIFIED)


def _is_there(**filters: object) -> bool:
    try:
        return VerificationAttempt.objects.using(write_alias()).filter(**filters).exists()
    except (InterfaceError, OperationalError):
        return False


def settle_overdue(attempt: VerificationAttempt, *, now: datetime, using: str) -> None:
    """Make of the row what its time has made of it. Sweeping does the same with the same UPDATEs."""
    while fields := overdue_move(attempt, now=now):
        if not _settle(attempt, fields, now=now, using=using):
            attempt.refresh_from_db(using=using)


def settle_attempt(attempt_id: int, *, now: datetime | None = None) -> None:
    """Settle what is overdue of the attempt with this primary key, whoever's it is: for staff, before they read it."""
    using = write_alias()
    attempt = VerificationAttempt.objects.using(using).filter(pk=attempt_id).annotate(read_at=DbNow()).first()
    if attempt is not None:
        with suppress(AttemptNotFound), not_found_if_erased(attempt, using=using):
            settle_overdue(attempt, now=now or attempt.read_at, using=using)


def _settle(attempt: VerificationAttempt, fields: Mapping[str, object], *, now: datetime, using: str) -> bool:
    """Nobody is rung late: a call that waited past its deadline is not placed any more, and does not count."""
    status = Status(attempt.status)
    if status == Status.QUEUED:
        return move_and_give_back(attempt, fields, from_=(status,), now=now, using=using)
    return move(attempt, fields, from_=CHECKABLE if status in CHECKABLE else (status,), using=using)


def was_rung_since(attempt: VerificationAttempt, *, using: str) -> bool:
    """Whether a newer call went to the number: without an id, Telroi judges a code by the newest call alone.

    Even by one that failed at the carrier, for Telroi stored that too.
    """
    newer = VerificationAttempt.objects.using(using).filter(
        phone__number=attempt.number, dialed_at__gt=attempt.dialed_at
    )
    return newer.exclude(~Q(error_code=ErrorCode.CALL_FAILED), status=Status.FAILED).exists()


def _uuid(value: UUID | str) -> UUID:
    try:
        return value if isinstance(value, UUID) else UUID(value)
    except ValueError:
        raise AttemptNotFound from None
