"""The example in another language: the shop's words, the card's, and the call's."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.test import Client
from django.utils.translation import deactivate

import django_telroi
from django_telroi.simulator import Simulator
from tests.example.shop_catalogue import messages_of_the_shop, po_file
from tests.locale.catalogues import COMPLETE, as_mo, entries, read
from tests.locale.problems import problems_of


@pytest.fixture
def visitor(with_simulator: Simulator, example_site: Any) -> Iterator[Client]:
    """A visitor of the site with its languages, as ``example.settings`` has them."""
    sessions = example_site.MIDDLEWARE.index("django.contrib.sessions.middleware.SessionMiddleware")
    example_site.MIDDLEWARE = [*example_site.MIDDLEWARE]
    example_site.MIDDLEWARE.insert(sessions + 1, "django.middleware.locale.LocaleMiddleware")
    example_site.LANGUAGES = [("de", "Deutsch"), ("en", "English")]
    yield Client()
    deactivate()


def page_in(visitor: Client, language: str) -> BeautifulSoup:
    answer = visitor.post("/language/", {"language": language, "next": "/"}, follow=True)
    return BeautifulSoup(answer.content, "html.parser")


@pytest.mark.django_db
def test_a_visitor_changes_the_language(visitor: Client) -> None:
    german = page_in(visitor, "de")

    assert german.html
    assert german.h1
    assert (german.html["lang"], german.h1.text) == ("de", "Geht dieses Telefon ran?")
    assert [option.text for option in german.select("#language option[selected]")] == ["Deutsch"]
    english = page_in(visitor, "en")
    assert english.html
    assert english.h1
    assert (english.html["lang"], english.h1.text) == ("en", "Does this phone answer?")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("language", "says"), [("de-DE", "Ihr Code ist"), ("pt-BR", "Seu código é"), ("yo", "Your code is")]
)
def test_the_handset_speaks_the_language_of_the_call(visitor: Client, language: str, says: str) -> None:
    started = visitor.post(
        "/api/phone/verifications/", {"number": "+2348031234567", "language": language}, content_type="application/json"
    )
    assert started.status_code == 201

    from example.handset import placed_calls

    [call] = placed_calls()

    assert (call.says[0], call.spoken_language) == (says, language if language != "yo" else "en-US")


@pytest.mark.parametrize("language", COMPLETE)
def test_the_words_of_the_shop_are_complete_and_compiled(language: str) -> None:
    words = read(po_file(language))

    assert problems_of(words, messages_of_the_shop(language)) == [], "run python -m tests.example.shop_catalogue"
    assert entries(po_file(language).with_suffix(".mo").read_bytes()) == entries(as_mo(words))


def test_the_demo_has_each_language_that_is_compiled() -> None:
    compiled = Path(django_telroi.__file__).parent.glob("locale/*/LC_MESSAGES/django.mo")
    wanted = {"en", *(path.parts[-3].replace("_", "-").lower() for path in compiled)}

    from example.settings import languages

    assert {code for code, _ in languages()} == wanted
