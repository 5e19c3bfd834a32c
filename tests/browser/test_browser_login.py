"""A visitor of the demo logs in by phone, and no step has an accessibility problem."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from playwright.sync_api import Page, expect

from tests.browser.steps import ask_for_a_call, code_field, code_of_the_call
from tests.browser.test_browser_access import assert_open_to_all

pytestmark = pytest.mark.browser


def test_a_person_whose_number_has_no_account_is_told_so(open_home: Callable[..., Page], number: str) -> None:
    page = open_home(viewport={"width": 390, "height": 844})
    page.goto(page.url + "log-in/phone/")
    expect(page.get_by_role("heading", name="Log in by phone")).to_be_visible()
    assert_open_to_all(page)

    ask_for_a_call(page, number)
    expect(code_field(page)).to_be_focused()
    assert_open_to_all(page)

    code_field(page).fill(code_of_the_call(page))
    page.get_by_role("button", name="Log in").click()

    expect(page.get_by_role("heading", name="No account has this number")).to_be_focused()
    expect(page.get_by_role("link", name="Sign up with this number")).to_be_visible()
    expect(page.get_by_role("link", name="Log in another way")).to_be_visible()
    assert_open_to_all(page)
