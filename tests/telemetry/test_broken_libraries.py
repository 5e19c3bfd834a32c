"""A library of telemetry that cannot be set up is logged and left out. The site starts, and the other one measures."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Counter

from django_telroi.services.shared.outcomes import OUTCOME_OBSERVERS
from django_telroi.telemetry.connecting import connect_sinks
from django_telroi.telemetry.metrics import EVENT_METRICS, GAUGES, Metric
from django_telroi.telemetry.prometheus_metrics import PrometheusMetrics, SiteCollector
from django_telroi.telemetry.site_reader import SiteReader
from tests.telemetry.verified_number import VERIFY_A_NUMBER

REPOSITORY = Path(__file__).parents[2]
BOTH = ["opentelemetry", "prometheus"]
NOT_INSTALLED = "not_installed"
SITE = """
import json, sys
import prometheus_client
if sys.argv[2]:
    prometheus_client.Counter(sys.argv[2], "A metric of another module.")
"""
SITE += VERIFY_A_NUMBER
SITE += """
from django_telroi.dispatch import traces
print(bool(traces._traces))
print(prometheus_client.generate_latest().decode())
"""


def start_site(telemetry: list[str], *, taken: str = "", **environment: str) -> tuple[str, bool, str, str]:
    """Verify a number on a site. Return the outcome, whether tasks have spans, the served metrics and the log.

    ``taken``: the name of a metric that another module has registered.
    """
    done = subprocess.run(
        [sys.executable, "-c", SITE, json.dumps(telemetry), taken],
        cwd=REPOSITORY,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    outcome, has_task_spans, metrics = done.stdout.split("\n", 2)
    return outcome, has_task_spans == "True", metrics, done.stderr


@pytest.mark.parametrize("variable", ["OTEL_PYTHON_METER_PROVIDER", "OTEL_PYTHON_TRACER_PROVIDER", "OTEL_PROPAGATORS"])
def test_a_provider_that_is_not_installed_stops_no_site(variable: str) -> None:
    outcome, has_task_spans, metrics, log = start_site(BOTH, **{variable: NOT_INSTALLED})

    assert (outcome, has_task_spans) == ("verified", False)
    assert log.count("telemetry_off library=opentelemetry error=") == log.count("telemetry_off") == 1
    assert 'telroi_calls_total{code="",key="",purpose="",region="NG",status="placed"} 1.0' in metrics


def test_a_metric_of_another_module_with_the_same_name_stops_no_site() -> None:
    outcome, has_task_spans, metrics, log = start_site(BOTH, taken="telroi_calls_total")

    assert (outcome, has_task_spans) == ("verified", True)
    assert log.count("telemetry_off library=prometheus error=") == log.count("telemetry_off") == 1
    # The metric of the other module is the only one of these names.
    assert {line.split()[2] for line in metrics.splitlines() if line.startswith("# TYPE telroi_")} == {
        "telroi_calls_total",
        "telroi_calls_created",
    }


@pytest.mark.parametrize("metric", [*EVENT_METRICS, *GAUGES], ids=lambda metric: metric.name)
def test_a_registry_keeps_none_of_the_metrics_if_one_name_is_taken(
    metric: Metric, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)
    registry = CollectorRegistry()
    taken = Counter(metric.prometheus_name, "A metric of another module.", registry=registry)

    with pytest.raises(ValueError, match="Duplicated timeseries"):
        PrometheusMetrics(SiteReader(), registry)

    assert {family.name for family in registry.collect()} == {family.name for family in taken.collect()}
    registry.unregister(taken)
    PrometheusMetrics(SiteReader(), registry)


def test_a_library_whose_gauges_fail_is_not_connected(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(self: SiteCollector) -> None:
        raise RuntimeError("Canary")

    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)
    monkeypatch.setattr(SiteCollector, "describe", fail)

    connect_sinks(["prometheus"])

    assert OUTCOME_OBSERVERS == []
    assert caplog.messages == ["telemetry_off library=prometheus error=RuntimeError"]
