"""A card that updates in place, beside a form that needs its proof."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.served import Site, site

__all__ = ["site"]

pytestmark = pytest.mark.browser


def test_the_proof_is_in_the_form_once_the_card_shows_success(chromium: Browser, site: Site) -> None:
    page = chromium.new_page()
    page.goto(site.address + "/join/")
    page.get_by_label("Name").fill("Ada")

    page.get_by_label("Phone number").fill("+2348031234567")
    page.get_by_role("button", name="Call me").click()
    page.get_by_label("Six-digit code").fill(site.next_code())
    page.get_by_role("button", name="Verify").click()
    expect(page.get_by_role("heading", name="Your number is verified")).to_be_visible()

    assert page.get_by_label("Name").input_value() == "Ada"
    assert page.locator("[name=phone_proof]").input_value()
    page.close()
