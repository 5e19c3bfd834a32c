"""The configuration of the Django app."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class OtpCallConfig(AppConfig):
    """Devices of django-otp that are verified by a call."""

    name = "django_telroi.contrib.otp"
    label = "telroi_otp"
    verbose_name = _("Second factor by phone call")
    default_auto_field = "django.db.models.BigAutoField"
