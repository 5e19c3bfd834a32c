"""Ours under ``admin/``, the plain one under ``plain/``."""

from __future__ import annotations

from django.contrib import admin
from django.urls import path

from django_telroi.models import PhoneNumber, VerificationAttempt, VerifiedPhone


class PlainNumbers(admin.ModelAdmin):
    list_display = ("number", "region", "limited_by", "next_call_at", "last_call_at", "blocked_at")
    list_filter = ("region", "limited_by", ("blocked_at", admin.EmptyFieldListFilter))
    search_fields = ("number",)


class PlainAttempts(admin.ModelAdmin):
    """Without ``date_hierarchy``, which alone takes seconds, and without a query a row for number and user."""

    list_display = ("created_at", "phone", "status", "error_code", "purpose", "user", "tries", "region")
    list_filter = ("status", "error_code", "purpose", "region", "livemode")
    list_select_related = ("user", "phone")
    search_fields = ("uuid", "telroi_id", "user__username", "phone__number")
    ordering = ("-created_at",)


class PlainVerified(admin.ModelAdmin):
    list_display = ("user", "number", "purpose", "verified_at")
    list_filter = ("purpose",)
    list_select_related = ("user",)
    search_fields = ("user__username", "number")


plain = admin.AdminSite(name="plain")
plain.register(PhoneNumber, PlainNumbers)
plain.register(VerificationAttempt, PlainAttempts)
plain.register(VerifiedPhone, PlainVerified)

urlpatterns = [path("admin/", admin.site.urls), path("plain/", plain.urls)]
