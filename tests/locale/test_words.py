"""The card and the call are in the language of the words on the page, also if that is not the active language."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from babel.messages import Catalog
from bs4 import Tag
from django.test import Client
from django.utils import translation

from django_telroi import services
from django_telroi.testing import outbox
from tests.locale.catalogues import as_mo
from tests.web.visitor import NUMBER, Visitor

pytestmark = pytest.mark.django_db

BUTTON = {"en": "Ring me now", "he": "התקשרו אליי", "pl": "Zadzwoń do mnie", "de": "Rufen Sie mich an"}

WithCatalogues = Callable[..., None]


@pytest.fixture
def with_catalogues(settings: Any, tmp_path: Path) -> WithCatalogues:
    """Return a function that gives the site its own catalogues of these languages."""

    def add(*languages: str, names_itself: bool = True) -> None:
        for language in languages:
            folder = tmp_path / language / "LC_MESSAGES"
            folder.mkdir(parents=True)
            catalogue = Catalog(locale=language, fuzzy=False)
            catalogue.add("Call me", BUTTON[language])
            if names_itself:
                catalogue.add("en", language, context="BCP 47 tag of the language of this file")
            (folder / "django.mo").write_bytes(as_mo(catalogue))
        settings.LOCALE_PATHS = [tmp_path]

    return add


@pytest.fixture(autouse=True)
def site(settings: Any) -> Iterator[Any]:
    settings.ROOT_URLCONF = "tests.web.site"
    settings.MIDDLEWARE = [
        *settings.MIDDLEWARE[:2],
        "django.middleware.locale.LocaleMiddleware",
        *settings.MIDDLEWARE[2:],
    ]
    outbox.clear()
    # LocaleMiddleware leaves the language of the last request active, also for the tests after these.
    with translation.override(settings.LANGUAGE_CODE):
        yield settings


def visitor_who_reads(language: str) -> Visitor:
    return Visitor(Client(headers={"Accept-Language": language}))


def language_of(element: Tag | Any) -> tuple[str, str]:
    return element["lang"], element["dir"]


def test_other_english_words_of_the_site_are_still_english(with_catalogues: WithCatalogues) -> None:
    """Django takes them for every language without a catalogue."""
    with_catalogues("en", names_itself=False)

    visitor = visitor_who_reads("he").opens("/phone/")

    assert BUTTON["en"] in visitor.card().get_text()
    assert language_of(visitor.card()) == ("en-US", "ltr")  # LANGUAGE_CODE


@pytest.mark.parametrize("language", ["he", "pl", "zh-hans"])
def test_a_card_without_a_catalogue_says_that_it_is_english(language: str) -> None:
    visitor = visitor_who_reads(language)

    visitor.opens("/host/").presses("Call me", number=NUMBER)

    assert language_of(visitor.card()) == ("en", "ltr")
    assert outbox[-1].language == "en"


def test_our_own_page_is_in_the_language_of_the_card() -> None:
    for path in ("/phone/", services.do_not_call_path(NUMBER)):
        visitor = visitor_who_reads("he").opens(path)

        assert language_of(visitor.soup.html) == language_of(visitor.soup.body.find(lang=True)) == ("en", "ltr")


@pytest.mark.parametrize(("active", "shown"), [("en-au", "en-AU"), ("en-gb", "en-GB"), ("en", "en")])
def test_a_variant_of_english_keeps_its_name(active: str, shown: str) -> None:
    visitor = visitor_who_reads(active)

    visitor.opens("/phone/").presses("Call me", number=NUMBER)

    assert language_of(visitor.card()) == (shown, "ltr")
    assert outbox[-1].language == shown


@pytest.mark.parametrize("names_itself", [True, False])
@pytest.mark.parametrize(("language", "direction"), [("he", "rtl"), ("pl", "ltr")])
def test_a_catalogue_of_the_site_gives_its_language(
    with_catalogues: WithCatalogues, language: str, direction: str, names_itself: bool
) -> None:
    with_catalogues(language, names_itself=names_itself)
    visitor = visitor_who_reads(language)

    visitor.opens("/host/").presses(BUTTON[language], number=NUMBER)

    assert language_of(visitor.card()) == (language, direction)
    assert outbox[-1].language == language


def test_a_variant_of_a_catalogue_keeps_its_name(with_catalogues: WithCatalogues, site: Any) -> None:
    site.LANGUAGES = [*site.LANGUAGES, ("de-at", "Austrian German")]
    with_catalogues("de")

    assert language_of(visitor_who_reads("de-at").opens("/host/").card()) == ("de-AT", "ltr")


def test_the_language_of_the_site_is_shown_if_the_active_one_has_no_catalogue(
    with_catalogues: WithCatalogues, site: Any
) -> None:
    with_catalogues("he")
    site.LANGUAGE_CODE = "he"
    visitor = visitor_who_reads("pl")

    visitor.opens("/host/").presses(BUTTON["he"], number=NUMBER)

    assert language_of(visitor.card()) == ("he", "rtl")
    assert outbox[-1].language == "he"


def test_the_setting_decides_the_language_of_the_call_only(site: Any) -> None:
    site.TELROI = {"LANGUAGE": "yo"}
    visitor = visitor_who_reads("pl")

    visitor.opens("/host/").presses("Call me", number=NUMBER)

    assert language_of(visitor.card()) == ("en", "ltr")
    assert outbox[-1].language == "yo"


def test_countries_have_their_names_in_the_language_of_the_card(site: Any) -> None:
    site.TELROI = {"COUNTRY_CHOICE": True}

    names = [option.text for option in visitor_who_reads("pl").opens("/host/").card().find_all("option")]

    assert "Germany (+49)" in names
