"""Who answered which number."""

from __future__ import annotations

from django.contrib import admin
from django.utils.translation import gettext_lazy as _

from django_telroi.admin.readonly import ReadOnly, on_one_line
from django_telroi.models import VerifiedPhone


class VerifiedPhoneAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    """Who answered which number."""

    list_display = ("user", "masked", "purpose", "verified_at")
    fields = ("user", "masked", "purpose", "verified_at", "attempt")
    list_select_related = ("user",)
    ordering = ("-id",)
    show_full_result_count = False

    @admin.display(description=_("number"))
    def masked(self, phone: VerifiedPhone) -> str:
        return on_one_line(phone.number)
