"""Helpers for what a person sees and does, with the texts of the page."""

from __future__ import annotations

import re
from urllib.parse import urljoin

from playwright.sync_api import Locator, Page, expect


def number_field(page: Page) -> Locator:
    return page.get_by_label("Phone number")


def code_field(page: Page) -> Locator:
    return page.locator('input[autocomplete="one-time-code"]')


def handset(page: Page) -> Locator:
    return page.get_by_role("region", name="Handset")


def state_of_the_call(page: Page) -> Locator:
    return handset(page).get_by_role("status")


def ask_for_a_call(page: Page, number: str) -> None:
    number_field(page).fill(number)
    page.get_by_role("button", name="Call me").click()


def answer(page: Page) -> None:
    page.get_by_role("button", name="Answer").click()


def call_and_answer(page: Page, number: str) -> None:
    ask_for_a_call(page, number)
    answer(page)


def digits_heard(page: Page) -> Locator:
    return handset(page).locator(".heard, .spoken")


def heard_code(page: Page) -> str:
    """Wait until the handset has spoken the code, and return it."""
    digits = handset(page).locator(".digits")
    expect(digits).to_have_text(re.compile(r"^\d{6}$"))
    return digits.inner_text().replace("\n", "")


def code_of_the_call(page: Page) -> str:
    """Return the code without listening to the call."""
    expect(state_of_the_call(page)).to_be_visible()
    return str(page.request.get(urljoin(page.url, "/handset/")).json()["call"]["code"])


def verify(page: Page, code: str) -> None:
    code_field(page).fill(code)
    page.get_by_role("button", name="Verify").click()
