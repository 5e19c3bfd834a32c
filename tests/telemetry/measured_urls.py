"""The URLs of the measured site: pages, API, metrics of all processes, and the health check."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.urls import include, path


def show_metrics(request: HttpRequest) -> HttpResponse:
    """The view of docs/howto/monitoring.rst."""
    from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest, multiprocess

    from django_telroi.telemetry.prometheus_metrics import SiteCollector

    registry = CollectorRegistry()
    multiprocess.MultiProcessCollector(registry)
    registry.register(SiteCollector())
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)


urlpatterns = [
    path("phone/", include("django_telroi.urls")),
    path("api/phone/", include("django_telroi.rest.urls")),
    path("metrics", show_metrics),
    path("health/", include("django_telroi.health.urls")),
]
