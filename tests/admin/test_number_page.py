"""A number's page: state, counted calls, hold, block, staff actions and attempts."""

from __future__ import annotations

import re

import pytest
from bs4 import BeautifulSoup
from django.contrib import admin
from django.contrib.auth.models import User
from django.test import Client, RequestFactory
from django.urls import path, reverse

from django_telroi import services
from django_telroi.admin import PhoneNumberAdmin
from django_telroi.models import PhoneNumber, VerificationAttempt
from tests.admin.admin_pages import html_of, url
from tests.admin.sample_numbers import client_with, every_state, number
from tests.services.world import statements

pytestmark = pytest.mark.django_db

other_site = admin.AdminSite(name="other")
other_site.register(PhoneNumber, PhoneNumberAdmin)
urlpatterns = [path("admin/", admin.site.urls), path("elsewhere/", other_site.urls)]


def page_of(client: Client, phone: PhoneNumber) -> str:
    return html_of(client, url("phonenumber", "change", phone.pk))


def test_shows_when_each_call_stops_counting(staff: Client) -> None:
    soup = BeautifulSoup(page_of(staff, number("0001", minutes_ago=[5, 90, 1500])), "html.parser")

    strip = soup.find("svg", class_="telroi-strip")
    assert strip
    assert strip.title
    assert strip.desc
    assert "2 calls count" in strip.desc.text
    assert len(strip.find_all("line", class_="telroi-strip-call")) == 2
    rows = [row.find_all("td") for row in soup.select("details.telroi-limits tbody tr")]
    assert [row[1].text.endswith("–") for row in rows] == [False, True]


@pytest.mark.parametrize("name", ["free", "cooldown", "hour", "day", "held", "blocked"])
def test_renders_in_every_state(staff: Client, name: str) -> None:
    phone = every_state()[name]

    html = page_of(staff, phone)

    assert "8031230" not in html.replace("•", "")
    assert " style=" not in html
    assert "<script>" not in html


def test_shows_who_blocked_when_and_why_and_telrois_text(staff: Client) -> None:
    phone = number("0001", held=True, blocked="ring-bombing")
    PhoneNumber.objects.update(held_reason="<b>slow</b> down")

    html = page_of(staff, phone)

    assert all(
        words in html
        for words in ("Held by the provider until", "&lt;b&gt;slow&lt;/b&gt; down", "ring-bombing", "grace")
    )


def test_offers_the_possible_and_permitted_actions(staff: Client) -> None:
    phone = number("0001", held=True)

    soup = BeautifulSoup(page_of(staff, phone), "html.parser")
    assert [each.text for each in soup.select(".telroi-tools a.button")] == ["Block", "Release the hold", "Erase"]

    viewer = BeautifulSoup(page_of(client_with("view_phonenumber"), phone), "html.parser")
    assert not viewer.select(".telroi-tools .button")


def test_lists_the_attempts_and_the_staff_actions(staff: Client, attempt: VerificationAttempt) -> None:
    phone = attempt.phone
    services.block_number(phone.number, reason="<i>loud</i>", actor="<u>eve</u>")

    html = page_of(staff, phone)

    assert url("verificationattempt", "change", attempt.pk) in html
    assert f"?phone__id__exact={phone.pk}" in html
    assert "&lt;i&gt;loud&lt;/i&gt;" in html
    assert "&lt;u&gt;eve&lt;/u&gt;" in html
    assert staff.get(f"{url('verificationattempt', 'changelist')}?phone__id__exact={phone.pk}").status_code == 200


def test_shows_no_attempts_without_the_view_permission(attempt: VerificationAttempt) -> None:
    html = page_of(client_with("view_phonenumber"), attempt.phone)

    assert "verificationattempt" not in html


def test_executes_the_same_statements_for_many_attempts(
    staff: Client, attempt: VerificationAttempt, grace: User
) -> None:
    phone = attempt.phone
    with statements() as before:
        page_of(staff, phone)
    for last in range(5):
        VerificationAttempt.objects.create(
            phone=phone,
            user=User.objects.create_user(f"user{last}"),
            status="failed",
            dispatch="inline",
            max_tries=3,
            expires_at=attempt.expires_at,
        )

    with statements() as after:
        page_of(staff, phone)

    assert len(after) == len(before)


@pytest.mark.urls("tests.admin.test_number_page")
def test_has_links_to_the_same_admin_site(staff: Client) -> None:
    """Also on a site with the admin of numbers only."""
    phone = number("0001", minutes_ago=[5])
    services.stop_calls(reason="x", actor="grace")
    pages = [
        reverse("admin:django_telroi_phonenumber_change", args=[phone.pk], current_app="other"),
        reverse("admin:django_telroi_phonenumber_changelist", current_app="other"),
        *(
            reverse(f"admin:django_telroi_phonenumber_{staff_action}", args=[phone.pk], current_app="other")
            for staff_action in ("block", "reset", "erase", "history")
        ),
        reverse("admin:django_telroi_resume_calls", current_app="other"),
    ]

    for address in pages:
        links = re.findall(r'(?:href|action)="(/[^"]*)"', html_of(staff, address))
        assert {link.split("/")[1] for link in links} <= {"elsewhere", "static", ""}, address
        assert "/elsewhere/django_telroi/phonenumber/resume-calls/" in links

    answer = staff.post(pages[2], {"reason": "x"})
    assert answer.url == pages[0]  # type: ignore[attr-defined]


def test_the_admin_can_be_registered_on_any_site() -> None:
    request = RequestFactory().get("/")
    request.user = User.objects.create_superuser("eve")

    assert other_site._registry[PhoneNumber].has_view_permission(request)
