"""The URLs of ``webhook_site``."""

from __future__ import annotations

from django.urls import include, path

urlpatterns = [
    path("", include("django_telroi.webhooks.urls")),
    path("health/", include("django_telroi.health.urls")),
]
