"""The forms alone, as a site can use them in its own views."""

from __future__ import annotations

from typing import Any

import pytest
from django.forms.renderers import DjangoTemplates
from django.utils.html import strip_tags

from django_telroi.web.card_texts import number_lead
from django_telroi.web.forms import CodeForm, PhoneForm, PlainInput
from tests.web.visitor import NUMBER


@pytest.mark.parametrize("typed", ["+234 803 123 4567", " (+234) 803-123.4567 ", "00234 803 123 4567", NUMBER])
def test_every_spelling_of_a_number_is_accepted(typed: str) -> None:
    form = PhoneForm({"number": typed})

    assert form.is_valid()
    assert form.cleaned_data == {"number": NUMBER}


def test_a_national_number_needs_no_country_code(site: Any) -> None:
    site.TELROI = {"DEFAULT_REGION": "NG"}

    form = PhoneForm({"number": "0803 123 4567"})

    assert form.is_valid()
    assert form.cleaned_data == {"number": NUMBER}


def test_an_invalid_number_has_the_error_code_of_every_face() -> None:
    form = PhoneForm({"number": "call me"})

    assert form.errors.as_data()["number"][0].code == "invalid_number"


def test_a_code_is_reduced_to_its_digits() -> None:
    form = CodeForm({"code": " 483-920 "})

    assert form.is_valid()
    assert form.cleaned_data == {"code": "483920"}


def test_an_invalid_code_has_the_error_code_of_every_face() -> None:
    form = CodeForm({"code": "48392o"})

    assert form.errors.as_data()["code"][0].code == "invalid_code"


@pytest.mark.parametrize(
    ("chosen", "hint"),
    [
        ({}, "Start with + and the country code. Landlines work too."),
        ({"ALLOWED_LINE_TYPES": ["mobile"]}, "Start with + and the country code."),
        (
            {"ALLOWED_REGIONS": ["NG"]},
            "Start with + and the country code, like +234 802 123 4567. Landlines work too.",
        ),
        (
            {"DEFAULT_REGION": "ng"},
            "Start with + and the country code, like +234 802 123 4567. 0802 123 4567 works too.",
        ),
        (
            {"ALLOWED_REGIONS": ["NG"], "ALLOWED_LINE_TYPES": ["mobile"], "COUNTRY_CHOICE": True},
            "Start with + and the country code, like +234 802 123 4567, or choose the country.",
        ),
        ({"DEFAULT_REGION": "Nigeria"}, "Start with + and the country code. Landlines work too."),
    ],
)
def test_the_hint_depends_on_the_settings(site: Any, chosen: dict[str, Any], hint: str) -> None:
    site.TELROI = chosen

    assert strip_tags(PhoneForm().fields["number"].help_text) == hint


@pytest.mark.codes("telroi")
def test_the_label_of_the_code_names_no_more_digits_than_telroi_speaks(site: Any) -> None:
    site.TELROI = {"CODE_LENGTH": 8, "BACKEND": "django_telroi.backends.telroi.TelroiBackend"}

    assert CodeForm().fields["code"].label == "Six-digit code"
    assert "six digits" in number_lead()


@pytest.mark.parametrize("path", ["nowhere.at.all.Backend", "django.http.HttpResponse"])
def test_an_invalid_backend_does_not_break_the_form(site: Any, path: str) -> None:
    site.TELROI = {"CODE_LENGTH": 7, "BACKEND": path}

    assert CodeForm().fields["code"].label == "7-digit code"


@pytest.mark.parametrize(("digits", "label"), [(6, "Six-digit code"), (8, "8-digit code")])
def test_the_label_of_the_code_names_the_number_of_digits(site: Any, digits: int, label: str) -> None:
    site.TELROI = {"CODE_LENGTH": digits}

    assert CodeForm().fields["code"].label == label


class OwnInput(PlainInput):
    template_name = "django/forms/widgets/textarea.html"


class OwnRenderer(DjangoTemplates):
    pass


TYPED = ({"number": '<"x"> & é\'', "code": "12 34"}, None)


@pytest.mark.parametrize("typed", TYPED)
def test_an_input_is_the_html_of_djangos_template(typed: dict[str, str] | None) -> None:
    attributes = {"autofocus": True, "disabled": False, "data-x": 3, "aria-describedby": "q&r"}
    for form, name in ((PhoneForm(typed), "number"), (CodeForm(typed), "code")):
        field = form[name]
        shown = field.as_widget(attrs=attributes)
        form.renderer = OwnRenderer()

        assert shown == field.as_widget(attrs=attributes)


def test_an_input_of_a_site_has_the_template_of_the_site() -> None:
    form = CodeForm()
    form.fields["code"].widget = OwnInput()

    assert str(form["code"]).startswith("<textarea")
