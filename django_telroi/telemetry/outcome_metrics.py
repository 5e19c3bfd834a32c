"""Writes the outcomes that services report to the counters and histograms.

Their labels have few values: any other value becomes ``other``, because each value is a time series of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from django_telroi import conf, errors
from django_telroi.errors import VerificationRefused
from django_telroi.services.calls.refusals import DESTINATION_BLOCKED
from django_telroi.services.calls.site_decisions import VETOED
from django_telroi.services.shared.outcomes import (
    AttemptVerified,
    CallSettled,
    CodeJudged,
    OutcomeReport,
    RequestRefused,
)
from django_telroi.services.statistics.site_gauges import MAX_KEYS
from django_telroi.telemetry.metrics import (
    CALLS,
    CODES,
    QUEUE_WAIT,
    REFUSALS,
    VERIFICATION_DURATION,
    Metric,
    MetricLabels,
    MetricSink,
    write_to_each,
)


class OutcomeMetrics:
    """The observer of outcomes. Each report changes its metrics in every sink once."""

    def __init__(self, sinks: Sequence[MetricSink]) -> None:
        self._sinks = sinks

    def __call__(self, report: OutcomeReport) -> None:
        match report:
            case CallSettled(status=status, code=code, region=region, purpose=purpose, key=key, waited=waited):
                place = {"region": region, "purpose": bounded_purpose(purpose), "key": bounded_key(key)}
                self._add(CALLS, {"status": str(status), "code": code, **place})
                if waited is not None:
                    self._record(QUEUE_WAIT, waited, place)
            case CodeJudged(outcome=outcome, region=region, purpose=purpose, key=key):
                place = {"region": region, "purpose": bounded_purpose(purpose), "key": bounded_key(key)}
                self._add(CODES, {"outcome": outcome, **place})
            case AttemptVerified(seconds=seconds, region=region, purpose=purpose, key=key):
                place = {"region": region, "purpose": bounded_purpose(purpose), "key": bounded_key(key)}
                self._record(VERIFICATION_DURATION, seconds, place)
            case RequestRefused(code=code, region=region):
                self._add(REFUSALS, {"code": bounded_refusal(code), "region": region})

    def _add(self, metric: Metric, labels: MetricLabels) -> None:
        write_to_each(self._sinks, lambda sink: sink.add(metric, labels))

    def _record(self, metric: Metric, value: float, labels: MetricLabels) -> None:
        write_to_each(self._sinks, lambda sink: sink.record(metric, value, labels))


OTHER = "other"


def bounded_purpose(purpose: str) -> str:
    """Return a purpose of ``PURPOSES``, or that of logins.

    Services accept any label, and a site may make one for each of its orders.
    """
    return purpose if purpose in (*conf.purposes(), conf.LOGIN_PURPOSE) else OTHER


def bounded_key(name: str) -> str:
    """Return the name of a key of ``API_KEYS``, and ``other`` if it has too many or does not have this one.

    Returns ``""``, which is no label, for a site with one key.
    """
    if not conf.has_named_keys():
        return ""
    try:
        names = conf.key_names()
    except Exception:  # noqa: BLE001 - a function of the site may raise anything, and the outcome is counted anyway
        return OTHER
    return name if name in names and len(names) <= MAX_KEYS else OTHER


def bounded_refusal(code: str) -> str:
    """Return the code of a refusal. ``MAY_START`` may raise one with a code of its own."""
    return code if code in _refusal_codes() else OTHER


@cache
def _refusal_codes() -> frozenset[str]:
    kinds = (kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, VerificationRefused))
    # The base class itself has no code.
    return frozenset({VETOED, DESTINATION_BLOCKED, *(code for kind in kinds if (code := getattr(kind, "code", "")))})
