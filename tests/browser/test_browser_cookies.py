"""Cookies are off, or the session is lost: the card says so, with and without the script, and the number stays."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.served import Site, site
from tests.browser.steps import ask_for_a_call, number_field

__all__ = ["site"]

pytestmark = [pytest.mark.browser, pytest.mark.parametrize("path", ["/phone/", "/join/"])]

NUMBER = "+234 803 123 4567"
NO_COOKIE = "Your browser did not send the cookie of this site."
LOST = "We lost track of your last call."


@pytest.fixture(params=[True, False], ids=["with script", "without script"])
def page(request: pytest.FixtureRequest, chromium: Browser) -> Iterator[Page]:
    page = chromium.new_context(reduced_motion="reduce", java_script_enabled=request.param).new_page()
    yield page
    page.context.close()


def test_a_number_that_is_sent_without_cookies_stays_in_the_field(page: Page, site: Site, path: str) -> None:
    page.goto(site.address + path)
    page.context.clear_cookies()

    ask_for_a_call(page, NUMBER)

    expect(page.get_by_text(NO_COOKIE)).to_be_visible()
    expect(number_field(page)).to_have_value(NUMBER)


def test_a_lost_session_is_reported(page: Page, site: Site, path: str) -> None:
    page.goto(site.address + path)
    ask_for_a_call(page, NUMBER)
    expect(page.get_by_role("button", name="Verify")).to_be_visible()
    page.context.clear_cookies(name="sessionid")

    page.goto(site.address + path)

    expect(page.get_by_text(LOST)).to_be_visible()
    expect(number_field(page)).to_have_value(NUMBER)
    assert site.next_code()  # no second call was placed
    assert site.execute("SELECT count(*) FROM django_telroi_verificationattempt") == [(1,)]
