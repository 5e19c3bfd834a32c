"""What staff may do to a number, and to all calls. Each action leaves an event that says who did it and why.

``actor`` is the name that the event shows, such as a user name, and a character of it that the database does not keep
is replaced; ``number`` is E.164 or any spelling of it. A number
that has a row is found by it, even if it is no valid number any more. A change that others outrun again and again
raises ChangedMeanwhile, and nothing was done.
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
    """Never ring this number again, until it is unblocked. A number that nobody rang yet can be blocked too.

    Raises InvalidNumber and UnstorableText.
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
    """Let this number be rung again, within its limits. Raises InvalidNumber."""

    def unblock(phone: PhoneNumber, now: datetime) -> Mapping[str, object]:
        return {"blocked_at": None, "blocked_by": "", "blocked_reason": ""}

    return _change(number, unblock, kind=EventKind.NUMBER_UNBLOCKED, actor=actor, now=now)


@redact_arguments("number")
@typed_arguments
@sensitive_variables()
@unavailable_without_database()
def release_hold(number: str, *, actor: str, now: datetime | None = None) -> PhoneNumber:
    """Forget that Telroi asked for a pause. If it still wants one, it will say so at the next call."""

    def release(phone: PhoneNumber, now: datetime) -> Mapping[str, object]:
        return {"held_at": None, "held_until": None, "held_reason": "", **_standing(phone.moments, held_until=None)}

    return _change(number, release, kind=EventKind.HOLD_RELEASED, actor=actor, now=now)


@redact_arguments("number")
@typed_arguments
@sensitive_variables()
@unavailable_without_database()
def reset_limits(number: str, *, actor: str, now: datetime | None = None) -> PhoneNumber:
    """Let the calls of the last day not count any more. A hold of Telroi's stays."""

    def reset(phone: PhoneNumber, now: datetime) -> Mapping[str, object]:
        return {"calls": [], **_standing((), held_until=phone.held_until)}

    return _change(number, reset, kind=EventKind.LIMITS_RESET, actor=actor, now=now)


@redact_arguments("number")
@typed_arguments
@sensitive_variables()
@unavailable_without_database()
def erase_number(number: str, *, actor: str, now: datetime | None = None) -> int:
    """Delete the attempts, events and verified phones of a number at once; returns how many attempts there were.

    The number's own row goes as well, unless it is blocked or calls of the last 24 hours still count: then it stays,
    keeps nothing but limits, and goes with the first ``purge`` after them.
    """
    using = write_alias()
    phone = known_number(number, using=using)
    for _ in range(TIMES_A_CHANGE_IS_TRIED):
        state = read_state(phone.number, using=using, now=now)
        try:
            return repeat_on_lock_error(partial(_erase, phone, state, actor=actor, using=using), using=using)
        except (VersionConflict, IntegrityError):  # a call was claimed, or an event written, while this was at it
            continue
    raise ChangedMeanwhile


@typed_arguments
@unavailable_without_database()
def reveal_number(phone: PhoneNumber, *, actor: str, now: datetime | None = None) -> str:
    """The full number, once it is noted who saw it."""
    using = write_alias()
    now = now or database_now(using)
    _note(EventKind.NUMBER_REVEALED, actor=actor, at=now, using=using, phone=phone)
    return phone.number


@typed_arguments
@unavailable_without_database()
def stop_calls(*, reason: str, actor: str, now: datetime | None = None) -> None:
    """Place no call any more, for anybody, until ``resume_calls``. Codes of calls already placed are still judged.

    Raises UnstorableText.
    """
    using = write_alias()
    refuse_unstorable(reason, "reason", using=using)
    now = now or database_now(using)
    row = control_row(using)
    with transaction.atomic(using=using):
        name = storable(actor, using=using)[:LONGEST_ACTOR]
        row.update(stopped_at=now, stopped_by=name, stopped_reason=reason[:LONGEST_REASON])
        _note(EventKind.CALLS_STOPPED, actor=actor, detail=reason, at=now, using=using)


@typed_arguments
@unavailable_without_database()
def resume_calls(*, actor: str, now: datetime | None = None) -> None:
    """Place calls again."""
    using = write_alias()
    now = now or database_now(using)
    row = control_row(using)
    with transaction.atomic(using=using):
        row.update(stopped_at=None, stopped_by="", stopped_reason="")
        _note(EventKind.CALLS_RESUMED, actor=actor, at=now, using=using)


@unavailable_without_database()
def call_control() -> CallControl:
    """What holds for the whole site now: stopped, paused, the day's count."""
    return read_state("", using=write_alias()).control


def _change(
    number: str, change: Change, *, kind: EventKind, actor: str, detail: str = "", now: datetime | None
) -> PhoneNumber:
    """Write a change of the number's row from the version that was read, together with its event."""
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
        _note(kind, actor=actor, detail=detail, at=state.now, using=using, phone=row)
    for name, value in fields.items():
        setattr(row, name, value)
    return row


@sensitive_variables()
def _erase(phone: Phone, state: State, *, actor: str, using: str) -> int:
    """The row first, so that no call is claimed meanwhile: not even one that would bring Telroi's words back."""
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
        # It belongs to no number: an event that named the erased one would undo the erasing.
        _note(EventKind.NUMBER_ERASED, actor=actor, at=state.now, using=using)
    return erased


def _erase_attempts(row: PhoneNumber, *, using: str) -> int:
    """By primary keys: MariaDB reads the whole of a table to delete by a question to another one."""
    attempts = VerificationAttempt.objects.using(using).filter(phone=row)
    ids = list(attempts.values_list("pk", flat=True))
    AttemptEvent.objects.using(using).filter(attempt__in=ids).delete()
    return attempts.filter(pk__in=ids).delete()[1].get(VerificationAttempt._meta.label, 0)


def _new_row(phone: Phone, *, using: str) -> PhoneNumber:
    row, _ = PhoneNumber.objects.using(using).get_or_create(
        number=phone.number, defaults={"last4": phone.last4, "region": phone.region}
    )
    return row


def _standing(moments: Sequence[datetime], *, held_until: datetime | None) -> Mapping[str, object]:
    limit = current_limit(conf.policy(), moments, held_until=held_until)
    return {"next_call_at": limit.until if limit else None, "limited_by": limit.rule if limit else ""}


def _keeps_limits(phone: PhoneNumber, *, now: datetime) -> bool:
    is_held = phone.held_until is not None and phone.held_until > now
    return phone.blocked_at is not None or is_held or used_in(phone.moments, now=now, window=DAY) > 0


def _note(
    kind: EventKind, *, actor: str, at: datetime, using: str, detail: str = "", phone: PhoneNumber | None = None
) -> None:
    name = storable(actor, using=using)[:LONGEST_ACTOR]
    AttemptEvent.objects.using(using).create(kind=kind, actor=name, detail=detail[:LONGEST_REASON], at=at, phone=phone)


INNER = frozenset(
    {"version", "digest", "had_user", "is_again", "followed_by", "asked", "judging", "code_digest"} | {"try_id"}
)
"""What serves our own bookkeeping and says nothing about anybody; a digest of a code is not for hands either."""


@redact_arguments("number")
@typed_arguments
@sensitive_variables()
@unavailable_without_database()
def export_number(number: str) -> dict[str, Any]:
    """All rows of a number as plain data that ``json.dumps`` takes: it reads, and changes nothing.

    ``{"number": row or None, "attempts": […], "events": […], "verified_phones": […]}``, oldest first; moments are ISO
    8601 in UTC, users their primary keys. ``number`` is E.164 or any spelling of it; a number that is valid no more is
    found by its rows. Raises InvalidNumber and Unavailable.

    ``requester_ip``, ``user`` and ``actor`` may tell of other people than the one who answers the number.
    """
    using = write_alias()
    phone = known_number(number, using=using)
    row = PhoneNumber.objects.using(using).filter(number=phone.number).first()
    attempts = list(VerificationAttempt.objects.using(using).filter(phone_id=row.pk).order_by("pk")) if row else []
    of_attempts = Q(attempt__in=[attempt.pk for attempt in attempts])  # by keys, of which a database finds each at once
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
    return {field.name: _plain_value(getattr(row, field.attname)) for field in fields if field.name not in INNER}


def _plain_value(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value
