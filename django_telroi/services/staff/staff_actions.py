"""Staff actions on a number. Each action writes an event with the actor and the reason.

``number`` is E.164 or any other spelling. A number that has a row is found even if it is not valid any more. ``actor``
is the name in the event, such as a user name; characters that the database cannot store are replaced. ``now`` replaces
the database's clock, for tests. All actions raise Unavailable if the database fails. An action on a number raises
ChangedMeanwhile if its row changed during every retry; nothing was done then.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import partial

from django.db import IntegrityError, transaction
from django.views.decorators.debug import sensitive_variables

from django_telroi import conf
from django_telroi.domain.number_limits import DAY, current_limit, used_in
from django_telroi.domain.phone import Phone
from django_telroi.errors import AlreadyBlocked, ChangedMeanwhile, ReasonRequired
from django_telroi.models import (
    AttemptEvent,
    EventKind,
    PhoneNumber,
    SupportNote,
    VerificationAttempt,
    VerifiedPhone,
)
from django_telroi.redaction import redact_arguments
from django_telroi.services.shared.arguments import known_number, storable, text_to_keep, typed_arguments
from django_telroi.services.shared.number_state import State, database_now, read_state
from django_telroi.services.shared.transactions import repeat_on_lock_error, unavailable_without_database, write_alias
from django_telroi.services.shared.writes import VersionConflict
from django_telroi.services.shared.wrong_code_counts import wait_end_of

TIMES_A_CHANGE_IS_TRIED = 5
MAX_ACTOR_LENGTH, MAX_REASON_LENGTH = 150, 200

Change = Callable[[PhoneNumber, datetime], Mapping[str, object] | None]
"""Returns the new values of the number's row, or None if there is nothing to change."""


@redact_arguments("number")
@typed_arguments
@sensitive_variables()
@unavailable_without_database()
def block_number(number: str, *, reason: str, actor: str, now: datetime | None = None) -> PhoneNumber:
    """Block all calls to this number until it is unblocked. A number without a row can be blocked too.

    A block that its owner asked for stays beside it. Returns the number's row. Raises AlreadyBlocked if staff have
    blocked it: of several callers at once, one blocks. Raises InvalidNumber, UnstorableText, ChangedMeanwhile and
    Unavailable.
    """
    using = write_alias()
    reason = text_to_keep(reason, "reason", using=using)

    def block(phone: PhoneNumber, now: datetime) -> Mapping[str, object]:
        if phone.has_staff_block:
            raise AlreadyBlocked(phone.blocked_by, phone.blocked_at)
        return {
            "blocked_at": now,
            # Replaced and not rejected: a name that cannot be stored must not stop a staff member from blocking.
            "blocked_by": storable(actor, using=using)[:MAX_ACTOR_LENGTH],
            "blocked_reason": reason[:MAX_REASON_LENGTH],
            "blocked_by_staff": True,
        }

    return change_number(number, block, kind=EventKind.NUMBER_BLOCKED, actor=actor, detail=reason, now=now)


@redact_arguments("number")
@typed_arguments
@sensitive_variables()
@unavailable_without_database()
def block_for_owner(number: str, *, actor: str = "", now: datetime | None = None) -> PhoneNumber:
    """Block all calls to this number because its owner asked for it.

    ``actor``: who received the request, ``""`` for the owner.
    A block of staff stays beside it, and each is lifted on its own. Returns the number's row. Raises InvalidNumber,
    ChangedMeanwhile and Unavailable.
    """
    using = write_alias()

    def block(phone: PhoneNumber, now: datetime) -> Mapping[str, object]:
        if phone.blocked_at:
            return {"blocked_by_owner": True, "blocked_by_staff": phone.has_staff_block}
        return {
            "blocked_at": now,
            "blocked_by": storable(actor, using=using)[:MAX_ACTOR_LENGTH],
            "blocked_by_owner": True,
        }

    return change_number(number, block, kind=EventKind.OWNER_BLOCKED, actor=actor, now=now)


@redact_arguments("number")
@typed_arguments
@sensitive_variables()
@unavailable_without_database()
def unblock_number(number: str, *, actor: str, reason: str = "", now: datetime | None = None) -> PhoneNumber:
    """End a block of this number. Without another one it can be called again, within its limits.

    ``reason``: required for a block at the owner's request. If staff blocked the number too, a ``reason`` ends the
    owner's block only, and no ``reason`` that of staff only.

    Returns the number's row; ``blocked_at`` is None if no block is left. If it was not blocked, there is no event.
    Raises ReasonRequired, InvalidNumber, UnstorableText, ChangedMeanwhile and Unavailable.
    """
    reason = text_to_keep(reason, "reason", using=write_alias())

    def unblock(phone: PhoneNumber, now: datetime) -> Mapping[str, object] | None:
        if phone.blocked_at is None:
            return None
        # Here, because the owner may have asked after the caller looked.
        without_staff = {"blocked_by": "", "blocked_reason": "", "blocked_by_staff": False}
        if phone.blocked_by_owner and phone.has_staff_block:
            return {"blocked_by_owner": False} if reason.strip() else without_staff
        if phone.blocked_by_owner and not reason.strip():
            raise ReasonRequired
        return {**without_staff, "blocked_at": None, "blocked_by_owner": False}

    return change_number(number, unblock, kind=EventKind.NUMBER_UNBLOCKED, actor=actor, detail=reason, now=now)


@redact_arguments("number")
@typed_arguments
@sensitive_variables()
@unavailable_without_database()
def release_hold(number: str, *, actor: str, now: datetime | None = None) -> PhoneNumber:
    """End the pause that Telroi asked for. If Telroi still wants one, it asks again at the next call.

    Returns the number's row. If it is not held, there is no event. Raises InvalidNumber, ChangedMeanwhile and
    Unavailable.
    """

    def release(phone: PhoneNumber, now: datetime) -> Mapping[str, object] | None:
        if phone.held_until is None or phone.held_until <= now:
            return None
        return {"held_at": None, "held_until": None, "held_reason": "", **_limit_of(phone.moments, held_until=None)}

    return change_number(number, release, kind=EventKind.HOLD_RELEASED, actor=actor, now=now)


@redact_arguments("number")
@typed_arguments
@sensitive_variables()
@unavailable_without_database()
def reset_limits(number: str, *, actor: str, now: datetime | None = None) -> PhoneNumber:
    """Remove the calls of the last day from the number's limits. A hold of Telroi stays.

    Returns the number's row. If no call counts, there is no event. Raises InvalidNumber, ChangedMeanwhile and
    Unavailable.
    """

    def reset(phone: PhoneNumber, now: datetime) -> Mapping[str, object] | None:
        if not used_in(phone.moments, now=now, window=DAY):
            return None
        return {"calls": [], **_limit_of((), held_until=phone.held_until)}

    return change_number(number, reset, kind=EventKind.LIMITS_RESET, actor=actor, now=now)


@redact_arguments("number")
@typed_arguments
@sensitive_variables()
@unavailable_without_database()
def erase_number(number: str, *, actor: str, now: datetime | None = None) -> int | None:
    """Delete the attempts, events, notes and verified phones of a number. Returns how many attempts were deleted.

    Returns None, without an event, if there was nothing to delete.

    The number's row is deleted too, unless the number is blocked, held or locked, or calls of the last 24 hours count.
    Then the row stays with its limits only, and a later ``purge`` deletes it. Raises InvalidNumber, ChangedMeanwhile
    and Unavailable.
    """
    using = write_alias()
    phone = known_number(number, using=using)
    for _ in range(TIMES_A_CHANGE_IS_TRIED):
        state = read_state(phone, using=using, now=now)
        try:
            return repeat_on_lock_error(partial(_erase, phone, state, actor=actor, using=using), using=using)
        except (VersionConflict, IntegrityError):  # meanwhile a call was claimed or an event was written
            continue
    raise ChangedMeanwhile


@typed_arguments
@unavailable_without_database()
def reveal_number(phone: PhoneNumber, *, actor: str, now: datetime | None = None) -> str:
    """Return the full number, after an event has recorded the actor. Raises Unavailable."""
    using = write_alias()
    now = now or database_now(using)
    # The event first: if it cannot be written, the number is not shown.
    write_event(EventKind.NUMBER_REVEALED, actor=actor, at=now, using=using, phone=phone)
    number: str = phone.number
    return number


def change_number(
    number: str, change: Change, *, kind: EventKind, actor: str, detail: str = "", now: datetime | None
) -> PhoneNumber:
    """Write a change of the number's row and its event, if the row still has the version that was read.

    Nothing is written if there is nothing to change, for example because another caller was faster. The returned row
    then has ``was_changed = False``.
    """
    using = write_alias()
    phone = known_number(number, using=using)
    for _ in range(TIMES_A_CHANGE_IS_TRIED):
        state = read_state(phone, using=using, now=now)
        write = partial(_write_change, phone, state, change, kind=kind, actor=actor, detail=detail, using=using)
        try:
            return repeat_on_lock_error(write, using=using)
        except VersionConflict:  # a call was claimed meanwhile; the change is computed from the new row
            continue
    raise ChangedMeanwhile


def _write_change(
    phone: Phone, state: State, change: Change, *, kind: EventKind, actor: str, detail: str, using: str
) -> PhoneNumber:
    with transaction.atomic(using=using):
        row = state.phone or _get_or_create_row(phone, using=using)
        changed = change(row, state.now)
        row.was_changed = changed is not None
        if changed is None:
            return row
        fields = {**changed, "version": row.version + 1}
        if not PhoneNumber.objects.using(using).filter(pk=row.pk, version=row.version).update(**fields):
            raise VersionConflict
        write_event(kind, actor=actor, detail=detail, at=state.now, using=using, phone=row)
    for name, value in fields.items():
        setattr(row, name, value)
    return row


@sensitive_variables()
def _erase(phone: Phone, state: State, *, actor: str, using: str) -> int | None:
    """Erase the number and return how many attempts were deleted, None if nothing was. Raises VersionConflict."""
    row, others = state.phone, 0
    with transaction.atomic(using=using):
        if row:
            # First, so that a claim at the same time fails. It could store Telroi's message about the number again.
            unchanged = PhoneNumber.objects.using(using).filter(pk=row.pk, version=row.version)
            if not unchanged.update(held_reason="", version=row.version + 1):
                raise VersionConflict
        others += VerifiedPhone.objects.using(using).filter(number=phone.number).delete()[0]
        if row:
            others += SupportNote.objects.using(using).filter(phone=row).delete()[0]
        erased = _erase_attempts(row, using=using) if row else 0
        if row:
            others += AttemptEvent.objects.using(using).filter(phone=row).delete()[0]
            # A row with limits stays. Otherwise an erasure would reset the limits of the number.
            is_held = row.held_until is not None and row.held_until > state.now
            has_calls = used_in(row.moments, now=state.now, window=DAY) > 0
            is_barred = wait_end_of(row, now=state.now) is not None
            if row.blocked_at is None and not (is_held or has_calls or is_barred):
                others += PhoneNumber.objects.using(using).filter(pk=row.pk).delete()[0]
        if not erased and not others:
            return None
        # The event has no number: it would restore what was erased.
        write_event(EventKind.NUMBER_ERASED, actor=actor, at=state.now, using=using)
    return erased


def _erase_attempts(row: PhoneNumber, *, using: str) -> int:
    """Delete by primary keys: MariaDB reads the whole table for a DELETE with a subquery on another table."""
    attempts = VerificationAttempt.objects.using(using).filter(phone=row)
    ids = list(attempts.values_list("pk", flat=True))
    AttemptEvent.objects.using(using).filter(attempt__in=ids).delete()
    return attempts.filter(pk__in=ids).delete()[1].get(VerificationAttempt._meta.label, 0)


def _get_or_create_row(phone: Phone, *, using: str) -> PhoneNumber:
    row, _ = PhoneNumber.objects.using(using).get_or_create(
        number=phone.number, defaults={"last4": phone.last4, "region": phone.region}
    )
    return row


def _limit_of(moments: Sequence[datetime], *, held_until: datetime | None) -> Mapping[str, object]:
    limit = current_limit(conf.policy(), moments, held_until=held_until)
    return {"next_call_at": limit.until if limit else None, "limited_by": limit.rule if limit else ""}


def write_event(
    kind: EventKind,
    *,
    actor: str,
    at: datetime,
    using: str,
    detail: str = "",
    phone: PhoneNumber | None = None,
    attempt: VerificationAttempt | None = None,
) -> None:
    """Write the event of a staff action. ``actor`` and ``detail`` are shortened to the length of their columns."""
    name = storable(actor, using=using)[:MAX_ACTOR_LENGTH]
    AttemptEvent.objects.using(using).create(
        kind=kind, actor=name, detail=detail[:MAX_REASON_LENGTH], at=at, phone=phone, attempt=attempt
    )
