"""The configuration of the Django app."""

from __future__ import annotations

import logging
from importlib import import_module

from django.apps import AppConfig, apps
from django.conf import settings
from django.utils.translation import gettext_lazy as _

from django_telroi.log_fields import LOG_FIELDS
from django_telroi.telemetry import connect


class TelroiConfig(AppConfig):
    """Phone verification."""

    name = "django_telroi"
    verbose_name = _("Phone verification")
    default_auto_field = "django.db.models.BigAutoField"

    def ready(self) -> None:
        # The client adds it to the logger ``django_telroi.client`` itself, because it also works without Django.
        logging.getLogger("django_telroi").addFilter(LOG_FIELDS)
        # The import registers the checks. It must wait for the app registry, because their modules
        # import models.
        import_module("django_telroi.checks")
        connect()
        # drf-spectacular is optional. It is imported only by a site that has installed it as an app.
        if apps.is_installed("drf_spectacular"):
            import_module("django_telroi.rest.openapi")
        # django-two-factor-auth imports its gateway at the first call. That is too late for the page that requests it.
        gateway = str(getattr(settings, "TWO_FACTOR_CALL_GATEWAY", ""))
        if gateway.startswith("django_telroi.") and apps.is_installed("two_factor.plugins.phonenumber"):
            import_module("django_telroi.contrib.two_factor.refused_calls").show_refusals()
