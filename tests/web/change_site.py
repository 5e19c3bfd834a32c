"""A site on which users change their number. ``/guarded/`` asks for the password first."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponseBase, HttpResponseRedirect
from django.urls import include, path

from django_telroi.admin import VerifiedPhoneInline
from django_telroi.web.change_phone import ChangePhoneView


class GuardedChange(ChangePhoneView):
    def reauthenticate(self) -> HttpResponseBase | None:
        if self.request.session.get("is_sure"):
            return None
        return HttpResponseRedirect("/password/")


def confirm(request: HttpRequest) -> HttpResponseBase:
    request.session["is_sure"] = True
    return HttpResponseRedirect("/guarded/")


class OwnUserAdmin(UserAdmin):  # type: ignore[type-arg]
    inlines = [VerifiedPhoneInline]


site = admin.AdminSite(name="own")
site.register(User, OwnUserAdmin)

urlpatterns: list[Any] = [
    path("guarded/", GuardedChange.as_view()),
    path("confirm/", confirm),
    path("phone/", include("django_telroi.urls")),
    path("admin/", site.urls),
]
