"""Holding back every call for a while, because of the key: refused by Telroi, or over its budget."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from django.db.models import QuerySet

from django_telroi.models import CallControl

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


def needs_trial(control: CallControl, *, key_digest: str) -> bool:
    """Whether a pause for a refused key has run out and nobody has tried the key again yet."""
    return (
        control.paused_until is not None
        and control.paused_key == key_digest
        and control.paused_reason == PauseReason.MISCONFIGURED
    )


def take_trial(control: CallControl, *, now: datetime, using: str) -> bool:
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
    _begun_with_trial(tried_at, key_digest, using).update(paused_until=None, paused_reason="", paused_key="")


def repeat_trial(*, tried_at: datetime, key_digest: str, using: str) -> None:
    """Where the trial told nothing about the key, neither good nor bad, the next call may be one as well."""
    _begun_with_trial(tried_at, key_digest, using).update(paused_until=tried_at)


def _begun_with_trial(tried_at: datetime, key_digest: str, using: str) -> QuerySet[CallControl]:
    return CallControl.objects.using(using).filter(
        pk=CallControl.ONLY, paused_until=tried_at + MISCONFIGURED_PAUSE, paused_key=key_digest
    )


def control_row(using: str) -> QuerySet[CallControl]:
    """The one row as a queryset to update, made if it never existed."""
    rows = CallControl.objects.using(using)
    rows.bulk_create([CallControl(pk=CallControl.ONLY)], ignore_conflicts=True)
    return rows.filter(pk=CallControl.ONLY)
