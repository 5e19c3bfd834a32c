"""Wrong codes in the admin: the state of a number, the count of a user, and how staff end both."""

from __future__ import annotations

from datetime import timedelta

import pytest
from bs4 import BeautifulSoup
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from django_telroi import services
from django_telroi.models import AttemptEvent, PhoneNumber, UserWrongCodes, VerificationAttempt, VerifiedPhone
from django_telroi.testing import last_code_for
from tests.admin.admin_pages import html_of, url
from tests.admin.sample_numbers import client_with, number

pytestmark = pytest.mark.django_db

DORAS = "+2348031230009"


def text_of(client: Client, address: str) -> str:
    return " ".join(BeautifulSoup(html_of(client, address), "html.parser").get_text(" ").split())


@pytest.fixture
def dora() -> User:
    return User.objects.create_user("dora")


@pytest.fixture
def attempt(dora: User, settings: object) -> VerificationAttempt:
    """An attempt of a user, with one wrong code, which locks new calls."""
    settings.TELROI = {"WRONG_CODES": {"warn": 1, "wait": 1, "lock": 1}}  # type: ignore[attr-defined]
    attempt = services.start_verification(DORAS, user=dora)
    services.check_code(attempt.uuid, f"{(int(last_code_for(DORAS)) + 1) % 10**6:06}", user=dora)
    return attempt


def test_the_page_of_a_number_shows_the_count_and_until_when_it_bars(staff: Client) -> None:
    phone = number("0001", minutes_ago=[300], wrong_codes=12)

    text = text_of(staff, url("phonenumber", "change", phone.pk))

    assert "wrong codes" in text
    assert "because of too many wrong codes." in text
    assert "12 wrong codes in a row" in text


def test_a_count_that_bars_nothing_is_shown_too(staff: Client) -> None:
    phone = number("0001", minutes_ago=[300], wrong_codes=1)

    text = text_of(staff, url("phonenumber", "change", phone.pk))

    assert "1 wrong code in a row" in text
    assert "Next call possible now." in text


@pytest.mark.parametrize(
    ("count", "minutes_ago", "is_listed"),
    [
        *((9, 0, False), (10, 0.5, True), (10, 1.1, False), (12, 3.9, True), (12, 4.1, False), (16, 59, True)),
        *((16, 61, False), (99, 61, False), (100, 61, True), (100, 24 * 60 - 1, True), (150, 24 * 60 + 1, False)),
    ],
)
def test_the_filter_finds_the_numbers_that_wrong_codes_bar(
    staff: Client, count: int, minutes_ago: float, is_listed: bool
) -> None:
    phone = number("0001", wrong_codes=count)
    PhoneNumber.objects.update(last_wrong_code_at=timezone.now() - timedelta(minutes=minutes_ago))

    for state, expected in (("wrong_codes", is_listed), ("free", not is_listed)):
        listed = staff.get(url("phonenumber", "changelist"), {"state": state}).context["cl"].result_list
        assert (phone in listed) == expected, state


def test_the_page_of_an_attempt_shows_the_count_of_its_user_and_resets_it(
    staff: Client, attempt: VerificationAttempt, dora: User
) -> None:
    page = url("verificationattempt", "change", attempt.pk)
    assert "1 in a row, next call possible" in text_of(staff, page)

    reset = url("verificationattempt", "reset_user", attempt.pk)
    assert "No, take me back" in html_of(staff, reset)
    assert UserWrongCodes.objects.exists(), "a GET changes nothing"
    assert staff.post(reset, {"reason": ""}).status_code == 200
    assert UserWrongCodes.objects.exists(), "a reason is needed"
    staff.post(reset, {"reason": f"called from {DORAS}"})

    assert not UserWrongCodes.objects.exists()
    event = AttemptEvent.objects.get(kind="user_wrong_codes_reset")
    assert event.attempt == attempt
    assert event.actor
    assert DORAS not in event.detail
    assert "The wrong codes of the user are reset." in LogEntry.objects.get().get_change_message()
    assert "wrong codes of the user reset" in text_of(staff, page)


@pytest.mark.parametrize("method", ["get", "post"])
@pytest.mark.parametrize("is_deleted", [True, False])
def test_staff_are_told_that_a_user_has_no_wrong_codes(
    staff: Client, attempt: VerificationAttempt, dora: User, method: str, *, is_deleted: bool
) -> None:
    UserWrongCodes.objects.all().delete()
    if is_deleted:
        dora.delete()
    page, reset = (url("verificationattempt", each, attempt.pk) for each in ("change", "reset_user"))

    reply = getattr(staff, method)(reset, {"reason": "x"}, follow=True)

    assert reply.redirect_chain == [(page, 302)]
    assert "This user has no wrong codes." in reply.content.decode()
    assert reset not in html_of(staff, page)
    assert not LogEntry.objects.exists()


def test_the_page_of_a_verified_phone_shows_the_count_of_its_user(
    staff: Client, attempt: VerificationAttempt, dora: User
) -> None:
    phone = VerifiedPhone.objects.create(user=dora, number=DORAS, verified_at=timezone.now())

    assert "1 in a row" in text_of(staff, url("verifiedphone", "change", phone.pk))


def test_without_the_permission_there_is_no_button_and_no_action(attempt: VerificationAttempt) -> None:
    viewer = client_with("view_verificationattempt")
    reset = url("verificationattempt", "reset_user", attempt.pk)

    assert reset not in html_of(viewer, url("verificationattempt", "change", attempt.pk))
    assert viewer.post(reset, {"reason": "x"}).status_code == 403
    assert UserWrongCodes.objects.exists()


class TestTheCommand:
    """``telroi_unlock``."""

    def test_resets_a_number(self, capsys: pytest.CaptureFixture[str]) -> None:
        phone = number("0001", wrong_codes=100)

        call_command("telroi_unlock", number=phone.number, reason="asked us", actor="eve")

        phone.refresh_from_db()
        event = AttemptEvent.objects.get()
        assert (phone.wrong_codes, event.actor, event.detail) == (0, "eve", "asked us")
        assert "reset" in capsys.readouterr().out

    def test_resets_a_user(self, attempt: VerificationAttempt, capsys: pytest.CaptureFixture[str]) -> None:
        call_command("telroi_unlock", user="dora", reason="asked us")
        call_command("telroi_unlock", user="dora", reason="asked us")

        assert not UserWrongCodes.objects.exists()
        assert capsys.readouterr().out.splitlines() == [
            "The wrong codes of the user are reset.",
            "This user has no wrong codes.",
        ]

    def test_says_that_a_number_has_no_wrong_codes(self, capsys: pytest.CaptureFixture[str]) -> None:
        call_command("telroi_unlock", number=number("0001").number, reason="asked us")
        call_command("telroi_unlock", number="+2348031230002", reason="asked us")

        assert capsys.readouterr().out.splitlines() == ["This number has no wrong codes."] * 2
        assert not AttemptEvent.objects.exists()

    @pytest.mark.parametrize("whose", ["--user=dora", "--number=+2348031230001"])
    @pytest.mark.parametrize("reason", ["", " ", "\t\n"])
    def test_needs_a_reason(self, attempt: VerificationAttempt, whose: str, reason: str) -> None:
        with pytest.raises(CommandError, match="argument --reason: a reason is required"):
            call_command("telroi_unlock", whose, f"--reason={reason}")

        assert UserWrongCodes.objects.exists()

    def test_masks_numbers_in_the_reason(self, attempt: VerificationAttempt) -> None:
        call_command("telroi_unlock", user="dora", reason=f"called from {DORAS}")

        event = AttemptEvent.objects.get(kind="user_wrong_codes_reset")
        assert event.detail.startswith("called from ")
        assert DORAS not in event.detail

    @pytest.mark.parametrize(
        ("whose", "why"), [({"user": "nobody"}, "no user"), ({"number": "+234"}, "not a phone number")]
    )
    def test_says_what_is_wrong(self, whose: dict[str, str], why: str) -> None:
        with pytest.raises(CommandError, match=why):
            call_command("telroi_unlock", reason="x", **whose)
