"""Support's notes in the admin: added with their own permission, shown with who and when, and never with a number."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db import connections
from django.test import Client
from django.utils import timezone

from django_telroi import services
from django_telroi.errors import Unavailable
from django_telroi.models import PhoneNumber, SupportNote, VerificationAttempt
from tests.admin.admin_pages import html_of, url
from tests.admin.sample_numbers import client_with, number
from tests.services.world import NUMBER

pytestmark = pytest.mark.django_db

TEXT = "The phone was off until noon."


@pytest.fixture(params=["phonenumber", "verificationattempt"])
def model(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def row(model: str) -> PhoneNumber | VerificationAttempt:
    attempt = services.start_verification(NUMBER)
    return attempt.phone if model == "phonenumber" else attempt


class TestAdding:
    """A note on a number or an attempt."""

    def test_stores_the_note_and_returns_to_the_page(self, model: str, row: PhoneNumber | VerificationAttempt) -> None:
        client = client_with(f"view_{model}", "add_note")

        answer = client.post(url(model, "note", row.pk), {"text": TEXT})

        assert answer.headers["Location"] == url(model, "change", row.pk)
        note = SupportNote.objects.get()
        assert (note.text, note.author, note.phone.number) == (TEXT, "ada", NUMBER)
        assert note.attempt == (row if model == "verificationattempt" else None)
        html = html_of(client, url(model, "change", row.pk))
        assert all(words in html for words in (TEXT, "ada", "The note is added."))

    def test_is_logged_without_the_text(self, model: str, row: PhoneNumber | VerificationAttempt) -> None:
        client_with(f"view_{model}", "add_note").post(url(model, "note", row.pk), {"text": TEXT})

        log = LogEntry.objects.get()
        assert (log.object_id, log.change_message) == (str(row.pk), "Added a note.")

    @pytest.mark.parametrize("method", ["get", "post"])
    def test_needs_both_permissions(self, model: str, row: PhoneNumber | VerificationAttempt, method: str) -> None:
        for held in ([f"view_{model}"], ["add_note"]):
            answer = getattr(client_with(*held), method)(url(model, "note", row.pk), {"text": TEXT})
            assert answer.status_code == 403
        assert not SupportNote.objects.exists()

    def test_needs_the_csrf_token(self, model: str, row: PhoneNumber | VerificationAttempt, grace: User) -> None:
        client = Client(enforce_csrf_checks=True)
        client.force_login(grace)

        assert client.post(url(model, "note", row.pk), {"text": TEXT}).status_code == 403

    def test_by_a_get_only_asks(self, staff: Client, model: str, row: PhoneNumber | VerificationAttempt) -> None:
        tree = BeautifulSoup(html_of(staff, url(model, "note", row.pk)), "html.parser")

        assert tree.find("textarea", {"name": "text", "maxlength": "500", "autofocus": True})
        assert not SupportNote.objects.exists()

    @pytest.mark.parametrize("text", ["", "  ", "\u200b", "x" * 501])
    def test_of_an_empty_or_long_text_says_why(
        self, staff: Client, model: str, row: PhoneNumber | VerificationAttempt, text: str
    ) -> None:
        answer = staff.post(url(model, "note", row.pk), {"text": text})

        assert answer.status_code == 200
        assert "errorlist" in answer.content.decode()
        assert not SupportNote.objects.exists()

    @pytest.mark.clear_numbers
    def test_masks_numbers(self, staff: Client, model: str, row: PhoneNumber | VerificationAttempt) -> None:
        staff.post(url(model, "note", row.pk), {"text": "Call 0803 123 4567 or +44 7400 123456, order 123456789."})

        text = SupportNote.objects.get().text
        assert text == "Call ••• 4567 or +44 7400 ••• 456, order ••• 6789."

    def test_on_an_unknown_row_is_not_found(self, staff: Client, model: str) -> None:
        for nowhere in ("0", "99999999999999999999", "x"):
            reply = staff.post(f"/admin/django_telroi/{model}/{nowhere}/note/", {"text": TEXT})
            assert reply.headers["Location"] == f"/admin/django_telroi/{model}/{nowhere}/change/"

    def test_works_with_atomic_requests(
        self, staff: Client, model: str, row: PhoneNumber | VerificationAttempt
    ) -> None:
        connections["default"].settings_dict["ATOMIC_REQUESTS"] = True
        try:
            staff.post(url(model, "note", row.pk), {"text": TEXT})
        finally:
            connections["default"].settings_dict["ATOMIC_REQUESTS"] = False
        assert SupportNote.objects.get().text == TEXT

    def test_that_fails_says_so(
        self, staff: Client, model: str, row: PhoneNumber | VerificationAttempt, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_: Any, **__: Any) -> None:
            raise Unavailable

        monkeypatch.setattr(services, "add_note", fail)

        html = staff.post(url(model, "note", row.pk), {"text": TEXT}, follow=True).content.decode()

        assert "It is unknown whether" in html
        assert not LogEntry.objects.exists()


class TestReading:
    """Notes are on the page of the number, and in the timeline of the attempt."""

    def test_the_page_of_a_number_shows_the_notes_of_its_attempts_with_links(self, staff: Client) -> None:
        attempt = services.start_verification(NUMBER)
        services.add_note(attempt.phone, attempt=attempt, text=TEXT, actor="<u>eve</u>")

        html = html_of(staff, url("phonenumber", "change", attempt.phone.pk))

        events = BeautifulSoup(html, "html.parser").select_one("section[aria-labelledby=telroi-events] tbody")
        assert events
        assert all(words in events.text for words in (TEXT, "<u>eve</u>", "note"))
        assert events.find("a", href=url("verificationattempt", "change", attempt.pk))

    def test_a_viewer_of_numbers_gets_no_form_and_no_link(self) -> None:
        attempt = services.start_verification(NUMBER)
        services.add_note(attempt.phone, attempt=attempt, text=TEXT, actor="eve")

        html = html_of(client_with("view_phonenumber"), url("phonenumber", "change", attempt.phone.pk))

        assert TEXT in html
        assert "/note/" not in html
        assert "verificationattempt" not in html

    def test_the_timeline_shows_who_wrote_when(self, staff: Client) -> None:
        attempt = services.start_verification(NUMBER)
        # Later for certain: databases keep moments with different precisions.
        assert attempt.placed_at is not None
        later = attempt.placed_at + timedelta(milliseconds=10)
        services.add_note(attempt.phone, text="on the number", actor="eve", now=later)
        services.add_note(attempt.phone, attempt=attempt, text=TEXT, actor="eve", now=later)

        html = html_of(staff, url("verificationattempt", "change", attempt.pk))

        lines = BeautifulSoup(html, "html.parser").select(".telroi-timeline li")
        assert [line.strong.text for line in lines if line.strong][-2:] == ["note", "note"]
        assert "on the number" in lines[-2].text
        assert all(words in lines[-1].text for words in (TEXT, "by eve", "+0:0", "today "))

    def test_the_timeline_of_another_attempt_does_not_show_them(self, staff: Client) -> None:
        attempt = services.start_verification(NUMBER)
        services.cancel_verification(attempt.uuid)
        later = timezone.now() + timedelta(minutes=1)
        services.add_note(attempt.phone, text="later, on the number", actor="eve", now=later)
        other = VerificationAttempt.objects.create(
            phone=number("0001"), status="expired", max_tries=3, expires_at=attempt.expires_at
        )
        services.add_note(other.phone, attempt=other, text=TEXT, actor="eve")

        html = html_of(staff, url("verificationattempt", "change", attempt.pk))

        assert TEXT not in html
        assert "later, on the number" not in html
