"""The URLconf of a site with all faces that have rate limits."""

from __future__ import annotations

from django.urls import include, path

from tests.web.site import urlpatterns as pages

urlpatterns = [*pages, path("api/phone/", include("django_telroi.rest.urls"))]
