"""``RATE_KEYS``: rates of the site's own keys, beside those of the address and the user."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from django.core.cache import cache
from django.test import Client

from django_telroi.testing import outbox
from tests.limits import site_functions
from tests.limits.conftest import Configure
from tests.limits.faces import FACES
from tests.web.visitor import NUMBER

pytestmark = pytest.mark.django_db

STARTS = "/api/phone/verifications/"
FUNCTIONS = "tests.limits.site_functions"
NUMBERS = [f"+23480312345{each:02}" for each in range(20)]


@pytest.fixture(autouse=True)
def _fresh(configure: Configure) -> None:
    cache.clear()
    site_functions.asked.clear()
    configure(RATE_KEYS=f"{FUNCTIONS}.keys_of_headers", RATES={"start": {"ip": None, "device": "2/h"}})


def starts(number: str = NUMBER, **headers: str) -> Any:
    return Client().post(STARTS, {"number": number}, "application/json", headers=headers)


@pytest.mark.parametrize("face", FACES.values(), ids=FACES)
def test_a_key_of_the_site_has_its_own_rate_on_every_face(face: Any) -> None:
    answers = [face().starts(number, HTTP_X_DEVICE="d1").is_too_many for number in NUMBERS[:3]]
    other = face().starts(NUMBERS[3], HTTP_X_DEVICE="d2").is_too_many

    assert (answers, other, len(outbox)) == ([False, False, True], False, 3)


def test_a_request_without_the_key_is_not_counted_for_it() -> None:
    replies = [starts(number).status_code for number in NUMBERS[:5]]
    empty = [starts(number, **{"X-Device": ""}).status_code for number in NUMBERS[5:10]]

    assert {*replies, *empty} == {201}


def test_codes_have_rates_of_such_keys_too(configure: Configure) -> None:
    configure(RATES={"check": {"tenant": "1/h"}})
    uuid = starts().json()["id"]

    replies = [
        Client().post(f"{STARTS}{uuid}/check/", {"code": "000000"}, "application/json", HTTP_X_TENANT="t").json()
        for _ in range(2)
    ]

    assert replies[1]["code"] == "too_many_requests"


def test_a_forged_key_cannot_get_around_the_built_in_rates(configure: Configure) -> None:
    configure(RATES={"start": {"ip": "2/h", "device": "2/h"}})

    replies = [
        starts(number, **{"X-Device": f"d{index}", "X-Ip": f"198.51.100.{index}", "X-User": str(index)}).status_code
        for index, number in enumerate(NUMBERS[:4])
    ]

    assert replies == [201, 201, 429, 429]


def test_a_key_of_one_name_is_not_counted_for_another(configure: Configure) -> None:
    configure(RATES={"start": {"ip": None, "device": "1/h", "tenant": "1/h"}})

    replies = [starts(NUMBERS[0], **{"X-Device": "same"}), starts(NUMBERS[1], **{"X-Tenant": "same"})]

    assert [each.status_code for each in replies] == [201, 201]


def test_the_cache_has_only_digests() -> None:
    starts(**{"X-Device": "device-of-ada"})

    keys = list(cache._cache)  # type: ignore[attr-defined]
    assert [key for key in keys if ":start:device:" in key]
    assert not [key for key in keys if "device-of-ada" in key]


@pytest.mark.parametrize(
    ("name", "code", "event"),
    [
        ("keys_fail", "unavailable", "site_function_failed setting=RATE_KEYS error=KeyError"),
        ("keys_are_half_a_pair", "unavailable", "rate_key_rejected key=device error=half a surrogate pair"),
        ("keys_are_numbers", "unavailable", "rate_key_rejected key=device error=not a string"),
        ("keys_are_a_list", "misconfigured", "site_function_failed setting=RATE_KEYS error=returned list"),
        ("no_such_name", "misconfigured", "site_function_failed setting=RATE_KEYS error=ImportError"),
    ],
)
def test_without_its_answer_no_call_is_placed(
    configure: Configure, caplog: pytest.LogCaptureFixture, name: str, code: str, event: str
) -> None:
    configure(RATE_KEYS=f"{FUNCTIONS}.{name}")

    reply = starts()

    assert (reply.status_code, reply.json()["code"], list(outbox)) == (503, code, [])
    assert event in caplog.messages
    assert "device-of-ada" not in caplog.text


def test_a_function_that_fails_is_called_once_and_the_cache_is_not_blamed(
    configure: Configure, caplog: pytest.LogCaptureFixture
) -> None:
    configure(RATE_KEYS=f"{FUNCTIONS}.keys_fail")
    headers = {"Idempotency-Key": str(uuid4())}

    replies = [starts(**headers).status_code for _ in range(2)]

    assert (replies, len(site_functions.asked)) == ([503, 503], 2)
    assert not [each for each in caplog.messages if each.startswith("cache_unavailable")]


def test_a_key_has_at_most_200_characters(caplog: pytest.LogCaptureFixture) -> None:
    replies = [starts(NUMBERS[length % 2], **{"X-Device": "d" * length}).status_code for length in (200, 201)]

    assert replies == [201, 503]
    assert "rate_key_rejected key=device error=too long" in caplog.messages


def test_it_is_called_once_and_only_if_a_rate_needs_it(configure: Configure) -> None:
    configure(RATES={"start": {"device": "9/h", "tenant": "9/h"}})
    starts()
    assert len(site_functions.asked) == 1
    configure(RATES={"start": {"ip": "9/h"}})
    starts(NUMBERS[1])
    assert len(site_functions.asked) == 1
