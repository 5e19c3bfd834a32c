"""Prefixes and regions that are blocked without a deploy, and what a person with such a number is told."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from django_telroi import services
from django_telroi.domain.phone import prefix_of
from django_telroi.errors import AlreadyBlocked, DestinationPaused, NotCallable, RegionNotAllowed, VerificationRefused
from django_telroi.models import AttemptEvent, BlockedDestination, RefusalTally, VerificationAttempt
from django_telroi.services import sentences
from django_telroi.services.staff.call_stops import pause_destination
from django_telroi.simulator import Simulator
from tests.calling_site import Configure
from tests.services.world import NUMBER, OTHER_NUMBER, Heard, commit, sends, statements

pytestmark = pytest.mark.django_db

HOUR = timedelta(hours=1)
NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)


def block(destination: str, *, length: timedelta | None = None, now: datetime | None = None) -> BlockedDestination:
    return services.block_destination(destination, reason="an attack", actor="grace", length=length, now=now)


def test_of_two_staff_who_unblock_a_prefix_at_once_one_is_recorded() -> None:
    """The other one reads the block before it ends, and writes afterwards."""
    block("+2348031", length=HOUR)
    of_ada: list[bool] = []

    def unblock_before(execute: Any, sql: str, parameters: Any, many: bool, context: Any) -> Any:
        if sql.startswith("UPDATE") and not of_ada:
            of_ada.append(False)
            of_ada[0] = services.unblock_destination("+2348031", actor="ada")
        return execute(sql, parameters, many, context)

    with connection.execute_wrapper(unblock_before):
        of_grace = services.unblock_destination("+2348031", actor="grace")

    assert (of_ada, of_grace) == ([True], False)
    assert [event.actor for event in AttemptEvent.objects.filter(kind="destination_unblocked")] == ["ada"]


@pytest.mark.parametrize("number", ["+4930231987654", "+498912345678", "+43123456789", "+43678912345", "+6834002"])
def test_each_prefix_by_which_attempts_are_grouped_can_be_blocked_and_unblocked(number: str) -> None:
    """Some groups of seven digits are valid numbers themselves: in Germany, in Austria and on Niue."""
    prefix = prefix_of(number)

    assert block(prefix).destination == prefix
    assert services.unblock_destination(prefix, actor="grace")

    with pytest.raises(ValueError, match="neither a region nor a prefix"):
        block("+49302310")


@pytest.mark.parametrize(
    ("destination", "refusal"),
    [("+2348031", NotCallable), ("+234", NotCallable), ("+2348031234", NotCallable), ("NG", RegionNotAllowed)],
)
def test_a_block_without_an_end_is_answered_like_one_of_the_settings(
    telroi: Simulator, destination: str, refusal: type[VerificationRefused]
) -> None:
    block(destination)

    with pytest.raises(refusal) as refused:
        services.start_verification(NUMBER)

    assert (refused.value.retry_after, sends(telroi)) == (None, 0)


@pytest.mark.parametrize("destination", ["+2348031", "NG"])
def test_a_pause_tells_the_person_when_the_number_can_be_called(telroi: Simulator, destination: str) -> None:
    block(destination, length=HOUR)

    with pytest.raises(DestinationPaused) as refused:
        services.start_verification(NUMBER)

    said = sentences.sentence(refused.value.code, retry_after=refused.value.retry_after)
    assert 3590 < (refused.value.retry_after or 0) <= 3600
    assert said.startswith(
        "Numbers of this country or network cannot be called at the moment. You can ask for another call"
    )


@pytest.mark.parametrize("destination", ["+2348029", "+2348031235", "GB", "+44"])
def test_only_numbers_of_the_destination_are_blocked(telroi: Simulator, destination: str) -> None:
    block(destination)

    services.start_verification(NUMBER)

    assert sends(telroi) == 1


def test_the_block_that_lasts_longest_decides(telroi: Simulator) -> None:
    block("+234803", length=HOUR)
    block("+2348031", length=2 * HOUR)

    with pytest.raises(DestinationPaused) as held:
        services.start_verification(NUMBER)
    block("NG")
    with pytest.raises(RegionNotAllowed):
        services.start_verification(NUMBER)

    assert (held.value.retry_after or 0) > 3600


def test_calls_are_placed_again_when_the_pause_is_over_or_lifted(telroi: Simulator) -> None:
    block("+2348031", length=HOUR, now=datetime.now(UTC) - 2 * HOUR)
    block("+2348029")

    services.start_verification(NUMBER)
    lifted = services.unblock_destination("+2348029", actor="grace")
    services.start_verification(OTHER_NUMBER)

    assert (lifted, sends(telroi)) == (True, 2)
    assert services.unblock_destination("+2348029", actor="grace") is False


def test_a_blocked_start_is_counted_under_its_own_reason(telroi: Simulator) -> None:
    block("NG")

    with pytest.raises(RegionNotAllowed):
        services.start_verification(NUMBER)

    assert list(RefusalTally.objects.values_list("code", "region")) == [("destination_blocked", "NG")]


def test_a_call_that_waits_in_the_queue_is_not_placed(telroi: Simulator, configure: Configure) -> None:
    configure(DISPATCH="celery")
    refusals = []
    for number, destination, length in ((NUMBER, "+2348031", HOUR), (OTHER_NUMBER, "NG", None)):
        attempt = services.start_verification(number)
        block(destination, length=length)
        services.place_call(attempt.pk)

        attempt.refresh_from_db()
        status = services.follow(attempt.uuid)
        assert (attempt.status, attempt.error_code, sends(telroi)) == ("failed", "destination_blocked", 0)
        refusals.append(status.refusal)

    paused, blocked = refusals
    assert (type(paused), type(blocked)) == (DestinationPaused, RegionNotAllowed)
    assert 3590 < (paused.retry_after or 0) <= 3600  # type: ignore[union-attr]


def test_the_error_of_a_queued_call_tells_the_number_from_its_prefix(telroi: Simulator, configure: Configure) -> None:
    configure(DISPATCH="celery")
    attempt = services.start_verification(NUMBER)
    services.block_number(NUMBER, reason="asked us to", actor="grace")

    services.place_call(attempt.pk)

    attempt.refresh_from_db()
    assert attempt.error_code == "blocked"
    assert isinstance(services.follow(attempt.uuid).refusal, NotCallable)


def test_the_status_says_when_a_paused_destination_can_be_called_again(telroi: Simulator) -> None:
    attempt = services.start_verification(NUMBER)
    block("+2348031", length=HOUR)

    assert 3590 < services.follow(attempt.uuid).call_again_in <= 3600


def test_a_start_and_its_refusal_execute_no_more_statements(telroi: Simulator) -> None:
    services.start_verification(OTHER_NUMBER)
    block("+2348031")
    with statements() as of_refusal, pytest.raises(NotCallable):
        services.start_verification(NUMBER)
    services.unblock_destination("+2348031", actor="grace")
    with statements() as of_start:
        services.start_verification(NUMBER)

    assert (len(of_refusal), len(of_start)) == (2, 4)


def test_a_block_is_recorded_logged_and_signalled(heard: Heard, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "django_telroi"):
        block("234 8031", length=HOUR, now=NOW)
        services.unblock_destination("+2348031", actor="eve", now=NOW + timedelta(minutes=5))
        commit()

    events = list(AttemptEvent.objects.order_by("id").values_list("kind", "actor", "detail"))
    assert events == [
        ("destination_blocked", "grace", "+2348031: an attack"),
        ("destination_unblocked", "eve", "+2348031"),
    ]
    assert caplog.messages == [
        "destination_blocked destination=+2348031 until=2026-05-04T13:00:00+00:00 by_itself=False",
        "destination_unblocked destination=+2348031",
    ]
    assert [(name, told["destination"], told["actor"]) for name, told in heard.told] == [
        ("destination_blocked", "+2348031", "grace"),
        ("destination_unblocked", "+2348031", "eve"),
    ]


def test_the_blocks_of_now_are_listed_without_those_that_are_over() -> None:
    block("+2348031", length=HOUR, now=NOW)
    block("+2348032", length=2 * HOUR, now=NOW)
    block("gb", now=NOW)

    def listed(hours: float) -> list[str]:
        return [row.destination for row in services.blocked_destinations(now=NOW + hours * HOUR)]

    assert (listed(0), listed(1), listed(2)) == (["GB", "+2348032", "+2348031"], ["GB", "+2348032"], ["GB"])


@pytest.mark.parametrize(
    "text", ["", "+", "0803", "Nigeria", "+999999", "1" * 16, "n", "+234x", "+23480312345", NUMBER, "+4520123456"]
)
def test_a_text_that_is_no_destination_is_rejected(text: str) -> None:
    with pytest.raises(ValueError, match="neither a region nor a prefix"):
        block(text)

    assert not BlockedDestination.objects.exists()


def test_a_purge_deletes_blocks_that_ended_a_day_ago() -> None:
    block("+2348031", length=HOUR, now=NOW)
    block("+2348032", now=NOW)

    services.purge(now=NOW + timedelta(hours=24))
    kept = BlockedDestination.objects.count()
    services.purge(now=NOW + timedelta(hours=26))

    assert (kept, [row.destination for row in BlockedDestination.objects.all()]) == (2, ["+2348032"])
    assert not VerificationAttempt.objects.exists()


def test_an_attempt_keeps_the_first_digits_of_its_number(telroi: Simulator) -> None:
    assert services.start_verification(NUMBER).prefix == "+2348031"


@pytest.mark.parametrize("length", [timedelta(0), -timedelta(hours=1), timedelta(days=10**6)])
def test_a_length_out_of_range_is_rejected(db: None, length: timedelta) -> None:
    with pytest.raises(ValueError, match="length"):
        services.block_destination("+2348031", reason="a bill", actor="ada", length=length)


def test_a_block_of_staff_is_not_replaced(telroi: Simulator) -> None:
    first = block("NG", length=HOUR, now=NOW)

    with pytest.raises(AlreadyBlocked) as told:
        services.block_destination("NG", reason="mine", actor="eve", now=NOW + HOUR / 2)

    assert (told.value.by, told.value.at, told.value.until) == ("grace", NOW, NOW + HOUR)
    assert BlockedDestination.objects.values("reason", "until").get() == {"reason": "an attack", "until": first.until}
    assert services.block_destination("NG", reason="mine", actor="eve", now=NOW + 2 * HOUR).blocked_by == "eve"


def test_a_pause_by_the_site_itself_is_replaced_by_a_block_of_staff(telroi: Simulator) -> None:
    pause_destination("+2348031", length=HOUR, reason="x", ended_at=None, now=NOW, using="default")

    row = services.block_destination("+2348031", reason="mine", actor="eve", now=NOW + HOUR / 2)

    assert (row.blocked_by, row.until) == ("eve", None)
