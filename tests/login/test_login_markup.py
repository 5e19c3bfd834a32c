"""The pages of the login have the markup of the other pages: accessible, and for a strict Content-Security-Policy."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from bs4 import BeautifulSoup
from django.contrib.auth.models import User

from django_telroi.testing import last_code_for
from tests.services.world import wrong
from tests.web import test_web_markup as rules
from tests.web.visitor import NUMBER, OTHER_NUMBER, Visitor

test_there_is_no_inline_code = rules.test_there_is_no_inline_code
test_every_file_is_served_by_the_site = rules.test_every_file_is_served_by_the_site
test_a_page_has_a_language_a_title_one_heading_and_one_main = (
    rules.test_a_page_has_a_language_a_title_one_heading_and_one_main
)
test_every_id_is_unique_and_every_referenced_id_exists = rules.test_every_id_is_unique_and_every_referenced_id_exists
test_every_field_has_a_label_and_every_button_a_text = rules.test_every_field_has_a_label_and_every_button_a_text
test_every_page_has_a_next_step_and_at_most_one_primary_button = (
    rules.test_every_page_has_a_next_step_and_at_most_one_primary_button
)
test_exactly_one_element_gets_the_focus = rules.test_exactly_one_element_gets_the_focus
test_it_never_claims_that_a_call_was_heard = rules.test_it_never_claims_that_a_call_was_heard


def number(visitor: Visitor) -> Visitor:
    return visitor.opens("/log-in/")


def refused_number(visitor: Visitor) -> Visitor:
    return number(visitor).presses("Call me", number="call me")


def code(visitor: Visitor) -> Visitor:
    return number(visitor).presses("Call me", number=OTHER_NUMBER)


def wrong_code(visitor: Visitor) -> Visitor:
    return code(visitor).presses("Log in", code=wrong(str(last_code_for(OTHER_NUMBER))))


def refused_for_now(visitor: Visitor) -> Visitor:
    return code(visitor).presses("Change number").presses("Call me", number=NUMBER).opens("/log-in/code/")


def no_account(visitor: Visitor) -> Visitor:
    return code(visitor).presses("Log in", code=str(last_code_for(OTHER_NUMBER)))


def code_used(visitor: Visitor) -> Visitor:
    return visitor.opens("/log-in/done/")


def logged_in(visitor: Visitor) -> Visitor:
    visitor.client.force_login(User.objects.create_user("bob"))
    return visitor.opens("/log-in/done/")


SITUATIONS = (number, refused_number, code, wrong_code, refused_for_now, no_account, code_used, logged_in)


@pytest.fixture(params=SITUATIONS, ids=lambda situation: situation.__name__)
def page(request: pytest.FixtureRequest, visitor: Visitor) -> BeautifulSoup:
    situation: Callable[[Visitor], Visitor] = request.param
    return situation(visitor).soup


def test_every_page_offers_the_other_way(page: BeautifulSoup) -> None:
    links = [link["href"] for link in page.find_all("a", string="Log in another way")]

    assert links == ([] if page.title.text == "You are logged in" else ["/accounts/login/"])
