"""The URLs of the example."""

from __future__ import annotations

from django.apps import apps
from django.contrib import admin
from django.templatetags.static import static
from django.urls import include, path
from django.views.generic import RedirectView
from django.views.i18n import set_language

from example import views

urlpatterns = [
    path("", views.home, name="home"),
    path("phone/", include("django_telroi.urls")),
    path("log-in/phone/", include("django_telroi.contrib.login.urls")),
    path("", include("members.urls")),
    path("api/phone/", include("django_telroi.rest.urls")),
    path("api/log-in/phone/", include("django_telroi.contrib.login.api_urls")),
    path("telroi/", include("django_telroi.webhooks.urls")),
    path("handset/", views.handset_call, name="handset-call"),
    path("handset/transcript/", views.handset_transcript, name="handset-transcript"),
    path("language/", set_language, name="set_language"),
    path("admin/", admin.site.urls),
    path("favicon.ico", RedirectView.as_view(url=static("example/icon.svg"))),
]

if apps.is_installed("drf_spectacular"):
    urlpatterns += [path("", include("members.reference"))]
