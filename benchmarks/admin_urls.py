"""Our admin is at ``admin/``, the plain one at ``plain/``."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.contrib import admin
from django.db.models import Max
from django.urls import path
from django.utils import timezone

from django_telroi.models import PhoneNumber, VerificationAttempt, VerifiedPhone


class PlainNumbers(admin.ModelAdmin):
    """The same columns as ours, each with a query of the attempts per row."""

    list_display = ("number", "region", "blocked_at", "last_hour", "last_day", "last_call", "last_verified")
    list_filter = ("region", "limited_by", ("blocked_at", admin.EmptyFieldListFilter))
    search_fields = ("number",)

    def last_hour(self, phone: PhoneNumber) -> int:
        return phone.attempts.filter(dialed_at__gt=timezone.now() - timedelta(hours=1)).count()

    def last_day(self, phone: PhoneNumber) -> int:
        return phone.attempts.filter(dialed_at__gt=timezone.now() - timedelta(days=1)).count()

    def last_call(self, phone: PhoneNumber) -> datetime | None:
        return phone.attempts.aggregate(last=Max("dialed_at"))["last"]

    def last_verified(self, phone: PhoneNumber) -> datetime | None:
        return VerifiedPhone.objects.filter(number=phone.number).aggregate(last=Max("verified_at"))["last"]


class PlainAttempts(admin.ModelAdmin):
    """Without ``date_hierarchy``, which takes seconds, and without queries per row for number and user."""

    list_display = ("created_at", "phone", "status", "error_code", "purpose", "user", "tries", "region")
    list_filter = ("status", "error_code", "purpose", "region", "livemode")
    list_select_related = ("user", "phone")
    search_fields = ("uuid", "telroi_id", "user__username", "phone__number")
    ordering = ("-created_at",)


class PlainVerified(admin.ModelAdmin):
    list_display = ("user", "number", "purpose", "verified_at", "attempt")
    list_filter = ("purpose",)
    list_select_related = ("user", "attempt")
    search_fields = ("user__username", "number")


plain = admin.AdminSite(name="plain")
plain.register(PhoneNumber, PlainNumbers)
plain.register(VerificationAttempt, PlainAttempts)
plain.register(VerifiedPhone, PlainVerified)

urlpatterns = [path("admin/", admin.site.urls), path("plain/", plain.urls)]
