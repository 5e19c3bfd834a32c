"""Rules for every page: a strict Content-Security-Policy, keyboard use, screen readers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from bs4 import BeautifulSoup, Tag
from django.contrib.staticfiles import finders

from django_telroi import services
from django_telroi.models import VerificationAttempt
from django_telroi.testing import last_code_for
from tests.services.world import let_time_pass, wrong
from tests.web.visitor import NUMBER, PREMIUM, SPELLING, Visitor

Situation = Callable[[Visitor], Visitor]


def number(visitor: Visitor) -> Visitor:
    return visitor.opens("/phone/")


def refused_number(visitor: Visitor) -> Visitor:
    return number(visitor).presses("Call me", number=PREMIUM)


def refused_for_now(visitor: Visitor) -> Visitor:
    services.start_verification(NUMBER)
    return number(visitor).presses("Call me", number=SPELLING)


def refused_altogether(visitor: Visitor) -> Visitor:
    number(visitor)
    services.stop_calls(actor="ada", reason="maintenance")
    return visitor.presses("Call me", number=SPELLING)


def code(visitor: Visitor) -> Visitor:
    return number(visitor).presses("Call me", number=SPELLING)


def code_after_the_wait(visitor: Visitor) -> Visitor:
    code(visitor)
    let_time_pass(61)
    return visitor.opens("/phone/code/")


def wrong_code(visitor: Visitor) -> Visitor:
    return code(visitor).presses("Verify", code=wrong(last_code_for(NUMBER)))


def done(visitor: Visitor) -> Visitor:
    return code(visitor).presses("Verify", code=last_code_for(NUMBER))


def become(status: str, **fields: Any) -> Situation:
    def situation(visitor: Visitor) -> Visitor:
        code(visitor)
        VerificationAttempt.objects.update(status=status, **fields)
        return visitor.opens("/phone/code/")

    return situation


def wrong_address(visitor: Visitor) -> Visitor:
    return visitor.opens("/phone/call-again/")


def wrong_purpose(visitor: Visitor) -> Visitor:
    return visitor.opens("/phone/?purpose=nonsense")


SITUATIONS = {
    "number": number,
    "refused number": refused_number,
    "refused for now": refused_for_now,
    "refused altogether": refused_altogether,
    "code": code,
    "code after the wait": code_after_the_wait,
    "wrong code": wrong_code,
    "done": done,
    "wrong address": wrong_address,
    "wrong purpose": wrong_purpose,
    "unreachable": become("failed", error_code="unreachable"),
    "invalid at Telroi": become("failed", error_code="invalid"),
    **{status: become(status) for status in ("queued", "unknown", "locked", "expired", "canceled", "superseded")},
}


@pytest.fixture(params=SITUATIONS.values(), ids=SITUATIONS)
def page(request: pytest.FixtureRequest, visitor: Visitor) -> BeautifulSoup:
    situation: Situation = request.param
    return situation(visitor).soup


def test_there_is_no_inline_code(page: BeautifulSoup) -> None:
    inline = [tag.name for tag in page.find_all(True) if any(name == "style" or name[:2] == "on" for name in tag.attrs)]

    assert inline == []
    assert page.find("style") is None
    assert all(script.get("src") and not script.text for script in page.find_all("script"))


def test_every_file_is_served_by_the_site(page: BeautifulSoup) -> None:
    files = [tag.get("src") or tag.get("href") for tag in page.find_all(["script", "link", "img"])]

    assert files == ["/static/telroi/telroi.css", "/static/telroi/telroi.js"]


def test_a_page_has_a_language_a_title_one_heading_and_one_main(page: BeautifulSoup) -> None:
    assert (page.html["lang"], page.html["dir"]) == ("en-US", "ltr")
    assert page.title.text.strip()
    assert [len(page.find_all(name)) for name in ("h1", "main")] == [1, 1]
    assert page.find("meta", attrs={"name": "viewport"})["content"] == "width=device-width, initial-scale=1"


def test_every_id_is_unique_and_every_referenced_id_exists(page: BeautifulSoup) -> None:
    ids = [tag["id"] for tag in page.find_all(id=True)]
    named = {
        name
        for tag in page.find_all(True)
        for attribute in ("aria-labelledby", "aria-describedby", "for")
        for name in str(tag.get(attribute, "")).split()
    }

    assert len(ids) == len(set(ids))
    assert named <= set(ids)


def test_every_field_has_a_label_and_every_button_a_text(page: BeautifulSoup) -> None:
    for field in page.select("input:not([type=hidden])"):
        assert page.find("label", attrs={"for": field["id"]}).text.strip()
    assert all(button.text.strip() for button in page.find_all("button"))


def test_every_page_has_a_next_step_and_at_most_one_primary_button(page: BeautifulSoup) -> None:
    seen = [tag for tag in page.select("button, a") if not tag.find_parent("noscript") and not is_hidden(tag)]
    filled = [tag for tag in seen if "telroi-button" in tag["class"] and "telroi-quiet" not in tag["class"]]

    assert len(filled) <= 1
    assert seen or "Go back and start again." in page.text


def is_hidden(tag: Tag) -> bool:
    return tag.has_attr("hidden") or tag.find_parent(hidden=True) is not None


def test_exactly_one_element_gets_the_focus(page: BeautifulSoup) -> None:
    (focused,) = page.find_all(autofocus=True)

    assert focused.name == "input" or "telroi-title" in focused["class"]


def test_it_never_claims_that_a_call_was_heard(page: BeautifulSoup) -> None:
    said = page.text.lower()

    assert "answered" not in said
    assert "delivered" not in said


def test_the_number_field_has_the_tel_keyboard_and_autocomplete(visitor: Visitor) -> None:
    field = number(visitor).field("number")

    assert (field["type"], field["autocomplete"], field["inputmode"]) == ("tel", "tel", "tel")


def test_the_code_is_one_field_that_accepts_pasted_and_autofilled_digits(visitor: Visitor) -> None:
    field = code(visitor).field("code")

    assert (field["autocomplete"], field["inputmode"], field["type"]) == ("one-time-code", "numeric", "text")
    assert int(field["maxlength"]) > 20


def test_an_error_is_linked_to_its_field(visitor: Visitor) -> None:
    field = refused_number(visitor).field("number")
    assert field["aria-invalid"] == "true"
    assert visitor.soup.find(id=field["aria-describedby"].split()[-1]).text == visitor.error()


def test_a_wrong_code_is_linked_to_its_field(visitor: Visitor) -> None:
    field = wrong_code(visitor).field("code")

    assert field["aria-invalid"] == "true"
    assert visitor.soup.find(id=field["aria-describedby"]).text == visitor.note()


def test_a_masked_number_is_left_to_right_on_one_line(visitor: Visitor) -> None:
    shown = code(visitor).card().find("bdi")

    assert (shown["dir"], shown["class"]) == ("ltr", ["telroi-phone"])


def test_a_page_in_a_right_to_left_language_has_its_direction(visitor: Visitor, site: Any) -> None:
    site.LANGUAGE_CODE = "ar"

    page = number(visitor).soup

    assert (page.html["lang"], page.html["dir"]) == ("ar", "rtl")


@pytest.mark.parametrize(("name", "most"), [("telroi.css", 11_500), ("telroi.js", 15_500)])
def test_downloads_are_small(name: str, most: int) -> None:
    with open(finders.find(f"telroi/{name}"), encoding="utf-8") as file:  # noqa: PTH123 - finders name files
        text = file.read()

    assert len(text) < most
    assert "!important" not in text
