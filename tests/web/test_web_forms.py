"""The forms by themselves, as a site may use them in views of its own."""

from __future__ import annotations

from typing import Any

import pytest

from django_telroi.web.card_texts import number_lead
from django_telroi.web.forms import CodeForm, PhoneForm
from tests.web.visitor import NUMBER


@pytest.mark.parametrize("typed", ["+234 803 123 4567", " (+234) 803-123.4567 ", "00234 803 123 4567", NUMBER])
def test_every_spelling_of_a_number_is_that_number(typed: str) -> None:
    form = PhoneForm({"number": typed})

    assert form.is_valid()
    assert form.cleaned_data == {"number": NUMBER}


def test_a_number_at_home_needs_no_country_code(site: Any) -> None:
    site.TELROI = {"DEFAULT_REGION": "NG"}

    form = PhoneForm({"number": "0803 123 4567"})

    assert form.is_valid()
    assert form.cleaned_data == {"number": NUMBER}


def test_what_is_no_number_has_the_code_that_every_face_gives() -> None:
    form = PhoneForm({"number": "call me"})

    assert form.errors.as_data()["number"][0].code == "invalid_number"


def test_a_code_is_its_digits() -> None:
    form = CodeForm({"code": " 483-920 "})

    assert form.is_valid()
    assert form.cleaned_data == {"code": "483920"}


def test_what_is_no_code_has_the_code_that_every_face_gives() -> None:
    form = CodeForm({"code": "48392o"})

    assert form.errors.as_data()["code"][0].code == "invalid_code"


@pytest.mark.parametrize(
    ("chosen", "hint"),
    [
        ({}, "With country code. Landlines work too."),
        ({"ALLOWED_LINE_TYPES": ["mobile"]}, "With country code."),
        ({"DEFAULT_REGION": "NG"}, "From abroad, start with + and the country code."),
    ],
)
def test_the_hint_says_what_this_site_s_settings_ask_for(site: Any, chosen: dict[str, Any], hint: str) -> None:
    site.TELROI = chosen

    assert PhoneForm().fields["number"].help_text == hint


def test_the_code_s_label_promises_no_more_digits_than_telroi_reads_out(site: Any) -> None:
    site.TELROI = {"CODE_LENGTH": 8, "BACKEND": "django_telroi.backends.telroi.TelroiBackend"}

    assert CodeForm().fields["code"].label == "Six-digit code"
    assert "six digits" in number_lead()


@pytest.mark.parametrize("path", ["nowhere.at.all.Backend", "django.http.HttpResponse"])
def test_a_backend_that_is_none_does_not_break_the_form(site: Any, path: str) -> None:
    site.TELROI = {"CODE_LENGTH": 7, "BACKEND": path}

    assert CodeForm().fields["code"].label == "7-digit code"


@pytest.mark.parametrize(("digits", "label"), [(6, "Six-digit code"), (8, "8-digit code")])
def test_the_code_s_label_says_how_many_digits(site: Any, digits: int, label: str) -> None:
    site.TELROI = {"CODE_LENGTH": digits}

    assert CodeForm().fields["code"].label == label
