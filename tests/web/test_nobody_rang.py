"""What a card offers while no phone rings: reasons, the time of the next call, and the site's other way."""

from __future__ import annotations

from typing import Any

import pytest
from django.template import engines
from django.test import Client, override_settings

from django_telroi import services
from django_telroi.models import VerificationAttempt
from tests.services.world import let_time_pass
from tests.web.visitor import NUMBER, PREMIUM, SPELLING, Visitor

OTHER_WAY = "Verify your number in another way"

pytestmark = pytest.mark.urls("tests.web.site")


@pytest.fixture(params=["/phone/", "/here/"])
def called(db: None, request: pytest.FixtureRequest) -> Visitor:
    return Visitor(Client()).opens(request.param).presses("Call me", number=SPELLING)


def other_way(visitor: Visitor) -> str:
    """Return the URL of the other way, ``""`` if the card does not offer it."""
    link = visitor.card().find("a", string=OTHER_WAY)
    return str(link["href"]) if link else ""


@pytest.mark.parametrize(("seconds", "is_hidden_at_first"), [(0, True), (26, False)])
def test_the_disclosure_appears_25_seconds_after_the_call(
    called: Visitor, seconds: int, is_hidden_at_first: bool
) -> None:
    let_time_pass(seconds)

    called.opens(called.path)

    help_ = called.card().find("details")
    assert help_.find("summary").text == "Nobody rang?"
    assert ("telroi-later" in help_["class"]) is is_hidden_at_first


def test_it_names_the_number_and_the_time_of_the_next_call(called: Visitor) -> None:
    help_ = called.card().find("details")

    assert f"Is {SPELLING} right?" in help_.text
    assert "You can ask for another call at" in help_.find(attrs={"data-telroi-until-ready": True}).text
    assert help_.find("bdi").find_parent("li")
    assert help_.find("time").find_parent("bdi")


def test_it_says_that_another_call_is_possible_now(called: Visitor) -> None:
    let_time_pass(61)

    help_ = called.opens(called.path).card().find("details")

    assert help_.find("time") is None
    assert [each.text for each in help_.find_all("li")][-1] == "You can ask for another call now."


def test_it_has_the_other_way_of_the_site(called: Visitor, site: Any) -> None:
    assert other_way(called) == ""

    site.TELROI = {**site.TELROI, "ALTERNATIVE_URL": "/account/"}

    assert other_way(called.opens(called.path)) == "/account/"


def test_the_other_way_may_be_the_name_of_a_url(called: Visitor, site: Any) -> None:
    site.TELROI = {**site.TELROI, "ALTERNATIVE_URL": "telroi:done"}

    assert other_way(called.opens(called.path)) == "/phone/done/"


def test_the_other_way_has_a_template_block(called: Visitor, settings: Any) -> None:
    own = "{% extends 'telroi/alternative.html' %}{% block alternative %}<p>Visit a branch.</p>{% endblock %}"
    loaders = [
        ("django.template.loaders.locmem.Loader", {"telroi/alternative.html": own}),
        "django.template.loaders.app_directories.Loader",
    ]
    (engine,) = settings.TEMPLATES
    options = {**engine.get("OPTIONS", {}), "loaders": loaders}

    with override_settings(TEMPLATES=[{**engine, "APP_DIRS": False, "OPTIONS": options}]):
        assert engines["django"]
        assert "Visit a branch." in called.opens(called.path).card().find("details").text


@pytest.mark.parametrize("path", ["/phone/", "/here/"])
@pytest.mark.parametrize(
    ("case", "is_offered"),
    [("first card", True), ("stopped", True), ("capped", True), ("cooldown", False), ("premium", True)],
)
def test_cards_before_a_call_and_of_calls_that_are_not_possible_offer_the_other_way(
    db: None, site: Any, path: str, case: str, is_offered: bool
) -> None:
    site.TELROI = {**site.TELROI, "ALTERNATIVE_URL": "/account/"}
    visitor = Visitor(Client()).opens(path)
    if case == "stopped":
        services.stop_calls(reason="a bill", actor="ada")
        visitor.opens(path)
    elif case != "first card":
        if case == "capped":
            site.TELROI = {**site.TELROI, "CALLS_PER_HOUR": 1}
        services.start_verification(NUMBER)
        visitor.presses("Call me", number=PREMIUM if case == "premium" else SPELLING)

    assert bool(other_way(visitor)) is is_offered


def test_without_javascript_a_form_says_how_long_a_call_may_take(db: None) -> None:
    visitor = Visitor(Client()).opens("/phone/")

    assert visitor.card().find("noscript").text == "Placing the call can take up to half a minute."


@pytest.mark.parametrize(("seconds", "is_hidden_at_first"), [(0, True), (4, False)])
def test_a_waiting_card_says_that_the_call_is_still_being_placed(
    called: Visitor, seconds: int, is_hidden_at_first: bool
) -> None:
    VerificationAttempt.objects.update(status="queued", dialed_at=None)
    let_time_pass(seconds)

    hint = called.opens(called.path).card().find(class_="telroi-hint")

    assert hint.text == "Still placing your call. It can take up to half a minute."
    assert ("telroi-soon" in hint["class"]) is is_hidden_at_first
