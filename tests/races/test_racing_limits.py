"""Fifty concurrent requests from one address."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import Any
from uuid import uuid4

import pytest
from django.test import RequestFactory

from django_telroi import limits
from django_telroi.errors import TooManyRequests
from tests.races.racing import RACERS, Telroi, errors, race, values

pytestmark = pytest.mark.django_db(transaction=True)

MANY_NUMBERS = [f"+234803{line:07d}" for line in range(1, RACERS + 1)]


def asked(number: str, **options: Any) -> Any:
    return limits.start_verification(RequestFactory(REMOTE_ADDR="198.51.100.7").post("/"), number, **options)


def test_exactly_as_many_numbers_as_the_rate_allows_are_called(telroi: Telroi, repeat: int) -> None:
    finishes = race([partial(asked, number) for number in MANY_NUMBERS])

    assert Counter(map(type, errors(finishes))) == {TooManyRequests: RACERS - 20}
    assert len(values(finishes)) == len(telroi.sends) == len(set(telroi.sends)) == 20


def test_one_request_that_is_sent_fifty_times_takes_one_place(telroi: Telroi, settings: Any, repeat: int) -> None:
    settings.TELROI["RATES"] = {"start": {"ip": "1/h"}}
    the_same = uuid4()

    finishes = race([partial(asked, MANY_NUMBERS[0], attempt_uuid=the_same)] * RACERS)

    assert errors(finishes) == []
    assert {attempt.uuid for attempt in values(finishes)} == {the_same}
    assert telroi.sends == [MANY_NUMBERS[0]]
