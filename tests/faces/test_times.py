"""A time of day has its time zone in every interface, because the person may be in another zone than the site."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from django.utils import timezone

from tests.limits.faces import FACES

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.limits.site")]

NUMBER = "+2348031234567"


@pytest.fixture(autouse=True)
def site(settings: Any) -> Iterator[Any]:
    settings.TELROI = {"COOLDOWN_SECONDS": 5400}
    yield settings
    timezone.deactivate()


@pytest.mark.parametrize("face", FACES.values(), ids=FACES)
@pytest.mark.parametrize(
    ("zone", "shown"),
    [("UTC", "UTC"), ("Africa/Lagos", "WAT"), ("Asia/Riyadh", "UTC+03"), ("America/Caracas", "UTC-04")],
)
def test_a_wait_names_the_time_zone_of_the_site(face: Any, zone: str, shown: str, site: Any) -> None:
    site.TIME_ZONE = zone
    person = face()
    person.starts(NUMBER)

    answer = person.starts(NUMBER)

    assert f" {shown}, in 90 minutes." in answer.text
    assert answer.status < 500


@pytest.mark.parametrize("face", FACES.values(), ids=FACES)
def test_a_wait_in_the_persons_time_zone_does_not_name_it(face: Any, site: Any) -> None:
    site.MIDDLEWARE = ["tests.faces.test_times.in_lagos", *site.MIDDLEWARE]
    person = face()
    person.starts(NUMBER)

    answer = person.starts(NUMBER)

    assert re.search(r"(\.m\.|noon|midnight), in 90 minutes\.", answer.text)


@pytest.mark.parametrize("face", FACES.values(), ids=FACES)
def test_a_wait_of_a_week_names_the_date(face: Any, site: Any) -> None:
    site.TELROI = {"COOLDOWN_SECONDS": 7 * 86400}
    person = face()
    person.starts(NUMBER)

    answer = person.starts(NUMBER)

    assert re.search(r"another call at [^,]* on \w+\.? \d{1,2}, \d{4}\.", answer.text)
    assert not re.search(r"tomorrow|\bhours?\b|\d+:\d\d:\d\d", answer.text)


def in_lagos(get_response: Any) -> Any:
    def answer(request: Any) -> Any:
        with timezone.override("Africa/Lagos"):
            return get_response(request)

    return answer
