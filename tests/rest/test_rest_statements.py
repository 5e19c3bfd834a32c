"""The number of statements that read or write data in a request to the API. Its answer needs no other query."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

from django_telroi.simulator import Simulator
from tests.calling_site import Configure
from tests.documented_statements import documented_statements
from tests.rest.world import NUMBER, PhoneApi
from tests.services.world import let_time_pass, statements, wrong

pytestmark = pytest.mark.django_db

DOCUMENTED = documented_statements()


def cost(act: Callable[[], Any]) -> list[str]:
    """Return the verbs of the statements, in order."""
    with statements() as seen:
        act()
    return [sql.split()[0] for sql in seen]


@pytest.fixture
def real_calls(telroi: Simulator, configure: Configure) -> Simulator:
    configure(COOLDOWN_SECONDS=60)
    return telroi


def test_a_start_of_a_new_number_costs_four_statements(real_calls: Simulator, api: PhoneApi) -> None:
    assert cost(lambda: api.start()) == ["SELECT", "INSERT", "INSERT", "UPDATE"]


def test_a_start_of_a_known_number_costs_four_statements(real_calls: Simulator, api: PhoneApi) -> None:
    api.start()
    let_time_pass(61, real_calls)

    assert cost(lambda: api.start()) == ["SELECT", "UPDATE", "INSERT", "UPDATE"]


@pytest.mark.codes("site")
def test_a_check_of_the_right_code_of_the_site_costs_two_statements(real_calls: Simulator, api: PhoneApi) -> None:
    attempt = api.start().json()["id"]
    code = real_calls.last_code_for(NUMBER)

    assert cost(lambda: api.check(attempt, code)) == ["SELECT", "UPDATE"]


@pytest.mark.codes("site")
def test_a_check_of_a_wrong_code_of_the_site_costs_four_statements(real_calls: Simulator, api: PhoneApi) -> None:
    attempt = api.start().json()["id"]
    wrong_code = wrong(real_calls.last_code_for(NUMBER))

    assert cost(lambda: api.check(attempt, wrong_code)) == ["SELECT", "UPDATE", "UPDATE", "INSERT"]


@pytest.mark.codes("telroi")
def test_a_check_of_the_right_code_by_telroi_costs_three_statements(real_calls: Simulator, api: PhoneApi) -> None:
    attempt = api.start().json()["id"]
    code = real_calls.last_code_for(NUMBER)

    assert cost(lambda: api.check(attempt, code)) == ["SELECT", "UPDATE", "UPDATE"]


def test_the_numbers_are_those_of_the_docs(real_calls: Simulator, api: PhoneApi) -> None:
    assert DOCUMENTED["start"] == 4
    assert DOCUMENTED["check of the right code, no user"] == 2
    assert DOCUMENTED["check of a wrong code"] == 4
    assert DOCUMENTED["check of a code by Telroi"] == 3


def test_a_start_that_is_sent_again_reads_its_attempt(real_calls: Simulator, api: PhoneApi) -> None:
    key = str(uuid4())
    api.start(key=key)

    assert len(cost(lambda: api.start(key=key))) == DOCUMENTED["start, sent again with the same id"]


def test_a_refused_start_reads_the_number_and_counts_the_refusal(real_calls: Simulator, api: PhoneApi) -> None:
    api.start()

    assert len(cost(lambda: api.start())) == DOCUMENTED["start, refused by a limit"]


def test_call_again_reads_nothing_afterwards(real_calls: Simulator, api: PhoneApi) -> None:
    attempt = api.start().json()["id"]
    let_time_pass(61, real_calls)

    assert len(cost(lambda: api.call_again(attempt))) == DOCUMENTED["call again"]


def test_a_status_is_one_statement(real_calls: Simulator, api: PhoneApi) -> None:
    attempt = api.start().json()["id"]

    assert len(cost(lambda: api.follow(attempt))) == DOCUMENTED["status"]


def test_cancel_reads_nothing_afterwards(real_calls: Simulator, api: PhoneApi) -> None:
    attempt = api.start().json()["id"]

    assert len(cost(lambda: api.cancel(attempt))) == DOCUMENTED["cancel"]


@pytest.mark.parametrize("act", ["cancel", "call_again"])
def test_the_answer_is_that_of_the_status_that_is_read_afterwards(
    real_calls: Simulator, api: PhoneApi, site_clock: Any, act: str
) -> None:
    attempt = api.start().json()["id"]
    if act == "call_again":
        let_time_pass(61, real_calls)

    answer = getattr(api, act)(attempt).json()

    assert api.follow(answer["id"]).json() == answer


@pytest.mark.parametrize("fault", [None, "close"])
def test_the_answer_to_a_start_is_that_of_the_status_that_is_read_afterwards(
    real_calls: Simulator, api: PhoneApi, site_clock: Any, fault: str | None
) -> None:
    if fault:
        real_calls.fail_next(fault)

    started = api.start().json()

    assert api.follow(started["id"]).json() == started
