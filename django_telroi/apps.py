"""The configuration of the Django app."""

from __future__ import annotations

from importlib import import_module

from django.apps import AppConfig, apps
from django.conf import settings
from django.utils.translation import gettext_lazy as _


class TelroiConfig(AppConfig):
    """Phone verification."""

    name = "django_telroi"
    verbose_name = _("Phone verification")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # The import registers the checks. It must wait for the app registry, because their modules
        # import models.
        import_module("django_telroi.checks")
        # drf-spectacular is optional. It is imported only by a site that has installed it as an app.
        if apps.is_installed("drf_spectacular"):
            import_module("django_telroi.rest.openapi")
        # django-two-factor-auth imports its gateway at the first call. That is too late for the page that requests it.
        gateway = str(getattr(settings, "TWO_FACTOR_CALL_GATEWAY", ""))
        if gateway.startswith("django_telroi.") and apps.is_installed("two_factor.plugins.phonenumber"):
            import_module("django_telroi.contrib.two_factor.refused_calls").show_refusals()
