"""A site with a login by phone, and a page for users."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.decorators import login_required
from django.contrib.auth.views import LoginView
from django.http import HttpRequest, HttpResponse
from django.urls import include, path


@login_required
def home(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"home of {request.user}")


def token_of(request: HttpRequest, user: Any) -> dict[str, str]:
    """The site's function for the setting ``LOGIN_RESPONSE``."""
    return {"token": f"token of {user}", "host": request.get_host()}


urlpatterns = [
    path("admin/", admin.site.urls),
    path("home/", home, name="home"),
    path("accounts/login/", LoginView.as_view(), name="login"),
    path("phone/", include("django_telroi.urls")),
    path("api/phone/", include("django_telroi.rest.urls")),
    path("log-in/", include("django_telroi.contrib.login.urls")),
    path("api/log-in/", include("django_telroi.contrib.login.api_urls")),
]
