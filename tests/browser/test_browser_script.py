"""The script is blocked, late, or runs in a page that changes. The computer's clock is changed."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.browser.served import Site, site
from tests.browser.steps import ask_for_a_call, code_field

__all__ = ["site"]

pytestmark = pytest.mark.browser

NUMBER = "+2348031234567"
SCRIPT = "**/telroi.js"
NINETY_YEARS = 90 * 365 * 86400 * 1000
CLOCK_THAT_CAN_BE_SET = """
window.setBack = 0;
const now = Date.now;
Date.now = () => now() - window.setBack;
"""
# Like Turbo: replace the body with that of another page, and run its scripts again.
VISIT = """async (url) => {
  const page = new DOMParser().parseFromString(await (await fetch(url)).text(), "text/html");
  for (const script of page.querySelectorAll("script")) {
    const again = document.createElement("script");
    again.src = script.src;
    script.replaceWith(again);
  }
  document.body.replaceWith(document.adoptNode(page.body));
}"""


@pytest.fixture
def page(chromium: Browser) -> Iterator[Page]:
    page = chromium.new_context(reduced_motion="reduce").new_page()
    yield page
    page.context.close()


def called(page: Page, site: Site, path: str = "/join/") -> None:
    page.goto(site.address + path)
    ask_for_a_call(page, NUMBER)
    expect(page.get_by_role("button", name="Verify")).to_be_visible()


@pytest.mark.parametrize("path", ["/join/", "/phone/"])
def test_if_the_script_is_blocked_every_button_works(page: Page, site: Site, path: str) -> None:
    page.route(SCRIPT, lambda route: route.abort())
    called(page, site, path)

    expect(page.get_by_text("You can ask for another call 1 minute after this page was opened.")).to_be_visible()
    expect(page.get_by_role("timer")).to_be_hidden()
    page.get_by_role("button", name="Call again").click()

    expect(page.get_by_text("You can ask for another call").locator("visible=true")).to_have_count(2)
    site.let_time_pass(61)
    page.get_by_role("button", name="Call again").click()
    expect(page.get_by_text("1 minute after this page was opened")).to_be_visible()


def test_if_the_script_is_blocked_a_waiting_card_does_not_announce_an_update(page: Page, site: Site) -> None:
    page.route(SCRIPT, lambda route: route.abort())
    called(page, site, "/phone/")
    site.calls_become("queued")
    page.reload()

    expect(page.get_by_text("This page follows along by itself.")).to_be_hidden()
    site.calls_become("placed")
    page.get_by_role("link", name="Look again").click()

    expect(page.get_by_role("button", name="Verify")).to_be_visible()


def test_with_the_script_a_waiting_card_updates(page: Page, site: Site) -> None:
    called(page, site, "/phone/")
    site.calls_become("queued")
    page.reload()

    expect(page.get_by_text("This page follows along by itself.")).to_be_visible()
    expect(page.get_by_role("link", name="Look again")).to_be_hidden()
    site.calls_become("placed")

    expect(page.get_by_role("button", name="Verify")).to_be_visible()


def test_a_script_that_loads_late_counts_from_the_time_of_the_page(page: Page, site: Site) -> None:
    called(page, site)
    held: list[Route] = []
    page.route(SCRIPT, lambda route: held.append(route))

    page.goto(site.address + "/join/", wait_until="commit")
    page.wait_for_function("performance.now() > 4000")
    expect(page.get_by_role("button", name="Call again")).to_be_visible()
    [route] = held
    route.continue_()

    expect(page.get_by_role("timer")).to_be_visible()
    assert seconds_shown(page) <= 57


@pytest.mark.parametrize("has_focus", [True, False])
def test_a_card_that_changes_by_itself_does_not_move_a_person_who_reads_the_page(
    page: Page, site: Site, has_focus: bool
) -> None:
    called(page, site)
    site.calls_become("queued")
    page.reload()
    expect(page.get_by_text("Keep your phone at hand.")).to_be_visible()
    page.evaluate("document.body.style.paddingBottom = '4000px'; document.activeElement.blur(); scrollTo(0, 2000)")
    if has_focus:
        page.get_by_role("button", name="Cancel").evaluate("button => button.focus({ preventScroll: true })")

    site.calls_become("placed")

    expect(page.get_by_role("button", name="Verify")).to_be_attached()
    assert page.evaluate("scrollY") == 2000
    assert code_field(page).evaluate("field => field === document.activeElement") is has_focus


@pytest.mark.parametrize("set_back", [3600_000, -3600_000])
def test_a_changed_clock_does_not_add_an_hour(page: Page, site: Site, set_back: int) -> None:
    page.add_init_script(CLOCK_THAT_CAN_BE_SET)
    called(page, site)
    site.let_time_pass(57)
    page.reload()
    expect(page.get_by_role("timer")).to_be_visible()

    page.evaluate("setBack = " + str(set_back))

    expect(page.get_by_role("button", name="Call again")).to_be_visible()


def hold_number(page: Page, site: Site) -> None:
    """Show a wait until 2100 to a visitor who asks for a call to a number that is on hold."""
    called(page, site)
    site.execute("UPDATE django_telroi_phonenumber SET held_until = ?, held_reason = 'x'", "2100-01-01 00:00:00")
    page.context.clear_cookies()
    page.goto(site.address + "/phone/")
    ask_for_a_call(page, NUMBER)
    expect(page.get_by_role("button", name="Use another number")).to_be_visible()
    expect(page.get_by_role("button", name="Call me")).to_be_hidden()


def test_a_long_wait_without_a_countdown_ends_too(page: Page, site: Site) -> None:
    page.clock.install()
    hold_number(page, site)
    site.let_the_waits_end()

    page.clock.fast_forward(NINETY_YEARS)

    expect(page.get_by_role("button", name="Call me")).to_be_visible()
    expect(page.get_by_role("status")).to_have_text("You can ask for another call now.")


def test_a_wait_that_goes_on_at_the_site_is_not_announced_as_over(page: Page, site: Site) -> None:
    page.clock.install()
    hold_number(page, site)

    with page.expect_response(site.address + "/phone/**"):
        page.clock.fast_forward(NINETY_YEARS)
    page.wait_for_load_state("networkidle")

    expect(page.get_by_role("heading", name="Enough calls for now")).to_be_visible()
    expect(page.get_by_role("button", name="Call me")).to_be_hidden()
    expect(page.get_by_role("status")).to_be_empty()


def test_a_card_that_is_inserted_later_works(page: Page, site: Site) -> None:
    called(page, site)
    page.goto(site.address + "/empty/")

    for _ in range(3):
        page.evaluate(VISIT, "/join/")

    expect(page.get_by_role("timer")).to_be_visible()
    expect(page.get_by_role("button", name="Call again")).to_be_hidden()
    before = seconds_shown(page)
    page.wait_for_function("before => document.querySelector('.telroi-clock').textContent !== before", arg=clock(page))
    assert seconds_shown(page) < before


def test_a_script_that_runs_several_times_sends_a_form_once(page: Page, site: Site) -> None:
    sent: list[str] = []
    page.on("request", lambda request: sent.append(request.url) if request.method == "POST" else None)
    page.goto(site.address + "/empty/")
    for _ in range(3):
        page.evaluate(VISIT, "/join/")

    ask_for_a_call(page, NUMBER)
    expect(page.get_by_role("button", name="Verify")).to_be_visible()

    assert sent == [site.address + "/phone/"]


# Like htmx with hx-boost: listen on each form, and send it with a request of one's own.
BOOST = """() => document.querySelectorAll("form").forEach((form) => form.addEventListener("submit", (event) => {
  event.preventDefault();
  fetch(form.action, { method: "POST", body: new FormData(form) });
}))"""
# Like htmx with hx-get: put the card of another page into this one.
INSERT = """async (url) => {
  const page = new DOMParser().parseFromString(await (await fetch(url)).text(), "text/html");
  document.body.append(page.querySelector(".telroi"), ...[...page.querySelectorAll("script")].map((script) =>
    Object.assign(document.createElement("script"), { src: script.src })));
}"""


def test_a_site_that_sends_all_forms_by_its_own_script_costs_no_try(page: Page, site: Site) -> None:
    called(page, site)
    right = site.next_code()
    page.evaluate(BOOST)

    code_field(page).fill("000000" if right != "000000" else "000001")
    page.get_by_role("button", name="Verify").click()

    expect(page.get_by_text("2 tries left")).to_be_visible()
    page.wait_for_load_state("networkidle")
    assert site.execute("SELECT tries FROM django_telroi_verificationattempt") == [(1,)]


def test_a_form_that_a_script_of_the_site_adds_keeps_its_value(page: Page, site: Site) -> None:
    page.goto(site.address + "/join/")
    page.evaluate("document.body.insertAdjacentHTML('beforeend', '<form><input id=chat value=empty></form>')")
    page.locator("#chat").fill("typed")

    ask_for_a_call(page, NUMBER)

    expect(code_field(page)).to_be_focused()
    assert page.locator("#chat").input_value() == "typed"


def test_a_card_in_a_fragment_stays_in_the_page_that_includes_it(page: Page, site: Site) -> None:
    page.goto(site.address + "/empty/")
    page.evaluate(INSERT, "/join/")

    ask_for_a_call(page, NUMBER)
    expect(code_field(page)).to_be_focused()

    assert page.url == site.address + "/empty/"


def test_a_form_without_the_cookie_can_be_sent_again(page: Page, site: Site) -> None:
    page.goto(site.address + "/join/")
    page.context.clear_cookies(name="csrftoken")

    ask_for_a_call(page, NUMBER)
    expect(page.get_by_role("alert")).to_contain_text("send the form again")
    expect(page.get_by_role("status")).to_be_empty()
    page.get_by_role("button", name="Call me").click()

    expect(page.get_by_role("button", name="Verify")).to_be_visible()


def clock(page: Page) -> str:
    return page.get_by_role("timer").inner_text()


def seconds_shown(page: Page) -> int:
    minutes, seconds = clock(page).split(":")
    return 60 * int(minutes) + int(seconds)
