"""Every number and the state of its limits."""

from __future__ import annotations

from django.contrib import admin
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from django_telroi.admin.readonly import ReadOnly, on_one_line
from django_telroi.models import PhoneNumber


class PhoneNumberAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    """Numbers and the state of their limits."""

    list_display = ("masked", "region", "limit", "next_call_at", "last_call_at", "blocked_at")
    list_filter = ("region", ("blocked_at", admin.EmptyFieldListFilter))
    fields = (
        "masked",
        "region",
        "limit",
        "next_call_at",
        "last_call_at",
        "calls",
        ("held_until", "held_reason"),
        ("blocked_at", "blocked_by", "blocked_reason"),
        "created_at",
    )
    search_fields = ("=last4",)
    search_help_text = _("The last four digits.")
    ordering = ("-id",)
    show_full_result_count = False

    @admin.display(description=_("number"))
    def masked(self, phone: PhoneNumber) -> str:
        return on_one_line(phone.number)

    @admin.display(description=_("limit"))
    def limit(self, phone: PhoneNumber) -> str:
        """What holds now: the row keeps the rule that held last."""
        is_over = phone.next_call_at is None or phone.next_call_at <= timezone.now()
        return str(_("none")) if is_over else phone.get_limited_by_display()
