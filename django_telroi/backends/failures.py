"""Logs a backend that raised an exception outside its contract."""

from __future__ import annotations

import logging
from pathlib import PurePath
from traceback import walk_tb

logger = logging.getLogger("django_telroi")


def log_failure(error: Exception, *, attempt: object = "-") -> None:
    """Log the type of ``error`` and the line that raised it. Its text is not logged: it may contain the code or number.

    ``attempt`` is the primary key of the attempt, or ``-`` if there is none yet.
    """
    logger.error("backend_failed attempt=%s error=%s at=%s", attempt, type(error).__name__, _place_of(error))


def _place_of(error: Exception) -> str:
    """Return the innermost frame as ``module:line``, or ``-``.

    A call with wrong arguments fails in the caller's frame, so the module may be one of ours.
    """
    frames = list(walk_tb(error.__traceback__))
    if not frames:
        return "-"
    frame, line = frames[-1]
    module = frame.f_globals.get("__name__") or PurePath(frame.f_code.co_filename).stem
    return f"{module}:{line}"
