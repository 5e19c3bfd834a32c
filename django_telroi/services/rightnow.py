"""How calls stand at this moment: what waits, what is limited, and what holds all of them back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count

from django_telroi import conf
from django_telroi.backends import get_backend
from django_telroi.domain.states import Status
from django_telroi.errors import Misconfigured
from django_telroi.models import CallControl, PhoneNumber, VerificationAttempt
from django_telroi.services.pauses import Pause, pause_for
from django_telroi.services.pumping import PumpedPrefix, pumped_prefixes
from django_telroi.services.state import read_state
from django_telroi.services.transactions import write_alias


@dataclass(frozen=True)
class RightNow:
    """``limited`` counts the numbers that may not be called at ``now``, by the rule that says so; ``waiting`` the
    requests in the queue, ``pumped`` names the prefixes that the alert ``pumping`` is about."""

    now: datetime
    limited: Mapping[str, int]
    waiting: int
    control: CallControl
    pause: Pause | None
    pumped: tuple[PumpedPrefix, ...] = ()


def right_now(*, now: datetime | None = None) -> RightNow:
    """Read afresh each time: four small searches by index."""
    using = write_alias()
    state = read_state("", using=using, now=now)
    numbers = PhoneNumber.objects.using(using).filter(next_call_at__gt=state.now)
    queued = VerificationAttempt.objects.using(using).filter(
        status=Status.QUEUED, created_at__gt=state.now - conf.queue_deadline()
    )
    return RightNow(
        now=state.now,
        limited=dict(numbers.order_by().values_list("limited_by").annotate(Count("pk"))),
        waiting=queued.count(),
        control=state.control,
        pause=_pause(state.control, now=state.now),
        pumped=pumped_prefixes(now=state.now, using=using),
    )


def _pause(control: CallControl, *, now: datetime) -> Pause | None:
    """That of the key in use; without a usable key there is none to pause."""
    try:
        return pause_for(control, key_digest=get_backend().key_digest, now=now)
    except Misconfigured:
        return None
