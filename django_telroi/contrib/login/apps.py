"""The app of the login. It has no models. ``django_telroi.checks`` has its system checks."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import pgettext_lazy


class PhoneLoginConfig(AppConfig):
    name = "django_telroi.contrib.login"
    label = "telroi_login"
    verbose_name = pgettext_lazy("app", "Log in by phone")
