"""Forms for the number and for the code, and a field for the proof of a verification in a form of the site."""

from __future__ import annotations

from typing import Any

from django import forms
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _
from django.views.decorators.debug import sensitive_variables

from django_telroi import conf
from django_telroi.domain.codes import clean_code, misfit_of
from django_telroi.domain.phone import parse_phone
from django_telroi.errors import InvalidNumber, ProofRejected, Unavailable
from django_telroi.services import CheckOutcome, Proof
from django_telroi.services.sentences import NOT_NOW, length_sentence, sentence
from django_telroi.services.shared.transactions import write_alias
from django_telroi.web.card_texts import code_label, number_hint

__all__ = [
    "CodeField",
    "CodeForm",
    "PhoneField",
    "PhoneForm",
    "ProofField",
    "ProofFormMixin",
]


class PhoneField(forms.CharField):
    """A phone number in any usual spelling. The value is the number in E.164.

    The field checks only the format. ``services.start_verification`` checks whether the number may be called. Numbers
    without a country code are read in ``DEFAULT_REGION``.
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
        """Return the number in E.164. Raises ValidationError, with the same message as the API, if it is invalid."""
        try:
            return parse_phone(self.to_python(value) or "", default_region=conf.default_region()).number
        except InvalidNumber:
            raise forms.ValidationError(sentence(InvalidNumber.code), code=InvalidNumber.code) from None


class CodeField(forms.CharField):
    """A code, in groups or not. The value is its digits. It is one input, so that paste and autofill work."""

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
        """Return the digits. Raises ValidationError if the code is malformed, before it uses a try."""
        typed = self.to_python(value) or ""
        code = clean_code(typed)
        if code is None:
            fit = misfit_of(typed)
            text = length_sentence(fit, asked=conf.code_length()) if fit else sentence(CheckOutcome.INVALID_CODE)
            raise forms.ValidationError(text, code=CheckOutcome.INVALID_CODE)
        return code


class ProofInput(forms.HiddenInput):
    """A hidden input that may occur twice: once from the form and once from ``{% phone_proof %}``.

    Its value is the last one that is not empty.
    """

    def value_from_datadict(self, data: Any, files: Any, name: str) -> Any:
        if not hasattr(data, "getlist"):
            return super().value_from_datadict(data, files, name)
        return next((value for value in reversed(data.getlist(name)) if value), None)


class ProofBoundField(forms.BoundField):
    """Renders a hidden input with a visible error.

    Django shows errors of hidden fields as "(Hidden field phone_proof) …", which is a message for developers. With
    ``is_hidden = False`` the error is shown like that of any other field, at the field's position and without a label.
    """

    is_hidden = False


class ProofField(forms.CharField):
    """The field for the proof that ``{% phone_proof %}`` adds to a form. The value is a ``services.Proof``.

    Validation reads the proof and does not redeem it. Call ``redeem(user=...)`` on the value in the transaction that
    saves the form. The value is None if the proof is missing and the field is not ``required``.

    ``purpose``: the purpose of the verification.
    """

    widget = ProofInput
    bound_field_class = ProofBoundField

    def __init__(self, *, purpose: str = "", **options: Any) -> None:
        options.setdefault("label", "")
        messages = {"required": _("Verify your phone first.")} | (options.pop("error_messages", None) or {})
        super().__init__(error_messages=messages, **options)
        self.purpose = purpose

    def bound_data(self, data: Any, initial: Any) -> Any:
        """Return the initial value, so that a posted proof is not rendered again.

        The tag renders the valid proof, before or after the form's fields. A posted one may be outdated.
        """
        return initial

    @sensitive_variables()
    def clean(self, value: object) -> Proof | None:
        """Return the proof, or None if there is none.

        Raises ValidationError with code ``proof_rejected`` if the proof is invalid, or ``unavailable`` if the database
        is unavailable. After ``unavailable`` the person may send the form again.
        """
        token = self.to_python(value)
        self.validate(token)
        try:
            return Proof.read(token, purpose=self.purpose) if token else None
        except Unavailable:
            raise forms.ValidationError(str(NOT_NOW), code=Unavailable.code) from None


class ProofFormMixin:
    """For a ``FormView`` or ``CreateView`` whose form redeems a proof when it is saved. Put it left of that class.

    The POST is one transaction. It is rolled back, and the form shows the error, if the proof was redeemed after the
    form was validated, or if the number belongs to another account.
    """

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        view: Any = self
        try:
            with transaction.atomic(using=write_alias()):
                response: HttpResponse = super().post(request, *args, **kwargs)  # type: ignore[misc]
                return response
        except ProofRejected as error:
            form = view.get_form()  # a new form, because the objects that the first one saved were rolled back
            if form.is_valid():
                fields = [name for name, field in form.fields.items() if isinstance(field, ProofField)]
                form.add_error(fields[0] if len(fields) == 1 else None, error)
            invalid: HttpResponse = view.form_invalid(form)
            return invalid


class PhoneForm(forms.Form):
    """Asks for the number to call."""

    number = PhoneField()

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["number"].help_text = number_hint()


class CodeForm(forms.Form):
    """Asks for the code that was read out.

    ``code_length``: the number of digits of the attempt's code. The default is the setting ``CODE_LENGTH``.
    """

    code = CodeField()

    def __init__(self, *args: Any, code_length: int | None = None, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["code"].label = code_label(code_length or conf.code_length())
