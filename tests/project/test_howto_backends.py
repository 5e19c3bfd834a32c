"""The backend of the how-to page fulfills the contract, and a person can be verified with it."""

from __future__ import annotations

import sys
import unittest
from collections.abc import Iterator
from inspect import signature
from types import ModuleType
from typing import Any

import pytest
from django.test import override_settings

from django_telroi import services
from django_telroi.backends import get_backend
from django_telroi.client import OtpCall, OtpCheck
from django_telroi.domain.typed_codes import CodeLength
from django_telroi.errors import ApiOutcomeUnknown, ApiRefused
from django_telroi.testing.contract import STATUSES
from tests.project import ringwell_double
from tests.project.ringwell_double import RingwellDouble
from tests.project.test_howto import HOWTO, blocks_of
from tests.rest.world import NUMBER, PhoneApi

MODULES = ("myproject", "myproject.ringwell", "myproject.tests", "myproject.tests.double")


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Return what the two files of the page define in a project."""
    for name in MODULES:
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    sys.modules["myproject.tests.double"].__dict__.update(vars(ringwell_double))
    names: dict[str, Any] = {"__name__": "myproject.tests.test_ringwell"}
    backend, _overriding, test = blocks_of("backends.rst", "python")
    exec(backend, sys.modules["myproject.ringwell"].__dict__)
    exec(test, names)
    return names


@pytest.fixture
def ringwell(page: dict[str, Any]) -> Iterator[RingwellDouble]:
    """A site that calls with Ringwell."""
    with RingwellDouble(token="secret") as double:
        site = {"BACKEND": "myproject.ringwell.RingwellBackend"}
        with override_settings(TELROI=site, RINGWELL_URL=double.url, RINGWELL_TOKEN="secret"):
            yield double


def test_it_fulfills_the_contract_as_the_page_says(page: dict[str, Any]) -> None:
    suite = unittest.defaultTestLoader.loadTestsFromTestCase(page["RingwellContract"])
    result = unittest.TestResult()

    suite.run(result)

    assert [f"{case}\n{said}" for case, said in result.failures + result.errors] == []
    assert result.testsRun >= 20


@pytest.mark.django_db
def test_a_person_is_called_and_verified_through_it(ringwell: RingwellDouble) -> None:
    attempt = services.start_verification(NUMBER, language="en")
    code = ringwell.codes[NUMBER]

    wrong = services.check_code(attempt.uuid, f"{(int(code) + 1) % 10**6:06}")
    right = services.check_code(attempt.uuid, code)

    assert (attempt.status, attempt.telroi_id[:2], wrong.outcome, right.outcome) == (
        "placed",
        "RV",
        "wrong_code",
        "verified",
    )
    assert ringwell.requests == 3


@pytest.mark.django_db
def test_a_call_whose_answer_was_lost_is_judged_by_its_number(ringwell: RingwellDouble) -> None:
    with ringwell.cutting_answers():
        attempt = services.start_verification(NUMBER)

    result = services.check_code(attempt.uuid, ringwell.codes[NUMBER])

    assert (attempt.status, result.outcome) == ("unknown", "verified")


@pytest.mark.django_db
def test_a_code_whose_answer_was_lost_can_be_typed_again(ringwell: RingwellDouble) -> None:
    attempt = services.start_verification(NUMBER)
    with ringwell.cutting_answers():
        lost = services.check_code(attempt.uuid, ringwell.codes[NUMBER])

    again = services.check_code(attempt.uuid, ringwell.codes[NUMBER])

    assert (lost.outcome, again.outcome, again.attempt.tries) == ("unavailable", "verified", 1)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("status", "code"), [(401, "misconfigured"), (403, "misconfigured"), (429, "unavailable"), (503, "unavailable")]
)
def test_each_refusal_is_answered_with_its_code(ringwell: RingwellDouble, status: int, code: str) -> None:
    with ringwell.answering(status):
        reply = PhoneApi().start(NUMBER)

    assert (reply.status_code, reply.json()["code"]) == (503, code)


def test_an_answer_that_arrives_byte_by_byte_times_out(
    ringwell: RingwellDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.modules["myproject.ringwell"], "TOTAL_SECONDS", 0.3)

    with ringwell.dripping(), pytest.raises(ApiOutcomeUnknown, match="too slow"):
        get_backend().place_call(NUMBER, code_length=6, language=None)


def test_no_proxy_of_the_environment_is_used(ringwell: RingwellDouble, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)

    call = get_backend().place_call(NUMBER, code_length=6, language=None)

    assert (call.to, ringwell.requests) == (NUMBER, 1)


@pytest.mark.django_db
def test_a_site_without_a_token_is_misconfigured(ringwell: RingwellDouble) -> None:
    with override_settings(RINGWELL_TOKEN=""):
        reply = PhoneApi().start(NUMBER)

    assert (reply.status_code, reply.json()["code"], ringwell.requests) == (503, "misconfigured", 0)


@pytest.mark.parametrize("kind", [OtpCall, OtpCheck, CodeLength, ApiRefused])
def test_the_page_lists_every_field(kind: type) -> None:
    page = (HOWTO / "backends.rst").read_text()
    _, _, rows = page.partition(f"   * - ``{kind.__name__}``\n")

    for name in signature(kind).parameters:
        first, found, rows = rows.partition(f"     - ``{name}``\n")
        assert found, f"{name} is missing"
        assert "* - ``" not in first


def test_the_page_lists_every_status_of_a_check() -> None:
    page = (HOWTO / "backends.rst").read_text()

    assert all(f"   * - ``{status}``\n" in page for status in STATUSES)


def test_the_key_is_identified_and_not_shown(ringwell: RingwellDouble) -> None:
    digest = get_backend().key_digest

    assert (len(digest), "secret" in digest) == (64, False)
