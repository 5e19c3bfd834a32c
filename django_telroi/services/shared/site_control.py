"""What stops calls of the whole site or to a destination: pauses of a key, the calls per day, and blocks.

A pause is in the CallControl row of its key, the calls of the day are in a row of their own.

After Telroi rejected a key, all calls would fail until the key is replaced. So they are paused for a minute, and then
one call tries the key, the probe. See "A call" in docs/explanation/how.rst.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import partial

from django.db.models import Case, F, Q, QuerySet, Value, When

from django_telroi import conf
from django_telroi.backends import KeyInUse
from django_telroi.domain.number_limits import seconds_to_wait
from django_telroi.errors import DestinationPaused, NotCallable, RegionNotAllowed, SiteLimitReached, VerificationRefused
from django_telroi.models import BlockedDestination, CallControl
from django_telroi.services.shared.alerts import Alert, send_alert
from django_telroi.services.shared.number_state import State
from django_telroi.services.shared.transactions import repeat_on_lock_error


def refusal_of_block(block: BlockedDestination | None, *, now: datetime) -> VerificationRefused | None:
    """Return the refusal of a call to a number of the blocked destination, None if the block is over.

    A block without an end is answered like one of the settings. A pause has an answer of its own, with its wait.
    """
    if block is None or not block.is_active(now):
        return None
    if block.until is not None:
        return DestinationPaused(seconds_to_wait(block.until, now))
    return NotCallable() if block.is_prefix else RegionNotAllowed()


MISCONFIGURED_PAUSE = timedelta(seconds=60)


class PauseReason(StrEnum):
    """Why all calls with a key are paused."""

    MISCONFIGURED = "misconfigured"
    KEY_LIMITED = "key_limited"


@dataclass(frozen=True)
class Pause:
    """A pause of all calls with a key."""

    reason: PauseReason
    until: datetime


def pause_for(control: CallControl, *, key: KeyInUse, now: datetime) -> Pause | None:
    """Return the current pause of this key, or None. The pause of another key does not apply."""
    if control.paused_until is None or control.paused_until <= now or control.paused_key != key.digest:
        return None
    return Pause(PauseReason(control.paused_reason), control.paused_until)


def needs_key_probe(control: CallControl, *, key: KeyInUse) -> bool:
    """Return whether the next call is a key probe: the first call after the pause of a rejected key."""
    return (
        control.paused_until is not None
        and control.paused_key == key.digest
        and control.paused_reason == PauseReason.MISCONFIGURED
    )


def try_claim_key_probe(control: CallControl, *, key: KeyInUse, now: datetime, using: str) -> bool:
    """Claim the single call that probes a rejected key. Return False if another process claimed it.

    The claim starts the pause again, so all other calls wait for the result of the probe.
    """
    taken = CallControl.objects.using(using).filter(pk=key.name, paused_until=control.paused_until)
    return bool(taken.update(paused_until=now + MISCONFIGURED_PAUSE))


def pause_calls(reason: PauseReason, *, until: datetime, key: KeyInUse, using: str) -> None:
    """Pause all calls with this key until ``until``.

    A longer pause of this key is kept. The pause of a rejected key is kept too, until its probe.
    """

    def pause() -> None:
        row = ensure_control_row(key.name, using=using)
        replaceable = row.exclude(paused_key=key.digest, paused_until__gt=until)
        if reason != PauseReason.MISCONFIGURED:
            replaceable = replaceable.exclude(paused_key=key.digest, paused_reason=PauseReason.MISCONFIGURED)
        replaceable.update(paused_until=until, paused_reason=reason, paused_key=key.digest)

    # In an outage all calls write this row. The outcome of the call is written next, so an error here would lose it.
    repeat_on_lock_error(pause, using=using)


def lift_pause(*, tried_at: datetime, key: KeyInUse, using: str) -> None:
    """End the pause that the probe of ``tried_at`` started, because the key works. A pause that began later is kept."""
    ended = {"paused_until": None, "paused_reason": "", "paused_key": ""}
    repeat_on_lock_error(partial(_pause_of_probe(tried_at, key, using).update, **ended), using=using)


def repeat_key_probe(*, tried_at: datetime, key: KeyInUse, using: str) -> None:
    """End the pause of a probe that showed nothing about the key, so that the next call is a probe again.

    Only a pause that the probe of ``tried_at`` started is changed.
    """
    pause = _pause_of_probe(tried_at, key, using)
    repeat_on_lock_error(partial(pause.update, paused_until=tried_at), using=using)


def _pause_of_probe(tried_at: datetime, key: KeyInUse, using: str) -> QuerySet[CallControl]:
    return CallControl.objects.using(using).filter(
        pk=key.name, paused_until=tried_at + MISCONFIGURED_PAUSE, paused_key=key.digest
    )


CODES_REFUSED_FOR = timedelta(hours=1)
"""After the provider rejected a code of this site, calls with the same key carry none for this time. A server without
the feature would reject the first request of every call otherwise."""


def record_refused_codes(*, key: KeyInUse, now: datetime, using: str) -> None:
    """Record that the provider rejected a code of this site and accepted the same call without it. Raises an alert."""

    def note() -> None:
        row = ensure_control_row(key.name, using=using)
        row.update(codes_refused_until=now + CODES_REFUSED_FOR, codes_refused_key=key.digest)

    repeat_on_lock_error(note, using=using)
    send_alert(Alert.CODES_REFUSED, key_name=key.name, now=now, using=using)


def ensure_control_row(name: str, *, using: str) -> QuerySet[CallControl]:
    """Create the CallControl row of this name if it does not exist, and return a queryset of it."""
    rows = CallControl.objects.using(using)
    # One INSERT that does nothing if the row exists. ``get_or_create`` also needs a SELECT, and a savepoint in case
    # another process inserts the row first.
    rows.bulk_create([CallControl(name=name)], ignore_conflicts=True)
    return rows.filter(pk=name)


def ensure_day_row(state: State, *, using: str) -> None:
    """Create the CallControl row of the day if this site has a daily limit and counted no call yet.

    Call this before the transaction that counts. On MariaDB, transactions that insert the row and then update it would
    deadlock.
    """
    if conf.calls_per_day_total() and state.control.day is None:
        ensure_control_row(CallControl.DAY, using=using)


def refuse_full_day(state: State) -> None:
    """Raise SiteLimitReached if the count in ``state`` is at the limit. A claim that rolls back would cost more."""
    total, day = conf.calls_per_day_total(), state.control.day
    if total is None:
        return
    # Without a row of this day no call was counted, and a limit of 0 is reached nevertheless.
    counted = state.control.day_calls if day is not None and day >= day_of(state.now) else 0
    if counted >= total:
        raise _refusal(state)


def count_for_the_day(state: State, *, using: str) -> None:
    """Add one to today's calls, if the site has a daily limit. Raises SiteLimitReached."""
    total = conf.calls_per_day_total()
    if total is None:
        return
    today = day_of(state.now)
    # ``gte``: if the clock steps back over midnight, the count of the later day goes on and does not restart.
    is_counting = Q(day__gte=today)
    row = CallControl.objects.using(using).filter(pk=CallControl.DAY)
    # Checked in the UPDATE itself, so that concurrent calls never exceed the limit.
    has_room = row.filter(Q(day_calls__lt=total) | ~is_counting) if total else row.none()
    counted = has_room.update(
        day_calls=Case(When(is_counting, then=F("day_calls") + 1), default=Value(1)),
        day=Case(When(is_counting, then=F("day")), default=Value(today)),
    )
    if not counted:
        raise _refusal(state)


def uncount_for_the_day(moment: datetime, *, using: str) -> None:
    """Subtract a call that does not count from the calls of the day of ``moment``."""
    if conf.calls_per_day_total() is not None:
        counted = CallControl.objects.using(using).filter(pk=CallControl.DAY, day=day_of(moment), day_calls__gt=0)
        counted.update(day_calls=F("day_calls") - 1)


def day_of(moment: datetime) -> date:
    return moment.astimezone(UTC).date()


def _refusal(state: State) -> SiteLimitReached:
    tomorrow = datetime.combine(day_of(state.now) + timedelta(days=1), time.min, tzinfo=UTC)
    return SiteLimitReached(seconds_to_wait(tomorrow, state.now))
