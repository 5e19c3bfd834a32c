"""The URLs of django-phone-verify, with its paths and names: ``phone/register`` and ``phone/verify``."""

from __future__ import annotations

from importlib import import_module

from django.apps import apps
from django.urls import path

from django_telroi.packages import REST_FRAMEWORK
from django_telroi.rest.missing_framework import urls_without_framework

# No app_name, because django-phone-verify has none: reverse("phone-register") stays the same.
if REST_FRAMEWORK.is_installed:
    from django_telroi.contrib.phone_verify.views import RegisterView, VerifyView

    # Here and not in the app's ``ready()``: the endpoints work without the app, which only imports old rows.
    if apps.is_installed("drf_spectacular"):
        import_module("django_telroi.contrib.phone_verify.phone_verify_operations")

    urlpatterns = [
        path("phone/register", RegisterView.as_view(), name="phone-register"),
        path("phone/verify", VerifyView.as_view(), name="phone-verify"),
    ]
else:
    urlpatterns = urls_without_framework("phone-register", "phone/")
