"""The statuses of an attempt, and the transitions between them.

See "States of an attempt" in docs/explanation/how.rst.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class Status(StrEnum):
    """The status of one requested call."""

    QUEUED = "queued"
    DIALING = "dialing"
    PLACED = "placed"
    """Telroi accepted the call. This does not mean that a person answered or heard it."""
    UNKNOWN = "unknown"
    """The outcome of the call is unknown. The phone may ring. A code that verifies settles it."""
    VERIFIED = "verified"
    LOCKED = "locked"
    FAILED = "failed"
    EXPIRED = "expired"
    CANCELED = "canceled"
    SUPERSEDED = "superseded"


class Dispatch(StrEnum):
    """Who places the call: the web request (a new attempt is ``dialing``) or a worker (it is ``queued``)."""

    INLINE = "inline"
    CELERY = "celery"
    TASKS = "tasks"
    """A worker of Django's tasks."""


BY_WORKER = frozenset({Dispatch.CELERY, Dispatch.TASKS})
"""The values with which a worker places the call."""


class CodeMaker(StrEnum):
    """Who makes the codes of this site (the setting ``CODES``)."""

    SITE = "site"
    TELROI = "telroi"


class Judge(StrEnum):
    """Who checks the codes of one attempt.

    Set at the claim (``services/calls/claim.py``), by Telroi's answer (``services/calls/place.py``), by a webhook
    (``services/attempts/transitions.py``), or by the right code (``services/codes``). ``services/codes/check.py``
    chooses by it.
    """

    UNDECIDED = ""
    """The call carried a code of the site, and the provider's answer has not shown yet whether it reads that out."""
    SITE = "site"
    """The provider confirmed the code of the site, so it is compared with the attempt's digest."""
    TELROI = "telroi"
    """The provider made the code and checks it."""
    CALLER = "caller"
    """Another package made the code (``services.read_out``) and checks it."""


# Possible from every open status: a person may cancel, or ask for another call, at any time.
_WITHDRAWN = {Status.CANCELED, Status.SUPERSEDED}
_JUDGED = {Status.VERIFIED, Status.LOCKED, Status.EXPIRED}

# Three transitions have one cause only, which this table cannot express. The caller must ensure it.
# dialing → queued: a worker that certainly placed no call. unknown → placed and unknown → failed: a webhook.
_OPEN_TRANSITIONS = {
    Status.QUEUED: {Status.DIALING, Status.FAILED, Status.EXPIRED} | _WITHDRAWN,
    Status.DIALING: {Status.PLACED, Status.FAILED, Status.UNKNOWN, Status.QUEUED} | _WITHDRAWN,
    Status.UNKNOWN: {Status.PLACED, Status.FAILED} | _JUDGED | _WITHDRAWN,
    Status.PLACED: _JUDGED | _WITHDRAWN,
}

TRANSITIONS: Mapping[Status, frozenset[Status]] = MappingProxyType(
    {status: frozenset(_OPEN_TRANSITIONS.get(status, ())) for status in Status}
)
"""Each status, with the statuses that may follow it."""

FINAL = frozenset(status for status in Status if not TRANSITIONS[status])
UNFINISHED = frozenset(Status) - FINAL
CHECKABLE = frozenset({Status.PLACED, Status.UNKNOWN})
"""The statuses in which a code can be judged."""
