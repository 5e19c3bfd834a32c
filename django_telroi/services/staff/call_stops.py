"""Stops: staff stop all calls (the kill switch) or those to a prefix or region, which the site can also pause itself.

Each change writes an event with the actor. A block of a destination has an end or none. ``read_state`` reads it in the
SELECT that every call executes, so it applies to the next call, also to a call that waits in the queue.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial

from django.db import transaction
from django.db.models import F, Q, QuerySet

from django_telroi import signals
from django_telroi.domain.destinations import read_destination
from django_telroi.errors import AlreadyBlocked, ChangedMeanwhile
from django_telroi.models import AttemptEvent, BlockedDestination, CallControl, EventKind
from django_telroi.services.shared.arguments import storable, text_to_keep, typed_arguments
from django_telroi.services.shared.number_state import STOP_HINT, database_now, read_state
from django_telroi.services.shared.site_control import ensure_control_row
from django_telroi.services.shared.transactions import (
    after_commit,
    repeat_on_lock_error,
    unavailable_without_database,
    write_alias,
)
from django_telroi.services.staff.staff_actions import MAX_ACTOR_LENGTH, MAX_REASON_LENGTH, write_event

logger = logging.getLogger("django_telroi")


@typed_arguments
@unavailable_without_database()
def stop_calls(*, reason: str, actor: str, now: datetime | None = None) -> bool:
    """Stop all calls of the site until ``resume_calls``. Codes of calls that are already placed are still judged.

    Returns False if they are stopped already. Then the first stop stays, with its name and reason. Raises
    UnstorableText and Unavailable.
    """
    using = write_alias()
    reason = text_to_keep(reason, "reason", using=using)
    now = now or database_now(using)
    row = ensure_control_row(CallControl.SWITCH, using=using)  # before the transaction; see ``ensure_day_row``
    name = storable(actor, using=using)[:MAX_ACTOR_LENGTH]
    stop = {"stopped_at": now, "stopped_by": name, "stopped_reason": reason[:MAX_REASON_LENGTH]}
    is_running = row.filter(stopped_at=None)
    write = partial(
        _switch, is_running, stop, EventKind.CALLS_STOPPED, actor=actor, detail=reason, now=now, using=using
    )
    is_first = repeat_on_lock_error(write, using=using)
    STOP_HINT.see(is_stopped=True)
    return is_first


@typed_arguments
@unavailable_without_database()
def resume_calls(*, actor: str, now: datetime | None = None) -> bool:
    """Allow calls again. Returns False if they are not stopped. Raises Unavailable."""
    using = write_alias()
    now = now or database_now(using)
    row = ensure_control_row(CallControl.SWITCH, using=using)
    running = {"stopped_at": None, "stopped_by": "", "stopped_reason": ""}
    is_stopped = row.filter(stopped_at__isnull=False)
    write = partial(_switch, is_stopped, running, EventKind.CALLS_RESUMED, actor=actor, detail="", now=now, using=using)
    return repeat_on_lock_error(write, using=using)


def _switch(
    row: QuerySet[CallControl],
    fields: Mapping[str, object],
    kind: EventKind,
    *,
    actor: str,
    detail: str,
    now: datetime,
    using: str,
) -> bool:
    """Write the fields and an event if ``row`` matches. Return whether it did: of several staff at once, one does."""
    with transaction.atomic(using=using):
        if not row.update(**fields):
            return False
        write_event(kind, actor=actor, detail=detail, at=now, using=using)
    return True


@unavailable_without_database()
def call_control() -> CallControl:
    """Return the state of the whole site: stopped, paused, and the calls of the day. Raises Unavailable."""
    return read_state(None, using=write_alias()).control


MAX_BLOCK = timedelta(days=3653)


@typed_arguments
@unavailable_without_database()
def block_destination(
    destination: str, *, reason: str, actor: str, length: timedelta | None = None, now: datetime | None = None
) -> BlockedDestination:
    """Block all calls to a prefix, such as ``+2348031``, or to a region, such as ``NG``.

    ``length``: how long, at most ten years; None until ``unblock_destination``. A pause that the site made by itself is
    replaced. Returns the row. Raises AlreadyBlocked if it is blocked already: of several callers at once, one blocks.
    Raises ValueError if ``destination`` is neither a prefix nor a region, or ``length`` is out of range. Raises
    UnstorableText, ChangedMeanwhile and Unavailable.
    """
    if length is not None and not timedelta(0) < length <= MAX_BLOCK:
        raise ValueError("length must be more than 0 and at most ten years.")
    using = write_alias()
    name = read_destination(destination)
    reason = text_to_keep(reason, "reason", using=using)
    now = now or database_now(using)
    until = None if length is None else now + length
    ensure_block_row(name, now=now, using=using)
    # The end of a block is compared in the UPDATE itself. A check before it would let several callers through.
    is_replaceable = Q(until__lte=now) | Q(until__gt=now, blocked_by="")
    write = partial(_write_block, name, is_replaceable, until=until, reason=reason, actor=actor, now=now, using=using)
    is_written = repeat_on_lock_error(write, using=using)
    block = BlockedDestination.objects.using(using).filter(pk=name).first()
    if block is None:  # a purge deleted the row of an old block at the same moment
        raise ChangedMeanwhile
    if not is_written:
        raise AlreadyBlocked(block.blocked_by, block.blocked_at, block.until)
    return block


@typed_arguments
@unavailable_without_database()
def unblock_destination(destination: str, *, actor: str, now: datetime | None = None) -> bool:
    """End the block of a prefix or region. Returns whether there was one. Raises ValueError and Unavailable.

    The row stays until a purge, so that the site does not pause the destination again because of earlier calls.
    """
    using = write_alias()
    name = read_destination(destination)
    rows = BlockedDestination.objects.using(using).filter(pk=name)
    # The clock is read after the row. With an earlier time, a block that another caller has just ended would be active.
    block = rows.first()
    now = now or database_now(using)
    if block is None or not block.is_active(now):
        return False

    def write() -> bool:
        with transaction.atomic(using=using):
            if not rows.filter(blocked_at=block.blocked_at, until=block.until).update(until=now):
                return False
            _record(EventKind.DESTINATION_UNBLOCKED, name, actor=actor, now=now, using=using)
            told = partial(_tell_unblocked, name, actor=actor)
            after_commit(told, using=using)
            return True

    return repeat_on_lock_error(write, using=using)


@typed_arguments
@unavailable_without_database()
def blocked_destinations(*, now: datetime | None = None) -> list[BlockedDestination]:
    """Return the blocks that apply now, those without an end first, then the ones that last longest."""
    using = write_alias()
    active = BlockedDestination.objects.using(using).filter(blocks_active_at(now or database_now(using)))
    return list(active.order_by(F("until").desc(nulls_first=True), "destination"))


def pause_destination(
    destination: str, *, length: timedelta, reason: str, ended_at: datetime | None, now: datetime, using: str
) -> bool:
    """Pause a destination that has no block now. The site does it by itself, so there is no actor.

    ``ended_at``: when its last block ended, None if there was none. Of several processes, and of staff who block or
    unblock it at the same moment, one writes. Returns whether this one did.
    """
    if ended_at is None:
        ended_at = now
        ensure_block_row(destination, now=now, using=using)
    unchanged = Q(until=ended_at)
    write = partial(
        _write_block, destination, unchanged, until=now + length, reason=reason, actor="", now=now, using=using
    )
    return repeat_on_lock_error(write, using=using)


def ensure_block_row(destination: str, *, now: datetime, using: str) -> None:
    """Create a row that blocks nothing, unless there is one. Before the transaction; see ``ensure_day_row``."""
    row = BlockedDestination(destination=destination, blocked_at=now, until=now)
    BlockedDestination.objects.using(using).bulk_create([row], ignore_conflicts=True)


def _write_block(
    destination: str, condition: Q, *, until: datetime | None, reason: str, actor: str, now: datetime, using: str
) -> bool:
    """Write the block and its event if the row meets ``condition``. Returns whether it did."""
    fields = {
        "blocked_at": now,
        "until": until,
        "blocked_by": storable(actor, using=using)[:MAX_ACTOR_LENGTH],
        "reason": reason[:MAX_REASON_LENGTH],
    }
    with transaction.atomic(using=using):
        if not BlockedDestination.objects.using(using).filter(condition, pk=destination).update(**fields):
            return False
        detail = f"{destination}: {reason}" if reason else destination
        _record(EventKind.DESTINATION_BLOCKED, detail, actor=actor, now=now, using=using)
        after_commit(partial(_tell_blocked, destination, until=until, actor=actor), using=using)
    return True


def _record(kind: EventKind, detail: str, *, actor: str, now: datetime, using: str) -> None:
    name = storable(actor, using=using)[:MAX_ACTOR_LENGTH]
    AttemptEvent.objects.using(using).create(kind=kind, actor=name, detail=detail[:MAX_REASON_LENGTH], at=now)


def _tell_blocked(destination: str, *, until: datetime | None, actor: str) -> None:
    end = until.isoformat(timespec="seconds") if until else None
    logger.warning("destination_blocked destination=%s until=%s by_itself=%s", destination, end, not actor)
    signals.destination_blocked.send_robust(
        sender=BlockedDestination, destination=destination, until=until, actor=actor
    )


def _tell_unblocked(destination: str, *, actor: str) -> None:
    logger.warning("destination_unblocked destination=%s", destination)
    signals.destination_unblocked.send_robust(sender=BlockedDestination, destination=destination, actor=actor)


def blocks_active_at(now: datetime) -> Q:
    """Return the filter of the blocks that apply at ``now``."""
    return Q(until=None) | Q(until__gt=now)
