"""What the log says of a backend that raised an exception outside of its contract."""

from __future__ import annotations

import logging
from pathlib import PurePath
from traceback import walk_tb

logger = logging.getLogger("django_telroi")


def log_failure(error: Exception, *, attempt: object = "-") -> None:
    """Log the type of ``error`` and the line that raised it. Its message may repeat the code or the number.

    ``attempt`` is the primary key of the attempt, or ``-`` where there is none yet.
    """
    logger.error("backend_failed attempt=%s error=%s at=%s", attempt, type(error).__name__, _place_of(error))


def _place_of(error: Exception) -> str:
    """The innermost frame as ``module:line``. A call with wrong arguments fails in the frame of the caller."""
    frames = list(walk_tb(error.__traceback__))
    if not frames:
        return "-"
    frame, line = frames[-1]
    module = frame.f_globals.get("__name__") or PurePath(frame.f_code.co_filename).stem
    return f"{module}:{line}"
