"""The refusal of a call to a number whose prefix or region is blocked in the admin, or paused by the site itself."""

from __future__ import annotations

from datetime import datetime

from django_telroi.domain.policy import seconds_to_wait
from django_telroi.errors import DestinationPaused, NotCallable, RegionNotAllowed, VerificationRefused
from django_telroi.models import BlockedDestination


def refusal_of_block(block: BlockedDestination | None, *, now: datetime) -> VerificationRefused | None:
    """Return the refusal of a call to a number of the blocked destination, None if the block is over.

    A block without an end is answered like one of the settings. A pause has an answer of its own, with its wait.
    """
    if block is None or not block.is_active(now):
        return None
    if block.until is not None:
        return DestinationPaused(seconds_to_wait(block.until, now))
    return NotCallable() if block.is_prefix else RegionNotAllowed()
