"""What the script says while a call is placed, in a page of the site and on a page of this app."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.browser.served import Site, site
from tests.browser.steps import ask_for_a_call

__all__ = ["site"]

pytestmark = pytest.mark.browser

NUMBER = "+2348031234567"
STILL = "Still placing your call. It can take up to half a minute."


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    page = chromium.new_context(reduced_motion="reduce", locale="de-DE").new_page()
    yield page
    page.context.close()


def test_a_slow_call_is_told_and_announced(page: Page, site: Site) -> None:
    held: list[Route] = []
    page.clock.install()
    page.goto(site.address + "/join/")
    page.route("**/phone/", lambda route: held.append(route) if route.request.method == "POST" else route.continue_())

    ask_for_a_call(page, NUMBER)
    expect(page.locator(".telroi-said")).to_have_text("Calling…")
    expect(page.locator(".telroi-slow")).to_have_count(0)
    page.clock.run_for(3100)

    expect(page.locator(".telroi-slow")).to_have_text(STILL)
    expect(page.locator(".telroi-said")).to_have_text(STILL)
    [route] = held
    route.continue_()
    expect(page.get_by_role("button", name="Verify")).to_be_visible()
    expect(page.locator(".telroi-said")).to_have_text("We are calling you")
    expect(page.locator('input[autocomplete="one-time-code"]')).to_be_focused()


def test_nobody_rang_appears_without_the_script(chromium: Browser, site: Site) -> None:
    page = chromium.new_context(java_script_enabled=False).new_page()
    page.goto(site.address + "/join/")
    ask_for_a_call(page, NUMBER)
    expect(page.get_by_text("Nobody rang?")).to_be_hidden()

    site.execute("UPDATE django_telroi_verificationattempt SET dialed_at = '2020-01-01 00:00:00'")
    page.reload()

    page.get_by_text("Nobody rang?").click()
    expect(page.get_by_text("Does it block unknown callers?")).to_be_visible()
    page.context.close()


def test_nobody_rang_appears_25_seconds_later(page: Page, site: Site) -> None:
    page.goto(site.address + "/join/")
    ask_for_a_call(page, NUMBER)
    help_ = page.locator("details")
    expect(help_).to_be_hidden()

    help_.evaluate("it => it.getAnimations().forEach((each) => each.finish())")

    expect(page.get_by_text("Nobody rang?")).to_be_visible()


def test_times_follow_the_locale_of_the_browser(page: Page, site: Site) -> None:
    page.goto(site.address + "/phone/")
    ask_for_a_call(page, NUMBER)
    time = page.locator("details time")

    style = "{ hour: 'numeric', minute: '2-digit' }"
    in_german = time.evaluate(f"it => new Date(it.dateTime).toLocaleTimeString('de-DE', {style})")

    expect(time).to_have_text(in_german)


def test_the_button_can_be_pressed_again_after_the_browser_was_stopped(page: Page, site: Site) -> None:
    page.clock.install()
    page.goto(site.address + "/phone/")
    # A response without a page leaves the page as it is, like the button "Stop".
    page.route("**/phone/", lambda route: route.fulfill(status=204), times=1)
    ask_for_a_call(page, NUMBER)
    expect(page.locator(".telroi-busy")).to_have_text("Calling…")

    page.clock.run_for(45_100)

    expect(page.locator(".telroi-busy")).to_have_count(0)
    page.get_by_role("button", name="Call me").click()
    expect(page.get_by_role("button", name="Verify")).to_be_visible()
