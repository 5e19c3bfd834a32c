"""Each card leads somewhere, and a gate says why it asks."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.urls import path

from django_telroi import services
from django_telroi.testing import last_code_for
from tests.web.site import urlpatterns as site_urls
from tests.web.visitor import MASKED, NUMBER, PREMIUM, SPELLING, Visitor


def home(request: HttpRequest) -> HttpResponse:
    return HttpResponse("home")


urlpatterns = [*site_urls, path("", home)]

pytestmark = pytest.mark.urls(__name__)


def links(visitor: Visitor) -> dict[str, str]:
    return {link.text: str(link["href"]) for link in visitor.card().find_all("a")}


def test_the_last_page_leads_home(visitor: Visitor) -> None:
    visitor.opens("/phone/").presses("Call me", number=SPELLING).presses("Verify", code=last_code_for(NUMBER))

    assert links(visitor) == {"Continue": "/"}


@pytest.mark.parametrize(
    ("referrer", "url"), [("/account/", "/account/"), ("/phone/", ""), ("/nowhere/", ""), ("", "")]
)
def test_a_problem_card_links_back(visitor: Visitor, referrer: str, url: str) -> None:
    origin = "http://testserver"

    visitor.opens("/phone/?purpose=nonsense", referer=origin + referrer if referrer else "")

    assert links(visitor) == {"Go back": origin + url if url else "/"}


def test_a_referrer_of_another_site_is_not_used(visitor: Visitor) -> None:
    visitor.opens("/phone/?purpose=nonsense", referer="https://evil.example/account/")

    assert links(visitor) == {"Go back": "/"}


REASON = "The page that you opened needs a verified phone number."


def test_the_reason_of_a_gate_stays_after_an_error(visitor: Visitor) -> None:
    visitor.opens("/phone/?next=/account/&why=none")
    assert REASON in visitor.card().text

    visitor.presses("Call me", number=PREMIUM)

    assert REASON in visitor.card().text


def test_an_unknown_reason_is_not_shown(visitor: Visitor) -> None:
    text = visitor.opens("/phone/?why=<b>pay</b>").card().text

    assert "pay" not in text.replace("display", "")


def test_the_note_and_the_field_are_tied(visitor: Visitor, site: Any) -> None:
    visitor.opens("/phone/").presses("Call me", number=SPELLING).presses("Call again")

    described = visitor.field("code")["aria-describedby"].split()

    assert described[0] == "telroi-1-note"
    assert SPELLING in visitor.card().text
    assert all(visitor.card().find(id=each) for each in described)


OTHER_WAY = {"ALTERNATIVE_URL": "/account/"}
HOUR = timedelta(hours=1)


@pytest.mark.parametrize("path", ["/phone/", "/here/"])
@pytest.mark.parametrize("destination", ["NG", "+2348031"])
def test_paused_numbers_have_an_honest_card_with_the_other_way(
    visitor: Visitor, site: Any, path: str, destination: str
) -> None:
    site.TELROI = OTHER_WAY
    services.block_destination(destination, reason="pumping", actor="ada", length=HOUR)

    visitor.opens(path).presses("Call me", number=SPELLING)

    assert visitor.heading() == "We cannot call right now"
    assert visitor.note().startswith("Numbers of this country or network cannot be called at the moment.")
    assert "Verify your number in another way" in links(visitor)
    assert f"You asked for a call to {MASKED}." in visitor.card().text


@pytest.mark.parametrize("path", ["/phone/", "/here/"])
@pytest.mark.parametrize("destination", ["NG", "+2348031"])
def test_numbers_that_are_not_called_have_the_other_way_too(
    visitor: Visitor, site: Any, path: str, destination: str
) -> None:
    site.TELROI = OTHER_WAY
    services.block_destination(destination, reason="pumping", actor="ada")

    visitor.opens(path).presses("Call me", number=SPELLING)

    assert visitor.error().startswith("We ")
    assert "Verify your number in another way" in links(visitor)


def test_a_mistyped_number_keeps_the_other_way_of_the_first_card(visitor: Visitor, site: Any) -> None:
    site.TELROI = OTHER_WAY

    visitor.opens("/phone/").presses("Call me", number="call me")

    assert links(visitor) == {"Verify your number in another way": "/account/"}
