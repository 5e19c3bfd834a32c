"""The Django app for moving from django-phone-verify. It has no models; it is installed for its command."""

from __future__ import annotations

from django.apps import AppConfig


class PhoneVerifyConfig(AppConfig):
    name = "django_telroi.contrib.phone_verify"
    # The default, "phone_verify", is the label of django-phone-verify itself.
    label = "telroi_phone_verify"
    verbose_name = "Migration from django-phone-verify"
