"""The one CallControl row: pauses of the API key, the single probe of a rejected key, and the calls per day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum

from django.db.models import Case, F, Q, QuerySet, Value, When

from django_telroi import conf
from django_telroi.domain.policy import seconds_to_wait
from django_telroi.errors import SiteLimitReached
from django_telroi.models import CallControl
from django_telroi.services.shared.number_state import State

MISCONFIGURED_PAUSE = timedelta(seconds=60)


class PauseReason(StrEnum):
    """Why all calls wait."""

    MISCONFIGURED = "misconfigured"
    KEY_LIMITED = "key_limited"


@dataclass(frozen=True)
class Pause:
    """Calls wait until then."""

    reason: PauseReason
    until: datetime


def pause_for(control: CallControl, *, key_digest: str, now: datetime) -> Pause | None:
    """The pause that holds for this key now; another key's pause holds nobody else."""
    if control.paused_until is None or control.paused_until <= now or control.paused_key != key_digest:
        return None
    return Pause(PauseReason(control.paused_reason), control.paused_until)


def needs_key_probe(control: CallControl, *, key_digest: str) -> bool:
    """Whether a pause for a refused key has run out and nobody has tried the key again yet."""
    return (
        control.paused_until is not None
        and control.paused_key == key_digest
        and control.paused_reason == PauseReason.MISCONFIGURED
    )


def take_key_probe(control: CallControl, *, now: datetime, using: str) -> bool:
    """Win the one call that may try a refused key again; for everybody else the pause begins anew."""
    taken = CallControl.objects.using(using).filter(pk=CallControl.ONLY, paused_until=control.paused_until)
    return bool(taken.update(paused_until=now + MISCONFIGURED_PAUSE))


def pause_calls(reason: PauseReason, *, until: datetime, key_digest: str, using: str) -> None:
    """Let all calls with this key wait. A pause that lasts longer stays, and a refused key waits for its trial."""
    ours = control_row(using).exclude(paused_key=key_digest, paused_until__gt=until)
    if reason != PauseReason.MISCONFIGURED:
        ours = ours.exclude(paused_key=key_digest, paused_reason=PauseReason.MISCONFIGURED)
    ours.update(paused_until=until, paused_reason=reason, paused_key=key_digest)


def lift_pause(*, tried_at: datetime, key_digest: str, using: str) -> None:
    """The key works again: end the pause that began with the trial, and no other that began since."""
    _begun_with_probe(tried_at, key_digest, using).update(paused_until=None, paused_reason="", paused_key="")


def repeat_key_probe(*, tried_at: datetime, key_digest: str, using: str) -> None:
    """Where the trial told nothing about the key, neither good nor bad, the next call may be one as well."""
    _begun_with_probe(tried_at, key_digest, using).update(paused_until=tried_at)


def _begun_with_probe(tried_at: datetime, key_digest: str, using: str) -> QuerySet[CallControl]:
    return CallControl.objects.using(using).filter(
        pk=CallControl.ONLY, paused_until=tried_at + MISCONFIGURED_PAUSE, paused_key=key_digest
    )


def control_row(using: str) -> QuerySet[CallControl]:
    """The one row as a queryset to update, made if it never existed."""
    rows = CallControl.objects.using(using)
    rows.bulk_create([CallControl(pk=CallControl.ONLY)], ignore_conflicts=True)
    return rows.filter(pk=CallControl.ONLY)


def prepare_count(state: State, *, using: str) -> None:
    """Make the row that counts, where there is none.

    Before the transaction that counts: on MariaDB, those who insert a row and then update it wait for each other.
    """
    if conf.calls_per_day_total() and state.control._state.adding:
        control_row(using)


def refuse_full_day(state: State) -> None:
    """Raise SiteLimitReached where the count that was read says so: it is cheaper than a claim that is rolled back."""
    total, day = conf.calls_per_day_total(), state.control.day
    if total is not None and day is not None and day >= day_of(state.now) and state.control.day_calls >= total:
        raise _refusal(state)


def count_for_the_day(state: State, *, using: str) -> None:
    """Count one call more, where the site has a ceiling. Raises SiteLimitReached."""
    total = conf.calls_per_day_total()
    if total is None:
        return
    today = day_of(state.now)
    # A clock that steps back over midnight does not begin the day before anew.
    is_counting = Q(day__gte=today)
    row = CallControl.objects.using(using).filter(pk=CallControl.ONLY)
    has_room = row.filter(Q(day_calls__lt=total) | ~is_counting) if total else row.none()
    counted = has_room.update(
        day_calls=Case(When(is_counting, then=F("day_calls") + 1), default=Value(1)),
        day=Case(When(is_counting, then=F("day")), default=Value(today)),
    )
    if not counted:
        raise _refusal(state)


def return_to_site(moment: datetime, *, using: str) -> None:
    """Take back what was counted for the day of a call that turned out not to count."""
    if conf.calls_per_day_total() is not None:
        counted = CallControl.objects.using(using).filter(pk=CallControl.ONLY, day=day_of(moment), day_calls__gt=0)
        counted.update(day_calls=F("day_calls") - 1)


def day_of(moment: datetime) -> date:
    return moment.astimezone(UTC).date()


def _refusal(state: State) -> SiteLimitReached:
    tomorrow = datetime.combine(day_of(state.now) + timedelta(days=1), time.min, tzinfo=UTC)
    return SiteLimitReached(seconds_to_wait(tomorrow, state.now))
