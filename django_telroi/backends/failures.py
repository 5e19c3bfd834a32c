"""What the log says of a backend that raised what no backend may."""

from __future__ import annotations

import logging

logger = logging.getLogger("django_telroi")


def log_failure(error: Exception, *, attempt: object = "-") -> None:
    """Log the type of ``error`` alone: its message may repeat the code or the number.

    ``attempt`` is the primary key of the attempt, or ``-`` where there is none yet.
    """
    logger.error("backend_failed attempt=%s error=%s", attempt, type(error).__name__)
