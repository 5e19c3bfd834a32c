"""The view of the docs serves metrics with one process and with several, and says what is missing."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.test import Client
from prometheus_client import REGISTRY

from django_telroi.telemetry.prometheus_metrics import served_registry

VARIABLE = "PROMETHEUS_MULTIPROC_DIR"


def test_one_process_serves_its_own_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)

    assert served_registry() is REGISTRY


@pytest.mark.django_db
def test_the_view_of_the_docs_works_without_the_variable(settings: object, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.ROOT_URLCONF = "tests.telemetry.measured_urls"  # type: ignore[attr-defined]
    monkeypatch.delenv(VARIABLE, raising=False)

    reply = Client().get("/metrics")

    assert (reply.status_code, b"python_info" in reply.content) == (200, True)


@pytest.mark.django_db
def test_several_processes_are_added_up_with_the_gauges(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path))

    registry = served_registry()

    assert registry is not REGISTRY
    assert "telroi_queue_depth" in {family.name for family in registry.collect()}


def test_a_folder_that_does_not_exist_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "missing"))

    with pytest.raises(ImproperlyConfigured, match=f"{VARIABLE} is not a folder"):
        served_registry()
