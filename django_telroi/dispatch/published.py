"""The result of publishing a call."""

from __future__ import annotations

from enum import Enum, auto

__all__ = ["Published"]


class Published(Enum):
    """The result of publishing a message.

    ``DONE``: the task has run in this process (Celery's eager mode, or the immediate backend of Django's tasks).
    ``SENT``: the queue took the message, which may still be lost. ``SKIPPED``: it was not published.
    """

    DONE = auto()
    SENT = auto()
    SKIPPED = auto()
