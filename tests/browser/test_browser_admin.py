"""The admin of the demo: lists that fit the window, support's tasks in few clicks, and no barrier for anyone."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import urljoin

import pytest
from playwright.sync_api import Error as BrowserError
from playwright.sync_api import Page, expect

from tests.browser.test_browser_access import barriers

pytestmark = pytest.mark.browser

LISTS = ("phonenumber", "verificationattempt", "verifiedphone")
WIDTHS = (360, 390, 768, 1024, 1280)


@pytest.fixture
def open_admin(open_home: Callable[..., Page]) -> Callable[..., Page]:
    """Log in as staff and open the home of the admin."""

    def opened(*, width: int = 1280, **options: object) -> Page:
        page = open_home(viewport={"width": width, "height": 800}, **options)
        page.goto(urljoin(page.url, "/admin/"))
        page.get_by_label("Username").fill("staff")
        page.get_by_label("Password").fill("demo")
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_role("link", name="Phone numbers").first).to_be_visible()
        return page

    return opened


def open_list(page: Page, model: str) -> None:
    page.goto(urljoin(page.url, f"/admin/django_telroi/{model}/"))


def open_number(page: Page) -> None:
    open_list(page, "phonenumber")
    page.locator("#result_list .field-masked a").first.click()
    expect(page.locator(".telroi-answer")).to_be_visible()


SCROLLING = """() => [document.documentElement, ...document.querySelectorAll('.results, .telroi-scroll')]
    .filter(box => box.scrollWidth - box.clientWidth > 1)  // widths are rounded
    .map(box => [
        `${box.tagName}.${box.className}`,
        `${box.clientWidth} of ${box.scrollWidth} px`,
        ...[...box.querySelectorAll('*')]
            .filter(inner => inner.getBoundingClientRect().right > box.getBoundingClientRect().right + 1)
            .filter(inner => !inner.parentElement.closest('.telroi-sideways'))
            .map(inner => `${inner.tagName}.${inner.className} “${inner.textContent.trim().slice(0, 40)}”`),
    ])"""


def fits(page: Page) -> bool:
    """Wait until neither the window nor a list inside it scrolls sideways. The menu may still be moving before."""
    try:
        page.wait_for_function(f"() => ({SCROLLING})().length === 0")
    except BrowserError as error:
        raise AssertionError(page.viewport_size, page.evaluate(SCROLLING)) from error
    return True


LONGEST_WORDS = {
    ".telroi-chip": "region blocked",
    ".field-state .telroi-small, .telroi-error": "staff_may_write_a_word_without_a_space_here",
    ".telroi-moment": "yesterday 23:59",
    ".field-next_call .telroi-moment": "after calls are resumed",
    ".telroi-region": "South Georgia and the South Sandwich Islands",
    ".telroi-number": "+5999\N{NO-BREAK SPACE}999\N{NO-BREAK SPACE}••••\N{NO-BREAK SPACE}9999",
    ".telroi-used bdi": "100 / 100",
    ".telroi-took span": "599.9 s →",
    ".telroi-name, .field-who a": "a.long.user.name.that.is.wider.than.its.column",
}


@pytest.mark.parametrize("model", LISTS)
def test_a_list_fits_every_width(open_admin: Callable[..., Page], model: str) -> None:
    page = open_admin()

    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        open_list(page, model)
        expect(page.locator("#result_list")).to_be_visible()
        assert fits(page)
        for place, words in LONGEST_WORDS.items():
            page.locator("#result_list").locator(place).evaluate_all(
                "(found, words) => found.forEach(mark => { mark.textContent = words })", words
            )
        assert fits(page)


@pytest.mark.parametrize("model", LISTS)
def test_chips_and_times_of_a_list_are_on_one_line(open_admin: Callable[..., Page], model: str) -> None:
    page = open_admin()
    open_list(page, model)

    heights = page.evaluate(
        "() => [...document.querySelectorAll('#result_list .telroi-chip')].map(chip => chip.clientHeight)"
    )

    assert all(height < 30 for height in heights)


def test_the_page_of_a_number_fits_every_width(open_admin: Callable[..., Page]) -> None:
    page = open_admin()
    open_number(page)

    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        assert fits(page)


@pytest.mark.parametrize("width", [390, 1280])
def test_every_page_is_accessible(open_admin: Callable[..., Page], width: int) -> None:
    page = open_admin(width=width)
    seen = []
    for model in LISTS:
        open_list(page, model)
        seen += ours(page)
    open_number(page)
    page.locator("details.telroi-limits summary").click()
    seen += ours(page)
    # Another test may have added the first number of the list, which then has no attempts.
    open_list(page, "verificationattempt")
    page.locator("#result_list tbody th a").first.click()
    seen += ours(page)
    open_list(page, "phonenumber")
    page.get_by_label("Search").fill("+234 803 000 0000")
    page.get_by_label("Search").press("Enter")
    expect(page.get_by_role("button", name="Block it anyway")).to_be_visible()
    seen += ours(page)

    assert seen == []


def ours(page: Page) -> list[str]:
    """Return the barriers of our elements in light and dark mode. Those of Django's own parts are not ours to mend."""
    found = []
    for theme in ("light", "dark"):
        page.emulate_media(color_scheme=theme)
        # Django's links change their colour slowly, and axe would measure a colour of neither theme.
        page.evaluate("() => Promise.allSettled(document.getAnimations().map(each => each.finished))")
        found += barriers(page, theme=theme)
    return [each for each in found if 'class="telroi' in each]


def test_support_finds_out_in_three_clicks_that_nobody_rang(open_admin: Callable[..., Page]) -> None:
    page = open_admin()

    page.get_by_role("link", name="Phone numbers").first.click()
    page.get_by_label("Search").fill("0803 000 0000")
    page.get_by_role("button", name="Search").click()

    expect(page.get_by_role("heading", name=re.compile("ever called"))).to_be_visible()
    expect(page.get_by_label("Reason")).to_be_focused()


def test_a_note_is_added_where_it_is_read(open_admin: Callable[..., Page]) -> None:
    page = open_admin(java_script_enabled=False)
    open_number(page)

    page.get_by_role("textbox", name="Note").fill("The phone was off.")
    page.get_by_role("button", name="Add the note").click()

    row = page.locator("section[aria-labelledby=telroi-events] tbody tr").first
    expect(row).to_contain_text("The phone was off.")
    expect(row).to_contain_text("staff")


class Clicks:
    """Counts the clicks of a task from the home of the admin. Enter in a field counts as one."""

    def __init__(self, page: Page) -> None:
        self.page, self.count = page, 0

    def link(self, name: str) -> None:
        self.count += 1
        self.page.get_by_role("link", name=name).first.click()

    def button(self, name: str) -> None:
        self.count += 1
        self.page.get_by_role("button", name=name).first.click()

    def first(self, place: str) -> None:
        self.count += 1
        self.page.locator(place).first.click()


@pytest.fixture
def clicks(open_admin: Callable[..., Page]) -> Clicks:
    return Clicks(open_admin())


def test_who_is_spending_is_answered_in_two_clicks(clicks: Clicks) -> None:
    clicks.link("Overview")
    expect(clicks.page.get_by_role("heading", name="Who causes the calls")).to_be_visible()

    clicks.first("section[aria-labelledby=telroi-rank-prefix] tbody a")

    expect(clicks.page.locator("#result_list tbody tr").first).to_be_visible()
    assert clicks.count <= 2


def test_whether_calls_are_an_attack_is_answered_in_one_click(clicks: Clicks) -> None:
    clicks.link("Overview")

    expect(clicks.page.get_by_role("heading", name="Alerts")).to_be_visible()
    expect(clicks.page.get_by_role("heading", name="Suspected toll fraud")).to_be_visible()
    expect(clicks.page.get_by_text("calls in the last hour, 0 of them verified")).to_be_visible()
    assert clicks.count <= 1


def test_they_may_try_again_after_four_clicks(clicks: Clicks) -> None:
    clicks.link("Phone numbers")
    clicks.first("#result_list .field-masked a")
    clicks.link("Reset the limits")
    clicks.button("Reset the limits")

    expect(clicks.page.get_by_text("The limits are reset.")).to_be_visible()
    assert clicks.count <= 4


def test_a_number_that_was_never_called_is_blocked_in_four_clicks(clicks: Clicks) -> None:
    clicks.link("Phone numbers")
    clicks.page.get_by_label("Search").fill("+234 803 000 0009")
    clicks.button("Search")
    clicks.page.get_by_label("Reason").fill("asked us to")
    clicks.button("Block it anyway")

    expect(clicks.page.get_by_text("No call is possible: staff blocked the number.")).to_be_visible()
    assert clicks.count <= 4


def test_everything_is_stopped_in_two_clicks(clicks: Clicks) -> None:
    clicks.link("Stop all calls")
    clicks.page.get_by_label("Reason").fill("an attack")
    clicks.button("Stop all calls")

    expect(clicks.page.get_by_role("alert").get_by_text("All calls are stopped.")).to_be_visible()
    assert clicks.count <= 2
    clicks.link("Resume calls")
    clicks.button("Resume calls")
    expect(clicks.page.get_by_text("Calls are placed again.")).to_be_visible()


@pytest.mark.parametrize("java_script_enabled", [True, False])
def test_a_prefix_is_blocked_after_the_page_said_what_it_covers(
    open_admin: Callable[..., Page], java_script_enabled: bool
) -> None:
    clicks = Clicks(open_admin(java_script_enabled=java_script_enabled))
    clicks.link("Blocked prefixes and regions")
    clicks.link("Block a prefix or region")
    clicks.page.get_by_label("Prefix or region").fill("+99")
    clicks.page.get_by_label("Reason").fill("an attack")
    clicks.button("Show what it covers")
    expect(clicks.page.get_by_text("Numbers of several countries begin with this prefix.")).to_be_visible()
    expect(clicks.page.get_by_text("0 calls of the last 24 hours, 0 of them verified.")).to_be_visible()

    clicks.button("Block it")

    expect(clicks.page.get_by_text("+99 is blocked: one hour.")).to_be_visible()
    assert clicks.count <= 4
    clicks.link("Unblock +99")
    clicks.button("Unblock it")
    expect(clicks.page.get_by_text("The block of +99 has ended.")).to_be_visible()


IN_USE = {
    "phonenumber": "?state=free&region__exact=NG",
    "verificationattempt": "?purpose__exact=signup&region__exact=NG",
    "verifiedphone": "?purpose__exact=signup",
}


@pytest.mark.parametrize("model", LISTS)
@pytest.mark.parametrize("width", [390, 768, 1024])
def test_every_filter_is_in_sight_and_those_in_use_come_first(
    open_admin: Callable[..., Page], model: str, width: int
) -> None:
    page = open_admin(width=width)
    page.goto(urljoin(page.url, f"/admin/django_telroi/{model}/{IN_USE[model]}"))
    box = page.locator("#changelist-filter")
    expect(box).to_be_visible()

    assert box.evaluate("box => box.scrollHeight - box.clientHeight") <= 1
    tops = box.locator("details").evaluate_all(
        "all => all.map(each => [each.querySelector('li.selected:not(:first-child)') ? 0 : 1,"
        " each.getBoundingClientRect().top])"
    )
    assert [used for used, _top in sorted(tops, key=lambda each: each[1])] == sorted(used for used, _top in tops)


@pytest.mark.parametrize("width", [390, 768, 1280])
def test_the_pages_of_an_attack_fit_and_are_accessible(open_admin: Callable[..., Page], width: int) -> None:
    page = open_admin(width=width)
    seen = []
    for address in ("", "django_telroi/", *(f"django_telroi/phonenumber/{each}" for each in PAGES_OF_AN_ATTACK)):
        page.goto(urljoin(page.url, f"/admin/{address}"))
        assert fits(page)
        seen += ours(page)

    assert seen == []


PAGES_OF_AN_ATTACK = (
    "overview/",
    "destinations/",
    "destinations/block/",
    "destinations/block/?destination=%2B2",
    "stop-calls/",
)


def test_the_figures_of_the_chart_stay_in_sight_while_it_scrolls(open_admin: Callable[..., Page]) -> None:
    page = open_admin(width=390)
    page.goto(urljoin(page.url, "/admin/django_telroi/phonenumber/overview/"))
    box = page.locator(".telroi-newest-first")
    assert box.evaluate("box => box.scrollWidth - box.clientWidth") > 100

    for place in ("0", "-box.scrollWidth"):  # the newest and the oldest calls
        box.evaluate(f"box => {{ box.scrollLeft = {place} }}")
        start, axis = box.bounding_box(), page.locator(".telroi-axis").bounding_box()
        assert start
        assert axis
        assert axis["x"] == pytest.approx(start["x"], abs=1)
    heights = [page.locator(each).bounding_box()["height"] for each in (".telroi-chart", ".telroi-axis")]  # type: ignore[index]
    assert heights[0] == pytest.approx(heights[1], abs=1)


@pytest.mark.parametrize("locale", ["en-US", "de-DE", "fr-FR", "es-ES", "pt-BR", "ar"])
def test_no_table_of_the_overview_is_wider_than_its_panel(open_home: Callable[..., Page], locale: str) -> None:
    page = open_home(viewport={"width": 390, "height": 800}, locale=locale)
    page.goto(urljoin(page.url, "/admin/login/?next=/admin/django_telroi/phonenumber/overview/"))
    page.locator("[name=username]").fill("staff")
    page.locator("[name=password]").fill("demo")
    page.locator("[type=submit]").click()
    expect(page.locator("#telroi-heading")).to_be_visible()

    wide = page.locator(".telroi-panel").evaluate_all(
        "all => all.filter(each => each.scrollWidth > each.clientWidth).map(each => each.innerText.split('\\n')[0])"
    )

    assert wide == []


def test_parts_of_the_pages_have_their_distances_on_a_phone(open_admin: Callable[..., Page]) -> None:
    page = open_admin(width=390)
    open_list(page, "verificationattempt")
    page.locator("#result_list tbody th a").first.click()
    expect(page.locator(".telroi-story")).to_be_visible()

    def box(place: str) -> dict[str, float]:
        found = page.locator(place).first.bounding_box()
        assert found
        return dict(found)

    chip, tools = box(".telroi-head > .telroi-chip"), box(".telroi-head .telroi-tools")
    assert tools["y"] - (chip["y"] + chip["height"]) >= 8
    texts = page.locator(".telroi-form label, .telroi-form .telroi-help").evaluate_all(
        "all => all.map(each => each.getBoundingClientRect().left + parseFloat(getComputedStyle(each).paddingLeft))"
    )
    assert texts[0] == texts[1]

    page.goto(urljoin(page.url, "/admin/django_telroi/phonenumber/destinations/block/"))
    paddings = page.locator(".closelink").evaluate("link => getComputedStyle(link).paddingInline")
    assert paddings == "15px"
