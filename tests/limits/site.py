"""All the faces of one site."""

from __future__ import annotations

from django.urls import include, path

from tests.web.site import urlpatterns as pages

urlpatterns = [*pages, path("api/phone/", include("django_telroi.rest.urls"))]
