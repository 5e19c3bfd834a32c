"""The URLs of django-phone-verify, with its paths and names: ``phone/register`` and ``phone/verify``."""

from __future__ import annotations

from django.urls import path

from django_telroi.packages import REST_FRAMEWORK
from django_telroi.rest.missing_framework import urls_without_framework

# No app_name, because django-phone-verify has none: reverse("phone-register") stays the same.
if REST_FRAMEWORK.is_installed:
    from django_telroi.contrib.phone_verify.views import RegisterView, VerifyView

    urlpatterns = [
        path("phone/register", RegisterView.as_view(), name="phone-register"),
        path("phone/verify", VerifyView.as_view(), name="phone-verify"),
    ]
else:
    urlpatterns = urls_without_framework("phone-register", "phone/")
