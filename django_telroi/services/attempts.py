"""Finding an attempt, for whoever may see it, and as it stands by now."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import IntegrityError
from django.db.models import Q

from django_telroi.domain.states import CHECKABLE, UNFINISHED, Status
from django_telroi.errors import AttemptNotFound
from django_telroi.models import DbNow, VerificationAttempt
from django_telroi.services.calling_again import close_followed, is_followed_by, settle_followed
from django_telroi.services.hints import take_hint
from django_telroi.services.moves import move, move_and_give_back
from django_telroi.services.overdue import overdue_move
from django_telroi.services.owners import is_gone, owner_id
from django_telroi.services.transactions import write_alias
from django_telroi.services.typed_codes import is_judgement_out
from django_telroi.services.uncheckable import close_uncheckable
from django_telroi.services.verdicts import ErrorCode

ID_LIFETIME = timedelta(hours=1)
"""How long after ``expires_at`` the id of an attempt without a user is good for anything."""


def find_attempt(
    attempt_uuid: UUID | str,
    *,
    user: AbstractBaseUser | None,
    using: str,
    now: datetime | None = None,
    **annotations: Any,
) -> tuple[VerificationAttempt, datetime]:
    """The attempt and the database's now, in one SELECT; what is overdue is settled first.

    The number's row comes along. ``annotations`` are added to the SELECT. Raises AttemptNotFound if there is no such
    attempt for this user.
    """
    rows = VerificationAttempt.objects.using(using).filter(uuid=_uuid(attempt_uuid))
    attempt = rows.annotate(read_at=DbNow(), **annotations).select_related("phone").first()
    if attempt is None:
        raise AttemptNotFound
    now = now or attempt.read_at
    settle_for(attempt, user_id=owner_id(user), now=now, using=using)
    return attempt, now


def settle_for(attempt: VerificationAttempt, *, user_id: Any, now: datetime, using: str) -> None:
    """Settle what is overdue of a row that this user may see. Raises AttemptNotFound if they may not.

    A user's attempt answers to its user, and to nobody once the user is deleted. An attempt without a user answers to
    whoever has its id, until an hour after its code has expired: an id out of an old log must not ring its owner.
    """
    with not_found_if_erased(attempt, using=using):
        if is_orphan(attempt):
            close_orphan(attempt, now=now, using=using)
            raise AttemptNotFound
        if attempt.user_id not in (None, user_id) or _is_too_old(attempt, now=now):
            raise AttemptNotFound
        settle_overdue(attempt, now=now, using=using)
        settle_followed(attempt, now=now, using=using)
        close_uncheckable(attempt, now=now, using=using)


def is_erased(attempt_uuid: UUID) -> bool:
    """Whether no row has this id: staff erased its number, or a purge deleted it."""
    return not VerificationAttempt.objects.using(write_alias()).filter(uuid=attempt_uuid).exists()


def is_orphan(attempt: VerificationAttempt) -> bool:
    """Whether its user was deleted. The column says so, because SQL that deletes a user sends no signal."""
    return attempt.had_user and attempt.user_id is None


def close_orphan(attempt: VerificationAttempt, *, now: datetime, using: str) -> None:
    """Close what a deleted user left open, and spend its proof. A call that waits in the queue is not placed."""
    canceled = {"status": Status.CANCELED, "closed_at": now, "due_at": None, "judging": {}}
    spent = {"proof_spent_at": now, "code_digest": "", "due_at": None}
    if attempt.status == Status.QUEUED:
        move_and_give_back(attempt, canceled, from_=(Status.QUEUED,), now=now, using=using)
    elif attempt.status in UNFINISHED:
        move(attempt, canceled, from_=UNFINISHED, using=using)
    elif attempt.status == Status.VERIFIED and attempt.proof_spent_at is None:
        move(attempt, spent, from_=(Status.VERIFIED,), using=using)


def _is_too_old(attempt: VerificationAttempt, *, now: datetime) -> bool:
    return attempt.user_id is None and attempt.expires_at + ID_LIFETIME <= now


@contextmanager
def not_found_if_erased(attempt: VerificationAttempt, *, using: str) -> Iterator[None]:
    """Turn the errors of a row that is gone into AttemptNotFound: its number was erased, or its user deleted."""
    try:
        yield
    except (VerificationAttempt.DoesNotExist, IntegrityError):
        is_there = VerificationAttempt.objects.using(using).filter(pk=attempt.pk).exists()
        if is_there and not is_gone(attempt.user_id, using=using):
            raise
        raise AttemptNotFound from None


def settle_overdue(attempt: VerificationAttempt, *, now: datetime, using: str) -> None:
    """Make of the row what its time has made of it. Sweeping does the same with the same UPDATEs.

    A code that was sent in time is judged to its end: while an answer may come, the attempt does not expire.
    """
    while fields := overdue_move(attempt, now=now):
        if attempt.status in CHECKABLE and is_judgement_out(attempt, now=now, using=using):
            return
        if not _settle(attempt, fields, now=now, using=using):
            attempt.refresh_from_db(using=using)


def settle_attempt(attempt_id: int, *, now: datetime | None = None) -> None:
    """Settle what is overdue of the attempt with this primary key, whoever's it is: for staff, before they read it."""
    using = write_alias()
    attempt = VerificationAttempt.objects.using(using).filter(pk=attempt_id).annotate(read_at=DbNow()).first()
    if attempt is not None:
        now = now or attempt.read_at
        with suppress(AttemptNotFound), not_found_if_erased(attempt, using=using):
            settle_overdue(attempt, now=now, using=using)
            settle_followed(attempt, now=now, using=using)
            if is_orphan(attempt):
                close_orphan(attempt, now=now, using=using)


def _settle(attempt: VerificationAttempt, fields: Mapping[str, object], *, now: datetime, using: str) -> bool:
    """Nobody is rung late: a call that waited past its deadline is not placed any more, and does not count."""
    status = Status(attempt.status)
    if status == Status.QUEUED:
        return move_and_give_back(attempt, fields, from_=(status,), now=now, using=using)
    is_moved = move(attempt, fields, from_=CHECKABLE if status in CHECKABLE else (status,), using=using)
    if is_moved and status == Status.DIALING:
        take_hint(attempt, now=now, using=using)
        close_followed(attempt, now=now, using=using)
    return is_moved


def newer_calls(attempt: VerificationAttempt, *, using: str) -> set[str]:
    """The statuses of newer calls to the number: without an id, Telroi judges a code by the newest call alone.

    A call that failed at the carrier counts, because Telroi stored that too; one that is dialing may not be stored yet.
    """
    newer = VerificationAttempt.objects.using(using).filter(phone_id=attempt.phone_id, dialed_at__gt=attempt.dialed_at)
    stored = newer.exclude(~Q(error_code=ErrorCode.CALL_FAILED), status=Status.FAILED)
    return set(stored.values_list("status", flat=True))


def has_open_call_with_id(attempt: VerificationAttempt, *, using: str) -> bool:
    """Whether another flow's call to the number takes codes, and Telroi certainly stored it.

    Older calls of the same flow are over, even where nobody has closed them yet.
    """
    others = VerificationAttempt.objects.using(using).filter(
        phone_id=attempt.phone_id, status__in=CHECKABLE, telroi_id__isnull=False, expires_at__gt=DbNow()
    )
    return not all(is_followed_by(other, attempt, using=using) for other in others.exclude(pk=attempt.pk))


def _uuid(value: UUID | str) -> UUID:
    try:
        return value if isinstance(value, UUID) else UUID(value)
    except ValueError:
        raise AttemptNotFound from None
