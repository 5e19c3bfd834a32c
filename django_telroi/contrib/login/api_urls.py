"""The URLs of the API. Include them: ``path("api/log-in/phone/", include("django_telroi.contrib.login.api_urls"))``."""

from __future__ import annotations

from django.urls import path

from django_telroi.packages import REST_FRAMEWORK
from django_telroi.rest.missing_framework import urls_without_framework

app_name = "telroi-login-api"

if REST_FRAMEWORK.is_installed:
    from django_telroi.contrib.login import login_api

    urlpatterns = [
        path("", login_api.LoginApiStartView.as_view(), name="start"),
        path("<str:uuid>/", login_api.LoginApiStatusView.as_view(), name="status"),
        path("<str:uuid>/check/", login_api.LoginApiCheckView.as_view(), name="check"),
        path("<str:uuid>/call-again/", login_api.LoginApiCallAgainView.as_view(), name="call-again"),
        path("<str:uuid>/cancel/", login_api.LoginApiCancelView.as_view(), name="cancel"),
    ]
else:
    urlpatterns = urls_without_framework("start", "")
