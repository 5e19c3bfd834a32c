"""Numbers below a blocked prefix or region: no page of the admin says that they can be called."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.contrib.auth.models import User
from django.test import Client

from django_telroi import services
from django_telroi.models import AttemptEvent, PhoneNumber, VerificationAttempt
from django_telroi.simulator import Simulator
from tests.admin.sample_numbers import client_with
from tests.services.world import NUMBER, let_time_pass

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.urls")]
NUMBERS = "/admin/django_telroi/phonenumber/"
NEVER_CALLED = "+2348039999999"


@pytest.fixture
def staff() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("grace"))
    return client


@pytest.fixture
def called(telroi: Simulator) -> PhoneNumber:
    services.start_verification(NUMBER)
    let_time_pass(120)
    return PhoneNumber.objects.get()


def text_of(answer: Any) -> str:
    return " ".join(BeautifulSoup(answer.content, "html.parser").get_text(" ").split())


def page_of(staff: Client, phone: PhoneNumber) -> str:
    return text_of(staff.get(f"{NUMBERS}{phone.pk}/change/"))


def test_without_a_block_the_next_call_is_possible_now(staff: Client, called: PhoneNumber) -> None:
    assert "Next call possible now." in page_of(staff, called)


@pytest.mark.parametrize(("destination", "name"), [("+2348031", "+2348031"), ("NG", "Nigeria")])
def test_the_first_line_names_the_block(staff: Client, called: PhoneNumber, destination: str, name: str) -> None:
    services.block_destination(destination, reason="an attack", actor="ada")

    page = page_of(staff, called)

    assert f"No call is possible. Staff blocked {name}. See “Blocked prefixes and regions”." in page
    assert "Next call possible now" not in page


def test_it_says_until_when(staff: Client, called: PhoneNumber) -> None:
    services.block_destination("+2348031", reason="an attack", actor="ada", length=timedelta(hours=1))

    page = page_of(staff, called)

    assert "No call is possible until " in page
    assert "Next call possible now" not in page


def test_a_block_of_other_numbers_changes_nothing(staff: Client, called: PhoneNumber) -> None:
    services.block_destination("+44", reason="an attack", actor="ada")

    assert "Next call possible now." in page_of(staff, called)


@pytest.mark.parametrize(("destination", "words"), [("+2348031", "prefix blocked"), ("NG", "region blocked")])
def test_the_list_does_not_call_it_free(staff: Client, called: PhoneNumber, destination: str, words: str) -> None:
    services.block_destination(destination, reason="an attack", actor="ada")

    row = BeautifulSoup(staff.get(NUMBERS).content, "html.parser").select_one("#result_list tbody tr")

    assert row is not None
    assert words in row.get_text(" ")
    assert "free" not in row.get_text(" ")


def test_the_page_of_a_number_that_was_never_called_says_it(staff: Client) -> None:
    services.block_destination("+2348039", reason="an attack", actor="ada")

    page = text_of(staff.post(f"{NUMBERS}search/", {"term": NEVER_CALLED}, follow=True))

    assert "has no record of a call to it" in page
    assert "Staff blocked +2348039." in page


def test_an_ip_address_is_no_number(staff: Client) -> None:
    PhoneNumber.objects.create(number="+33612345678", last4="5678", region="FR")

    page = text_of(staff.post(f"{NUMBERS}search/", {"term": "198.51.100.7"}, follow=True))

    assert "never called" not in page


def free(staff: Client) -> list[str]:
    page = staff.get(NUMBERS, {"state": "free"})
    return [phone.number_status.words for phone in page.context["cl"].result_list]


@pytest.mark.parametrize("destination", ["+2348031", "NG"])
def test_the_filter_of_free_numbers_lists_none_of_a_blocked_destination(
    staff: Client, called: PhoneNumber, destination: str
) -> None:
    PhoneNumber.objects.create(number="+447400123456", last4="3456", region="GB")
    assert free(staff) == ["free", "free"]

    services.block_destination(destination, reason="an attack", actor="ada")

    assert free(staff) == ["free"]


def test_the_filter_of_free_numbers_is_empty_while_calls_are_stopped(staff: Client, called: PhoneNumber) -> None:
    services.stop_calls(reason="an attack", actor="ada")

    assert free(staff) == []


def what_to_do(staff: Client) -> str:
    attempt = VerificationAttempt.objects.get()
    page = staff.get(f"/admin/django_telroi/verificationattempt/{attempt.pk}/change/")
    return " ".join(BeautifulSoup(page.content, "html.parser").select(".telroi-do")[0].get_text(" ").split())


@pytest.mark.parametrize("status", ["canceled", "failed", "expired", "locked", "placed", "unknown"])
def test_what_to_do_offers_another_call_only_if_one_is_possible(
    staff: Client, called: PhoneNumber, status: str
) -> None:
    VerificationAttempt.objects.update(status=status, expires_at=called.created_at + timedelta(days=1), due_at=None)
    assert "The person can ask for another call." in what_to_do(staff)

    services.block_destination("NG", reason="an attack", actor="ada", length=timedelta(hours=1))
    assert "No call is possible until" in what_to_do(staff)
    services.unblock_destination("NG", actor="ada")

    services.stop_calls(reason="an attack", actor="ada")
    assert "No call is possible: all calls are stopped." in what_to_do(staff)
    services.resume_calls(actor="ada")

    services.block_number(NUMBER, reason="asked us to", actor="ada")
    assert "No call is possible: staff blocked the number." in what_to_do(staff)
    assert "can ask for another call" not in what_to_do(staff)


def test_what_to_do_says_from_when_another_call_is_possible(staff: Client, telroi: Simulator) -> None:
    attempt = services.start_verification(NUMBER)
    services.cancel_verification(attempt.uuid)

    assert "The person can ask for another call from " in what_to_do(staff)


@pytest.mark.parametrize(("query", "focused"), [("", "destination"), ("?destination=%2B2348031&hours=1", "reason")])
def test_the_focus_is_in_the_first_field_that_is_to_be_typed(staff: Client, query: str, focused: str) -> None:
    page = BeautifulSoup(staff.get(f"{NUMBERS}destinations/block/{query}").content, "html.parser")

    assert [field["name"] for field in page.select("[autofocus]")] == [focused]


def test_a_block_that_tells_hidden_digits_is_recorded_and_documented(called: PhoneNumber) -> None:
    client = client_with("view_phonenumber", "block_destination")
    page = (Path(__file__).parents[2] / "docs" / "explanation" / "security.rst").read_text()

    for prefix in ("+23480310", "+23480312"):  # the eighth digit is hidden
        sent = {"destination": prefix, "hours": "1", "reason": "an attack", "confirmed": prefix}
        client.post(f"{NUMBERS}destinations/block/", sent)

    assert "Staff blocked +23480312" in page_of(client, called)
    recorded = AttemptEvent.objects.filter(kind="destination_blocked").order_by("id").values_list("actor", "detail")
    assert list(recorded) == [("ada", "+23480310: an attack"), ("ada", "+23480312: an attack")]
    assert "Staff with ``block_destination`` can find the hidden" in page
