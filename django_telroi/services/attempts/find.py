"""Look-up of an attempt for a user. Overdue transitions and those caused by newer calls of the flow are made first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import IntegrityError

from django_telroi.domain.states import CHECKABLE, UNFINISHED, Status
from django_telroi.errors import AttemptNotFound
from django_telroi.models import DbNow, VerificationAttempt
from django_telroi.services.attempts.call_reports import close_uncheckable, settle_by_hint
from django_telroi.services.attempts.other_calls import close_superseded_calls, settle_by_newer_call
from django_telroi.services.attempts.telroi_tries import is_judgement_out
from django_telroi.services.attempts.transitions import (
    closing_fields,
    overdue_transition,
    transition,
    transition_uncounted,
)
from django_telroi.services.shared.arguments import is_gone, owner_id
from django_telroi.services.shared.number_state import State, read_attempt, remember_state
from django_telroi.services.shared.outcome_reports import report_call
from django_telroi.services.shared.transactions import write_alias

ID_LIFETIME = timedelta(hours=1)
"""How long after ``expires_at`` the id of an attempt without a user is accepted."""


def find_and_settle(
    attempt_uuid: UUID | str, *, user: AbstractBaseUser | None, using: str, now: datetime | None = None
) -> tuple[VerificationAttempt, datetime]:
    """Return the attempt with its number's row, and the current time of the database, from one SELECT.

    Overdue transitions are made first. Raises AttemptNotFound if the attempt does not exist for this user.
    """
    attempt, state = find_and_settle_with_state(attempt_uuid, user=user, using=using, now=now)
    return attempt, state.now


def find_and_settle_with_state(
    attempt_uuid: UUID | str, *, user: AbstractBaseUser | None, using: str, now: datetime | None = None
) -> tuple[VerificationAttempt, State]:
    """Return what ``find_and_settle`` returns, with the whole state that the same SELECT reads.

    The state is remembered with the object, so that its status is answered without another query.
    """
    attempt, state = read_attempt(_uuid(attempt_uuid), using=using, now=now)
    if attempt is None:
        raise AttemptNotFound
    settle_if_accessible(attempt, user_id=owner_id(user), now=state.now, using=using)
    remember_state(attempt, state)
    return attempt, state


def settle_if_accessible(attempt: VerificationAttempt, *, user_id: Any, now: datetime, using: str) -> None:
    """Make the overdue transitions of a row that this user may see. Raises AttemptNotFound if they may not see it.

    Only its user can see an attempt of a user, and no user can if that user was deleted. Any requester with the id can
    see an attempt without a user, until an hour after its code expired. Otherwise an id from an old log could be used
    to call the number again.
    """
    with not_found_if_erased(attempt, using=using):
        if is_orphan(attempt):
            close_orphan(attempt, now=now, using=using)
            raise AttemptNotFound
        if attempt.user_id not in (None, user_id) or _is_too_old(attempt, now=now):
            raise AttemptNotFound
        settle_overdue(attempt, now=now, using=using)
        settle_by_newer_call(attempt, now=now, using=using)
        close_uncheckable(attempt, now=now, using=using)


def is_erased(attempt_uuid: UUID) -> bool:
    """Return whether no row has this id: staff erased its number, or a purge deleted it."""
    return not VerificationAttempt.objects.using(write_alias()).filter(uuid=attempt_uuid).exists()


def is_orphan(attempt: VerificationAttempt) -> bool:
    """Return whether its user was deleted. ``had_user`` shows this also after SQL that sends no signal."""
    return attempt.had_user and attempt.user_id is None


def close_orphan(attempt: VerificationAttempt, *, now: datetime, using: str) -> None:
    """Cancel what a deleted user left open, and spend the proof. A queued call is not placed."""
    canceled = closing_fields(Status.CANCELED, now=now)
    spent = {"proof_spent_at": now, "code_digest": "", "due_at": None}
    if attempt.status == Status.QUEUED:
        transition_uncounted(attempt, canceled, from_=(Status.QUEUED,), now=now, using=using)
    elif attempt.status in UNFINISHED:
        transition(attempt, canceled, from_=UNFINISHED, using=using)
    elif attempt.status == Status.VERIFIED and attempt.proof_spent_at is None:
        transition(attempt, spent, from_=(Status.VERIFIED,), using=using)


def _is_too_old(attempt: VerificationAttempt, *, now: datetime) -> bool:
    return attempt.user_id is None and attempt.expires_at + ID_LIFETIME <= now


@contextmanager
def not_found_if_erased(attempt: VerificationAttempt, *, using: str) -> Iterator[None]:
    """Turn the errors of a deleted row into AttemptNotFound. Its number was erased, or its user was deleted."""
    try:
        yield
    except (VerificationAttempt.DoesNotExist, IntegrityError):
        is_there = VerificationAttempt.objects.using(using).filter(pk=attempt.pk).exists()
        if is_there and not is_gone(attempt.user_id, using=using):
            raise
        raise AttemptNotFound from None


def settle_overdue(attempt: VerificationAttempt, *, now: datetime, using: str) -> None:
    """Make all overdue transitions of the attempt. The sweep makes the same ones with the same UPDATEs.

    While the judgement of a code that was sent in time may still come, the attempt does not expire.
    """
    while fields := overdue_transition(attempt, now=now):
        if attempt.status in CHECKABLE and is_judgement_out(attempt, now=now, using=using):
            return
        if not _settle(attempt, fields, now=now, using=using):
            attempt.refresh_from_db(using=using)


def settle_attempt(attempt_id: int, *, now: datetime | None = None) -> None:
    """Make the overdue transitions of the attempt with this primary key, of any user. Staff read it afterwards."""
    using = write_alias()
    attempt = VerificationAttempt.objects.using(using).filter(pk=attempt_id).annotate(read_at=DbNow()).first()
    if attempt is not None:
        now = now or attempt.read_at
        with suppress(AttemptNotFound), not_found_if_erased(attempt, using=using):
            settle_overdue(attempt, now=now, using=using)
            settle_by_newer_call(attempt, now=now, using=using)
            if is_orphan(attempt):
                close_orphan(attempt, now=now, using=using)


def _settle(attempt: VerificationAttempt, fields: Mapping[str, object], *, now: datetime, using: str) -> bool:
    """Make one overdue transition. A queued call past its deadline is not placed any more, and does not count."""
    status = Status(attempt.status)
    if status == Status.QUEUED:
        is_written = transition_uncounted(attempt, fields, from_=(status,), now=now, using=using)
        if is_written:
            report_call(attempt, using=using)
        return is_written
    is_written = transition(attempt, fields, from_=CHECKABLE if status in CHECKABLE else (status,), using=using)
    if is_written and status == Status.DIALING:
        report_call(attempt, using=using)
        settle_by_hint(attempt, now=now, using=using)
        close_superseded_calls(attempt, now=now, using=using)
    return is_written


def _uuid(value: UUID | str) -> UUID:
    try:
        return value if isinstance(value, UUID) else UUID(value)
    except ValueError:
        raise AttemptNotFound from None
