"""The two questions: which number, and what did you hear. Usable in a site's own views as well."""

from __future__ import annotations

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables

from django_telroi import conf
from django_telroi.domain.codes import clean_code
from django_telroi.domain.phone import parse_phone
from django_telroi.errors import InvalidNumber, ProofRejected
from django_telroi.services import CheckOutcome, Proof
from django_telroi.services.sentences import sentence
from django_telroi.web.words import code_label, number_hint


class PhoneField(forms.CharField):
    """A phone number as people type it; the value is its E.164 spelling.

    Only whether it is a number is judged here. Whether it may be rung is for ``services.start_verification`` to say.
    """

    widget = forms.TextInput(
        attrs={
            "type": "tel",
            "autocomplete": "tel",
            "inputmode": "tel",
            "maxlength": 64,
            "dir": "ltr",
            "class": "telroi-input",
        }
    )

    def __init__(self, **options: Any) -> None:
        options.setdefault("label", _("Phone number"))
        super().__init__(strip=False, **options)

    def clean(self, value: object) -> str:
        """Raises ValidationError with the same words that every face says to a refused number."""
        try:
            return parse_phone(self.to_python(value) or "", default_region=conf.default_region()).number
        except InvalidNumber:
            raise forms.ValidationError(sentence(InvalidNumber.code), code=InvalidNumber.code) from None


class CodeField(forms.CharField):
    """The code as people type it, grouped or not; the value is its digits. One field: paste and autofill work."""

    widget = forms.TextInput(
        attrs={
            "autocomplete": "one-time-code",
            "inputmode": "numeric",
            "maxlength": 64,
            "dir": "ltr",
            "class": "telroi-input telroi-code",
        }
    )

    def __init__(self, **options: Any) -> None:
        super().__init__(strip=False, **options)

    def clean(self, value: object) -> str:
        """Raises ValidationError before a malformed code could cost a try."""
        code = clean_code(self.to_python(value) or "")
        if code is None:
            raise forms.ValidationError(sentence(CheckOutcome.INVALID_CODE), code=CheckOutcome.INVALID_CODE)
        return code


class ProofInput(forms.HiddenInput):
    """Reads the one that says something, where the form renders itself beside ``{% phone_proof %}``."""

    def value_from_datadict(self, data: Any, files: Any, name: str) -> Any:
        if not hasattr(data, "getlist"):
            return super().value_from_datadict(data, files, name)
        return next((value for value in reversed(data.getlist(name)) if value), None)


class ProofField(forms.CharField):
    """Takes what ``{% phone_proof %}`` puts into a form. The value is a ``services.Proof``: read, and nothing is spent.

    Call its ``redeem(user=...)`` inside the transaction that saves the rest. Without a proof the value is None, where
    the field is not ``required``.
    """

    widget = ProofInput

    def __init__(self, *, purpose: str = "", **options: Any) -> None:
        messages = {"required": _("Verify your phone first.")} | (options.pop("error_messages", None) or {})
        super().__init__(error_messages=messages, **options)
        self.purpose = purpose

    @sensitive_variables()
    def clean(self, value: object) -> Proof | None:
        """Raises ValidationError, for whatever is wrong with a proof with the code ``proof_rejected``."""
        token = self.to_python(value)
        self.validate(token)
        if not token:
            return None
        try:
            return Proof.read(token, purpose=self.purpose)
        except ProofRejected:
            raise forms.ValidationError(sentence(ProofRejected.code), code=ProofRejected.code) from None


class PhoneForm(forms.Form):
    """Asks for the number to ring."""

    number = PhoneField()

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["number"].help_text = number_hint()


class CodeForm(forms.Form):
    """Asks for the code that was read out."""

    code = CodeField()

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["code"].label = code_label()
