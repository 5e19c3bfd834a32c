"""In each of our templates, numbers for scripts have plain digits and no variable is undefined."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.conf import settings as django_settings
from django.template import Node
from django.test.signals import template_rendered
from django.test.utils import override_settings

import django_telroi
from django_telroi.testing import outbox
from tests.faces.every_page import LARGE, SETTINGS, Pages, admin_pages, public_pages

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.faces.site")]

TEMPLATES = Path(django_telroi.__file__).parent / "templates"
EVERYTHING: dict[str, Callable[[], Pages]] = {"pages and cards": public_pages, "admin": admin_pages}
LOCALES = ["de", "fr", "ar"]
SEPARATED = re.compile(r"(?<![\d.,])\d{1,3}(?:[.,'\u2019\u00a0\u202f]\d{2,3})*[.,'\u2019\u00a0\u202f]\d{3}(?![\d-])")
DECIMAL_COMMA = re.compile(r"\d,\d")
FOR_PEOPLE = {"content", "placeholder", "title", "alt", "aria-label", "value-text"}
"""Attributes that are shown or spoken, and not used for computing."""


@pytest.fixture(autouse=True)
def site(settings: Any) -> Iterator[Any]:
    settings.TELROI = SETTINGS
    outbox.clear()
    yield settings
    outbox.clear()


def attributes_of(html: str) -> Iterator[tuple[str, str, str]]:
    """Return tag, name and value of the attributes, without Django's SVG images, whose paths have three decimals."""
    tree = BeautifulSoup(html, "html.parser")
    for drawing in tree.find_all("svg"):
        if "telroi" not in str(drawing.get("class")):
            drawing.decompose()
    for tag in tree.find_all(True):
        for name, value in tag.attrs.items():
            yield tag.name, name, " ".join(value) if isinstance(value, list) else str(value)


@pytest.mark.parametrize("locale", LOCALES)
@pytest.mark.parametrize("pages", EVERYTHING.values(), ids=EVERYTHING)
def test_a_number_for_a_script_has_plain_digits(site: Any, locale: str, pages: Callable[[], Pages]) -> None:
    site.LANGUAGE_CODE, site.USE_THOUSAND_SEPARATOR = locale, True
    separated = set()

    for where, html in pages():
        for tag, name, value in attributes_of(html):
            if name not in FOR_PEOPLE and (SEPARATED.search(value) or DECIMAL_COMMA.search(value)):
                separated.add((where, tag, name, value))

    assert separated == set()


def test_a_primary_key_is_shown_as_in_its_url(site: Any) -> None:
    site.LANGUAGE_CODE, site.USE_THOUSAND_SEPARATOR = "de", True

    html = " ".join(html for _, html in admin_pages())

    assert str(LARGE) in html
    assert not re.search(r"1[.,\s]234[.,\s]56\d", html)


class Undefined(str):
    """A ``string_if_invalid`` that records the undefined variables of our templates."""

    __slots__ = ("asked",)

    def __new__(cls) -> Undefined:
        marker = super().__new__(cls, "%s")
        marker.asked = set()
        return marker

    def __mod__(self, variable: object) -> str:
        frame = sys._getframe(1)
        while frame and not isinstance(frame.f_locals.get("self"), Node):
            frame = frame.f_back  # type: ignore[assignment]
        origin = Path(str(frame.f_locals["self"].origin.name)) if frame else Path()
        if origin.is_relative_to(TEMPLATES):
            self.asked.add((str(origin.relative_to(TEMPLATES)), str(variable)))
        return f"undefined: {variable}"


@contextmanager
def invalid_is(marker: str) -> Iterator[None]:
    [engine] = django_settings.TEMPLATES
    options = {**engine["OPTIONS"], "string_if_invalid": marker}
    with override_settings(TEMPLATES=[{**engine, "OPTIONS": options}]):
        yield


@pytest.mark.parametrize("pages", EVERYTHING.values(), ids=EVERYTHING)
def test_no_template_uses_an_undefined_variable(pages: Callable[[], Pages]) -> None:
    marker = Undefined()

    with invalid_is(marker):
        list(pages())

    assert marker.asked == set()


def test_a_custom_string_if_invalid_is_on_no_page() -> None:
    with invalid_is("NOT-DEFINED"):
        marked = [where for where, html in public_pages() if "NOT-DEFINED" in html]

    assert marked == []


def test_every_template_is_rendered_by_these_tests() -> None:
    rendered = set()

    def note(sender: object, template: Any, **told: object) -> None:
        rendered.add(template.name)

    template_rendered.connect(note)
    try:
        for pages in EVERYTHING.values():
            list(pages())
    finally:
        template_rendered.disconnect(note)

    assert {str(path.relative_to(TEMPLATES)) for path in TEMPLATES.rglob("*.html")} - rendered == set()
