"""A number without its country code, the choice of a country, and the last digit of the code, in a browser."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.served import Site, site
from tests.browser.test_browser_access import assert_open_to_all

__all__ = ["site"]

pytestmark = pytest.mark.browser

NATIONAL, NUMBER = "0803 123 4567", "+234 803 123 4567"
PLACES = ["/phone/", "/join/"]
WIDTHS = [360, 1280]


def opened(chromium: Browser, url: str, **options: Any) -> Page:
    page = chromium.new_page(**{"locale": "en-NG", "reduced_motion": "reduce", **options})
    page.goto(url)
    return page


def suggestion(page: Page) -> Locator:
    return page.get_by_role("button", name=f"Did you mean {NUMBER}?")


def ask(page: Page, number: str) -> None:
    page.get_by_label("Phone number").fill(number)
    page.get_by_role("button", name="Call me").click()


@pytest.mark.parametrize("scripts", [True, False], ids=["script", "no script"])
@pytest.mark.parametrize("place", PLACES)
def test_the_suggested_number_is_called_by_its_button(
    chromium: Browser, site: Site, place: str, *, scripts: bool
) -> None:
    page = opened(chromium, site.address + place, java_script_enabled=scripts)

    ask(page, NATIONAL)
    suggestion(page).click()

    expect(page.get_by_role("heading", name="We are calling you")).to_be_visible()
    expect(page.locator(".telroi-phone").first).to_have_text(NUMBER)
    expect(page.get_by_text("will phone or write to you to ask for this code")).to_be_visible()
    assert "234" not in page.url
    page.close()


@pytest.mark.parametrize("place", PLACES)
def test_the_enter_key_sends_what_is_in_the_field(chromium: Browser, site: Site, place: str) -> None:
    page = opened(chromium, site.address + place)
    ask(page, NATIONAL)
    expect(suggestion(page)).to_be_visible()

    page.get_by_label("Phone number").fill("+234 802 123 4567")
    page.get_by_label("Phone number").press("Enter")

    expect(page.locator(".telroi-phone").first).to_have_text("+234 802 123 4567")
    page.close()


@pytest.mark.parametrize("locale", ["en-NG", "pt-BR"])
def test_the_number_wraps_on_a_phone_with_a_zoom_of_200_percent(chromium: Browser, site: Site, locale: str) -> None:
    page = opened(chromium, site.address + "/phone/", locale=locale, viewport={"width": 195, "height": 400})
    assert sideways(page) == 0

    page.get_by_role("textbox").fill(NUMBER)
    page.get_by_role("textbox").press("Enter")
    expect(page.locator(".telroi-phone").first).to_have_text(NUMBER)
    expect(page.get_by_role("textbox")).to_be_focused()

    assert sideways(page) == 0
    page.close()


def sideways(page: Page) -> int:
    """Return by how many pixels the page is too wide for its window."""
    overflow: int = page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
    return overflow


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("site", [{"TELROI": {"COUNTRY_CHOICE": True, "CONSENT_TEXT": "One call."}}], indirect=True)
def test_the_form_with_a_choice_is_accessible_and_fits(chromium: Browser, site: Site, width: int) -> None:
    page = opened(chromium, site.address + "/phone/", viewport={"width": width, "height": 800})
    page.get_by_label("Country").select_option("US")
    ask(page, NATIONAL)

    expect(suggestion(page)).to_be_visible()
    assert_open_to_all(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.close()


@pytest.mark.parametrize("site", [{"TELROI": {"COUNTRY_CHOICE": True}, "LANGUAGE_CODE": "ar"}], indirect=True)
def test_the_browser_names_the_countries_in_the_language_of_the_page(chromium: Browser, site: Site) -> None:
    page = opened(chromium, site.address + "/phone/")
    choice = page.locator("select")

    assert choice.input_value() == "NG"
    assert "\u0646\u064a\u062c\u064a\u0631\u064a\u0627" in choice.locator("option:checked").inner_text()
    assert "+234" in choice.locator("option:checked").inner_text()
    page.close()


@pytest.mark.parametrize("site", [{"TELROI": {"SUBMIT_LAST_DIGIT": True}}], indirect=True)
@pytest.mark.parametrize("place", PLACES)
def test_the_last_digit_sends_the_code_if_the_site_wants_it(chromium: Browser, site: Site, place: str) -> None:
    page = opened(chromium, site.address + place)
    ask(page, NUMBER)
    code = site.next_code()
    expect(page.get_by_text("The code is sent with its last digit.")).to_be_visible()

    page.get_by_label("Six-digit code").press_sequentially(code)

    expect(page.get_by_role("heading", name="Your number is verified")).to_be_visible()
    page.close()


def test_the_last_digit_sends_nothing_by_default(chromium: Browser, site: Site) -> None:
    page = opened(chromium, site.address + "/phone/")
    ask(page, NUMBER)

    page.get_by_label("Six-digit code").press_sequentially(site.next_code())
    page.get_by_role("button", name="Verify").click()

    expect(page.get_by_role("heading", name="Your number is verified")).to_be_visible()
    page.close()
