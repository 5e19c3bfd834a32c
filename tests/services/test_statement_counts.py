"""The number of statements that read or write data in a verification, on each database."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import partial

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.db.models.signals import post_save
from django.utils import timezone

from django_telroi import services
from django_telroi.errors import AttemptNotFound, UserNotFound, VerificationRefused
from django_telroi.models import AttemptEvent, CallControl, PhoneNumber, VerificationAttempt
from django_telroi.simulator import Simulator
from tests.calling_site import Configure
from tests.services.world import NUMBER, OTHER_NUMBER, let_time_pass, statements, wrong

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _warm(telroi: Simulator) -> None:
    """Open the connection, because its first statements are about the connection itself."""
    services.start_verification(OTHER_NUMBER)


@pytest.fixture
def known(telroi: Simulator) -> None:
    """The number was called before, and may be called again."""
    services.start_verification(NUMBER)
    let_time_pass(61, telroi)


def cost(act: Callable[[], object]) -> list[str]:
    """Return the verbs of the statements in order."""
    with statements() as seen, suppress(VerificationRefused):
        act()
    return [sql.split()[0] for sql in seen]


START = ["SELECT", "UPDATE", "INSERT", "UPDATE"]


@pytest.mark.usefixtures("known")
def test_a_start_executes_four_statements() -> None:
    assert cost(partial(services.start_verification, NUMBER)) == START


def test_a_start_of_a_new_number_executes_four() -> None:
    assert cost(partial(services.start_verification, NUMBER)) == ["SELECT", "INSERT", "INSERT", "UPDATE"]


@pytest.mark.usefixtures("known")
def test_a_start_with_all_arguments_executes_the_same(ada: User) -> None:
    start = partial(services.start_verification, NUMBER, user=ada, purpose="payout", requester_ip="203.0.113.7")

    assert cost(start) == START


@pytest.mark.usefixtures("known")
def test_a_start_with_an_unknown_outcome_adds_one_query_of_reported_events(telroi: Simulator) -> None:
    telroi.fail_next("close")

    assert cost(partial(services.start_verification, NUMBER)) == [*START, "SELECT"]


@pytest.mark.usefixtures("known")
def test_a_daily_limit_of_the_site_adds_one(configure: Configure) -> None:
    configure(CALLS_PER_DAY_TOTAL=100)
    services.start_verification("+447400123456")

    assert cost(partial(services.start_verification, NUMBER)) == ["SELECT", "UPDATE", "INSERT", "UPDATE", "UPDATE"]


@pytest.mark.usefixtures("known")
def test_a_start_reads_all_rows_of_the_site_with_the_number(configure: Configure) -> None:
    configure(CALLS_PER_DAY_TOTAL=100)
    services.start_verification("+447400123456")
    CallControl.objects.create(name=CallControl.DEFAULT_KEY, paused_until=timezone.now(), paused_key="of an old key")
    CallControl.objects.create(name="another", paused_until=timezone.now())

    assert cost(partial(services.start_verification, NUMBER)) == ["SELECT", "UPDATE", "INSERT", "UPDATE", "UPDATE"]


def test_call_again_adds_statements_that_find_mark_and_close_the_old_attempt(telroi: Simulator) -> None:
    attempt = services.start_verification(NUMBER)
    let_time_pass(61, telroi)

    assert cost(partial(services.call_again, attempt.uuid)) == [
        "SELECT",
        *["SELECT", "UPDATE", "UPDATE", "INSERT", "UPDATE"],
        "UPDATE",
    ]


def test_a_refused_start_executes_two(telroi: Simulator) -> None:
    services.start_verification(NUMBER)

    assert cost(partial(services.start_verification, NUMBER)) == ["SELECT", "INSERT"]


def test_a_start_refused_by_its_number_alone_executes_one() -> None:
    assert cost(partial(services.start_verification, "12345")) == ["INSERT"]


def test_a_call_that_does_not_count_reads_and_writes_its_number_again(telroi: Simulator) -> None:
    telroi.fail_next("insufficient_funds")
    services.start_verification(NUMBER)
    telroi.fail_next("insufficient_funds")

    spent = cost(partial(services.start_verification, NUMBER))

    assert spent[:3] == START[:3]
    assert spent[-3:] == ["SELECT", "UPDATE", "UPDATE"]


@pytest.mark.usefixtures("known")
@pytest.mark.parametrize("attempts", [1, 60])
def test_a_start_executes_the_same_for_every_history(attempts: int) -> None:
    phone = PhoneNumber.objects.get(number=NUMBER)
    [first] = phone.attempts.all()
    for _ in range(attempts):
        first.pk, first.uuid, first.telroi_id = None, type(first)().uuid, None
        first.save(force_insert=True)

    assert cost(partial(services.start_verification, NUMBER)) == START


SITE, TELROI = pytest.mark.codes("site"), pytest.mark.codes("telroi")


def with_makers(site: list[str], telroi: list[str]) -> pytest.MarkDecorator:
    """Run the test with codes of the site and of Telroi, with the statements of each."""
    rows = [pytest.param(site, id="site", marks=SITE), pytest.param(telroi, id="telroi", marks=TELROI)]
    return pytest.mark.parametrize("expected", rows)


class TestACheck:
    """A code of the site is read and settled. For one of Telroi, a try is reserved in between."""

    def started(self, telroi: Simulator, user: User | None = None) -> Callable[[str], object]:
        attempt = services.start_verification(NUMBER, user=user)
        return partial(services.check_code, attempt.uuid, user=user)

    @with_makers(["SELECT", "UPDATE"], ["SELECT", "UPDATE", "UPDATE"])
    def test_of_the_right_code_reads_once_and_writes_once_or_twice(
        self, telroi: Simulator, expected: list[str]
    ) -> None:
        check = self.started(telroi)

        assert cost(partial(check, telroi.last_code_for(NUMBER))) == expected

    @with_makers(["SELECT", "UPDATE", "INSERT"], ["SELECT", "UPDATE", "UPDATE", "INSERT"])
    def test_of_the_right_code_of_a_user_executes_one_more(
        self, telroi: Simulator, ada: User, expected: list[str]
    ) -> None:
        check = self.started(telroi, ada)

        assert cost(partial(check, telroi.last_code_for(NUMBER))) == expected

    @with_makers(["SELECT", "UPDATE", "INSERT"], ["SELECT", "UPDATE", "UPDATE", "INSERT"])
    def test_that_renews_a_record_executes_as_many(self, telroi: Simulator, ada: User, expected: list[str]) -> None:
        self.started(telroi, ada)(telroi.last_code_for(NUMBER))
        let_time_pass(61, telroi)
        check = self.started(telroi, ada)

        assert cost(partial(check, telroi.last_code_for(NUMBER))) == expected

    def test_of_a_wrong_code_executes_four(self, telroi: Simulator) -> None:
        check = self.started(telroi)

        assert cost(partial(check, wrong(telroi.last_code_for(NUMBER)))) == ["SELECT", "UPDATE", "UPDATE", "INSERT"]

    @with_makers(["SELECT", "UPDATE", "UPDATE"], ["SELECT", "UPDATE", "UPDATE", "UPDATE"])
    def test_of_the_last_wrong_code_writes_twice_or_three_times(self, telroi: Simulator, expected: list[str]) -> None:
        check = self.started(telroi)
        for by in (1, 2):
            check(wrong(telroi.last_code_for(NUMBER), by=by))

        assert cost(partial(check, wrong(telroi.last_code_for(NUMBER), by=3))) == expected
        assert AttemptEvent.objects.count() == 2

    def test_of_input_that_is_not_a_code_executes_one(self, telroi: Simulator) -> None:
        check = self.started(telroi)

        assert cost(partial(check, "abc")) == ["SELECT"]

    def test_of_the_right_code_again_executes_two(self, telroi: Simulator) -> None:
        check = self.started(telroi)
        check(telroi.last_code_for(NUMBER))

        assert cost(partial(check, telroi.last_code_for(NUMBER))) == ["SELECT", "UPDATE"]
        assert cost(partial(check, "000001")) == ["SELECT", "UPDATE"]


def test_reading_an_attempt_executes_one(telroi: Simulator) -> None:
    attempt = services.start_verification(NUMBER)

    assert cost(partial(services.follow, attempt.uuid)) == ["SELECT"]


@pytest.mark.django_db(transaction=True)
class TestPostgresql:
    """It writes number and attempt in one statement, if nothing else is written and no receiver is connected."""

    together = ["SELECT", "WITH", "UPDATE"]

    def expected(self, otherwise: list[str]) -> list[str]:
        return self.together if connection.vendor == "postgresql" else otherwise

    @pytest.mark.usefixtures("known")
    def test_a_call_of_a_known_number(self) -> None:
        assert cost(partial(services.start_verification, NUMBER)) == self.expected(START)

    def test_the_first_call_of_a_number(self) -> None:
        start = partial(services.start_verification, NUMBER)

        assert cost(start) == self.expected(["SELECT", "INSERT", "INSERT", "UPDATE"])
        attempt = VerificationAttempt.objects.get(phone__number=NUMBER)
        assert (attempt.number, attempt.status, attempt.phone.moments) == (NUMBER, "placed", (attempt.created_at,))

    def test_a_site_that_listens_to_saved_rows_gets_its_signals(self) -> None:
        saved: list[object] = []

        def remember(sender: type[object], instance: object, created: bool, **kwargs: object) -> None:
            saved.append((sender, created, connection.in_atomic_block))

        post_save.connect(remember)
        try:
            seen = cost(partial(services.start_verification, NUMBER))
        finally:
            post_save.disconnect(remember)

        assert seen == ["SELECT", "INSERT", "INSERT", "UPDATE"]
        assert saved == [(PhoneNumber, True, True), (VerificationAttempt, True, True)]

    def test_a_daily_limit_is_counted_in_the_same_transaction(self, configure: Configure) -> None:
        configure(CALLS_PER_DAY_TOTAL=100)
        services.start_verification("+447400123456")

        assert cost(partial(services.start_verification, NUMBER)) == ["SELECT", "INSERT", "INSERT", "UPDATE", "UPDATE"]

    def test_an_id_of_another_number_is_not_used_again(self) -> None:
        first = services.start_verification(NUMBER)

        with pytest.raises(AttemptNotFound):
            services.start_verification("+447400123456", attempt_uuid=first.uuid)

        assert not PhoneNumber.objects.filter(number="+447400123456").exists()

    def test_the_call_of_a_user_who_was_deleted_leaves_no_row(self, ada: User) -> None:
        User.objects.filter(pk=ada.pk).delete()

        with pytest.raises(UserNotFound):
            services.start_verification(NUMBER, user=ada)

        assert not PhoneNumber.objects.filter(number=NUMBER).exists()
