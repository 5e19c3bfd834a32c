"""A site whose first page asks for more than a number, for example for secrets."""

from __future__ import annotations

from typing import Any

from django import forms
from django.urls import include, path

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

TOO_SHORT = "A password has eight characters or more."


class Whispered(forms.TextInput):
    """The site's own widget. It never displays the typed value."""

    def get_context(self, name: str, value: Any, attrs: dict[str, Any] | None) -> dict[str, Any]:
        return super().get_context(name, None, attrs)


class TwoParts(forms.MultiWidget):
    """A widget with two parts. Only one of them displays the typed value again."""

    def __init__(self) -> None:
        super().__init__({"hint": forms.TextInput(), "pin": forms.PasswordInput()})

    def decompress(self, value: Any) -> list[Any]:
        return [None, None]


class TwoPartField(forms.MultiValueField):
    widget = TwoParts

    def __init__(self, **options: Any) -> None:
        super().__init__((forms.CharField(), forms.CharField()), **options)

    def compress(self, data_list: list[str]) -> str:
        return "".join(data_list)


class SignUpForm(PhoneForm):
    name = forms.CharField(required=False)
    topics = forms.MultipleChoiceField(choices=[("a", "A"), ("b", "B"), ("c", "C")], required=False)
    step = forms.CharField(widget=forms.HiddenInput, required=False)
    parts = TwoPartField(required=False)
    whispered = forms.CharField(widget=Whispered, required=False)
    password = forms.CharField(
        widget=forms.PasswordInput, min_length=8, error_messages={"min_length": TOO_SHORT}, required=False
    )
    shown_password = forms.CharField(widget=forms.PasswordInput(render_value=True), required=False)
    html_password = forms.CharField(widget=forms.TextInput({"type": "Password"}), required=False)
    managed = forms.CharField(
        widget=forms.TextInput({"autocomplete": "section-a Current-Password webauthn"}), required=False
    )
    token = forms.CharField(widget=forms.TextInput({"autocomplete": "one-time-code"}), required=False)
    card = forms.CharField(widget=forms.TextInput({"autocomplete": "cc-number"}), required=False)
    photo = forms.FileField(required=False)


class SignUp(StartView):
    form_class = SignUpForm


pages = [
    path("", SignUp.as_view(), name="start"),
    path("code/", CodeView.as_view(), name="code"),
    path("call-again/", CallAgainView.as_view(), name="call-again"),
    path("change-number/", ChangeNumberView.as_view(), name="change-number"),
    path("add-number/", AddNumberView.as_view(), name="add-number"),
    path("status/", StatusView.as_view(), name="status"),
    path("done/", DoneView.as_view(), name="done"),
]

urlpatterns = [path("phone/", include((pages, "telroi")))]
