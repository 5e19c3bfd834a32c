"""The switch of the site: staff stop all calls and resume them. Each change writes an event with the actor."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import partial

from django.db import transaction
from django.db.models import QuerySet

from django_telroi.models import CallControl, EventKind
from django_telroi.services.shared.arguments import refuse_unstorable, storable, typed_arguments
from django_telroi.services.shared.number_state import STOP_HINT, database_now, read_state
from django_telroi.services.shared.site_control import ensure_control_row
from django_telroi.services.shared.transactions import repeat_on_lock_error, unavailable_without_database, write_alias
from django_telroi.services.staff.staff_actions import MAX_ACTOR_LENGTH, MAX_REASON_LENGTH, write_event


@typed_arguments
@unavailable_without_database()
def stop_calls(*, reason: str, actor: str, now: datetime | None = None) -> bool:
    """Stop all calls of the site until ``resume_calls``. Codes of calls that are already placed are still judged.

    Returns False if they are stopped already. Then the first stop stays, with its name and reason. Raises
    UnstorableText and Unavailable.
    """
    using = write_alias()
    refuse_unstorable(reason, "reason", using=using)
    now = now or database_now(using)
    row = ensure_control_row(CallControl.SWITCH, using=using)  # before the transaction; see ``prepare_count``
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
