"""System checks: settings with which phone login would silently not work, or would not be safe."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage, Error

from django_telroi import conf
from django_telroi.packages import ALLAUTH

with ALLAUTH.needed_for("django_telroi.contrib.allauth"):
    from allauth.account import app_settings
    from allauth.account.adapter import get_adapter

    from django_telroi.contrib.allauth.adapter import TelroiAdapterMixin


def check_allauth(app_configs: Sequence[AppConfig] | None, **kwargs: Any) -> list[CheckMessage]:
    """Return a message for each setting that does not fit this bridge."""
    return list(_messages())


def _messages() -> Iterator[CheckMessage]:
    adapter = get_adapter()
    if not isinstance(adapter, TelroiAdapterMixin):
        yield Error(
            "ACCOUNT_ADAPTER is no subclass of TelroiAdapterMixin. Only that class places calls.",
            hint='Set ACCOUNT_ADAPTER = "django_telroi.contrib.allauth.adapter.TelroiAccountAdapter", or add '
            "TelroiAdapterMixin to your adapter as its first base class.",
            id="telroi_allauth.E001",
        )
        return
    if not conf.writes_record(adapter.telroi_purpose):
        yield Error(
            f"The purpose {adapter.telroi_purpose!r} of the adapter is in PURPOSES_WITHOUT_RECORD, so no user has a "
            "verified number and no phone login succeeds.",
            hint='Remove the purpose from TELROI["PURPOSES_WITHOUT_RECORD"], or set telroi_purpose of your adapter to '
            "another purpose.",
            id="telroi_allauth.E002",
        )
    if settings.SESSION_ENGINE == "django.contrib.sessions.backends.signed_cookies":
        # django-allauth stores the code in the session too, so leaving it out of our own note would not help.
        yield Error(
            "SESSION_ENGINE is signed_cookies, so the browser's owner can read the code without a call.",
            hint="Store sessions in the database or the cache.",
            id="telroi_allauth.E004",
        )
    if not app_settings.PHONE_VERIFICATION_ENABLED:
        yield Error(
            "ACCOUNT_PHONE_VERIFICATION_ENABLED is False, so numbers stay unverified and no phone login succeeds.",
            hint="Remove the setting. Its default is True.",
            id="telroi_allauth.E003",
        )
