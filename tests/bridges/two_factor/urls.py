"""The pages of django-two-factor-auth, and a view of the site's own that requests a call."""

from __future__ import annotations

from django.contrib.auth.views import LogoutView
from django.http import HttpRequest, HttpResponse
from django.urls import include, path
from two_factor.plugins.phonenumber.models import PhoneDevice
from two_factor.urls import urlpatterns as two_factor_urls

from django_telroi.errors import VerificationRefused


def own_view(request: HttpRequest) -> HttpResponse:
    try:
        PhoneDevice.objects.get().generate_challenge()
    except VerificationRefused as refused:
        return HttpResponse(refused.code)
    return HttpResponse("called")


urlpatterns = [
    path("", include(two_factor_urls)),
    path("logout/", LogoutView.as_view(), name="logout"),
    path("own/", own_view),
]
