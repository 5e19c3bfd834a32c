"""Each page in Arabic and in German: it fits a phone, axe finds nothing, and Arabic runs from right to left."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from bs4 import BeautifulSoup
from django.contrib.staticfiles import finders
from playwright.sync_api import Browser, Page, Route

from django_telroi.testing import outbox
from tests.browser.test_browser_access import barriers
from tests.browser.test_browser_admin import ours
from tests.faces.every_page import SETTINGS, Pages, admin_pages, public_pages

pytestmark = [pytest.mark.browser, pytest.mark.django_db, pytest.mark.urls("tests.faces.site")]

ADDRESS = "http://site.example/"
DIRECTION = {"ar": "rtl", "de": "ltr"}

Open = Callable[[str], None]


@pytest.fixture(scope="session", autouse=True)
def queries_beside_a_browser() -> Iterator[None]:
    """Playwright runs a loop in this thread, in which Django allows no query otherwise."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
        yield


@pytest.fixture(params=DIRECTION)
def language(request: pytest.FixtureRequest, settings: Any) -> Iterator[str]:
    settings.TELROI, settings.LANGUAGE_CODE = SETTINGS, request.param
    outbox.clear()
    yield request.param
    outbox.clear()


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    context = chromium.new_context(reduced_motion="reduce", viewport={"width": 360, "height": 740})
    yield context.new_page()
    context.close()


@pytest.fixture
def open_html(page: Page) -> Open:
    """Return a function that opens a rendered page, with the files that it includes."""
    shown = {"html": ""}

    def answer(route: Route) -> None:
        path = urlsplit(route.request.url).path
        file = finders.find(path.removeprefix("/static/")) if path.startswith("/static/") else None
        if file:
            route.fulfill(path=Path(str(file)))
        elif route.request.is_navigation_request():
            route.fulfill(body=shown["html"], content_type="text/html; charset=utf-8")
        else:
            route.abort()

    page.route("**/*", answer)

    def open_(html: str) -> None:
        shown["html"] = html
        page.goto(ADDRESS)

    return open_


def once_each(pages: Pages, part: str) -> Iterator[tuple[str, str]]:
    """Yield the pages with this part, without those whose text in it differs from an earlier one only in figures."""
    seen = {""}
    for where, html in pages:
        text = "".join(found.get_text() for found in BeautifulSoup(html, "html.parser").select(part))
        text = re.sub(r"\d+|[aApP]\.?[mM]\.?", "", text)
        if text not in seen:
            seen.add(text)
            yield where, html


def test_each_page_fits_a_phone_and_is_accessible(language: str, page: Page, open_html: Open) -> None:
    for where, html in once_each(public_pages(), "div.telroi"):
        open_html(html)

        card = page.locator("div.telroi").first
        assert (card.get_attribute("lang"), card.get_attribute("dir")) == (language, DIRECTION[language]), where
        assert page.evaluate("document.documentElement.scrollWidth") <= 360, where
        found = [*barriers(page, theme="light"), *barriers(page, theme="dark")]
        # The host page of these tests is bare, so only the barriers of the card count there.
        is_whole_page = page.locator("body.telroi-page").count()
        found = [each for each in found if is_whole_page or 'class="telroi' in each]
        # One page has the same card twice, and so two landmarks of one name.
        assert where == "/twice/" or found == [], where


@pytest.mark.parametrize("width", [360, 1280])
def test_each_page_of_the_admin_is_accessible(language: str, page: Page, open_html: Open, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 900})
    for where, html in once_each(admin_pages(), "#content"):
        open_html(html)

        assert page.locator("html").get_attribute("dir") == DIRECTION[language], where
        assert ours(page) == [], where
