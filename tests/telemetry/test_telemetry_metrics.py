"""Metrics count each committed outcome once, in both libraries, and have few labels."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from typing import Any

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from django_telroi import services
from django_telroi.client import WebhookEvent
from django_telroi.errors import VerificationRefused
from django_telroi.models import VerificationAttempt
from django_telroi.simulator import Simulator
from django_telroi.telemetry.connecting import observe_with
from django_telroi.telemetry.metrics import METRICS, RECENT_CALLS, Metric
from django_telroi.telemetry.otel_metrics import OtelMetrics
from django_telroi.telemetry.prometheus_metrics import PrometheusMetrics
from django_telroi.telemetry.site_reader import SiteReader
from tests.calling_site import Configure

pytestmark = pytest.mark.django_db(transaction=True)

NUMBER, OTHER_NUMBER = "+2348031234567", "+2348031234568"
Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


@pytest.fixture
def registry(telroi: Simulator, monkeypatch: pytest.MonkeyPatch) -> CollectorRegistry:
    monkeypatch.delenv("PROMETHEUS_MULTIPROC_DIR", raising=False)
    made = CollectorRegistry()
    observe_with([PrometheusMetrics(SiteReader(), made)])
    return made


def counted(registry: CollectorRegistry, name: str) -> dict[str, float]:
    """Return the samples of one name by the values of their labels, joined in the order of the labels' names."""
    families = text_string_to_metric_families(generate_latest(registry).decode())
    samples = [sample for family in families for sample in family.samples if sample.name == name]
    return {" ".join(value for _, value in sorted(sample.labels.items()) if value): sample.value for sample in samples}


def wrong(code: str) -> str:
    return f"{(int(code) + 1) % 10 ** len(code):0{len(code)}d}"


def test_calls_codes_and_times_are_counted_once(registry: CollectorRegistry, telroi: Simulator) -> None:
    placed = services.start_verification(NUMBER)
    telroi.fail_next("close")
    services.start_verification(OTHER_NUMBER)
    telroi.fail_next("no_carrier")
    with suppress(VerificationRefused):
        services.start_verification(NUMBER)
    code = telroi.last_code_for(NUMBER)
    services.check_code(placed.uuid, wrong(code))
    services.check_code(placed.uuid, "12")
    services.check_code(placed.uuid, code)
    services.check_code(placed.uuid, code)  # the right code again verifies nothing

    assert counted(registry, "telroi_calls_total") == {"NG placed": 1, "no_reply NG unknown": 1}
    assert counted(registry, "telroi_refusals_total") == {"cooldown NG": 1}
    assert counted(registry, "telroi_codes_total") == {"wrong_code NG": 1, "verified NG": 1}
    assert counted(registry, "telroi_verification_duration_seconds_count") == {"NG": 1}
    assert counted(registry, "telroi_queue_wait_duration_seconds_count") == {}


def test_a_call_that_a_webhook_settles_later_counts_again(registry: CollectorRegistry, telroi: Simulator) -> None:
    telroi.fail_next("close")
    services.start_verification(NUMBER)
    otp = telroi.otps[-1]

    services.record_event(
        WebhookEvent(
            name="otp.completed",
            created_at=timezone.now(),
            id=otp.id,
            to=NUMBER,
            status="completed",
            verified=None,
            reason="",
            digest="d",
        )
    )

    assert counted(registry, "telroi_calls_total") == {"no_reply NG unknown": 1, "NG placed": 1}


def test_what_is_rolled_back_is_not_counted(registry: CollectorRegistry) -> None:
    with suppress(DatabaseError), transaction.atomic():
        services.start_verification(NUMBER)
        with suppress(VerificationRefused):
            services.start_verification("+2348031234567890")
        raise DatabaseError
    with transaction.atomic():
        services.start_verification(NUMBER)
        assert counted(registry, "telroi_calls_total") == {}

    assert counted(registry, "telroi_calls_total") == {"NG placed": 1}
    assert counted(registry, "telroi_refusals_total") == {}
    assert counted(registry, "telroi_queue_wait_duration_seconds_count") == {"NG": 1}


def test_a_lease_that_a_sweep_ends_counts_as_unknown_once(registry: CollectorRegistry) -> None:
    attempt = services.start_verification(NUMBER)
    VerificationAttempt.objects.filter(pk=attempt.pk).update(
        status="dialing", due_at=attempt.created_at, telroi_id=None, placed_at=None
    )
    services.sweep()
    services.sweep()

    assert counted(registry, "telroi_calls_total") == {"NG placed": 1, "lease_ended NG unknown": 1}


def test_a_call_that_expires_in_the_queue_is_counted(
    registry: CollectorRegistry, configure: Configure, celery_app: Any
) -> None:
    configure(DISPATCH="celery")
    attempt = services.start_verification(NUMBER)
    services.sweep(now=attempt.created_at + timedelta(hours=1))

    assert counted(registry, "telroi_calls_total") == {"deadline NG expired": 1}


def test_a_purpose_of_its_own_is_other(registry: CollectorRegistry, configure: Configure) -> None:
    configure(PURPOSES=["", "login"])
    services.start_verification(NUMBER, purpose="order 17")
    services.start_verification(OTHER_NUMBER, purpose="login")

    assert counted(registry, "telroi_calls_total") == {"other NG placed": 1, "login NG placed": 1}


@pytest.fixture
def keys(telroi: Simulator, configure: Configure) -> Simulator:
    """Two keys. The purpose of a call is the name of its key."""
    for name in ("ada", "ben"):
        telroi.add_key(f"tlr_live_{name}")
    configure(
        API_KEY=lambda facts: facts.purpose,
        API_KEYS={"ada": "tlr_live_ada", "ben": "tlr_live_ben"},
        PURPOSES=["ada", "ben"],
        KEY_REQUESTS_PER_MINUTE=600,
    )
    return telroi


def test_each_outcome_has_the_name_of_its_key(registry: CollectorRegistry, keys: Simulator) -> None:
    attempt = services.start_verification(NUMBER, purpose="ada")
    services.start_verification(OTHER_NUMBER, purpose="ben")
    services.check_code(attempt.uuid, keys.last_code_for(NUMBER))

    assert counted(registry, "telroi_calls_total") == {"ada ada NG placed": 1, "ben ben NG placed": 1}
    assert counted(registry, "telroi_codes_total") == {"ada verified ada NG": 1}
    assert counted(registry, "telroi_verification_duration_seconds_count") == {"ada ada NG": 1}
    requests = counted(registry, "telroi_client_request_duration_seconds_count")
    assert sorted(label for labels in requests for label in labels.split() if label in ("ada", "ben")) == ["ada", "ben"]
    assert counted(registry, "telroi_key_budget_left") == {"ada": 26, "ben": 26}
    assert counted(registry, "telroi_key_budget") == {"": 27}


def test_a_name_without_a_key_and_one_of_very_many_are_other(
    registry: CollectorRegistry, keys: Simulator, configure: Configure, celery_app: Any
) -> None:
    configure(DISPATCH="celery")
    attempt = services.start_verification(NUMBER, purpose="ben")
    configure(API_KEYS={"ada": "tlr_live_ada"})
    services.place_call(attempt.pk)
    configure(DISPATCH="inline", API_KEYS=dict.fromkeys(["ada", *map(str, range(100))], "tlr_live_ada"))
    services.start_verification(OTHER_NUMBER, purpose="ada")

    assert counted(registry, "telroi_calls_total") == {"key_removed other ben NG failed": 1, "other ada NG placed": 1}
    assert counted(registry, "telroi_key_budget_left") == {}


def test_keys_that_cannot_be_read_lose_no_other_gauge(
    registry: CollectorRegistry, keys: Simulator, configure: Configure
) -> None:
    services.start_verification(NUMBER, purpose="ada")
    configure(API_KEYS=lambda: 1 / 0)

    assert counted(registry, "telroi_numbers_limited") == {"": 1}
    assert counted(registry, "telroi_key_budget_left") == {}


def test_gauges_show_the_site(registry: CollectorRegistry, configure: Configure, celery_app: Any) -> None:
    configure(DISPATCH="celery", KEY_REQUESTS_PER_MINUTE=600)
    services.start_verification(NUMBER)
    services.stop_calls(actor="ada", reason="because")

    assert counted(registry, "telroi_queue_depth") == {"": 1}
    assert counted(registry, "telroi_queue_age_seconds")[""] >= 0
    assert counted(registry, "telroi_numbers_limited") == {"": 1}
    assert counted(registry, "telroi_calls_stopped") == {"": 1}
    assert counted(registry, "telroi_key_budget") == counted(registry, "telroi_key_budget_left") == {"": 27}


@pytest.fixture
def reader(telroi: Simulator) -> Iterator[InMemoryMetricReader]:
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])
    observe_with([OtelMetrics(SiteReader(), provider)])
    yield reader
    provider.shutdown()


def test_opentelemetry_gets_the_same_metrics_with_their_names(reader: InMemoryMetricReader, telroi: Simulator) -> None:
    attempt = services.start_verification(NUMBER)
    services.check_code(attempt.uuid, telroi.last_code_for(NUMBER))
    with suppress(VerificationRefused):
        services.start_verification(NUMBER)

    data = reader.get_metrics_data()
    assert data is not None
    found = {m.name: m for r in data.resource_metrics for scope in r.scope_metrics for m in scope.metrics}
    expected = {metric.name for metric in METRICS} - {RECENT_CALLS.name, "telroi.queue.wait.duration"}
    assert found.keys() == expected
    [point] = found["telroi.calls"].data.data_points
    assert (dict(point.attributes or {}), point.value) == ({"status": "placed", "region": "NG"}, 1)  # type: ignore[union-attr]
    [point] = found["telroi.client.request.duration"].data.data_points
    assert (point.attributes or {})["http.response.status_code"] == 200
    assert NUMBER[1:] not in str(data.to_json())


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_a_metric_has_no_label_that_identifies_a_person(metric: Metric) -> None:
    assert not {"number", "user", "address", "ip", "attempt"} & set(metric.labels)


def test_nothing_is_read_for_metrics_while_people_use_the_pages(registry: CollectorRegistry) -> None:
    with _statements() as before:
        services.start_verification(OTHER_NUMBER)
    from django_telroi.telemetry.connecting import disconnect

    disconnect()
    with _statements() as after:
        services.start_verification("+2348031234569")

    assert len(before) == len(after)


def _statements() -> Any:
    from django.test.utils import CaptureQueriesContext

    return CaptureQueriesContext(connection)


def test_a_gauge_that_cannot_be_read_loses_no_counter(
    registry: CollectorRegistry, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise DatabaseError(NUMBER)

    services.start_verification(NUMBER)
    monkeypatch.setattr("django_telroi.telemetry.site_reader.read_site_gauges", fail)

    assert counted(registry, "telroi_calls_total") == {"NG placed": 1}
    assert counted(registry, "telroi_queue_depth") == {}
    assert "telemetry_failed error=DatabaseError" in caplog.text
