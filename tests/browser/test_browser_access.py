"""Accessibility: axe finds no violation of WCAG 2.2 AA at any step, in light and dark mode."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import pytest
from playwright.sync_api import Page, expect

from tests.browser.axe import violations
from tests.browser.steps import (
    answer,
    ask_for_a_call,
    call_and_answer,
    code_field,
    code_of_the_call,
    digits_heard,
    handset,
    number_field,
    verify,
)

pytestmark = pytest.mark.browser


def assert_open_to_all(page: Page) -> None:
    assert barriers(page, theme="light") == barriers(page, theme="dark") == []


def barriers(page: Page, *, theme: Literal["light", "dark"]) -> list[str]:
    page.emulate_media(color_scheme=theme, reduced_motion="reduce")
    return [f"{theme}: {each['id']}: {[node['html'] for node in each['nodes']]}" for each in violations(page)]


def test_every_step_is_accessible(page: Page, number: str) -> None:
    assert_open_to_all(page)

    ask_for_a_call(page, "+44 909 879 0000")
    expect(number_field(page)).to_have_attribute("aria-invalid", "true")
    assert_open_to_all(page)

    ask_for_a_call(page, number)
    expect(handset(page)).to_have_attribute("data-phase", "ringing")
    assert_open_to_all(page)

    answer(page)
    code = code_of_the_call(page)
    expect(digits_heard(page)).to_have_count(1)
    assert_open_to_all(page)

    verify(page, "12")
    expect(code_field(page)).to_have_attribute("aria-invalid", "true")
    page.get_by_role("button", name="Hang up").click()
    assert_open_to_all(page)

    verify(page, code)
    expect(page.get_by_role("heading", name="Your number is verified")).to_be_visible()
    assert_open_to_all(page)


def test_a_small_screen_is_accessible(open_home: Callable[..., Page], number: str) -> None:
    page = open_home(viewport={"width": 360, "height": 640})

    call_and_answer(page, number)

    expect(digits_heard(page)).to_have_count(1)
    assert_open_to_all(page)


def test_the_demo_handset_is_accessible(page: Page, number: str) -> None:
    ask_for_a_call(page, number)
    expect(code_field(page)).to_be_visible()

    page.goto(page.url + "handset/transcript/")

    expect(page.locator(".transcript")).to_be_visible()
    assert_open_to_all(page)
