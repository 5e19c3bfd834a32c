"""The app of the login. It has no models. ``django_telroi.checks`` has its system checks."""

from __future__ import annotations

from importlib import import_module

from django.apps import AppConfig, apps
from django.utils.translation import pgettext_lazy


class PhoneLoginConfig(AppConfig):
    name = "django_telroi.contrib.login"
    label = "telroi_login"
    verbose_name = pgettext_lazy("app", "Log in by phone")

    def ready(self) -> None:
        # drf-spectacular is optional. It is imported only by a site that has installed it as an app.
        if apps.is_installed("drf_spectacular"):
            import_module("django_telroi.contrib.login.login_operations")
