"""The demo as a person uses it: type a number, answer the handset, type the code."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.steps import (
    answer,
    ask_for_a_call,
    call_and_answer,
    code_field,
    code_of_the_call,
    digits_heard,
    handset,
    heard_code,
    number_field,
    state_of_the_call,
    verify,
)

pytestmark = pytest.mark.browser


def test_a_phone_is_verified_by_the_digits_of_the_handset(page: Page, number: str) -> None:
    ask_for_a_call(page, number)
    expect(state_of_the_call(page)).to_have_text("Incoming call")

    answer(page)
    expect(code_field(page)).to_be_focused()
    verify(page, heard_code(page))

    expect(page.get_by_role("heading", name="Your number is verified")).to_be_visible()
    expect(page.get_by_text("This phone rings when you ask for a call.")).to_be_visible()


def test_the_digits_are_spoken_one_by_one(page: Page, number: str) -> None:
    call_and_answer(page, number)

    for heard in range(1, 4):
        expect(digits_heard(page)).to_have_count(heard)


def test_a_wrong_code_shows_an_error_and_keeps_the_call(page: Page, number: str) -> None:
    call_and_answer(page, number)
    code = code_of_the_call(page)
    verify(page, "000000" if code != "000000" else "111111")

    expect(page.get_by_text("That is not the code.")).to_be_visible()
    expect(page.get_by_text("2 tries left")).to_be_visible()
    expect(code_field(page)).to_be_focused()
    expect(state_of_the_call(page)).to_have_text("On the phone")

    verify(page, code)

    expect(page.get_by_role("heading", name="Your number is verified")).to_be_visible()


def test_the_wait_for_another_call_is_counted_down(page: Page, number: str) -> None:
    ask_for_a_call(page, number)
    clock = page.get_by_role("timer")
    before = clock.inner_text()

    expect(clock).not_to_have_text(before)

    assert before.startswith(("0:5", "1:00"))
    expect(page.get_by_role("button", name="Call again")).to_be_hidden()


def test_call_again_rings_and_only_the_new_code_verifies(
    page: Page, number: str, let_minutes_pass: Callable[[str, int], None]
) -> None:
    call_and_answer(page, number)
    first = code_of_the_call(page)
    page.get_by_role("button", name="Hang up").click()
    let_minutes_pass(number, 2)
    page.reload()

    page.get_by_role("button", name="Call again").click()
    expect(page.get_by_role("button", name="Answer")).to_be_visible()
    second = code_of_the_call(page)
    verify(page, second)

    assert second != first
    expect(page.get_by_role("heading", name="Your number is verified")).to_be_visible()


def test_the_handset_rings_on_while_the_number_is_changed_and_the_way_back_leads_to_its_code(
    page: Page, number: str
) -> None:
    ask_for_a_call(page, number)
    expect(state_of_the_call(page)).to_have_text("Incoming call")

    page.get_by_role("button", name="Change number").click()
    expect(number_field(page)).to_be_visible()
    expect(state_of_the_call(page)).to_have_text("Incoming call")
    page.get_by_role("button", name="Back to the code for").click()

    expect(code_field(page)).to_be_focused()
    verify(page, code_of_the_call(page))
    expect(page.get_by_role("heading", name="Your number is verified")).to_be_visible()


def test_a_premium_number_is_refused_and_no_phone_rings(page: Page) -> None:
    ask_for_a_call(page, "+44 909 879 0000")

    expect(number_field(page)).to_have_attribute("aria-invalid", "true")
    expect(number_field(page)).to_be_focused()
    expect(number_field(page)).to_have_value("+44 909 879 0000")
    expect(page.get_by_text("We cannot call this number.")).to_be_visible()
    expect(handset(page)).to_have_attribute("data-phase", "idle")


def test_a_click_on_a_sample_fills_the_field(page: Page) -> None:
    page.get_by_role("button", name="+234 803 123 4567").click()

    expect(number_field(page)).to_have_value("+234 803 123 4567")


def test_a_person_who_returns_finds_the_same_call(page: Page, number: str) -> None:
    call_and_answer(page, number)
    expect(digits_heard(page)).to_have_count(2)

    page.reload()

    expect(code_field(page)).to_be_visible()
    expect(state_of_the_call(page)).to_have_text("On the phone")
    expect(digits_heard(page)).to_have_count(3)


def test_the_digits_stay_after_hanging_up(page: Page, number: str) -> None:
    call_and_answer(page, number)
    expect(digits_heard(page)).to_have_count(2)

    page.get_by_role("button", name="Hang up").click()

    expect(state_of_the_call(page)).to_have_text("Call ended")
    assert "•" in handset(page).locator(".digits").inner_text()
    expect(code_field(page)).to_be_focused()


def test_a_declined_call_says_how_to_get_another(page: Page, number: str) -> None:
    ask_for_a_call(page, number)

    page.get_by_role("button", name="Decline").click()

    expect(state_of_the_call(page)).to_have_text("Call declined")
    expect(handset(page).get_by_text("You can ask for another call.")).to_be_visible()


def test_the_flow_works_by_keyboard(page: Page, number: str) -> None:
    press_until(page, number_field(page))
    page.keyboard.type(number)
    page.keyboard.press("Enter")
    press_until(page, page.get_by_role("button", name="Answer"))
    page.keyboard.press("Enter")
    expect(code_field(page)).to_be_focused()
    page.keyboard.type(code_of_the_call(page))
    page.keyboard.press("Enter")

    expect(page.get_by_role("heading", name="Your number is verified")).to_be_visible()


def press_until(page: Page, goal: Locator) -> None:
    """Press Tab until ``goal`` has the focus."""
    expect(goal).to_be_visible()
    for _ in range(20):
        if goal.evaluate("it => it === document.activeElement"):
            return
        page.keyboard.press("Tab")
    raise AssertionError("The keyboard does not reach it.")


def test_the_flow_works_without_javascript(open_home: Callable[..., Page], number: str) -> None:
    page = open_home(java_script_enabled=False)
    ask_for_a_call(page, number)
    page.get_by_role("link", name="What the handset says").click()
    code = page.locator(".transcript").inner_text()
    page.get_by_role("link", name="Back to the code").click()

    verify(page, "00 00-00" if "".join(code.split()) != "000000" else "111111")
    expect(page.get_by_text("That is not the code.")).to_be_visible()
    verify(page, code)

    expect(page.get_by_role("heading", name="Your number is verified")).to_be_visible()


def test_the_phone_page_has_the_same_flow(page: Page, number: str) -> None:
    page.get_by_role("link", name="Phone page").click()
    call_and_answer(page, number)
    expect(page).to_have_url(re.compile("/phone/code/$"))
    expect(digits_heard(page)).to_have_count(1)

    verify(page, code_of_the_call(page))

    expect(page.get_by_role("heading", name="Your number is verified")).to_be_visible()
    expect(page).to_have_url(re.compile("/phone/done/$"))
