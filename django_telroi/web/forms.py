"""Forms for the number and for the code, and a field for the proof of a verification in a form of the site."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from django import forms
from django.db import transaction
from django.forms.renderers import DjangoTemplates
from django.http import HttpRequest, HttpResponse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import pgettext, pgettext_lazy
from django.views.decorators.debug import sensitive_variables

from django_telroi import conf
from django_telroi.domain.country_facts import calling_code, country_name, name_order
from django_telroi.domain.phone import CallingRules, parse_phone, supported_regions
from django_telroi.domain.typed_codes import clean_code, misfit_of
from django_telroi.errors import InvalidNumber, ProofRejected, Unavailable
from django_telroi.services import CheckOutcome, Proof
from django_telroi.services.sentences import NOT_NOW, length_sentence, sentence
from django_telroi.services.shared.secrets import length_of_next_code
from django_telroi.services.shared.transactions import write_alias
from django_telroi.services.typed_numbers import RejectedNumber, explain_rejected
from django_telroi.web.card_texts import code_label, number_error, number_hint
from django_telroi.web.text_language import text_language

__all__ = ["CodeField", "CodeForm", "PhoneField", "PhoneForm", "ProofField", "ProofFormMixin"]


def country_choices() -> list[tuple[str, str]]:
    """Return the regions that the site calls and their names in the language of the card: ``Nigeria (+234)``."""
    none = ("", pgettext("choice of a country", "Choose a country"))
    lang, direction = text_language()
    return [none, *_named_regions(conf.calling_rules(), lang, is_bidi=direction == "rtl")]


@lru_cache(maxsize=64)  # a name for each of 245 regions
def _named_regions(rules: CallingRules, language: str, *, is_bidi: bool) -> list[tuple[str, str]]:
    called = supported_regions() if rules.allowed_regions is None else supported_regions() & rules.allowed_regions
    mark = "\N{LEFT-TO-RIGHT MARK}" if is_bidi else ""  # otherwise the + would be on the other side of the digits
    names = {region: country_name(region, language) for region in called - rules.blocked_regions}
    regions = sorted(names, key=lambda region: (name_order(names[region]), region))
    return [(region, f"{names[region]} ({mark}{calling_code(region)}{mark})") for region in regions]


class PlainInput(forms.TextInput):
    """A text input that is rendered without a template, which would take a sixth of the time of a page.

    With another ``FORM_RENDERER``, or in a subclass with another ``template_name``, the widget uses its template.
    """

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        """Return the same HTML as Django's template of a text input."""
        uses_default_template = (
            type(renderer) is DjangoTemplates and self.template_name == forms.TextInput.template_name
        )
        if not uses_default_template:
            return super().render(name, value, attrs, renderer)
        shown = self.get_context(name, value, attrs)["widget"]
        its_value = "" if shown["value"] is None else format_html(' value="{}"', shown["value"])
        attributes = (_attribute(attribute, given) for attribute, given in shown["attrs"].items() if given is not False)
        others = format_html_join("", " {}{}", attributes)
        return format_html('<input type="{}" name="{}"{}{}>', shown["type"], shown["name"], its_value, others)


def _attribute(name: str, value: object) -> tuple[str, str]:
    return name, "" if value is True else format_html('="{}"', value)


class PhoneField(forms.CharField):
    """A phone number in any usual spelling. The value is the number in E.164.

    The field checks only the format. ``services.start_verification`` checks whether the number may be called. Numbers
    without a country code are read in ``country``, an ISO 3166 code, else in ``DEFAULT_REGION``. ``visitor_region`` is
    a guess: it gives the examples and the suggestions.
    """

    country = ""
    visitor_region = ""
    rejected: RejectedNumber | None = None
    """What helps after ``clean`` rejected a number."""

    # A number reads from left to right in every language, so dir is fixed. The limit of 64 leaves room for spaces and
    # brackets; the parser has its own.
    widget = PlainInput(
        attrs={
            "type": "tel",
            "autocomplete": "tel",
            "inputmode": "tel",
            "enterkeyhint": "go",
            "maxlength": 64,
            "dir": "ltr",
            "class": "telroi-input",
        }
    )

    def __init__(self, **options: Any) -> None:
        options.setdefault("label", _("Phone number"))
        # strip=False, because parse_phone removes spaces and invisible characters itself. So form and API accept the
        # same.
        super().__init__(strip=False, **options)

    def clean(self, value: object) -> str:
        """Return the number in E.164. Raises ValidationError, with the same message as the API, if it is invalid.

        Its code is one of ``NumberProblem``, such as ``country_code_missing``.
        """
        typed, self.rejected = self.to_python(value) or "", None
        try:
            return parse_phone(typed, default_region=self.country or conf.default_region()).number
        except InvalidNumber:
            self.rejected = explain_rejected(typed, country=self.country, visitor_region=self.visitor_region)
            raise forms.ValidationError(number_error(self.rejected), code=self.rejected.problem) from None

    @property
    def suggestions(self) -> Sequence[str]:
        """The numbers (E.164) that a rejected text may mean. The template shows a button for each."""
        return self.rejected.suggestions if self.rejected else ()


class CodeField(forms.CharField):
    """A code, in groups or not. The value is its digits. It is one input, so that paste and autofill work."""

    # Not type="number": for such an input a browser sends "493 027" as an empty value.
    widget = PlainInput(
        attrs={
            "autocomplete": "one-time-code",
            "inputmode": "numeric",
            "enterkeyhint": "done",
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
            text = length_sentence(fit, length_of_next_code()) if fit else sentence(CheckOutcome.INVALID_CODE)
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
        # One transaction, so that a sign-up that fails leaves the proof unspent, and a proof that fails leaves no user.
        try:
            with transaction.atomic(using=write_alias()):
                response: HttpResponse = super().post(request, *args, **kwargs)  # type: ignore[misc]
                return response
        except ProofRejected as error:
            form = view.get_form()  # a new form, because the objects that the first one saved were rolled back
            # A form that is invalid now shows the error already: the proof was redeemed meanwhile.
            if form.is_valid():
                # With several proofs it is unknown which one was rejected, so the error belongs to the form.
                fields = [name for name, field in form.fields.items() if isinstance(field, ProofField)]
                form.add_error(fields[0] if len(fields) == 1 else None, error)
            invalid: HttpResponse = view.form_invalid(form)
            return invalid


class PhoneForm(forms.Form):
    """Asks for the number to call. With ``COUNTRY_CHOICE`` it also asks for the country, as ``phone_country``.

    ``visitor_region``: the region that the browser's language names. ``country``: the one that the visitor chose
    before. Both are ISO 3166 codes, or ``""``.
    """

    number = PhoneField()

    def __init__(self, *args: Any, visitor_region: str = "", country: str = "", **options: Any) -> None:
        super().__init__(*args, **options)
        number: Any = self.fields["number"]  # a PhoneField, or a field of a subclass
        number.visitor_region = visitor_region
        number.help_text = number_hint(visitor_region, has_choice=conf.country_choice())
        if conf.country_choice():
            self._add_choice(country or conf.default_region() or visitor_region)
            number.country = self._chosen_country()

    def _add_choice(self, initial: str) -> None:
        # ``autocomplete="country"``: the values are ISO 3166 codes, as browsers fill them in.
        widget = forms.Select(attrs={"autocomplete": "country", "class": "telroi-input telroi-select"})
        self.fields["phone_country"] = forms.ChoiceField(
            choices=country_choices,
            initial=initial.strip().upper(),
            required=False,
            label=pgettext_lazy("label", "Country"),
            widget=widget,
        )
        self.order_fields(["phone_country"])

    def _chosen_country(self) -> str:
        """Return the posted country, ``""`` for none. The number is cleaned with it, so it is needed before."""
        field: Any = self.fields["phone_country"]
        name = self.add_prefix("phone_country")
        chosen = field.widget.value_from_datadict(self.data, self.files, name) or ""
        return chosen if field.valid_value(chosen) else ""


class CodeForm(forms.Form):
    """Asks for the code that was read out.

    ``code_length``: the number of digits of the attempt's code. The default is that of the next call.
    """

    code = CodeField()

    def __init__(self, *args: Any, code_length: int | None = None, **options: Any) -> None:
        super().__init__(*args, **options)
        field, digits = self.fields["code"], code_length or length_of_next_code().expected
        field.label = code_label(digits)
        if conf.submit_last_digit():
            field.widget.attrs["data-telroi-digits"] = digits
