"""Staff actions on a number and on all calls. Each action writes an event with the actor and the reason.

``number`` is E.164 or any other spelling. A number that has a row is found even if it is not valid any more. ``actor``
is the name in the event, such as a user name; characters that the database cannot store are replaced. ``now`` replaces
the database's clock, for tests. All actions raise Unavailable if the database fails. An action on a number raises
ChangedMeanwhile if its row changed during every retry; nothing was done then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from django.db import IntegrityError, transaction
from django.db.models import Model, Q
from django.views.decorators.debug import sensitive_variables

from django_telroi import conf
from django_telroi.domain.phone import Phone
from django_telroi.domain.policy import DAY, current_limit, used_in
from django_telroi.errors import ChangedMeanwhile
from django_telroi.models import AttemptEvent, CallControl, EventKind, PhoneNumber, VerificationAttempt, VerifiedPhone
from django_telroi.redaction import redact_arguments
from django_telroi.services.shared.arguments import known_number, refuse_unstorable, storable, typed_arguments
from django_telroi.services.shared.number_state import State, VersionConflict, database_now, read_state
from django_telroi.services.shared.site_control import control_row
from django_telroi.services.shared.transactions import repeat_on_lock_error, unavailable_without_database, write_alias

TIMES_A_CHANGE_IS_TRIED = 5
LONGEST_ACTOR = 150
LONGEST_REASON = 200

Change = Callable[[PhoneNumber, datetime], Mapping[str, object]]


@redact_arguments("number")
@typed_arguments
@sensitive_variables()
@unavailable_without_database()
def block_number(number: str, *, reason: str, actor: str, now: datetime | None = None) -> PhoneNumber:
    """Block all calls to this number until it is unblocked. A number without a row can be blocked too.

    Returns the number's row. Raises InvalidNumber, UnstorableText, ChangedMeanwhile and Unavailable.
    """
    using = write_alias()
    refuse_unstorable(reason, "reason", using=using)

    def block(phone: PhoneNumber, now: datetime) -> Mapping[str, object]:
        return {
            "blocked_at": now,
            "blocked_by": storable(actor, using=using)[:LONGEST_ACTOR],
            "blocked_reason": reason[:LONGEST_REASON],
        }

    return _change(number, block, kind=EventKind.NUMBER_BLOCKED, actor=actor, detail=reason, now=now)


@redact_arguments("number")
@typed_arguments
@sensitive_variables()
@unavailable_without_database()
def unblock_number(number: str, *, actor: str, now: datetime | None = None) -> PhoneNumber:
    """Allow calls to this number again, within its limits.

    Returns the number's row. Raises InvalidNumber, ChangedMeanwhile and Unavailable.
    """

    def unblock(phone: PhoneNumber, now: datetime) -> Mapping[str, object]:
        return {"blocked_at": None, "blocked_by": "", "blocked_reason": ""}

    return _change(number, unblock, kind=EventKind.NUMBER_UNBLOCKED, actor=actor, now=now)


@redact_arguments("number")
@typed_arguments
@sensitive_variables()
@unavailable_without_database()
def release_hold(number: str, *, actor: str, now: datetime | None = None) -> PhoneNumber:
    """End the pause that Telroi asked for. If Telroi still wants one, it asks again at the next call.

    Returns the number's row. Raises InvalidNumber, ChangedMeanwhile and Unavailable.
    """

    def release(phone: PhoneNumber, now: datetime) -> Mapping[str, object]:
        return {"held_at": None, "held_until": None, "held_reason": "", **_limit_of(phone.moments, held_until=None)}

    return _change(number, release, kind=EventKind.HOLD_RELEASED, actor=actor, now=now)


@redact_arguments("number")
@typed_arguments
@sensitive_variables()
@unavailable_without_database()
def reset_limits(number: str, *, actor: str, now: datetime | None = None) -> PhoneNumber:
    """Remove the calls of the last day from the number's limits. A hold of Telroi stays.

    Returns the number's row. Raises InvalidNumber, ChangedMeanwhile and Unavailable.
    """

    def reset(phone: PhoneNumber, now: datetime) -> Mapping[str, object]:
        return {"calls": [], **_limit_of((), held_until=phone.held_until)}

    return _change(number, reset, kind=EventKind.LIMITS_RESET, actor=actor, now=now)


@redact_arguments("number")
@typed_arguments
@sensitive_variables()
@unavailable_without_database()
def erase_number(number: str, *, actor: str, now: datetime | None = None) -> int:
    """Delete the attempts, events and verified phones of a number. Returns how many attempts were deleted.

    The number's row is deleted too, unless the number is blocked or held, or calls of the last 24 hours still count.
    Then the row stays with its limits only, and a later ``purge`` deletes it. Raises InvalidNumber, ChangedMeanwhile
    and Unavailable.
    """
    using = write_alias()
    phone = known_number(number, using=using)
    for _ in range(TIMES_A_CHANGE_IS_TRIED):
        state = read_state(phone.number, using=using, now=now)
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
    _write_event(EventKind.NUMBER_REVEALED, actor=actor, at=now, using=using, phone=phone)
    return phone.number


@typed_arguments
@unavailable_without_database()
def stop_calls(*, reason: str, actor: str, now: datetime | None = None) -> None:
    """Stop all calls of the site until ``resume_calls``. Codes of calls that are already placed are still judged.

    Raises UnstorableText and Unavailable.
    """
    using = write_alias()
    refuse_unstorable(reason, "reason", using=using)
    now = now or database_now(using)
    row = control_row(using)
    with transaction.atomic(using=using):
        name = storable(actor, using=using)[:LONGEST_ACTOR]
        row.update(stopped_at=now, stopped_by=name, stopped_reason=reason[:LONGEST_REASON])
        _write_event(EventKind.CALLS_STOPPED, actor=actor, detail=reason, at=now, using=using)


@typed_arguments
@unavailable_without_database()
def resume_calls(*, actor: str, now: datetime | None = None) -> None:
    """Allow calls again. Raises Unavailable."""
    using = write_alias()
    now = now or database_now(using)
    row = control_row(using)
    with transaction.atomic(using=using):
        row.update(stopped_at=None, stopped_by="", stopped_reason="")
        _write_event(EventKind.CALLS_RESUMED, actor=actor, at=now, using=using)


@unavailable_without_database()
def call_control() -> CallControl:
    """Return the state of the whole site: stopped, paused, and the calls of the day. Raises Unavailable."""
    return read_state("", using=write_alias()).control


def _change(
    number: str, change: Change, *, kind: EventKind, actor: str, detail: str = "", now: datetime | None
) -> PhoneNumber:
    """Write a change of the number's row and its event, if the row still has the version that was read."""
    using = write_alias()
    phone = known_number(number, using=using)
    for _ in range(TIMES_A_CHANGE_IS_TRIED):
        state = read_state(phone.number, using=using, now=now)
        write = partial(_write, phone, state, change, kind=kind, actor=actor, detail=detail, using=using)
        try:
            return repeat_on_lock_error(write, using=using)
        except VersionConflict:
            continue
    raise ChangedMeanwhile


def _write(
    phone: Phone, state: State, change: Change, *, kind: EventKind, actor: str, detail: str, using: str
) -> PhoneNumber:
    with transaction.atomic(using=using):
        row = state.phone or _new_row(phone, using=using)
        fields = {**change(row, state.now), "version": row.version + 1}
        if not PhoneNumber.objects.using(using).filter(pk=row.pk, version=row.version).update(**fields):
            raise VersionConflict
        _write_event(kind, actor=actor, detail=detail, at=state.now, using=using, phone=row)
    for name, value in fields.items():
        setattr(row, name, value)
    return row


@sensitive_variables()
def _erase(phone: Phone, state: State, *, actor: str, using: str) -> int:
    """Change the number's row first, so that no call is claimed meanwhile, which could store Telroi's message again."""
    row = state.phone
    with transaction.atomic(using=using):
        if row:
            unchanged = PhoneNumber.objects.using(using).filter(pk=row.pk, version=row.version)
            if not unchanged.update(held_reason="", version=row.version + 1):
                raise VersionConflict
        VerifiedPhone.objects.using(using).filter(number=phone.number).delete()
        erased = _erase_attempts(row, using=using) if row else 0
        if row:
            AttemptEvent.objects.using(using).filter(phone=row).delete()
        if row and not _keeps_limits(row, now=state.now):
            PhoneNumber.objects.using(using).filter(pk=row.pk).delete()
        # The event has no number: it would restore what was erased.
        _write_event(EventKind.NUMBER_ERASED, actor=actor, at=state.now, using=using)
    return erased


def _erase_attempts(row: PhoneNumber, *, using: str) -> int:
    """Delete by primary keys: MariaDB reads the whole table for a DELETE with a subquery on another table."""
    attempts = VerificationAttempt.objects.using(using).filter(phone=row)
    ids = list(attempts.values_list("pk", flat=True))
    AttemptEvent.objects.using(using).filter(attempt__in=ids).delete()
    return attempts.filter(pk__in=ids).delete()[1].get(VerificationAttempt._meta.label, 0)


def _new_row(phone: Phone, *, using: str) -> PhoneNumber:
    row, _ = PhoneNumber.objects.using(using).get_or_create(
        number=phone.number, defaults={"last4": phone.last4, "region": phone.region}
    )
    return row


def _limit_of(moments: Sequence[datetime], *, held_until: datetime | None) -> Mapping[str, object]:
    limit = current_limit(conf.policy(), moments, held_until=held_until)
    return {"next_call_at": limit.until if limit else None, "limited_by": limit.rule if limit else ""}


def _keeps_limits(phone: PhoneNumber, *, now: datetime) -> bool:
    is_held = phone.held_until is not None and phone.held_until > now
    return phone.blocked_at is not None or is_held or used_in(phone.moments, now=now, window=DAY) > 0


def _write_event(
    kind: EventKind, *, actor: str, at: datetime, using: str, detail: str = "", phone: PhoneNumber | None = None
) -> None:
    name = storable(actor, using=using)[:LONGEST_ACTOR]
    AttemptEvent.objects.using(using).create(kind=kind, actor=name, detail=detail[:LONGEST_REASON], at=at, phone=phone)


NOT_EXPORTED = frozenset(
    {"version", "digest", "had_user", "is_again", "followed_by", "asked", "judging", "code_digest"} | {"try_id"}
)
"""Internal columns, which say nothing about a person. The digest of a code must not leave the database either."""


@redact_arguments("number")
@typed_arguments
@sensitive_variables()
@unavailable_without_database()
def export_number(number: str) -> dict[str, Any]:
    """Return all rows of a number as plain data for ``json.dumps``. It changes nothing.

    ``{"number": row or None, "attempts": […], "events": […], "verified_phones": […]}``, oldest first. Moments are ISO
    8601 in UTC, users are primary keys. ``number`` is E.164 or any other spelling; a number that is not valid any more
    is found by its rows. Raises InvalidNumber and Unavailable.

    ``requester_ip``, ``user`` and ``actor`` may be about other people than the owner of the number.
    """
    using = write_alias()
    phone = known_number(number, using=using)
    row = PhoneNumber.objects.using(using).filter(number=phone.number).first()
    attempts = list(VerificationAttempt.objects.using(using).filter(phone_id=row.pk).order_by("pk")) if row else []
    of_attempts = Q(attempt__in=[attempt.pk for attempt in attempts])  # by primary keys, so that the index is used
    events = AttemptEvent.objects.using(using).filter(of_attempts | Q(phone=row) if row else of_attempts)
    accounts = VerifiedPhone.objects.using(using).filter(number=phone.number)
    return {
        "number": _plain(row) if row else None,
        "attempts": [_plain(attempt) for attempt in attempts],
        "events": [_plain(event) for event in events.order_by("pk")],
        "verified_phones": [_plain(account) for account in accounts.order_by("pk")],
    }


def _plain(row: Model) -> dict[str, Any]:
    fields: Iterable[Any] = row._meta.concrete_fields
    return {field.name: _plain_value(getattr(row, field.attname)) for field in fields if field.name not in NOT_EXPORTED}


def _plain_value(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value
