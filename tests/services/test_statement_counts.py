"""The number of statements that read or write data in a verification, on each database."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial

import pytest
from django.contrib.auth.models import User

from django_telroi import services
from django_telroi.errors import VerificationRefused
from django_telroi.models import AttemptEvent, PhoneNumber
from django_telroi.simulator import Simulator
from tests.calling_site import Configure
from tests.services.world import NUMBER, OTHER_NUMBER, let_time_pass, statements, wrong

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _warm(telroi: Simulator) -> None:
    """The first questions of a connection are about the connection."""
    services.start_verification(OTHER_NUMBER)


@pytest.fixture
def known(telroi: Simulator) -> None:
    """The number was rung before, so long ago that it may be rung again."""
    services.start_verification(NUMBER)
    let_time_pass(61, telroi)


def cost(act: Callable[[], object]) -> list[str]:
    """The verbs of the statements, in order."""
    with statements() as seen, suppress(VerificationRefused):
        act()
    return [sql.split()[0] for sql in seen]


START = ["SELECT", "UPDATE", "INSERT", "UPDATE"]


@pytest.mark.usefixtures("known")
def test_a_start_costs_four_statements() -> None:
    assert cost(partial(services.start_verification, NUMBER)) == START


def test_a_start_of_a_new_number_costs_four_as_well() -> None:
    assert cost(partial(services.start_verification, NUMBER)) == ["SELECT", "INSERT", "INSERT", "UPDATE"]


@pytest.mark.usefixtures("known")
def test_a_start_costs_the_same_with_everything_that_can_be_said(ada: User) -> None:
    start = partial(services.start_verification, NUMBER, user=ada, purpose="payout", requester_ip="203.0.113.7")

    assert cost(start) == START


@pytest.mark.usefixtures("known")
def test_a_start_whose_outcome_is_unknown_costs_one_look_at_what_was_reported_meanwhile(telroi: Simulator) -> None:
    telroi.fail_next("close")

    assert cost(partial(services.start_verification, NUMBER)) == [*START, "SELECT"]


@pytest.mark.usefixtures("known")
def test_a_ceiling_of_the_site_costs_one_more(configure: Configure) -> None:
    configure(CALLS_PER_DAY_TOTAL=100)
    services.start_verification("+447400123456")

    assert cost(partial(services.start_verification, NUMBER)) == ["SELECT", "UPDATE", "UPDATE", "INSERT", "UPDATE"]


def test_calling_again_costs_finding_marking_and_ending_the_old_attempt(telroi: Simulator) -> None:
    attempt = services.start_verification(NUMBER)
    let_time_pass(61, telroi)

    assert cost(partial(services.call_again, attempt.uuid)) == [
        "SELECT",
        *["SELECT", "UPDATE", "UPDATE", "INSERT", "UPDATE"],
        "UPDATE",
    ]


def test_a_refused_start_costs_two(telroi: Simulator) -> None:
    services.start_verification(NUMBER)

    assert cost(partial(services.start_verification, NUMBER)) == ["SELECT", "INSERT"]


def test_a_start_that_is_refused_by_its_number_alone_costs_one() -> None:
    assert cost(partial(services.start_verification, "12345")) == ["INSERT"]


def test_a_call_that_does_not_count_costs_reading_and_writing_its_number_again(telroi: Simulator) -> None:
    telroi.fail_next("insufficient_funds")
    services.start_verification(NUMBER)
    telroi.fail_next("insufficient_funds")

    spent = cost(partial(services.start_verification, NUMBER))

    assert spent[:3] == START[:3]
    assert spent[-3:] == ["SELECT", "UPDATE", "UPDATE"]


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize("attempts", [1, 60])
def test_a_start_costs_the_same_whatever_happened_before(attempts: int) -> None:
    phone = PhoneNumber.objects.get(number=NUMBER)
    [first] = phone.attempts.all()
    for _ in range(attempts):
        first.pk, first.uuid, first.telroi_id = None, type(first)().uuid, None
        first.save(force_insert=True)

    assert cost(partial(services.start_verification, NUMBER)) == START


class TestACheck:
    """Read, reserve, settle."""

    def started(self, telroi: Simulator, user: User | None = None) -> Callable[[str], object]:
        attempt = services.start_verification(NUMBER, user=user)
        return partial(services.check_code, attempt.uuid, user=user)

    def test_of_the_right_code_costs_three(self, telroi: Simulator) -> None:
        check = self.started(telroi)

        assert cost(partial(check, telroi.last_code_for(NUMBER))) == ["SELECT", "UPDATE", "UPDATE"]

    def test_of_the_right_code_of_a_user_costs_four(self, telroi: Simulator, ada: User) -> None:
        check = self.started(telroi, ada)

        assert cost(partial(check, telroi.last_code_for(NUMBER))) == ["SELECT", "UPDATE", "UPDATE", "INSERT"]

    def test_that_renews_a_record_costs_four(self, telroi: Simulator, ada: User) -> None:
        self.started(telroi, ada)(telroi.last_code_for(NUMBER))
        let_time_pass(61, telroi)
        check = self.started(telroi, ada)

        assert cost(partial(check, telroi.last_code_for(NUMBER))) == ["SELECT", "UPDATE", "UPDATE", "INSERT"]

    def test_of_a_wrong_code_costs_three(self, telroi: Simulator) -> None:
        check = self.started(telroi)

        assert cost(partial(check, wrong(telroi.last_code_for(NUMBER)))) == ["SELECT", "UPDATE", "INSERT"]

    def test_of_the_last_wrong_code_costs_three(self, telroi: Simulator) -> None:
        check = self.started(telroi)
        for by in (1, 2):
            check(wrong(telroi.last_code_for(NUMBER), by=by))

        assert cost(partial(check, wrong(telroi.last_code_for(NUMBER), by=3))) == ["SELECT", "UPDATE", "UPDATE"]
        assert AttemptEvent.objects.count() == 2

    def test_of_what_is_no_code_costs_one(self, telroi: Simulator) -> None:
        check = self.started(telroi)

        assert cost(partial(check, "abc")) == ["SELECT"]

    def test_of_the_right_code_again_costs_two(self, telroi: Simulator) -> None:
        check = self.started(telroi)
        check(telroi.last_code_for(NUMBER))

        assert cost(partial(check, telroi.last_code_for(NUMBER))) == ["SELECT", "UPDATE"]
        assert cost(partial(check, "000001")) == ["SELECT", "UPDATE"]


def test_following_costs_two(telroi: Simulator) -> None:
    attempt = services.start_verification(NUMBER)

    assert cost(partial(services.follow, attempt.uuid)) == ["SELECT", "SELECT"]
