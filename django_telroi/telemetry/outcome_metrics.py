"""Writes the outcomes that services report to the counters and histograms."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from django_telroi.services.shared.outcomes import (
    AttemptVerified,
    CallSettled,
    CodeJudged,
    OutcomeReport,
    RequestRefused,
)
from django_telroi.telemetry.bounded_labels import bounded_key, bounded_purpose, bounded_refusal
from django_telroi.telemetry.metrics import (
    CALLS,
    CODES,
    QUEUE_WAIT,
    REFUSALS,
    VERIFICATION_DURATION,
    Metric,
    MetricLabels,
    MetricSink,
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
        self._in_each(lambda sink: sink.add(metric, labels))

    def _record(self, metric: Metric, value: float, labels: MetricLabels) -> None:
        self._in_each(lambda sink: sink.record(metric, value, labels))

    def _in_each(self, write: Callable[[MetricSink], None]) -> None:
        for sink in self._sinks:
            write(sink)
