"""The sweep: overdue transitions of attempts, calls that must be enqueued again, and pauses of suspicious destinations.

Functions that return one attempt write its overdue transition too, so a late sweep shows no wrong status. See
"States of an attempt" in docs/explanation/how.rst.

Destinations with signs of toll fraud are paused if the site chose so, see ``PUMPING_PAUSE_SECONDS``. Staff see the
pause in the admin and can end it there.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import NamedTuple

from django.db import OperationalError
from django.db.models import F, Q, QuerySet
from django.utils.translation import npgettext
from django.views.decorators.debug import sensitive_variables

from django_telroi import conf
from django_telroi.dispatch import Published
from django_telroi.domain.destinations import is_covered
from django_telroi.domain.states import CHECKABLE, Status
from django_telroi.errors import AttemptNotFound
from django_telroi.models import AttemptEvent, BlockedDestination, DbNow, VerificationAttempt
from django_telroi.services.attempts.call_reports import settle_by_stored_event
from django_telroi.services.attempts.find import (
    close_orphan,
    close_superseded_calls,
    not_found_if_erased,
    settle_overdue,
)
from django_telroi.services.attempts.telroi_tries import is_judgement_out
from django_telroi.services.attempts.transitions import closing_fields, deadline_of, transition
from django_telroi.services.calls.claim import recheck_at
from django_telroi.services.calls.queue import enqueue
from django_telroi.services.shared.alerts import Alert, send_alert
from django_telroi.services.shared.arguments import typed_arguments
from django_telroi.services.shared.number_state import database_now, later
from django_telroi.services.shared.outcomes import ErrorCode, report_call
from django_telroi.services.shared.transactions import (
    is_lock_error,
    repeat_on_lock_error,
    unavailable_without_database,
    write_alias,
)
from django_telroi.services.staff.call_stops import blocked_destinations, pause_destination
from django_telroi.services.statistics.rankings import (
    PUMPING_WINDOW,
    PumpedDestination,
    alert_pumping,
    pumped_destinations,
)

logger = logging.getLogger("django_telroi")


BATCH = 500
"""Rows. One UPDATE locks at most this many."""
LONG_WAIT = timedelta(seconds=30)
"""If a call has waited this long although it was enqueued, the alert ``waiting`` is raised: the workers need a look."""

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Swept:
    """How many calls one sweep enqueued, set to ``unknown``, and expired.

    ``has_queue_failed``: the queue took no message, so calls that are due still wait.
    """

    enqueued: int = 0
    became_unknown: int = 0
    expired: int = 0
    has_queue_failed: bool = False


class Waiting(NamedTuple):
    """A queued call that is due. It was read at ``read_at`` (database's clock) and ``since`` (monotonic seconds)."""

    attempt: VerificationAttempt
    read_at: datetime
    since: float


@typed_arguments
@sensitive_variables()
@unavailable_without_database()
def sweep(*, now: datetime | None = None) -> Swept:
    """Process every attempt that is due, and return the counts. Several sweeps may run at the same time.

    Conditional UPDATEs ensure that each transition is made by one sweep. Due rows are found by their index. The last
    hour of calls is also checked for toll fraud (``alert_pumping``), and pumped destinations are paused if the site
    chose so (``pause_pumped``). ``now`` replaces the database's clock, for tests.

    Raises Unavailable if the database fails. Raises InsideTransaction if a call must be placed here and a rollback of
    the caller's transaction could undo its claim.
    """
    using = write_alias()
    # First, so that no call of a deleted user is enqueued below.
    _close_orphans(now, using=using)
    became_unknown, expired, waiting = 0, 0, list[Waiting]()
    for batch, read_at in _due(now, using=using):
        since = time.monotonic()
        queued = [attempt for attempt in batch if attempt.status == Status.QUEUED]
        if any(attempt.created_at + LONG_WAIT <= read_at for attempt in queued):
            send_alert(Alert.WAITING, now=read_at, using=using)
        became_unknown += _end_leases(batch, now=read_at, using=using)
        # A call past its deadline is not placed any more: the person does not expect it now.
        late = [attempt for attempt in queued if deadline_of(attempt) <= read_at]
        waiting += [Waiting(attempt, read_at, since) for attempt in queued if deadline_of(attempt) > read_at]
        _forget_right_codes(batch, using=using)
        expired += _expire(batch, now=read_at, using=using) + _expire_queued(late, now=read_at, using=using)

    # Last, because publishing can wait for a broker that does not answer. It must not delay the transitions above.
    enqueued, has_queue_failed = _enqueue(waiting, using=using)
    pause_pumped(alert_pumping(now=now, using=using), now=now, using=using)
    return Swept(enqueued, became_unknown, expired, has_queue_failed)


def _due(now: datetime | None, *, using: str) -> Iterator[tuple[Sequence[VerificationAttempt], datetime]]:
    """Yield the due rows in batches, longest overdue first, each with the time it was read. No row comes twice."""
    due = VerificationAttempt.objects.using(using).filter(due_at__lte=now or DbNow()).annotate(read_at=DbNow())
    rows = due.order_by("due_at", "pk")
    while batch := list(rows[:BATCH]):
        last_due_at, last = batch[-1].due_at, batch[-1].pk  # read before the caller settles the batch
        yield batch, now or batch[0].read_at
        # By the last row and not by OFFSET: rows that were settled meanwhile are not due any more, so an offset would
        # skip others. Rows that stay due, such as locked ones, are not read again.
        rows = due.filter(due_at__gte=last_due_at).exclude(due_at=last_due_at, pk__lte=last).order_by("due_at", "pk")


def _end_leases(batch: Sequence[VerificationAttempt], *, now: datetime, using: str) -> int:
    """Set calls whose lease is over to ``unknown``. No process can be waiting for Telroi's answer any more."""
    ended = _still_in(batch, {Status.DIALING}, using=using).filter(due_at__lte=now)
    unknown = {"status": Status.UNKNOWN, "error_code": ErrorCode.LEASE_ENDED, "due_at": F("expires_at")}
    became_unknown = _update_unless_locked(partial(ended.update, **unknown), using=using)
    if became_unknown:  # most sweeps end no lease, and save these queries
        _report_ended_leases(batch, became_unknown, now=now, using=using)
        _settle_ended_leases(batch, now=now, using=using)
    return became_unknown


def _report_ended_leases(batch: Sequence[VerificationAttempt], times: int, *, now: datetime, using: str) -> None:
    """Report as many calls as the UPDATE changed. If another sweep changed some of the batch, which ones is unknown."""
    leased = [each for each in batch if each.status == Status.DIALING and each.due_at and each.due_at <= now]
    for attempt in leased[:times]:
        report_call(attempt, using=using, status=Status.UNKNOWN, code=ErrorCode.LEASE_ENDED)


def _settle_ended_leases(batch: Sequence[VerificationAttempt], *, now: datetime, using: str) -> None:
    """Settle calls that a webhook reported meanwhile, and the other calls of the same flow."""
    leased = [attempt for attempt in batch if attempt.status == Status.DIALING]
    reports = AttemptEvent.objects.using(using).filter(attempt__in=[each.pk for each in leased], call_id__isnull=False)
    again = [each.pk for each in leased if each.is_again]
    rows = VerificationAttempt.objects.using(using).filter(Q(pk__in=reports.values("attempt")) | Q(pk__in=again))
    for attempt in rows.filter(status=Status.UNKNOWN):
        with _skipping_locks():
            settle_by_stored_event(attempt, now=now, using=using)
            close_superseded_calls(attempt, now=now, using=using)


def _expire(batch: Sequence[VerificationAttempt], *, now: datetime, using: str) -> int:
    # If Telroi judges a code at this moment, its answer decides the status. Expired now, a right code would be lost.
    without_pending = [attempt for attempt in batch if not is_judgement_out(attempt, now=now, using=using)]
    rows = _still_in(without_pending, CHECKABLE, using=using).filter(expires_at__lte=now)
    return _update_unless_locked(partial(rows.update, **closing_fields(Status.EXPIRED, now=now)), using=using)


def _forget_right_codes(batch: Sequence[VerificationAttempt], *, using: str) -> None:
    """Delete the digests of right codes whose ten minutes are over."""
    rows = _still_in(batch, {Status.VERIFIED}, using=using)
    if any(attempt.status == Status.VERIFIED for attempt in batch):
        _update_unless_locked(partial(rows.update, code_digest="", due_at=None), using=using)


def _close_orphans(now: datetime | None, *, using: str) -> None:
    """Close the open attempts of deleted users. The filter on ``due_at`` selects the few unfinished rows by index.

    It is written as NOT (user is not null), because the index on ``user`` has all rows without user under one key.
    """
    unfinished = VerificationAttempt.objects.using(using).filter(had_user=True, due_at__gt=EPOCH)
    orphans = unfinished.exclude(user__isnull=False)
    for attempt in orphans.annotate(read_at=DbNow()).order_by("due_at")[:BATCH]:
        with _skipping_locks(), suppress(AttemptNotFound), not_found_if_erased(attempt, using=using):
            close_orphan(attempt, now=now or attempt.read_at, using=using)


def _still_in(
    batch: Sequence[VerificationAttempt], statuses: Collection[Status], *, using: str
) -> QuerySet[VerificationAttempt]:
    """Return the rows that had one of these statuses when they were read, and still have it."""
    keys = [attempt.pk for attempt in batch if attempt.status in statuses]
    return VerificationAttempt.objects.using(using).filter(pk__in=keys, status__in=statuses)


def _expire_queued(late: Sequence[VerificationAttempt], *, now: datetime, using: str) -> int:
    """Expire queued calls past their deadline. Each one's moment is removed from its number's calls."""
    for attempt in late:
        with _skipping_locks(), suppress(AttemptNotFound), not_found_if_erased(attempt, using=using):
            settle_overdue(attempt, now=now, using=using)
    return sum(attempt.status == Status.EXPIRED for attempt in late)


def _enqueue(waiting: Sequence[Waiting], *, using: str) -> tuple[int, bool]:
    """Enqueue the waiting calls again. Returns how many, and whether the queue failed.

    The sweep that changes ``due_at`` enqueues the call.
    """
    enqueued = 0
    for attempt, read_at, since in waiting:
        # ``due_at`` is changed before the message is published. If this process dies in between, the call is due again
        # at ``recheck_at``. In the other order every concurrent sweep would publish the same calls.
        next_check = {"due_at": min(recheck_at(later(read_at, since=since)), deadline_of(attempt))}
        with _skipping_locks():
            if not transition(attempt, next_check, from_=(Status.QUEUED,), using=using, due_at=attempt.due_at):
                continue
            if enqueue(attempt.pk) == Published.SKIPPED:
                return enqueued, True  # the other calls stay due for the next sweep
            enqueued += 1
    return enqueued, False


def _update_unless_locked(update: Callable[[], int], *, using: str) -> int:
    rows = 0
    with _skipping_locks():
        rows += repeat_on_lock_error(update, using=using)
    return rows


@contextmanager
def _skipping_locks() -> Iterator[None]:
    """Skip rows that are locked by another process. The next sweep processes them."""
    try:
        yield
    except OperationalError as error:
        if not is_lock_error(error):
            raise
        logger.warning("sweep_skipped error=%s", type(error).__name__)


def pause_pumped(pumped: Sequence[PumpedDestination], *, now: datetime | None, using: str) -> list[str]:
    """Pause each of these destinations that has no block now. Return those that this process paused.

    Calls before the end of an earlier block do not cause a new one: staff may have ended it because the calls are
    real. So the destination must be pumped again by newer calls.
    """
    length = conf.pumping_pause()
    if length is None or not pumped:
        return []
    now = now or database_now(using)
    active = blocked_destinations(now=now)
    rows = BlockedDestination.objects.using(using).in_bulk([each.destination for each in pumped])
    paused = []
    for each in pumped:
        row = rows.get(each.destination)
        is_blocked = any(is_covered(each.destination, block.destination, region=each.region) for block in active)
        if is_blocked or not _is_pumped_since(row, each, now=now, using=using):
            continue
        reason = npgettext(
            "reason of a pause",
            "%(calls)d call in an hour, %(verified)d of them verified",
            "%(calls)d calls in an hour, %(verified)d of them verified",
            each.calls,
        )
        if pause_destination(
            each.destination,
            length=length,
            reason=reason % {"calls": each.calls, "verified": each.verified},
            ended_at=row.until if row else None,
            now=now,
            using=using,
        ):
            paused.append(each.destination)
    return paused


def _is_pumped_since(row: BlockedDestination | None, pumped: PumpedDestination, *, now: datetime, using: str) -> bool:
    """Return whether the destination is pumped by calls after the end of its last block."""
    if row is None or row.until is None or row.until <= now - PUMPING_WINDOW:
        return True
    again = pumped_destinations(now=now, since=row.until, using=using)
    return pumped.destination in {each.destination for each in again}
