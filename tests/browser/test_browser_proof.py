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


def test_an_error_about_the_missing_proof_goes_when_the_card_shows_success(chromium: Browser, site: Site) -> None:
    page = chromium.new_page()
    page.goto(site.address + "/sign-up/")
    page.get_by_label("Name").fill("Ada")
    page.get_by_role("button", name="Sign up").click()
    error = page.get_by_text("Verify your phone first.")
    expect(error).to_be_visible()

    page.get_by_label("Phone number").fill("+2348031234568")
    page.get_by_role("button", name="Call me").click()
    code = site.next_code()
    page.get_by_label("Six-digit code").fill("000000" if code != "000000" else "111111")
    page.get_by_role("button", name="Verify").click()
    expect(page.get_by_text("That is not the code.")).to_be_visible()
    expect(error).to_be_visible()
    page.get_by_label("Six-digit code").fill(code)
    page.get_by_role("button", name="Verify").click()
    expect(page.get_by_role("heading", name="Your number is verified")).to_be_visible()

    expect(error).to_have_count(0)
    assert page.get_by_label("Name").input_value() == "Ada"
    page.close()


def test_what_follows_a_card_does_not_touch_it(chromium: Browser, site: Site) -> None:
    page = chromium.new_page()
    page.goto(site.address + "/sign-up/")

    card, form = page.locator(".telroi-card").bounding_box(), page.locator("#sign-up").bounding_box()

    assert card
    assert form
    assert form["y"] - (card["y"] + card["height"]) >= 16
    page.close()
