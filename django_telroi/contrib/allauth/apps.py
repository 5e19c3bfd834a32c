"""The app of the bridge. It has no models; it registers the system checks."""

from __future__ import annotations

from django.apps import AppConfig


class AllauthConfig(AppConfig):
    name = "django_telroi.contrib.allauth"
    # The default, "allauth", is the label of django-allauth itself.
    label = "telroi_allauth"
    verbose_name = "Telroi for django-allauth"

    def ready(self) -> None:
        from django.core.checks import Tags, register

        from django_telroi.contrib.allauth.checks import check_allauth

        register(check_allauth, Tags.security)
