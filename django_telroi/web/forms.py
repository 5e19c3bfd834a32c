"""The two questions: which number, and what did you hear; and the proof of an answer in a site's own form."""

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
        typed = self.to_python(value) or ""
        code = clean_code(typed)
        if code is None:
            fit = misfit_of(typed)
            said = length_sentence(fit, asked=conf.code_length()) if fit else sentence(CheckOutcome.INVALID_CODE)
            raise forms.ValidationError(said, code=CheckOutcome.INVALID_CODE)
        return code


class ProofInput(forms.HiddenInput):
    """Reads the value that is not empty, where the form renders itself beside ``{% phone_proof %}``."""

    def value_from_datadict(self, data: Any, files: Any, name: str) -> Any:
        if not hasattr(data, "getlist"):
            return super().value_from_datadict(data, files, name)
        return next((value for value in reversed(data.getlist(name)) if value), None)


class ProofBoundField(forms.BoundField):
    """The input is hidden, and its error is not.

    Django shows the errors of hidden fields as "(Hidden field phone_proof) …", for developers. This one is shown like
    the error of any other field, at its own place in the form, without a label.
    """

    is_hidden = False


class ProofField(forms.CharField):
    """Takes what ``{% phone_proof %}`` puts into a form. The value is a ``services.Proof``: read, and nothing is spent.

    Call its ``redeem(user=...)`` inside the transaction that saves the rest. Without a proof the value is None, where
    the field is not ``required``.
    """

    widget = ProofInput
    bound_field_class = ProofBoundField

    def __init__(self, *, purpose: str = "", **options: Any) -> None:
        options.setdefault("label", "")
        messages = {"required": _("Verify your phone first.")} | (options.pop("error_messages", None) or {})
        super().__init__(error_messages=messages, **options)
        self.purpose = purpose

    def bound_data(self, data: Any, initial: Any) -> Any:
        """Nothing that was posted is rendered again: an old proof would stand beside the one of the tag.

        The tag renders the one that is good now, before or after the form's own fields.
        """
        return initial

    @sensitive_variables()
    def clean(self, value: object) -> Proof | None:
        """Raises ValidationError: ``proof_rejected`` for whatever is wrong with a proof, ``unavailable`` where the
        database cannot say, so that the person may send the form once more.
        """
        token = self.to_python(value)
        self.validate(token)
        try:
            return Proof.read(token, purpose=self.purpose) if token else None
        except Unavailable:
            raise forms.ValidationError(str(NOT_NOW), code=Unavailable.code) from None


class ProofFormMixin:
    """For a ``FormView`` or a ``CreateView`` whose form redeems a proof as it saves; it stands left of it.

    The POST is one transaction. A proof that was spent since the form was checked, or whose number belongs to another
    account, rolls it back and is an error of the form.
    """

    def post(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        view: Any = self
        try:
            with transaction.atomic(using=write_alias()):
                response: HttpResponse = super().post(request, *args, **kwargs)  # type: ignore[misc]
                return response
        except ProofRejected as error:
            form = view.get_form()  # another one: what the first has made is rolled back
            if form.is_valid():
                fields = [name for name, field in form.fields.items() if isinstance(field, ProofField)]
                form.add_error(fields[0] if len(fields) == 1 else None, error)
            shown: HttpResponse = view.form_invalid(form)
            return shown


class PhoneForm(forms.Form):
    """Asks for the number to ring."""

    number = PhoneField()

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["number"].help_text = number_hint()


class CodeForm(forms.Form):
    """Asks for the code that was read out.

    ``code_length``: the attempt's; by default the digits that a call is asked for now.
    """

    code = CodeField()

    def __init__(self, *args: Any, code_length: int | None = None, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["code"].label = code_label(code_length or conf.code_length())
