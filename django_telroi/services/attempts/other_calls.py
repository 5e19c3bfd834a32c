"""Other calls of an attempt's flow, and to its number: what they change for this attempt.

Of two calls of one flow, the older one takes the codes until the newer one rings or may ring. A claim writes the
newer call's uuid to the older attempt and leaves it open. A queued older call is superseded in the claim, or both
would ring. The process that settles the newer call closes the older one. If it dies first, the next request that
reads the older attempt closes it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from uuid import UUID, uuid5

from django.db.models import Q, QuerySet

from django_telroi.domain.states import CHECKABLE, FINAL, UNFINISHED, Status
from django_telroi.models import DbNow, VerificationAttempt
from django_telroi.services.attempts.transitions import (
    closing_fields,
    overdue_transition,
    transition,
    transition_uncounted,
)
from django_telroi.services.shared.call_outcome import ErrorCode


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
    transition_uncounted(
        attempt, closing_fields(Status.CANCELED, now=now), from_=(Status.QUEUED,), now=now, using=using
    )


def cancel_newer_calls(attempt: VerificationAttempt, *, now: datetime, using: str) -> None:
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
    """Return the calls before ``newer``. The filter starts with the number, because that column has the index."""
    return VerificationAttempt.objects.using(using).filter(phone_id=newer.phone_id, followed_by=newer.uuid)


def newer_statuses_of_number(attempt: VerificationAttempt, *, using: str) -> set[str]:
    """Return the statuses of newer calls to the number. Without an id, Telroi judges a code by the newest call only.

    Calls with a key of another name are not meant: Telroi looks in the workspace of the key.

    A call that failed at the carrier is included, because Telroi stored it. A dialing call may not be stored yet.
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
