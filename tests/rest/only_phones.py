"""The URLconf of a project without an admin."""

from __future__ import annotations

from django.urls import include, path

urlpatterns = [
    path("phone/", include("django_telroi.urls")),
    path("api/phone/", include("django_telroi.rest.urls")),
]
