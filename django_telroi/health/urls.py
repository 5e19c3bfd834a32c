"""The URL of the health check. Include it where you like: ``path("health/", include("django_telroi.health.urls"))``."""

from __future__ import annotations

from django.urls import path

from django_telroi.health.views import report_health

app_name = "telroi-health"

urlpatterns = [path("", report_health, name="health")]
