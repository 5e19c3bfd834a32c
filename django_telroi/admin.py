"""Every number and every attempt, to be looked at: masked, and read-only, for they are evidence."""

from __future__ import annotations

from uuid import UUID

from django.contrib import admin
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from django_telroi.domain.phone import mask
from django_telroi.models import AttemptEvent, PhoneNumber, VerificationAttempt, VerifiedPhone


def on_one_line(number: str) -> str:
    """The masked number, which no narrow column breaks."""
    return mask(number).replace(" ", "\N{NO-BREAK SPACE}")


class ReadOnly:
    """Nobody adds, changes or deletes here, whatever their permissions: only services write."""

    def has_add_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        return False

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest) -> bool:
        """Only what the filters offer: with any look-up at all a number could be guessed digit by digit."""
        offered = {each if isinstance(each, str) else each[0] for each in getattr(self, "list_filter", ())}
        return lookup.partition("__")[0] in offered

    def to_field_allowed(self, request: HttpRequest, to_field: str) -> bool:
        """Rows go by their id alone: a list that went by number would show it."""
        return to_field == "id"


@admin.register(PhoneNumber)
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


class EventInline(ReadOnly, admin.TabularInline):  # type: ignore[type-arg]
    """What happened on the way."""

    model = AttemptEvent
    fields = ("at", "kind", "actor", "detail")
    ordering = ("id",)
    extra = 0


@admin.register(VerificationAttempt)
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


@admin.register(VerifiedPhone)
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
