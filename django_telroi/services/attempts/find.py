"""Look-up of an attempt for a user. Overdue transitions and those caused by newer calls of the flow are made first.

Of two calls of one flow, the older one takes the codes until the newer one rings or may ring. A claim writes the
newer call's uuid to the older attempt and leaves it open. A queued older call is superseded in the claim. Otherwise
both calls would ring. The process that settles the newer call closes the older one. If it dies first, the next request
that reads the older attempt closes it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import IntegrityError
from django.db.models import Q, QuerySet

from django_telroi.domain.states import CHECKABLE, FINAL, UNFINISHED, Status
from django_telroi.errors import AttemptNotFound
from django_telroi.models import DbNow, VerificationAttempt
from django_telroi.services.attempts.call_reports import settle_by_stored_event
from django_telroi.services.attempts.telroi_tries import is_judgement_out
from django_telroi.services.attempts.transitions import (
    close_uncheckable,
    closing_fields,
    overdue_transition,
    transition,
    transition_with_number,
)
from django_telroi.services.shared.arguments import is_gone, owner_id
from django_telroi.services.shared.number_state import State, read_attempt, remember_state
from django_telroi.services.shared.outcomes import ErrorCode, report_call
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


def is_missing(attempt_uuid: UUID) -> bool:
    """Return whether no attempt has this id: staff erased its number, a purge deleted it, or it never existed."""
    return not VerificationAttempt.objects.using(write_alias()).filter(uuid=attempt_uuid).exists()


def is_of_user(attempt_uuid: UUID) -> bool:
    """Return whether the attempt with this id belongs to a user, so that a visitor without a login cannot see it."""
    attempts = VerificationAttempt.objects.using(write_alias()).filter(uuid=attempt_uuid, user__isnull=False)
    return attempts.exists()


def is_orphan(attempt: VerificationAttempt) -> bool:
    """Return whether its user was deleted. ``had_user`` shows this also after SQL that sends no signal."""
    return attempt.had_user and attempt.user_id is None


def close_orphan(attempt: VerificationAttempt, *, now: datetime, using: str) -> None:
    """Cancel what a deleted user left open, and spend the proof. A queued call is not placed."""
    canceled = closing_fields(Status.CANCELED, now=now)
    spent = {"proof_spent_at": now, "code_digest": "", "due_at": None}
    if attempt.status == Status.QUEUED:
        transition_with_number(attempt, canceled, from_=(Status.QUEUED,), now=now, using=using)
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
        is_written = transition_with_number(attempt, fields, from_=(status,), now=now, using=using)
        if is_written:
            report_call(attempt, using=using)
        return is_written
    is_written = transition(attempt, fields, from_=CHECKABLE if status in CHECKABLE else (status,), using=using)
    if is_written and status == Status.DIALING:
        report_call(attempt, using=using)
        settle_by_stored_event(attempt, now=now, using=using)
        close_superseded_calls(attempt, now=now, using=using)
    return is_written


def _uuid(value: UUID | str) -> UUID:
    try:
        return value if isinstance(value, UUID) else UUID(value)
    except ValueError:
        raise AttemptNotFound from None


def another_call_id(attempt_uuid: UUID) -> UUID:
    """Return the id of the next call of the flow. An attempt always gives the same id, so retries are detected."""
    return uuid5(attempt_uuid, "call again")


def never_rang(attempt: VerificationAttempt) -> bool:
    """Return whether the call is over and certainly did not ring. Another call may then follow as if it were first."""
    return attempt.status in FINAL and (attempt.status == Status.FAILED or attempt.dialed_at is None)


def may_have_rung(attempt: VerificationAttempt) -> bool:
    """Return whether the phone rings, rang, or may have rung. From then on, only this call of the flow takes codes."""
    return attempt.dialed_at is not None and attempt.status not in (Status.DIALING, Status.FAILED)


def close_superseded_calls(newer: VerificationAttempt, *, now: datetime, using: str) -> None:
    """Close the older calls of the flow once the newer one may ring, or the newer one if an older code was right."""
    if not newer.is_again or not may_have_rung(newer):
        return
    older = _calls_before(newer, using=using)
    superseded = older.filter(status__in=UNFINISHED).update(**closing_fields(Status.SUPERSEDED, now=now))
    if not superseded and newer.status in UNFINISHED and older.filter(status=Status.VERIFIED).exists():
        transition(newer, closing_fields(Status.CANCELED, now=now), from_=UNFINISHED, using=using)


def settle_by_newer_call(attempt: VerificationAttempt, *, now: datetime, using: str) -> None:
    """Close an open attempt if a newer call of the flow has rung. Another process may have failed to do this."""
    if attempt.followed_by is None or attempt.status not in UNFINISHED:
        return
    for newer in _later_calls_of_flow(attempt, using=using):
        if fields := overdue_transition(newer, now=now):
            newer.status = str(fields["status"])  # its lease is over, so the phone may ring; the row is not written
        if may_have_rung(newer):
            if not transition(attempt, closing_fields(Status.SUPERSEDED, now=now), from_=UNFINISHED, using=using):
                attempt.refresh_from_db(using=using)
            return


def is_followed_by(older: VerificationAttempt, newer: VerificationAttempt, *, using: str) -> bool:
    """Return whether ``newer`` comes after ``older`` in the same flow."""
    return any(each.pk == newer.pk for each in _later_calls_of_flow(older, using=using))


def is_not_needed(attempt: VerificationAttempt, *, using: str) -> bool:
    """Return whether the code of an older call of the flow was right, so that this call must not be placed."""
    return attempt.is_again and _calls_before(attempt, using=using).filter(status=Status.VERIFIED).exists()


def cancel_queued(attempt: VerificationAttempt, *, now: datetime, using: str) -> None:
    """Cancel a queued call. It does not count for the limits."""
    transition_with_number(
        attempt, closing_fields(Status.CANCELED, now=now), from_=(Status.QUEUED,), now=now, using=using
    )


def cancel_newer_calls(attempt: VerificationAttempt, *, now: datetime, using: str) -> None:
    """Cancel the newer calls of the flow, because the person canceled this call."""
    for newer in _later_calls_of_flow(attempt, using=using):
        if newer.status == Status.QUEUED:
            cancel_queued(newer, now=now, using=using)
        transition(newer, closing_fields(Status.CANCELED, now=now), from_=UNFINISHED - {Status.QUEUED}, using=using)


def cancel_newer_queued_calls(attempt: VerificationAttempt, *, now: datetime, using: str) -> None:
    """Cancel the newer calls of the flow that are queued, because the code of this call was right."""
    for newer in _later_calls_of_flow(attempt, using=using):
        if newer.status == Status.QUEUED:
            cancel_queued(newer, now=now, using=using)


def cancel_older_calls(newer: VerificationAttempt, *, now: datetime, using: str) -> None:
    """Cancel the open older calls of the flow, because the person canceled the newer call."""
    if newer.is_again:
        older = _calls_before(newer, using=using).filter(status__in=UNFINISHED)
        older.update(**closing_fields(Status.CANCELED, now=now))


def _later_calls_of_flow(attempt: VerificationAttempt, *, using: str) -> Iterator[VerificationAttempt]:
    """Yield the later calls of the flow, oldest first. Each is one SELECT, made when the call is read."""
    uuid = attempt.followed_by
    while uuid is not None:
        newer = VerificationAttempt.objects.using(using).filter(uuid=uuid).first()
        if newer is None:
            return
        yield newer
        uuid = newer.followed_by


def _calls_before(newer: VerificationAttempt, *, using: str) -> QuerySet[VerificationAttempt]:
    """Return the calls that are linked to ``newer``. The filter has the number, because that column has the index."""
    return VerificationAttempt.objects.using(using).filter(phone_id=newer.phone_id, followed_by=newer.uuid)


def newer_statuses_of_number(attempt: VerificationAttempt, *, using: str) -> set[str]:
    """Return the statuses of newer calls to the number. Without an id, Telroi judges a code by the newest call only.

    Calls with another key are excluded, because Telroi looks only in the workspace of the key. A call that failed at
    the carrier is included, because Telroi stored it. So is a ``dialing`` call, which Telroi may have stored.
    """
    newer = VerificationAttempt.objects.using(using).filter(
        phone_id=attempt.phone_id, dialed_at__gt=attempt.dialed_at, key_name=attempt.key_name
    )
    stored = newer.exclude(~Q(error_code=ErrorCode.CALL_FAILED), status=Status.FAILED)
    return set(stored.values_list("status", flat=True))


def has_open_call_with_id(attempt: VerificationAttempt, *, using: str) -> bool:
    """Return whether a call of another flow to the number takes codes and was certainly stored by Telroi.

    Older calls of the same flow are ignored: they are over, even if their rows are still open.
    """
    others = VerificationAttempt.objects.using(using).filter(
        phone_id=attempt.phone_id,
        key_name=attempt.key_name,
        status__in=CHECKABLE,
        telroi_id__isnull=False,
        expires_at__gt=DbNow(),
    )
    return not all(is_followed_by(other, attempt, using=using) for other in others.exclude(pk=attempt.pk))
