"""The life of an attempt: its statuses, and which may follow which."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class Status(StrEnum):
    """Where one request for one call stands."""

    QUEUED = "queued"
    DIALING = "dialing"
    PLACED = "placed"
    """Telroi accepted the call. Not that anybody answered or heard it."""
    UNKNOWN = "unknown"
    """Nobody can say whether the phone rings; a code that verifies settles it."""
    VERIFIED = "verified"
    LOCKED = "locked"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELED = "canceled"
    SUPERSEDED = "superseded"


class Dispatch(StrEnum):
    """Who places the call: the request itself (a new attempt is ``dialing``) or a worker (it is ``queued``)."""

    INLINE = "inline"
    CELERY = "celery"


_WITHDRAWN = {Status.CANCELED, Status.SUPERSEDED}
_JUDGED = {Status.VERIFIED, Status.LOCKED, Status.EXPIRED}

# dialing → queued is a worker's alone, and only when nothing was placed; unknown → placed and unknown → failed are a
# webhook's alone. A table of pairs cannot say so: whoever makes these moves must.
_OPEN_MOVES = {
    Status.QUEUED: {Status.DIALING, Status.FAILED, Status.EXPIRED} | _WITHDRAWN,
    Status.DIALING: {Status.PLACED, Status.FAILED, Status.UNKNOWN, Status.QUEUED} | _WITHDRAWN,
    Status.UNKNOWN: {Status.PLACED, Status.FAILED} | _JUDGED | _WITHDRAWN,
    Status.PLACED: _JUDGED | _WITHDRAWN,
}

MOVES: Mapping[Status, frozenset[Status]] = MappingProxyType(
    {status: frozenset(_OPEN_MOVES.get(status, ())) for status in Status}
)
"""Every status, and what it may become."""

FINAL = frozenset(status for status in Status if not MOVES[status])
UNFINISHED = frozenset(Status) - FINAL
CHECKABLE = frozenset({Status.PLACED, Status.UNKNOWN})
"""A code may be judged."""


def may_move(old: Status, new: Status) -> bool:
    """Whether ``old`` may become ``new``; staying as it is is no move."""
    return new in MOVES[old]
