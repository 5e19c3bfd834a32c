"""The handset of the demo: its voice, its bell, its position on a small screen."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Locator, Page, Route, expect

from tests.browser.steps import answer, ask_for_a_call, digits_heard, handset, heard_code, state_of_the_call

pytestmark = pytest.mark.browser

# Replaces the browser's speech, because the machine may have no sound. It speaks at once and records each text.
VOICE = """
window.said = [];
window.SpeechSynthesisUtterance = class { constructor(words) { this.words = words; } };
const voice = { cancel() {}, getVoices() { return []; }, speak(utterance) {
  window.said.push([utterance.words, utterance.lang]);
  setTimeout(() => { utterance.onstart(); utterance.onend(); });
} };
Object.defineProperty(window, "speechSynthesis", { value: voice });
"""
MUTE = "delete window.speechSynthesis; delete Window.prototype.speechSynthesis;"
BELL = """
window.rung = 0;
const create = AudioContext.prototype.createOscillator;
AudioContext.prototype.createOscillator = function () {
  document.documentElement.dataset.rung = window.rung += 1;
  return create.call(this);
};
"""


def home_with(open_home: Callable[..., Page], script: str, **options: Any) -> Page:
    page = open_home(**options)
    page.add_init_script(script)
    page.reload()
    return page


def test_it_speaks_the_code_twice_and_hangs_up(open_home: Callable[..., Page], number: str) -> None:
    page = home_with(open_home, VOICE)
    ask_for_a_call(page, number)
    page.clock.install()
    answer(page)

    page.clock.run_for(8_000)
    expect(page.get_by_text("reading, second of two times")).to_be_visible()
    page.clock.run_for(8_000)
    expect(state_of_the_call(page)).to_have_text("Call ended")
    code = heard_code(page)

    said = [words for words, _ in page.evaluate("said")]
    assert said == ["Your code is", *code, "Again, your code is", *code]
    assert {language for _, language in page.evaluate("said")} == {"en"}


def test_without_a_voice_the_digits_are_shown_in_time(open_home: Callable[..., Page], number: str) -> None:
    page = home_with(open_home, MUTE)
    ask_for_a_call(page, number)

    answer(page)

    assert page.evaluate("'speechSynthesis' in window") is False
    expect(digits_heard(page)).to_have_count(3)


VOICES = "speechSynthesis.getVoices = () => LANGUAGES.map((lang) => ({ lang }));"


@pytest.mark.parametrize(("languages", "is_spoken"), [(["de-AT", "en-GB"], True), (["en-GB"], False), ([], True)])
def test_it_speaks_only_with_a_voice_for_the_language_of_the_call(
    open_home: Callable[..., Page], number: str, languages: list[str], is_spoken: bool
) -> None:
    page = home_with(open_home, VOICE + VOICES.replace("LANGUAGES", str(languages)))
    page.route("**/handset/", in_german)
    ask_for_a_call(page, number)
    answer(page)

    expect(digits_heard(page)).to_have_count(3)
    said = page.evaluate("said")
    assert ([*said[0]] == ["Ihr Code ist", "de-DE"]) if is_spoken else said == []
    assert page.locator(".says[lang=de-DE]").inner_text() == "“Ihr Code ist”"


def in_german(route: Route) -> None:
    """Answer as the site does if the site asked for a call in German."""
    answered = route.fetch().json()
    if answered["call"]:
        answered["call"] |= {"language": "de-DE", "says": ["Ihr Code ist", "Noch einmal, Ihr Code ist"]}
    route.fulfill(json=answered)


def test_the_shop_has_a_second_language_on_a_phone_too(open_home: Callable[..., Page], number: str) -> None:
    page = open_home(viewport={"width": 360, "height": 640})
    page.get_by_label("Language").select_option("de")
    page.get_by_role("button", name="Change").click()

    expect(page.get_by_role("heading", name="Geht dieses Telefon ran?")).to_be_visible()
    assert_fits(page)
    number_field = page.locator("input[type=tel]")
    number_field.fill(number)
    number_field.press("Enter")
    button, screen = page.get_by_role("button", name="Annehmen"), page.locator("#handset .screen")
    expect(button).to_be_visible()
    assert right_edge(button) <= right_edge(screen)
    button.click()
    expect(page.locator("#handset [role=status]")).to_have_text("Im Gespräch")
    assert_fits(page)


def right_edge(place: Locator) -> float:
    box = place.bounding_box()
    assert box
    return box["x"] + box["width"]


def test_in_arabic_the_digits_run_from_left_to_right(open_home: Callable[..., Page], number: str) -> None:
    page = open_home(locale="ar")
    field = page.locator("input[type=tel]")
    field.fill(number)
    field.press("Enter")
    page.get_by_role("button", name="رد").click()
    expect(page.locator("[data-part=digits] .heard").nth(1)).to_be_visible()

    places = page.locator("[data-part=digits] span").evaluate_all("all => all.map(each => each.offsetLeft)")

    assert page.evaluate("document.documentElement.dir") == "rtl"
    assert len(places) == 6
    assert places == sorted(places)


def test_the_bell_rings_until_it_is_answered(open_home: Callable[..., Page], number: str) -> None:
    page = home_with(open_home, BELL)

    ask_for_a_call(page, number)
    expect(page.locator("html[data-rung]")).to_be_visible()
    answer(page)

    before = page.evaluate("rung")
    expect(digits_heard(page)).to_have_count(3)
    assert page.evaluate("rung") == before


def test_with_the_sound_off_it_is_silent_and_stays_off(open_home: Callable[..., Page], number: str) -> None:
    page = home_with(open_home, BELL + VOICE)
    ask_for_a_call(page, number)
    page.get_by_role("button", name="Sound").click()
    page.reload()

    expect(page.get_by_role("button", name="Sound")).to_have_attribute("aria-pressed", "false")
    answer(page)
    expect(digits_heard(page)).to_have_count(2)

    assert (page.evaluate("rung"), page.evaluate("said")) == (0, [])


@pytest.mark.parametrize(("wish", "animation"), [("reduce", "none"), ("no-preference", "shake")])
def test_it_does_not_shake_with_reduced_motion(
    open_home: Callable[..., Page], number: str, wish: str, animation: str
) -> None:
    page = open_home(reduced_motion=wish)

    ask_for_a_call(page, number)

    expect(handset(page)).to_have_attribute("data-phase", "ringing")
    expect(handset(page)).to_have_css("animation-name", animation)


def test_on_a_phone_it_is_visible_while_it_rings_and_nothing_overflows(
    open_home: Callable[..., Page], number: str
) -> None:
    page = open_home(viewport={"width": 360, "height": 640}, has_touch=True, is_mobile=True)
    assert_fits(page)

    ask_for_a_call(page, number)

    expect(page.get_by_role("button", name="Answer")).to_be_in_viewport(ratio=1)
    assert_fits(page)
    page.get_by_role("button", name="Answer").tap()
    expect(digits_heard(page)).to_have_count(2)
    assert_fits(page)


def assert_fits(page: Page) -> None:
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


@pytest.mark.parametrize(("width", "height"), [(360, 640), (640, 360), (320, 568)])
def test_it_never_covers_the_field_for_the_code(
    open_home: Callable[..., Page], number: str, width: int, height: int
) -> None:
    page = open_home(viewport={"width": width, "height": height})
    ask_for_a_call(page, number)
    answer(page)
    expect(digits_heard(page)).to_have_count(2)

    gap = page.evaluate(
        """() => {
          const box = (part) => document.querySelector(part).getBoundingClientRect();
          const [field, handset] = [box("input[autocomplete=one-time-code]"), box("#handset")];
          return Math.max(handset.top - field.bottom, field.top - handset.bottom);
        }"""
    )

    assert gap >= 0
    assert page.locator("#handset").evaluate("it => getComputedStyle(it).position") == "static"


@pytest.mark.parametrize("path", ["", "phone/", "log-in/"])
def test_a_single_card_is_in_the_middle(open_home: Callable[..., Page], path: str) -> None:
    page = open_home(viewport={"width": 768, "height": 1024})
    page.goto(page.url + path)

    box = page.locator(".telroi-card, .panel").first.bounding_box()

    assert box
    assert abs(box["x"] + box["width"] / 2 - 384) < 20
