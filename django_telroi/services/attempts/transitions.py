"""The transitions of an attempt: conditional UPDATEs of its status, and those that are due by time.

A function that reads one attempt also writes its overdue transitions. ``sweep`` writes the same ones. A list applies
the same rule to the objects in memory, so it is right before anything is written.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial

from django.db import transaction
from django.db.models import F, Q
from django.dispatch import Signal

from django_telroi import conf
from django_telroi.backends import judges_by_number
from django_telroi.domain.number_limits import Hold, hold_after, with_call, without_call
from django_telroi.domain.states import CHECKABLE, Judge, Status
from django_telroi.models import PhoneNumber, VerificationAttempt
from django_telroi.services.shared.number_state import read_number
from django_telroi.services.shared.outcomes import ErrorCode
from django_telroi.services.shared.site_control import uncount_for_the_day
from django_telroi.services.shared.statements import update_row
from django_telroi.services.shared.transactions import after_commit, repeat_on_lock_error
from django_telroi.services.shared.writes import VersionConflict, change_moments

TIMES_TO_RETRY = 3
"""After this many version conflicts, the number's row is locked before it is read."""


def transition(
    attempt: VerificationAttempt,
    fields: Mapping[str, object],
    *,
    from_: Collection[Status],
    using: str,
    **only_if: object,
) -> bool:
    """Write ``fields`` if the status of the row is still in ``from_``. The object gets the same values.

    ``only_if`` are additional look-ups that the row must match. Returns False if another process changed the row first.
    Raises IntegrityError if Telroi's id belongs to another attempt.
    """
    write = partial(_write, attempt, fields, from_=from_, using=using, **only_if)
    return _copy_to_object(attempt, fields, is_written=repeat_on_lock_error(write, using=using))


def transition_with_number(
    attempt: VerificationAttempt,
    fields: Mapping[str, object],
    *,
    from_: Collection[Status],
    now: datetime,
    using: str,
    hold_seconds: int | None = None,
    hold_reason: str = "",
    counts_from: datetime | None = None,
) -> bool:
    """Change the status, and remove the moment of the call from its number's calls, or move it to ``counts_from``.

    It is removed if the call does not count. It is moved if the call goes back to the queue, or if its answer was slow.
    ``hold_seconds`` and ``hold_reason`` are Telroi's wait and reason if it refused the number.

    A moment that another process removed or replaced meanwhile is not removed again. The number's row is written even
    if another process changed the attempt first. Returns False in that case.
    """
    write = partial(
        _write_attempt_and_number,
        attempt,
        fields,
        from_=from_,
        now=now,
        hold=(hold_seconds, hold_reason),
        counts_from=counts_from,
        using=using,
    )
    for _ in range(TIMES_TO_RETRY):
        with suppress(VersionConflict):
            return _copy_to_object(attempt, fields, is_written=repeat_on_lock_error(write, using=using))
    locked_write = partial(_write_with_lock, attempt, write, using=using)
    return _copy_to_object(attempt, fields, is_written=repeat_on_lock_error(locked_write, using=using))


def send_after_commit(signal: Signal, attempt: VerificationAttempt, *, using: str) -> None:
    """Send ``signal`` with ``attempt`` after the commit, or after a commit whose outcome is unknown."""
    after_commit(partial(signal.send_robust, sender=VerificationAttempt, attempt=attempt), using=using)


def _write(
    attempt: VerificationAttempt,
    fields: Mapping[str, object],
    *,
    from_: Collection[Status],
    using: str,
    **only_if: object,
) -> bool:
    where = {"pk": attempt.pk, "status__in": from_, **only_if}
    return update_row(VerificationAttempt, where, fields, using=using)


def _write_attempt_and_number(
    attempt: VerificationAttempt,
    fields: Mapping[str, object],
    *,
    from_: Collection[Status],
    now: datetime,
    hold: tuple[int | None, str],
    counts_from: datetime | None,
    using: str,
) -> bool:
    """Write both rows in one transaction. Returns whether the attempt changed. Raises VersionConflict."""
    phone = read_number(attempt.phone_id, using=using)
    if phone is None:
        return _write(attempt, fields, from_=from_, using=using)
    moments = without_call(phone.moments, attempt.counted_at)
    counted = moments != phone.moments
    if counted and counts_from:
        moments = with_call(moments, counts_from)
    wait, reason = hold
    new_hold = None if wait is None else _hold_of(phone, moments, wait=timedelta(seconds=wait), now=now)
    change = change_moments(
        phone,
        moments,
        last_call_at=phone.last_call_at,
        held_at=new_hold.since if new_hold else None,
        held_until=new_hold.until if new_hold else phone.held_until,
        held_reason=reason if new_hold else None,
    )
    with transaction.atomic(using=using):
        attempt.phone = change.write(using=using)
        is_written = _write(attempt, fields, from_=from_, using=using)
        if counted and not counts_from:
            uncount_for_the_day(attempt.counted_at, using=using)  # last, because all calls share the row of the day
    return is_written


def _hold_of(phone: PhoneNumber, moments: Sequence[datetime], *, wait: timedelta, now: datetime) -> Hold:
    last = Hold(phone.held_at, phone.held_until) if phone.held_at and phone.held_until else None
    return hold_after(conf.policy(), moments, now=now, wait=wait, last=last)


def _write_with_lock(attempt: VerificationAttempt, write: Callable[[], bool], *, using: str) -> bool:
    """Lock the number's row before ``write`` reads it. Then no other process can change its version."""
    with transaction.atomic(using=using):
        PhoneNumber.objects.using(using).filter(pk=attempt.phone_id).update(version=F("version") + 1)
        return write()


def _copy_to_object(attempt: VerificationAttempt, fields: Mapping[str, object], *, is_written: bool) -> bool:
    if is_written:
        for name, value in fields.items():
            setattr(attempt, name, value)
    return is_written


def closing_fields(status: Status, *, now: datetime, **fields: object) -> dict[str, object]:
    """Return the fields of an attempt that ends without success at ``now``, with these other ``fields``.

    The code's digest is deleted, because a person with ``SECRET_KEY`` could find the code by trying all of them.
    """
    return {"status": status, "closed_at": now, "due_at": None, "judging": {}, "code_digest": ""} | fields


RIGHT_CODE_LIFETIME = timedelta(minutes=10)
"""How long after a verification its code is accepted again and its proof is valid."""


def deadline_of(attempt: VerificationAttempt) -> datetime:
    """Return until when a queued call may be placed, independent of ``due_at``."""
    return attempt.created_at + conf.queue_deadline()


def overdue_transition(attempt: VerificationAttempt, *, now: datetime) -> Mapping[str, object] | None:
    """Return the fields of the next overdue transition. None if the row is up to date."""
    if attempt.status == Status.QUEUED and deadline_of(attempt) <= now:
        return closing_fields(Status.EXPIRED, now=now, error_code=ErrorCode.DEADLINE)
    if attempt.due_at is None or attempt.due_at > now:
        return None
    if attempt.status == Status.DIALING:
        return {"status": Status.UNKNOWN, "error_code": ErrorCode.LEASE_ENDED, "due_at": attempt.expires_at}
    if attempt.status in CHECKABLE and attempt.expires_at <= now:
        return closing_fields(Status.EXPIRED, now=now)
    if attempt.status == Status.VERIFIED:
        return {"code_digest": "", "due_at": None}
    return None


def apply_overdue_unsaved(attempt: VerificationAttempt, *, now: datetime) -> VerificationAttempt:
    """Apply the overdue transitions to the object without writing the row. ``closed_at`` is when they were due."""
    while fields := overdue_transition(attempt, now=now):
        ended_at = deadline_of(attempt) if attempt.status == Status.QUEUED else attempt.expires_at
        for name, value in fields.items():
            setattr(attempt, name, ended_at if name == "closed_at" else value)
    return attempt


def status_condition(status: Status, *, now: datetime) -> Q:
    """Return a filter for rows with this status at ``now``, including overdue rows that are not written yet."""
    matches = Q(status=status) & ~_overdue_condition(status, now) if status in _OVERDUE_FROM else Q(status=status)
    for before in _OVERDUE_FROM:
        matches |= _became(status, before, now)
    return matches


def error_condition(error_code: str, *, now: datetime) -> Q:
    """Return a filter for rows with this error at ``now``, including overdue rows that are not written yet."""
    unwritten = {ErrorCode.DEADLINE: Status.QUEUED, ErrorCode.LEASE_ENDED: Status.DIALING}
    before = unwritten.get(error_code)  # type: ignore[call-overload]
    matches = Q(error_code=error_code)
    return matches | Q(status=before) & _overdue_condition(before, now) if before else matches


_OVERDUE_FROM = (Status.QUEUED, Status.DIALING, Status.PLACED, Status.UNKNOWN)


def _overdue_condition(status: Status, now: datetime) -> Q:
    if status == Status.QUEUED:
        return Q(created_at__lte=now - conf.queue_deadline())
    due = Q(due_at__isnull=False, due_at__lte=now)
    return due if status == Status.DIALING else due & Q(expires_at__lte=now)


def _became(status: Status, before: Status, now: datetime) -> Q:
    """Return a filter for ``before`` rows that have become ``status``. At most two transitions are overdue at once."""
    overdue = Q(status=before) & _overdue_condition(before, now)
    if before == Status.DIALING:
        is_over = Q(expires_at__lte=now)
        by_status = {Status.EXPIRED: overdue & is_over, Status.UNKNOWN: overdue & ~is_over}
    else:
        by_status = {Status.EXPIRED: overdue}
    return by_status.get(status, Q(pk__in=()))


def close_uncheckable(attempt: VerificationAttempt, *, now: datetime, using: str) -> None:
    """Expire an ``unknown`` call without an id if the backend needs the id to judge codes. The object is updated too.

    The phone may ring, so the call counts. Its code could never be accepted, so the person is not asked to type it.
    """
    is_judged_by_telroi = attempt.judge == Judge.TELROI
    if is_judged_by_telroi and attempt.status == Status.UNKNOWN and not attempt.telroi_id and not judges_by_number():
        close_as_lost(attempt, now=now, using=using, telroi_id=None)


def close_as_lost(attempt: VerificationAttempt, *, now: datetime, using: str, **only_if: object) -> None:
    """Expire the attempt with the error ``lost``, if the row matches ``only_if``. The object is updated too."""
    lost = closing_fields(Status.EXPIRED, now=now, error_code=ErrorCode.LOST)
    if not transition(attempt, lost, from_=CHECKABLE, using=using, **only_if):
        attempt.refresh_from_db(using=using)
