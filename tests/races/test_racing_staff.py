"""Staff who do the same at the same moment, and sweeps that find the same attack: one acts, the others are told."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.messages import get_messages
from django.test import Client

from django_telroi import services
from django_telroi.errors import AlreadyBlocked
from django_telroi.models import AttemptEvent, BlockedDestination, PhoneNumber
from tests.races.racing import Telroi, errors, race, values
from tests.services.test_pumping import NOW, calls

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.urls("tests.urls")]

NAMES = ("ada", "ben", "eve", "grace")
NUMBERS = "/admin/django_telroi/phonenumber/"
HOUR, SECOND = timedelta(hours=1), timedelta(seconds=1)


def recorded(kind: str) -> list[str]:
    return list(AttemptEvent.objects.filter(kind=kind).values_list("actor", flat=True))


def staff() -> list[Client]:
    clients = [Client() for _ in NAMES]
    for client, name in zip(clients, NAMES, strict=True):
        client.force_login(User.objects.create_superuser(name))
    return clients


def told(post: Callable[[Client], Any]) -> list[list[str]]:
    """Let all staff post at once, and return the messages of each."""
    finishes = race([partial(post, client) for client in staff()])
    assert errors(finishes) == []
    return [[str(message) for message in get_messages(answer.wsgi_request)] for answer in values(finishes)]


@pytest.mark.parametrize("destination", ["+2348031", "NG"])
def test_one_of_four_blocks_a_destination(telroi: Telroi, destination: str, repeat: int) -> None:
    acts = [partial(services.block_destination, destination, reason=name, actor=name) for name in NAMES]

    finishes = race(acts)

    block = BlockedDestination.objects.get()
    assert [each.blocked_by for each in values(finishes)] == [block.blocked_by] == [block.reason]
    assert {type(error) for error in errors(finishes)} == {AlreadyBlocked}
    assert {error.by for error in errors(finishes)} == {block.blocked_by}  # type: ignore[attr-defined]
    assert recorded("destination_blocked") == [block.blocked_by]


def test_one_of_four_unblocks_it(telroi: Telroi, repeat: int) -> None:
    services.block_destination("+2348031", reason="an attack", actor="ada", length=HOUR)

    finishes = race([partial(services.unblock_destination, "+2348031", actor=name) for name in NAMES])

    assert (errors(finishes), sorted(values(finishes))) == ([], [False, False, False, True])
    assert len(recorded("destination_unblocked")) == 1


def test_one_of_four_stops_and_one_resumes(telroi: Telroi, repeat: int) -> None:
    stops = race([partial(services.stop_calls, reason=name, actor=name) for name in NAMES])

    control = services.call_control()
    assert (errors(stops), sorted(values(stops))) == ([], [False, False, False, True])
    assert recorded("calls_stopped") == [control.stopped_by] == [control.stopped_reason]

    resumes = race([partial(services.resume_calls, actor=name) for name in NAMES])

    assert (errors(resumes), sorted(values(resumes))) == ([], [False, False, False, True])
    assert (len(recorded("calls_resumed")), services.call_control().stopped_at) == (1, None)


def test_one_of_four_blocks_a_number(telroi: Telroi, repeat: int) -> None:
    finishes = race([partial(services.block_number, "+2348031234567", reason=name, actor=name) for name in NAMES])

    phone = PhoneNumber.objects.get()
    assert [each.blocked_by for each in values(finishes)] == [phone.blocked_by] == [phone.blocked_reason]
    assert {type(error) for error in errors(finishes)} == {AlreadyBlocked}
    assert recorded("number_blocked") == [phone.blocked_by]


def test_the_pages_tell_the_slower_three_who_blocked_it_and_until_when(telroi: Telroi, repeat: int) -> None:
    form = {"destination": "+2348031", "hours": "1", "reason": "an attack", "confirmed": "+2348031"}

    messages = told(lambda client: client.post(f"{NUMBERS}destinations/block/", form))

    winner = BlockedDestination.objects.get().blocked_by
    lost = [each[0] for each in messages if "already" in each[0]]
    assert len(lost) == 3
    assert all(winner in each and "+2348031" in each and "Blocked until" in each for each in lost)


def test_the_pages_tell_the_slower_three_who_stopped_the_calls(telroi: Telroi, repeat: int) -> None:
    messages = told(lambda client: client.post(f"{NUMBERS}stop-calls/", {"reason": "an attack"}))

    winner = services.call_control().stopped_by
    lost = [each[0] for each in messages if "already" in each[0]]
    assert len(lost) == 3
    assert all(winner in each for each in lost)


@pytest.mark.parametrize("had_a_block", [False, True])
def test_one_of_two_sweeps_pauses_a_pumped_prefix(
    telroi: Telroi, settings: Any, had_a_block: bool, repeat: int
) -> None:
    settings.TELROI = {**settings.TELROI, "PUMPING_PAUSE_SECONDS": 600}
    if had_a_block:
        services.block_destination("+2348031", reason="before", actor="ada", length=HOUR, now=NOW - 3 * HOUR)
    calls("2348031", 40)

    finishes = race([partial(services.sweep, now=NOW), partial(services.sweep, now=NOW + SECOND)])

    assert errors(finishes) == []
    assert recorded("destination_blocked").count("") == 1
    assert BlockedDestination.objects.get().until in {NOW + 600 * SECOND, NOW + 601 * SECOND}
