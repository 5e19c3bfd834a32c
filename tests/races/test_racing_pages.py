"""Fifty concurrent browsers, on a site with ``ATOMIC_REQUESTS``."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import Any

import pytest
from django.db import connection, connections
from django.test import Client

from django_telroi.domain.states import Status
from django_telroi.models import VerificationAttempt
from tests.races.racing import RACERS, Telroi, errors, race, values
from tests.web.visitor import NUMBER, SPELLING, Visitor

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor == "sqlite", reason="Django's fifty sessions wait for its lock in vain"),
]


@pytest.fixture(autouse=True)
def atomic_requests(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(connections.settings["default"], "ATOMIC_REQUESTS", True)


@pytest.fixture(autouse=True)
def _one_office(telroi: Telroi, settings: Any) -> None:
    """All requests come from one address without a rate limit."""
    settings.TELROI["RATES"] = {"start": {"ip": None}}


def people_at_the_form(count: int) -> list[Visitor]:
    return [Visitor(Client()).opens("/phone/") for _ in range(count)]


def same_browser(visitor: Visitor) -> Visitor:
    """Return another browser with the same session, on the same page."""
    twin = Visitor(Client())
    twin.client.cookies.load(visitor.client.cookies.output(header="", sep=";"))
    twin.soup = visitor.soup
    return twin


def worst_status(visitors: list[Visitor]) -> int:
    return max(max(visitor.statuses) for visitor in visitors)


def test_fifty_people_at_once_get_one_call_and_49_waits(telroi: Telroi) -> None:
    people = people_at_the_form(RACERS)

    finishes = race([partial(person.presses, "Call me", number=SPELLING) for person in people])

    assert errors(finishes) == []
    assert telroi.sends == [NUMBER]
    assert worst_status(values(finishes)) == 302
    assert Counter(person.heading() for person in people) == {"We are calling you": 1, "A short wait first": RACERS - 1}


OF_BOTH_MAKERS = pytest.mark.parametrize(
    "maker", [pytest.param(maker, marks=pytest.mark.codes(maker)) for maker in ("site", "telroi")]
)


def test_fifty_clicks_of_one_person_place_one_call_with_one_answer(telroi: Telroi) -> None:
    [person] = people_at_the_form(1)
    clicks = [same_browser(person) for _ in range(RACERS)]

    finishes = race([partial(click.presses, "Call me", number=SPELLING) for click in clicks])

    assert errors(finishes) == []
    assert telroi.sends == [NUMBER]
    assert {click.heading() for click in clicks} <= {"Calling…", "We are calling you"}


@OF_BOTH_MAKERS
def test_of_fifty_wrong_codes_three_are_judged_and_stay_counted(telroi: Telroi, maker: str) -> None:
    [person] = people_at_the_form(1)
    person.presses("Call me", number=SPELLING)
    right = int(telroi.code_of(NUMBER))
    clicks = [same_browser(person) for _ in range(RACERS)]

    finishes = race(
        [
            partial(click.presses, "Verify", code=f"{(right + step) % 1_000_000:06d}")
            for step, click in enumerate(clicks, start=1)
        ]
    )

    assert errors(finishes) == []
    assert worst_status(values(finishes)) < 400
    assert telroi.checks == (3 if maker == "telroi" else 0)
    assert VerificationAttempt.objects.get().tries == 3


@OF_BOTH_MAKERS
def test_fifty_right_codes_of_one_person_verify_once(
    telroi: Telroi, verified: list[VerificationAttempt], maker: str
) -> None:
    [person] = people_at_the_form(1)
    person.presses("Call me", number=SPELLING)
    clicks = [same_browser(person) for _ in range(RACERS)]

    finishes = race([partial(click.presses, "Verify", code=telroi.code_of(NUMBER)) for click in clicks])

    assert errors(finishes) == []
    assert worst_status(values(finishes)) < 500
    assert (VerificationAttempt.objects.get().status, len(verified)) == (Status.VERIFIED, 1)
    assert 1 <= telroi.checks <= 3 if maker == "telroi" else telroi.checks == 0
