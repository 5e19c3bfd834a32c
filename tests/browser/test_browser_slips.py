"""People who slip: every card at five widths, light and dark, in both directions, with and without the script."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser.served import Site, site
from tests.browser.test_browser_access import assert_open_to_all

__all__ = ["site"]

pytestmark = pytest.mark.browser

NUMBER, NATIONAL, OTHER = "+234 803 123 4567", "0803 123 4567", "+234 802 987 6543"
WIDTHS = (360, 390, 768, 1024, 1280)
THEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
CONSENT = "With the button you agree to one automated call."
TELROI = {
    "COUNTRY_CHOICE": True,
    "CONSENT_TEXT": CONSENT,
    "ALTERNATIVE_URL": "/join/",
    "SITE_NAME": "Ringwell",
    "SUBMIT_LAST_DIGIT": True,
}
EN = {"TELROI": TELROI}
# English words from right to left: the steps stay the same. `test_browser_languages` has Arabic words.
RTL = {"TELROI": TELROI, "LANGUAGES_BIDI": ["en"]}

PROBLEMS = """() => {
  const card = document.querySelector(".telroi-card");
  const frame = card.getBoundingClientRect();
  const visible = [...card.querySelectorAll("*")].filter((each) => each.checkVisibility({ visibilityProperty: true }));
  const outside = visible.filter((each) => {
    const box = each.getBoundingClientRect();
    return box.width > 2 && (box.left < frame.left - 1 || box.right > frame.right + 1);
  });
  // Text of two directions has several boxes on one line.
  const lines = (each) => new Set([...each.getClientRects()].map((box) => Math.round(box.bottom / 8))).size;
  const broken = visible.filter((each) => each.matches("time, .telroi-phone") && lines(each) > 1);
  const consent = card.querySelector(".telroi-consent")?.getBoundingClientRect();
  const above = visible.filter((each) => {
    const calls = each.matches("[data-telroi-call], button[name=number]");
    return calls && (!consent || each.getBoundingClientRect().top < consent.bottom);
  });
  const tooWide = document.documentElement.scrollWidth > document.documentElement.clientWidth;
  const texts = (name, found) => found.map((each) => `${name}: ${each.outerHTML.slice(0, 120)}`);
  const problems = [...texts("outside", outside), ...texts("broken", broken), ...texts("above the consent", above)];
  return tooWide ? [...problems, "the page scrolls sideways"] : problems;
}"""


@dataclass
class Look:
    """Looks at the card of a page at every width, in both themes."""

    page: Page
    is_checked_by_axe: bool

    def at(self, heading: str) -> None:
        expect(self.page.get_by_role("heading", name=heading)).to_be_visible()
        for theme in THEMES:
            self.page.emulate_media(color_scheme=theme, reduced_motion="reduce")
            for width in WIDTHS:
                self.page.set_viewport_size({"width": width, "height": 800})
                assert (heading, theme, width, self.page.evaluate(PROBLEMS)) == (heading, theme, width, [])
        self.page.set_viewport_size({"width": 390, "height": 800})
        if self.is_checked_by_axe:
            assert_open_to_all(self.page)


@pytest.fixture
def opened(chromium: Browser) -> Iterator[Callable[..., Page]]:
    contexts = []

    def open_(**options: Any) -> Page:
        context = chromium.new_context(**{"locale": "en-NG", "reduced_motion": "reduce", **options})
        contexts.append(context)
        return context.new_page()

    yield open_
    for context in contexts:
        context.close()


def ask(page: Page, number: str) -> None:
    page.get_by_label("Phone number").fill(number)
    page.get_by_role("button", name="Call me").click()


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name).click()


def card(page: Page) -> Locator:
    return page.locator(".telroi-card")


@pytest.mark.parametrize(
    ("site", "place", "scripts"),
    [
        pytest.param(EN, "/phone/", True, id="page with script"),
        pytest.param(RTL, "/phone/", False, id="page from right to left without script"),
        pytest.param(RTL, "/phone/", True, id="page from right to left with script"),
        pytest.param(EN, "/join/", True, id="drop-in with script"),
        pytest.param(EN, "/join/", False, id="drop-in without script"),
    ],
    indirect=["site"],
)
def test_every_card_of_a_person_who_slips(
    opened: Callable[..., Page], site: Site, place: str, *, scripts: bool
) -> None:
    other = opened()
    other.goto(site.address + "/phone/")
    ask(other, OTHER)
    site.next_code()
    is_rtl = 'dir="rtl"' in other.content()
    page = opened(java_script_enabled=scripts)
    look = Look(page, is_checked_by_axe=scripts and place == "/phone/" and not is_rtl)

    # The number without its country code, in the wrong country
    page.goto(site.address + place)
    look.at("Verify your phone")
    page.get_by_label("Country").select_option("US")
    ask(page, NATIONAL)
    expect(page.locator(".telroi-error")).to_be_visible()
    look.at("Verify your phone")
    press(page, f"Did you mean {NUMBER}?")

    # The code, help, and the whole number after "Change number" and back
    look.at("We are calling you")
    expect(card(page)).to_contain_text(NUMBER)
    site.execute("UPDATE django_telroi_verificationattempt SET dialed_at = '2020-01-01 00:00:00'")
    page.reload()
    page.get_by_text("Nobody rang?").click()
    look.at("We are calling you")
    press(page, "Change number")
    expect(page.get_by_label("Country")).to_have_value("NG")
    look.at("Verify your phone")
    press(page, "Back to the code for")
    expect(card(page)).to_contain_text(NUMBER)
    page.locator('input[autocomplete="one-time-code"]').fill("12")
    press(page, "Verify")
    expect(page.locator(".telroi-note")).to_be_visible()
    described = (page.locator('input[autocomplete="one-time-code"]').get_attribute("aria-describedby") or "").split()
    assert (described[0].endswith("note"), described[-1].endswith("code_last")) == (True, scripts)
    look.at("We are calling you")

    # A wait, which survives a reload
    press(page, "Change number")
    ask(page, OTHER)
    look.at("A short wait first")
    page.reload()
    expect(card(page)).to_contain_text("You asked for a call to +234 802 ••• 6543.")
    look.at("A short wait first")

    # The end
    press(page, "Use another number")
    # Both cards have the button that is pressed next. While the script loads this one, it ignores buttons of the other.
    expect(page.get_by_label("Phone number")).to_be_visible()
    press(page, "Back to the code for")
    code = site.next_code()
    field = page.locator('input[autocomplete="one-time-code"]')
    if scripts:
        field.press_sequentially(code)
    else:
        field.fill(code)
        press(page, "Verify")
    look.at("Your number is verified")


@pytest.mark.parametrize("site", [{"TELROI": TELROI | {"RATES": {"start": {"ip": "1/h"}}}}], indirect=True)
@pytest.mark.parametrize("place", ["/phone/", "/join/"])
def test_the_cards_of_too_many_calls_and_of_stopped_calls(opened: Callable[..., Page], site: Site, place: str) -> None:
    page = opened()
    look = Look(page, is_checked_by_axe=place == "/phone/")
    page.goto(site.address + place)
    ask(page, OTHER)
    press(page, "Change number")
    ask(page, NUMBER)
    look.at("Enough calls for now")
    expect(page.get_by_role("link", name="Verify your number in another way")).to_be_visible()

    site.stop_calls()
    stranger = opened()
    stopped = stranger.get_by_role("heading", name="We cannot call right now")
    while not stopped.is_visible():  # within STOP_HINT_LIFETIME
        stranger.goto(site.address + place)
    Look(stranger, is_checked_by_axe=place == "/phone/").at("We cannot call right now")
    expect(stranger.get_by_role("link", name="Verify your number in another way")).to_be_visible()


@pytest.mark.parametrize("site", [EN], indirect=True)
@pytest.mark.parametrize("place", ["/phone/", "/join/"])
def test_the_card_after_a_wait_is_the_same_with_the_script_and_after_a_reload(
    opened: Callable[..., Page], site: Site, place: str
) -> None:
    other, page = opened(), opened()
    other.goto(site.address + "/phone/")
    ask(other, OTHER)
    site.next_code()
    page.clock.install()
    page.goto(site.address + place)
    ask(page, OTHER)
    expect(page.get_by_role("heading", name="A short wait first")).to_be_visible()

    site.let_the_waits_end()
    page.clock.fast_forward(61_000)

    expect(page.get_by_role("heading", name="Verify your phone")).to_be_visible()
    expect(page.locator(".telroi-said")).to_have_text("You can ask for another call now.")
    by_itself = card(page).inner_text()
    page.reload()
    assert card(page).inner_text() == by_itself
    press(page, "Call me")
    expect(page.get_by_role("heading", name="We are calling you")).to_be_visible()
    expect(card(page)).to_contain_text(OTHER)
