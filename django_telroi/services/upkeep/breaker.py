"""The breaker: destinations with signs of toll fraud are paused by the site itself, if it chose so.

See ``PUMPING_PAUSE_SECONDS``. Staff see the pause in the admin and can end it there.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from django.utils.translation import npgettext

from django_telroi import conf
from django_telroi.domain.destinations import is_covered
from django_telroi.models import BlockedDestination
from django_telroi.services.shared.number_state import database_now
from django_telroi.services.staff.destination_blocks import blocked_destinations, pause_destination
from django_telroi.services.statistics.pumping import WINDOW, PumpedDestination, pumped_destinations


def pause_pumped(pumped: Sequence[PumpedDestination], *, now: datetime | None, using: str) -> list[str]:
    """Pause each of these destinations that has no block now. Return those that this process paused.

    Calls before the end of an earlier block are no reason for a new one: staff may have ended it because the calls are
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
    if row is None or row.until is None or row.until <= now - WINDOW:
        return True
    again = pumped_destinations(now=now, since=row.until, using=using)
    return pumped.destination in {each.destination for each in again}
