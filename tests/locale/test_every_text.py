"""Each text that a person or staff read goes through gettext: in a made-up language no English text is left."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from babel.messages import Catalog
from bs4 import BeautifulSoup, Comment, Doctype
from django.test import Client

from django_telroi.testing import outbox
from tests.faces.every_page import SETTINGS, Pages, admin_pages, public_pages
from tests.locale.catalogues import as_mo, by_key, messages_of_the_source

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.faces.site")]

LANGUAGE = "fr"
"""Django's own texts are in French, ours are in brackets. So what is English is neither."""

READ = ("title", "alt", "placeholder", "aria-label", "data-telroi-ready", "data-telroi-slow", "data-telroi-offline")
"""Attributes that a person reads or hears, and the texts of the script."""

NO_WORDS = {
    "BCP 47 tag of the language of this file",
    "format of a day, in the letters of Django's date filter",
    "format of a day with its year, in the letters of Django's date filter",
}
"""Contexts of messages that are no words."""

MARKED = re.compile("⟦[^⟦⟧]*⟧")

ENGLISH = re.compile(
    r"\b(the|of|is|are|was|to|not|no|by|and|for|this|that|call|calls|called|number|numbers|blocked|verified|you|your|we|it|"
    r"now|placed|user|attempts?|limits?|none)\b",
    re.IGNORECASE,
)


@pytest.fixture(autouse=True)
def site(settings: Any, tmp_path: Path) -> Iterator[Any]:
    """A site in the made-up language: each of our messages in brackets."""
    folder = tmp_path / LANGUAGE / "LC_MESSAGES"
    folder.mkdir(parents=True)
    (folder / "django.mo").write_bytes(as_mo(bracketed(messages_of_the_source())))
    settings.TELROI, settings.LANGUAGE_CODE, settings.LOCALE_PATHS = SETTINGS, LANGUAGE, [tmp_path]
    outbox.clear()
    yield settings
    outbox.clear()


def bracketed(template: Catalog) -> Catalog:
    catalogue = Catalog(locale=LANGUAGE, fuzzy=False)
    for (context, ids), message in by_key(template).items():
        if context in NO_WORDS:
            continue
        if isinstance(ids, tuple):
            one, *more = (f"⟦{text}⟧" for text in ids)
            catalogue.add(message.id, (one, *more * (catalogue.num_plurals - 1)), context=context)
        else:
            catalogue.add(message.id, f"⟦{ids}⟧", context=context)
    return catalogue


def texts_of(html: str) -> Iterator[str]:
    """Yield each text of a page with the texts of the elements inside it, and each attribute that people read."""
    page = BeautifulSoup(html, "html.parser")
    for part in page.find_all(["script", "style", "option", "bdi"]):
        part.decompose()
    for tag in page.find_all(True):
        yield from (str(tag[name]) for name in READ if tag.get(name))
    for element in page.find_all(string=lambda text: isinstance(text, Comment | Doctype)):
        element.extract()
    yield page.get_text("|")


def without_brackets(text: str) -> str:
    """Return what is left of a text without what is in brackets, which may be nested."""
    while (shorter := MARKED.sub("", text)) != text:
        text = shorter
    return text


def left_over(pages: Callable[[], Pages]) -> dict[str, set[str]]:
    left: dict[str, set[str]] = {}
    for where, html in pages():
        for text in texts_of(html):
            rest = without_brackets(text)
            for line in re.split(r"[\n|]", rest):
                if ENGLISH.search(line):
                    left.setdefault(line.strip(), set()).add(where)
    return left


@pytest.mark.parametrize("pages", [public_pages, admin_pages])
def test_no_english_text_is_left(pages: Callable[[], Pages]) -> None:
    of_the_site_around_the_card = {"House number", "Your account"}

    assert left_over(pages).keys() - of_the_site_around_the_card == set()


def test_an_english_text_is_found() -> None:
    def pages() -> Pages:
        yield "/", "<p title='Call me'>⟦Verify ⟦your⟧ phone⟧ of the site</p><script>of the site</script>"

    assert left_over(pages) == {"of the site": {"/"}, "Call me": {"/"}}


@pytest.mark.urls("tests.urls")
def test_the_api_answers_in_the_language_of_the_request() -> None:
    answer = Client().post("/api/phone/verifications/", {"number": "+2348031"}, content_type="application/json")

    assert answer.json()["detail"].startswith("⟦")
