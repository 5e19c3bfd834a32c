"""The kill switch: every page of the app shows who used it, when and why."""

from __future__ import annotations

import pytest
from django.contrib.admin.models import LogEntry
from django.test import Client
from django.urls import reverse

from django_telroi import services
from django_telroi.admin.overview.overview_pages import OVERVIEW
from django_telroi.errors import CallsStopped
from django_telroi.models import AttemptEvent, VerificationAttempt
from tests.admin.admin_pages import html_of, url
from tests.admin.sample_numbers import client_with

pytestmark = pytest.mark.django_db

REASON = "a bill <b>nobody</b> expected"
STOP, RESUME = (f"/admin/django_telroi/phonenumber/{verb}-calls/" for verb in ("stop", "resume"))


def test_stops_all_calls_and_resumes_them(staff: Client) -> None:
    assert staff.get(STOP).status_code == 200
    assert services.call_control().stopped_at is None

    staff.post(STOP, {"reason": REASON})

    control = services.call_control()
    assert (control.stopped_by, control.stopped_reason) == ("grace", REASON)
    with pytest.raises(CallsStopped):
        services.start_verification("+447400123456")

    html_of(staff, RESUME)
    assert services.call_control().stopped_at

    staff.post(RESUME)

    assert services.call_control().stopped_at is None
    assert list(AttemptEvent.objects.order_by("id").values_list("kind", flat=True)) == [
        "calls_stopped",
        "calls_resumed",
    ]
    assert LogEntry.objects.count() == 2


def test_needs_a_reason(staff: Client) -> None:
    assert "errorlist" in staff.post(STOP, {"reason": " "}).content.decode()
    assert services.call_control().stopped_at is None


def test_is_shown_on_every_page_of_the_app(staff: Client, attempt: VerificationAttempt) -> None:
    phone, verified = attempt.phone, attempt.user.verified_phones.get()  # type: ignore[union-attr]
    pages = [
        reverse("admin:app_list", args=["django_telroi"]),
        url("phonenumber", "changelist"),
        url("phonenumber", "change", phone.pk),
        url("phonenumber", "history", phone.pk),
        url("phonenumber", "block", phone.pk),
        url("verificationattempt", "changelist"),
        url("verificationattempt", "change", attempt.pk),
        url("verificationattempt", "history", attempt.pk),
        url("verifiedphone", "changelist"),
        url("verifiedphone", "change", verified.pk),
        reverse(f"admin:{OVERVIEW}"),
        RESUME,
    ]
    assert not any("telroi-stopped" in html_of(staff, page) for page in pages[:-1])

    services.stop_calls(reason=REASON, actor="<u>eve</u>")

    for page in pages:
        html = html_of(staff, page)
        assert "All calls are stopped." in html, page
        assert "&lt;b&gt;nobody&lt;/b&gt;" in html
        assert "&lt;u&gt;eve&lt;/u&gt;" in html
        assert "<b>nobody" not in html
    assert "telroi-stopped" in staff.post(url("phonenumber", "reveal", phone.pk)).content.decode()


@pytest.mark.parametrize("page", [STOP, RESUME])
@pytest.mark.parametrize("permissions", [["view_phonenumber"], ["stop_calls"], ["view_phonenumber", "block_number"]])
def test_is_refused_without_the_permission(page: str, permissions: list[str]) -> None:
    services.stop_calls(reason="x", actor="grace")
    client = client_with(*permissions)

    assert client.get(page).status_code == client.post(page, {"reason": "x"}).status_code == 403
    assert services.call_control().stopped_at


def test_is_offered_with_the_permission(staff: Client) -> None:
    services.stop_calls(reason="x", actor="grace")

    viewer = html_of(client_with("view_phonenumber"), url("phonenumber", "changelist"))
    switcher = html_of(client_with("view_phonenumber", "stop_calls"), url("phonenumber", "changelist"))

    assert "Resume calls" not in viewer
    assert switcher.count("Resume calls") == 1  # in the banner
    assert "Stop all calls" not in switcher
    assert "All calls are stopped." in viewer


def test_sent_twice_shows_the_current_state(staff: Client) -> None:
    services.stop_calls(reason="first", actor="eve")

    answer = staff.post(STOP, {"reason": "second"})

    assert answer.url == RESUME  # type: ignore[attr-defined]
    assert services.call_control().stopped_reason == "first"
    services.resume_calls(actor="eve")
    assert "Calls are not stopped." in staff.post(RESUME, follow=True).content.decode()
