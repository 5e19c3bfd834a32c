"""The URLs of the measured site: pages, API, metrics of all processes with the view of the docs, and health."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.urls import include, path

PAGE = Path(__file__).parents[2] / "docs" / "howto" / "monitoring.rst"


def show_metrics(request: HttpRequest) -> HttpResponse:
    """Return the response of the view in docs/howto/monitoring.rst."""
    block = PAGE.read_text().partition("   :caption: myproject/metrics.py\n")[2].partition("\n\nLet only")[0]
    names: dict[str, Any] = {}
    exec("\n".join(line.removeprefix("   ") for line in block.splitlines()), names)
    response: HttpResponse = names["show_metrics"](request)
    return response


urlpatterns = [
    path("phone/", include("django_telroi.urls")),
    path("api/phone/", include("django_telroi.rest.urls")),
    path("metrics", show_metrics),
    path("health/", include("django_telroi.health.urls")),
]
