"""The configuration of the Django app."""

from __future__ import annotations

from importlib import import_module

from django.apps import AppConfig, apps
from django.utils.translation import gettext_lazy as _


class TelroiConfig(AppConfig):
    """Phone verification."""

    name = "django_telroi"
    verbose_name = _("Phone verification")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        import_module("django_telroi.checks")
        if apps.is_installed("drf_spectacular"):
            import_module("django_telroi.rest.openapi")
