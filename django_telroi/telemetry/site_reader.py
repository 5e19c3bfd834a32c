"""Reads the gauges of the site. One collection reads them once, in any thread."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from contextlib import suppress
from time import monotonic

from django.db import connections

from django_telroi.services.shared.transactions import write_alias
from django_telroi.services.statistics.site_gauges import SiteGauges, read_site_gauges
from django_telroi.telemetry.metrics import (
    CALLS_STOPPED,
    KEY_BUDGET,
    KEY_BUDGET_LEFT,
    NUMBERS_LIMITED,
    QUEUE_AGE,
    QUEUE_DEPTH,
    GaugeSamples,
    Metric,
)
from django_telroi.telemetry.outcome_metrics import bounded_key

logger = logging.getLogger("django_telroi")

LIFETIME_SECONDS = 1.0
"""A collection asks for each gauge by itself. All of them get the values of one read."""


class SiteReader:
    """Reads the gauges of the site, at most once in ``LIFETIME_SECONDS``. Threads can share it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._read_at: float | None = None
        self._values: GaugeSamples = {}

    def read(self) -> GaugeSamples:
        """Return the gauges that can be read now. Empty if the database does not answer. Never raises."""
        with self._lock:
            if self._read_at is None or monotonic() - self._read_at >= LIFETIME_SECONDS:
                self._values = _read_or_log()
                self._read_at = monotonic()
            return self._values


def gauge_values(gauges: SiteGauges) -> GaugeSamples:
    """Return the values of each gauge that is known."""
    values: dict[Metric, float | None] = {
        QUEUE_DEPTH: gauges.queued,
        QUEUE_AGE: round(gauges.oldest, 3),
        NUMBERS_LIMITED: gauges.limited,
        CALLS_STOPPED: int(gauges.is_stopped),
        KEY_BUDGET: gauges.budget,
    }
    samples: dict[Metric, Mapping[str, float]] = {
        metric: {"": value} for metric, value in values.items() if value is not None
    }
    if gauges.budget_left:
        samples[KEY_BUDGET_LEFT] = {bounded_key(name): left for name, left in gauges.budget_left.items()}
    return samples


def _read_or_log() -> GaugeSamples:
    # A thread of a metrics library ends no request, so nothing would close a connection that is opened for it.
    connection = connections[write_alias()]
    was_open = connection.connection is not None
    try:
        return gauge_values(read_site_gauges())
    except Exception as error:  # noqa: BLE001 - a fault here must not lose the other metrics of the collection
        logger.error("telemetry_failed error=%s", type(error).__name__)
        return {}
    finally:
        if not was_open:
            with suppress(Exception):
                connection.close()
