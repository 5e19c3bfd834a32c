"""Devices in the admin. A number is typed once and shown masked from then on."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from django_telroi.admin.shared.failures import FailuresAnswered
from django_telroi.admin.shared.log_entries import UnnamedInLog
from django_telroi.contrib.otp.models import CallDevice


@admin.register(CallDevice)
class CallDeviceAdmin(FailuresAnswered, UnnamedInLog):
    """To change a number, delete the device and add another one."""

    list_display = ("user", "name", "shown_number", "confirmed", "created_at", "last_used_at")
    list_filter = ("confirmed", "created_at", "last_used_at")
    list_select_related = ("user",)
    raw_id_fields = ("user",)
    readonly_fields = ("shown_number", "created_at", "last_used_at")
    ordering = ("-pk",)

    def get_fields(self, request: HttpRequest, obj: CallDevice | None = None) -> Any:
        number = "number" if obj is None else "shown_number"
        return ["user", "name", number, "confirmed", *([] if obj is None else ["created_at", "last_used_at"])]

    @admin.display(description=_("number"))
    def shown_number(self, device: CallDevice) -> str:
        return device.masked_number
