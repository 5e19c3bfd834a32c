"""Pages that are shown later than they were rendered: prefetched, prerendered, or restored by the back button."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Request, expect

from tests.browser.chromium import CHROMIUM
from tests.browser.served import Site, site
from tests.browser.steps import ask_for_a_call, number_field, verify

__all__ = ["site"]

pytestmark = pytest.mark.browser

NUMBER = "+2348031234567"
PREFETCH = """(url) => {
  const rules = { prefetch: [{ source: "list", urls: [url], eagerness: "immediate" }] };
  const script = Object.assign(document.createElement("script"), { type: "speculationrules" });
  script.textContent = JSON.stringify(rules);
  document.head.append(script);
}"""
PRERENDERING = "Object.defineProperty(document, 'prerendering', { get: () => !window.isShown, configurable: true });"
SHOW = "window.isShown = true; document.dispatchEvent(new Event('prerenderingchange'))"


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    """A browser with a back/forward cache, which Playwright switches off by default."""
    browser = chromium.browser_type.launch(
        executable_path=CHROMIUM, ignore_default_args=["--disable-back-forward-cache"]
    )
    yield browser.new_context(reduced_motion="reduce").new_page()
    browser.close()


def called(page: Page, site: Site) -> str:
    """The code of a call that was requested by the card."""
    page.goto(site.address + "/join/")
    ask_for_a_call(page, NUMBER)
    expect(page.get_by_role("button", name="Verify")).to_be_visible()
    return site.next_code()


def verified_in_another_tab(page: Page, site: Site, code: str) -> None:
    other = page.context.new_page()
    other.goto(site.address + "/join/")
    verify(other, code)
    expect(other.get_by_role("heading", name="Your number is verified")).to_be_visible()
    other.close()


def prefetched(page: Page, site: Site) -> None:
    """Have the browser fetch the page with the card in advance."""
    page.goto(site.address + "/empty/")

    def is_early(request: Request) -> bool:
        return request.url.endswith("/join/") and "prefetch" in request.headers.get("sec-purpose", "")

    with page.expect_event("requestfinished", is_early):
        page.evaluate(PREFETCH, "/join/")


def show_prefetched(page: Page) -> None:
    page.evaluate("location.href = '/join/'")
    page.wait_for_url("**/join/")
    assert entry(page, "deliveryType") == "navigational-prefetch"


def go_back(page: Page) -> None:
    """Go back to a page that the browser cached."""
    page.evaluate("history.back()")
    page.wait_for_function("window.wasKept")


def keep_page(page: Page, site: Site) -> None:
    page.evaluate("addEventListener('pageshow', (event) => { window.wasKept = event.persisted; })")
    page.goto(site.address + "/empty/")


def entry(page: Page, name: str) -> Any:
    return page.evaluate("name => performance.getEntriesByType('navigation')[0][name]", name)


def test_the_back_button_shows_no_code_form_of_a_verified_call(page: Page, site: Site) -> None:
    code = called(page, site)
    keep_page(page, site)
    verified_in_another_tab(page, site, code)

    go_back(page)

    expect(page.get_by_role("heading", name="Your number is verified")).to_be_visible()
    expect(page.get_by_role("button", name="Verify", exact=True)).to_have_count(0)


def test_the_back_button_keeps_the_typed_text(page: Page, site: Site) -> None:
    page.goto(site.address + "/join/")
    number_field(page).fill(NUMBER)
    page.get_by_label("Name").fill("Ada")
    keep_page(page, site)

    with page.expect_response("**/join/"):
        go_back(page)

    expect(number_field(page)).to_have_value(NUMBER)
    expect(page.get_by_label("Name")).to_have_value("Ada")
    ask_for_a_call(page, NUMBER)
    expect(page.get_by_role("button", name="Verify")).to_be_visible()


def test_a_prefetched_page_shows_the_current_status_when_it_is_opened(page: Page, site: Site) -> None:
    code = called(page, site)
    prefetched(page, site)
    verified_in_another_tab(page, site, code)

    show_prefetched(page)

    expect(page.get_by_role("heading", name="Your number is verified")).to_be_visible()


def test_a_message_on_a_prefetched_page_is_shown_once_more_and_then_removed(page: Page, site: Site) -> None:
    code = called(page, site)
    wrong = "000000" if code != "000000" else "111111"
    page.evaluate(
        """async (wrong) => {
          const form = document.querySelector("form:has([autocomplete=one-time-code])");
          const body = new FormData(form);
          body.set("code", wrong);
          await fetch(form.action, { method: "POST", body, redirect: "manual" });
        }""",
        wrong,
    )
    prefetched(page, site)

    with page.expect_response(lambda reply: reply.request.resource_type == "fetch"):
        show_prefetched(page)

    expect(page.get_by_text("That is not the code.")).to_be_visible()
    page.reload()
    expect(page.get_by_role("button", name="Verify")).to_be_visible()
    expect(page.get_by_text("That is not the code.")).to_have_count(0)


def test_a_prerendered_page_sends_no_request_until_it_is_shown(page: Page, site: Site) -> None:
    called(page, site)
    site.calls_become("queued")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if request.resource_type == "fetch" else None)
    page.add_init_script(PRERENDERING)
    page.goto(site.address + "/join/")
    page.wait_for_function("performance.now() > 3000")  # longer than the script waits before its request
    assert asked == []

    site.calls_become("placed")
    page.evaluate(SHOW)

    expect(page.get_by_role("button", name="Verify")).to_be_visible()
