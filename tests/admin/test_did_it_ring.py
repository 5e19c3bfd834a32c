"""The first line of a number's page answers a caller: did it ring, and when is the next call possible?"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.test import Client
from django.utils import timezone

from django_telroi import services
from django_telroi.admin.shared.ring import ring_words
from django_telroi.domain.states import Status
from django_telroi.models import PhoneNumber, VerificationAttempt
from django_telroi.services.shared.outcomes import ErrorCode
from tests.admin.admin_pages import html_of, url
from tests.admin.sample_numbers import client_with, number

pytestmark = pytest.mark.django_db


def attempt(status: Status, *, phone: PhoneNumber | None = None, at: datetime | None = None, **fields: Any) -> Any:
    at = at or timezone.now()
    given = {
        "phone": phone or PhoneNumber(number="+2348031234567"),
        "status": status,
        "max_tries": 3,
        "created_at": at,
        "dialed_at": at,
        "expires_at": at + timedelta(minutes=5),
    }
    return VerificationAttempt(**(given | fields))


PLACED = {"placed_at": timezone.now()}


class TestTheWords:
    """What is known of one call."""

    @pytest.mark.parametrize(
        ("status", "fields", "words"),
        [
            (Status.QUEUED, {"dialed_at": None}, "waiting for a worker, not placed yet"),
            (Status.DIALING, {}, "being placed now"),
            (Status.PLACED, PLACED, "accepted by the provider, no code typed yet"),
            (Status.PLACED, PLACED | {"tries": 1}, "accepted by the provider, 1 wrong code typed"),
            (Status.EXPIRED, PLACED, "accepted by the provider, no code typed"),
            (Status.EXPIRED, PLACED | {"tries": 2}, "accepted by the provider, 2 wrong codes typed"),
            (Status.LOCKED, PLACED | {"tries": 3}, "accepted by the provider, 3 wrong codes typed"),
            (Status.LOCKED, PLACED, "accepted by the provider, too many wrong codes"),
            (
                Status.LOCKED,
                PLACED | {"error_code": ErrorCode.LOST},
                "accepted by the provider, a right code was typed, but its answer was lost",
            ),
            (Status.VERIFIED, PLACED, "it rang: the right code was typed"),
            (
                Status.VERIFIED,
                PLACED | {"error_code": ErrorCode.NUMBER_TAKEN},
                "it rang: the right code was typed, but another account has the number",
            ),
            (Status.CANCELED, PLACED, "accepted by the provider, canceled by the person"),
            (Status.SUPERSEDED, PLACED, "accepted by the provider, replaced by a newer call"),
            (
                Status.UNKNOWN,
                {"error_code": ErrorCode.NO_REPLY},
                "it may have rung: response lost, no code typed yet",
            ),
            (
                Status.EXPIRED,
                {"error_code": ErrorCode.CALL_FAILED},
                "it may have rung: carrier did not confirm, no code typed",
            ),
            (
                Status.FAILED,
                {"error_code": ErrorCode.CALL_FAILED},
                "it may have rung: carrier did not confirm, no code typed",
            ),
            (Status.FAILED, {"error_code": ErrorCode.UNREACHABLE}, "it did not ring: provider unreachable"),
            (Status.FAILED, {}, "it did not ring"),
            (
                Status.EXPIRED,
                {"error_code": ErrorCode.DEADLINE, "dialed_at": None},
                "it did not ring: waited too long",
            ),
            (Status.CANCELED, {"dialed_at": None}, "it did not ring, canceled by the person"),
        ],
    )
    def test_say_what_the_provider_did_and_what_was_typed(
        self, status: Status, fields: dict[str, Any], words: str
    ) -> None:
        assert ring_words(attempt(status, **fields)) == words

    @pytest.mark.parametrize("status", Status)
    @pytest.mark.parametrize("error", ["", *ErrorCode, "of_tomorrow"])
    def test_say_that_it_rang_only_after_a_right_code(self, status: Status, error: str) -> None:
        words = ring_words(attempt(status, error_code=error))

        assert words
        assert words.startswith("it rang") == (status == Status.VERIFIED)


class TestTheFirstLine:
    """The line below the number."""

    def answer(self, client: Client, phone: PhoneNumber) -> str:
        tree = BeautifulSoup(html_of(client, url("phonenumber", "change", phone.pk)), "html.parser")
        content = tree.select_one("#content-main")
        assert content
        first = content.find("p")
        assert first
        return first.text

    def called(self, minutes_ago: float, status: Status, **fields: Any) -> PhoneNumber:
        phone = number("0001", minutes_ago=[minutes_ago])
        at = phone.last_call_at
        assert at
        attempt(status, phone=phone, at=at, **fields).save()
        return phone

    def test_says_what_became_of_the_last_call_and_when_the_next_is_possible(
        self, staff: Client, site_clock: Any
    ) -> None:
        phone = self.called(0, Status.EXPIRED, placed_at=timezone.now())
        at = phone.last_call_at
        assert at
        assert phone.next_call_at

        last, following = (f"{timezone.localtime(moment):%H:%M}" for moment in (at, phone.next_call_at))
        assert self.answer(staff, phone) == (
            f"Last call {last}, accepted by the provider, no code typed. Next call possible {following}."
        )

    def test_of_a_free_number_says_now(self, staff: Client) -> None:
        phone = self.called(70, Status.FAILED, error_code=ErrorCode.UNREACHABLE, closed_at=timezone.now())

        assert self.answer(staff, phone).endswith("it did not ring: provider unreachable. Next call possible now.")

    def test_of_a_blocked_number_says_who_ends_it(self, staff: Client) -> None:
        assert "No call is possible: staff blocked the number." in self.answer(staff, number("0001", blocked="x"))

    def test_while_all_calls_are_stopped_says_so(self, staff: Client) -> None:
        services.stop_calls(reason="an attack", actor="grace")

        answer = self.answer(staff, number("0001"))

        assert answer == "This number was never called. No call is possible: all calls are stopped."

    def test_of_a_call_whose_attempt_was_purged_says_only_when(self, staff: Client) -> None:
        phone = number("0001", minutes_ago=[70])
        assert phone.last_call_at

        assert ", accepted" not in self.answer(staff, phone)
        assert "Last call " in self.answer(staff, phone)

    def test_is_there_without_the_permission_to_view_attempts(self) -> None:
        phone = self.called(70, Status.VERIFIED, verified_at=timezone.now())

        answer = self.answer(client_with("view_phonenumber"), phone)

        assert "Last call " in answer
        assert "it rang" not in answer

    def test_is_followed_by_the_attempts_and_then_the_folded_limits(self, staff: Client) -> None:
        phone = self.called(70, Status.EXPIRED, placed_at=timezone.now())

        html = html_of(staff, url("phonenumber", "change", phone.pk))

        places = [html.index(mark) for mark in ("telroi-answer", 'id="telroi-attempts"', "<details", "telroi-strip")]
        assert places == sorted(places)
        assert "<details open" not in html
        assert "Accepted by the provider, no code typed" in html
