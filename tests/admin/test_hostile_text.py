"""Text that an attacker chose: HTML, formulas, control characters and signs that turn the direction of text."""

from __future__ import annotations

from datetime import timedelta

import pytest
from bs4 import BeautifulSoup
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from django_telroi.models import AttemptEvent, VerificationAttempt, VerifiedPhone
from tests.admin.looking import html_of, url
from tests.admin.test_attempts_csv import export
from tests.admin.test_attempts_list import make
from tests.services.world import NUMBER

pytestmark = pytest.mark.django_db

HOSTILE = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{ 7*7 }}{% debug %}",
    '=HYPERLINK("http://x")',
    "\u202egnp.exe\u2066",
    "a\x00\x07\r\nb\u2028c",
    "%(count)s %s {0}",
)
STEERING = "\x00\x07\u202a\u202b\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u2028"


@pytest.fixture(params=HOSTILE)
def attempt(request: pytest.FixtureRequest, grace: User) -> VerificationAttempt:
    """As hostile as a row can be, past all that services would have cleaned."""
    text = str(request.param).replace("\x00", "")  # no database takes it
    ada = User.objects.create_user(text[:30])
    row = make(
        user=ada,
        purpose=text,
        status="failed",
        error_code=text[:40],
        error_detail=text,
        telroi_id=text,
        language=text[:35],
        closed_at=timezone.now() + timedelta(minutes=1),
    )
    kinds = [{"attempt": row}, {"phone": row.phone}]
    for whose in kinds:
        AttemptEvent.objects.create(kind="late_reply", actor=text, detail=text, **whose)  # type: ignore[misc]
    VerifiedPhone.objects.create(user=ada, number=NUMBER, purpose=text, verified_at=row.created_at, attempt=row)
    return row


def assert_harmless(html: str) -> None:
    page = BeautifulSoup(html, "html.parser")
    assert not [script for script in page.find_all("script") if script.string and "alert" in script.string]
    assert not page.find_all("img", src="x")
    assert not [tag for tag in page.find_all(True) if any(name.startswith("on") for name in tag.attrs)]
    assert not set(STEERING) & set(page.get_text())


@pytest.mark.parametrize("where", ["verificationattempt", "verifiedphone"])
def test_does_no_harm_on_a_list(staff: Client, attempt: VerificationAttempt, where: str) -> None:
    assert_harmless(html_of(staff, url(where, "changelist")))


def test_does_no_harm_on_the_pages_of_one(staff: Client, attempt: VerificationAttempt) -> None:
    assert_harmless(html_of(staff, url("verificationattempt", "change", attempt.pk)))
    assert_harmless(html_of(staff, url("verifiedphone", "change", VerifiedPhone.objects.get().pk)))


def test_does_no_harm_as_a_filter(staff: Client, attempt: VerificationAttempt) -> None:
    for name in ("purpose__exact", "error_code__exact", "region__exact", "day", "found"):
        page = staff.get(url("verificationattempt", "changelist"), {name: attempt.purpose})

        assert page.status_code == 200
        assert_harmless(page.content.decode())


def test_does_no_harm_in_a_spreadsheet(staff: Client, attempt: VerificationAttempt) -> None:
    [line] = export(staff)

    assert not [value for value in line.values() if value[:1] in set("=+-@\t\r")]
    assert not set(STEERING) & set("".join(line.values()))
