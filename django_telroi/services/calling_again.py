"""Two calls of one flow: until the newer one rings, or may ring, the older one takes the codes.

A claim marks the older attempt with the newer one's uuid and leaves it open (a queued one is superseded, or both would
ring). Whoever settles the newer call closes the older one; a process that dies before that leaves it to the next
request that reads the older attempt.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from uuid import UUID, uuid5

from django.db.models import QuerySet

from django_telroi.domain.states import FINAL, UNFINISHED, Status
from django_telroi.models import VerificationAttempt
from django_telroi.services.moves import move, move_and_give_back
from django_telroi.services.overdue import overdue_move


def another_call_id(attempt_uuid: UUID) -> UUID:
    """The id of the call that follows this one, however often it is asked for."""
    return uuid5(attempt_uuid, "call again")


def never_rang(attempt: VerificationAttempt) -> bool:
    """Whether the call is over and certainly did not ring: another one may follow as if it had never been."""
    return attempt.status in FINAL and (attempt.status == Status.FAILED or attempt.dialed_at is None)


def may_have_rung(attempt: VerificationAttempt) -> bool:
    """Whether the phone rings, rang, or may have: from then on only this call takes codes."""
    return attempt.dialed_at is not None and attempt.status not in (Status.DIALING, Status.FAILED)


def close_followed(newer: VerificationAttempt, *, now: datetime, using: str) -> None:
    """Once the newer call may ring: close the older ones, or the newer one where an older code was right meanwhile."""
    if not newer.is_again or not may_have_rung(newer):
        return
    older = _followed_by(newer, using=using)
    closed = older.filter(status__in=UNFINISHED).update(
        status=Status.SUPERSEDED, closed_at=now, due_at=None, judging={}
    )
    if not closed and newer.status in UNFINISHED and older.filter(status=Status.VERIFIED).exists():
        move(newer, _closed(Status.CANCELED, now=now), from_=UNFINISHED, using=using)


def settle_followed(attempt: VerificationAttempt, *, now: datetime, using: str) -> None:
    """Close an open attempt of which a newer call has rung, whoever should have done it before."""
    if attempt.followed_by is None or attempt.status not in UNFINISHED:
        return
    for newer in _newer_calls(attempt, using=using):
        if fields := overdue_move(newer, now=now):
            newer.status = str(fields["status"])  # a lease that is over: the phone may ring, whoever writes it down
        if may_have_rung(newer):
            if not move(attempt, _closed(Status.SUPERSEDED, now=now), from_=UNFINISHED, using=using):
                attempt.refresh_from_db(using=using)
            return


def is_followed_by(older: VerificationAttempt, newer: VerificationAttempt, *, using: str) -> bool:
    """Whether ``newer`` is one of the calls of the same flow after ``older``."""
    return any(each.pk == newer.pk for each in _newer_calls(older, using=using))


def is_needless(attempt: VerificationAttempt, *, using: str) -> bool:
    """Whether the code of an older call of the same flow was right: this one is not to be placed any more."""
    return attempt.is_again and _followed_by(attempt, using=using).filter(status=Status.VERIFIED).exists()


def cancel_needless(attempt: VerificationAttempt, *, now: datetime, using: str) -> None:
    """Cancel a call that waits in the queue; it does not count."""
    move_and_give_back(attempt, _closed(Status.CANCELED, now=now), from_=(Status.QUEUED,), now=now, using=using)


def cancel_follower(attempt: VerificationAttempt, *, now: datetime, using: str) -> None:
    """The code of this call was right: the newer call is not placed, if it still waits."""
    for newer in _newer_calls(attempt, using=using):
        if newer.status == Status.QUEUED:
            cancel_needless(newer, now=now, using=using)


def cancel_followed(newer: VerificationAttempt, *, now: datetime, using: str) -> None:
    """The person gave the newer call up, and with it what was still open of the same flow."""
    if newer.is_again:
        older = _followed_by(newer, using=using).filter(status__in=UNFINISHED)
        older.update(**_closed(Status.CANCELED, now=now))


def _newer_calls(attempt: VerificationAttempt, *, using: str) -> Iterator[VerificationAttempt]:
    """The calls of the same flow after this one, in their order. One SELECT each, and only as far as they are read."""
    uuid = attempt.followed_by
    while uuid is not None:
        newer = VerificationAttempt.objects.using(using).filter(uuid=uuid).first()
        if newer is None:
            return
        yield newer
        uuid = newer.followed_by


def _closed(status: Status, *, now: datetime) -> dict[str, object]:
    return {"status": status, "closed_at": now, "due_at": None, "judging": {}}


def _followed_by(newer: VerificationAttempt, *, using: str) -> QuerySet[VerificationAttempt]:
    """By the number first, which has the index."""
    return VerificationAttempt.objects.using(using).filter(phone_id=newer.phone_id, followed_by=newer.uuid)
