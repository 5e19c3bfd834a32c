"""The URLconf of the test project."""

from __future__ import annotations

from django.contrib import admin
from django.urls import include, path

urlpatterns = [
    path("admin/", admin.site.urls),
    path("phone/", include("django_telroi.urls")),
    path("api/phone/", include("django_telroi.rest.urls")),
    path("telroi/", include("django_telroi.webhooks.urls")),
]
