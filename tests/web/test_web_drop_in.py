"""A drop-in card in a page of the site, beside other content."""

from __future__ import annotations

import pytest
from django.core.exceptions import ImproperlyConfigured
from django.template import Context, Template
from django.test import Client

from django_telroi.testing import last_code_for, outbox
from django_telroi.web.pages import IN_PLACE
from tests.services.world import let_time_pass, wrong
from tests.web.visitor import MASKED, NUMBER, OTHER_NUMBER, PREMIUM, SPELLING, Visitor

pytestmark = pytest.mark.urls("tests.web.site")


def test_every_step_is_in_the_host_page(visitor: Visitor) -> None:
    visitor.opens("/here/")
    assert visitor.heading() == "Verify your phone"

    visitor.presses("Call me", number=PREMIUM)
    assert (visitor.path, visitor.field("number")["value"]) == ("/here/", PREMIUM)
    assert visitor.error() == "We cannot call this number. Try another mobile or landline number."

    visitor.presses("Call me", number=SPELLING)
    assert (visitor.path, visitor.heading()) == ("/here/", "We are calling you")

    visitor.presses("Verify", code=wrong(last_code_for(NUMBER)))
    assert (visitor.path, visitor.note()) == ("/here/", "That is not the code. 2 tries left for this call.")

    visitor.presses("Verify", code=last_code_for(NUMBER))
    assert (visitor.path, visitor.heading()) == ("/here/", "Your number is verified")
    assert MASKED in visitor.card().text


def test_it_redirects_to_next_from_the_host_page(visitor: Visitor) -> None:
    visitor.opens("/host/").presses("Call me", number=SPELLING).presses("Verify", code=last_code_for(NUMBER))

    assert visitor.path == "/account/"
    assert visitor.opens("/host/").card().find("a")["href"] == "/account/"


def test_it_redirects_to_a_lazy_next(visitor: Visitor) -> None:
    visitor.opens("/lazy/").presses("Call me", number=SPELLING).presses("Verify", code=last_code_for(NUMBER))

    assert visitor.path == "/account/"


def test_none_is_like_no_next(visitor: Visitor) -> None:
    visitor.opens("/none/").presses("Call me", number=SPELLING).presses("Verify", code=last_code_for(NUMBER))

    assert (visitor.path, visitor.heading()) == ("/none/", "Your number is verified")


def test_a_next_on_another_site_is_ignored(visitor: Visitor) -> None:
    visitor.opens("/with-query/?next=https://evil.example/").presses("Call me", number=SPELLING)

    visitor.presses("Verify", code=last_code_for(NUMBER))

    assert (visitor.path, visitor.heading()) == ("/with-query/?next=https://evil.example/", "Your number is verified")
    assert visitor.card().find("a") is None


def test_it_returns_to_the_exact_url_of_the_host_page(visitor: Visitor) -> None:
    visitor.opens("/here/?tab=phone&lang=de").presses("Call me", number=SPELLING)

    assert visitor.path == "/here/?tab=phone&lang=de"


def test_every_button_returns_to_the_host_page(visitor: Visitor) -> None:
    visitor.opens("/here/").presses("Call me", number=SPELLING)
    let_time_pass(61)

    visitor.opens("/here/").presses("Call again")
    assert (visitor.path, visitor.heading()) == ("/here/", "We are calling you")
    visitor.presses("Change number")
    assert (visitor.path, visitor.heading()) == ("/here/", "Verify your phone")
    visitor.presses("Call me", number=OTHER_NUMBER).presses("Verify", code=last_code_for(OTHER_NUMBER))
    assert visitor.presses("Verify another number").heading() == "Verify your phone"


def test_two_cards_with_different_purposes_are_independent(visitor: Visitor) -> None:
    visitor.opens("/twice/").presses("Call me", card="telroi-2", number=SPELLING)
    assert (visitor.heading("telroi-1"), visitor.heading("telroi-2")) == ("Verify your phone", "We are calling you")

    visitor.presses("Call me", card="telroi-1", number="0")
    assert (visitor.error("telroi-1"), visitor.error("telroi-2")) == (
        "This number is too short. Type all its digits, with the area code.",
        "",
    )

    visitor.presses("Call me", card="telroi-1", number=OTHER_NUMBER)
    visitor.presses("Verify", card="telroi-2", code=wrong(last_code_for(NUMBER)))
    assert visitor.note("telroi-1") == ""
    visitor.presses("Verify", card="telroi-2", code=last_code_for(NUMBER))
    assert (visitor.heading("telroi-1"), visitor.heading("telroi-2")) == (
        "We are calling you",
        "Your number is verified",
    )


def test_two_cards_load_one_stylesheet_and_one_script_without_duplicate_ids(visitor: Visitor) -> None:
    visitor.opens("/twice/")

    assert len(visitor.soup.find_all("link", rel="stylesheet")) == 1
    assert len(visitor.soup.find_all("script")) == 1
    ids = [tag["id"] for tag in visitor.soup.find_all(id=True)]
    assert len(ids) == len(set(ids))


def test_its_heading_has_a_level_of_the_host_page(visitor: Visitor) -> None:
    visitor.opens("/twice/")

    assert [visitor.card(card).find(class_="telroi-title").name for card in ("telroi-1", "telroi-2")] == ["h2", "h3"]
    assert len(visitor.soup.find_all("h1")) == 1


def test_another_form_of_the_host_page_is_not_affected(visitor: Visitor) -> None:
    visitor.opens("/host/")
    assert visitor.soup.find(id="number").find_parent(class_="telroi") is None
    assert not any(form.find("form") for form in visitor.soup.find_all("form"))

    token = visitor.soup.find("form", action="/save/").find("input", attrs={"name": "csrfmiddlewaretoken"})["value"]
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = visitor.client.cookies
    answer = strict.post("/save/", {"number": "22b", "csrfmiddlewaretoken": token})

    assert answer.content == b"saved 22b"


def test_it_takes_the_focus_only_after_its_own_answer(visitor: Visitor) -> None:
    assert visitor.opens("/host/").soup.find(autofocus=True) is None

    visitor.presses("Call me", number="0")
    assert visitor.field("number").has_attr("autofocus")
    visitor.presses("Call me", number=SPELLING)
    assert visitor.field("code").has_attr("autofocus")
    assert visitor.opens("/host/").soup.find(autofocus=True) is None


def test_a_call_is_also_shown_on_our_own_page(visitor: Visitor) -> None:
    visitor.opens("/here/").presses("Call me", number=SPELLING)

    visitor.opens("/phone/")
    assert (visitor.path, visitor.heading()) == ("/phone/code/", "We are calling you")

    visitor.presses("Verify", code=last_code_for(NUMBER))
    assert visitor.opens("/here/").heading() == "Your number is verified"


def test_the_script_gets_the_url_instead_of_a_redirect(visitor: Visitor) -> None:
    action, fields = visitor.opens("/host/").form("Call me")

    placed = visitor.client.post(action, {**fields, "number": SPELLING}, headers={IN_PLACE: "1"})
    action, fields = visitor.opens("/host/").form("Verify")
    verified = visitor.client.post(action, {**fields, "code": last_code_for(NUMBER)}, headers={IN_PLACE: "1"})

    assert (placed.json(), verified.json()) == ({"location": "/host/"}, {"location": "/account/"})


def test_a_queued_call_has_a_reload_link_without_the_script(visitor: Visitor) -> None:
    visitor.opens("/here/").presses("Call me", number=SPELLING)
    from django_telroi.models import VerificationAttempt

    VerificationAttempt.objects.update(status="queued")

    visitor.opens("/here/")

    assert visitor.card().find("a", string="Look again")["href"] == "/here/"
    assert visitor.soup.find("meta", attrs={"http-equiv": "refresh"}) is None


@pytest.mark.parametrize("body", ["{% phone_verify %}", "{% telroi_assets %}"])
def test_without_the_request_in_the_context_the_error_says_so(body: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="The template's context has no request"):
        Template("{% load telroi %}" + body).render(Context({}))


@pytest.mark.parametrize(
    ("address", "wrong_"),
    [("/wrong-purpose/", '"nonsense" is not in TELROI'), ("/wrong-heading/", 'heading must be one of "h1" to "h6"')],
)
def test_a_wrong_argument_of_the_tag_raises_an_error(visitor: Visitor, address: str, wrong_: str) -> None:
    with pytest.raises(ImproperlyConfigured, match=wrong_):
        visitor.client.get(address)


def test_an_unsigned_return_url_leads_to_our_own_page(visitor: Visitor) -> None:
    action, fields = visitor.opens("/here/").form("Call me")

    visitor.sends(action, {**fields, "ticket": fields["ticket"].replace(" ", "x ") + "x", "number": SPELLING})

    assert visitor.path == "/phone/code/"


def test_loading_the_host_page_places_no_call(visitor: Visitor) -> None:
    for _ in range(3):
        visitor.opens("/twice/")

    assert outbox == []
