"""Every attempt and its story."""

from __future__ import annotations

from uuid import UUID

from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from django_telroi.admin.readonly import ReadOnly, on_one_line
from django_telroi.models import AttemptEvent, VerificationAttempt


class EventInline(ReadOnly, admin.TabularInline):  # type: ignore[type-arg]
    """What happened on the way."""

    model = AttemptEvent
    fields = ("at", "kind", "actor", "detail")
    ordering = ("id",)
    extra = 0


class VerificationAttemptAdmin(ReadOnly, admin.ModelAdmin):  # type: ignore[type-arg]
    """Attempts, each with its story."""

    list_display = ("created_at", "masked", "status", "error_code", "purpose", "user", "tries", "region")
    list_display_links = ("created_at", "masked")
    list_filter = ("status", "error_code", "region", "livemode", "dispatch")
    list_select_related = ("user",)
    fields = (
        ("masked", "region"),
        ("status", "error_code", "error_detail"),
        ("user", "purpose", "requester_ip"),
        ("tries", "max_tries"),
        ("created_at", "dialed_at", "placed_at", "expires_at", "verified_at", "closed_at"),
        ("dispatch", "language", "livemode", "telroi_id"),
        ("uuid", "phone"),
    )
    inlines = (EventInline,)
    search_fields = ("=phone__last4",)
    search_help_text = _("The last four digits, or the public id of an attempt.")
    ordering = ("-id",)
    show_full_result_count = False

    @admin.display(description=_("number"))
    def masked(self, attempt: VerificationAttempt) -> str:
        return on_one_line(attempt.number)

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[VerificationAttempt], search_term: str
    ) -> tuple[QuerySet[VerificationAttempt], bool]:
        try:
            return queryset.filter(uuid=UUID(search_term)), False
        except ValueError:
            return super().get_search_results(request, queryset, search_term)
