"""A site whose phone pages are subclasses of our views, with the same URL names."""

from __future__ import annotations

from typing import Any

from django import forms
from django.http import HttpRequest, HttpResponseBase
from django.urls import include, path

from django_telroi.services import CheckResult
from django_telroi.web.forms import PhoneForm
from django_telroi.web.views import (
    AddNumberView,
    CallAgainView,
    ChangeNumberView,
    CodeView,
    DoneView,
    StartView,
    StatusView,
)


class CarefulForm(PhoneForm):
    agreed = forms.BooleanField(label="You may call me", error_messages={"required": "Say yes first."})


class CarefulStart(StartView):
    """Overrides methods. Our guards must not depend on them."""

    form_class = CarefulForm

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        return super().dispatch(request, *args, **kwargs)

    def post(self, request: HttpRequest) -> HttpResponseBase:
        return super().post(request)


class ThankfulCode(CodeView):
    proofs: list[str | None] = []

    def phone_verified(self, result: CheckResult) -> None:
        self.proofs.append(result.proof)


pages = [
    path("", CarefulStart.as_view(), name="start"),
    path("code/", ThankfulCode.as_view(), name="code"),
    path("call-again/", CallAgainView.as_view(), name="call-again"),
    path("change-number/", ChangeNumberView.as_view(), name="change-number"),
    path("add-number/", AddNumberView.as_view(), name="add-number"),
    path("status/", StatusView.as_view(), name="status"),
    path("done/", DoneView.as_view(), name="done"),
]

urlpatterns = [path("phone/", include((pages, "telroi")))]
