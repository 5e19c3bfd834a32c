"""Text that an attacker chose: HTML, formulas, control characters and signs that turn the direction of text."""

from __future__ import annotations

from datetime import timedelta

import pytest
from bs4 import BeautifulSoup
from django.contrib.auth.models import User
from django.test import Client
from django.utils import timezone

from django_telroi.models import AttemptEvent, VerificationAttempt, VerifiedPhone
from tests.admin.admin_pages import html_of, url
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


@pytest.fixture
def attempts(grace: User) -> list[VerificationAttempt]:
    """Rows with hostile text, written without the cleaning of the services."""
    return [hostile(text.replace("\x00", "")) for text in HOSTILE]  # no database stores that character


def hostile(text: str) -> VerificationAttempt:
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
def test_is_escaped_on_a_list(staff: Client, attempts: list[VerificationAttempt], where: str) -> None:
    assert_harmless(html_of(staff, url(where, "changelist")))


def test_is_escaped_on_detail_pages(staff: Client, attempts: list[VerificationAttempt]) -> None:
    for attempt in attempts:
        assert_harmless(html_of(staff, url("verificationattempt", "change", attempt.pk)))
    for phone in VerifiedPhone.objects.all():
        assert_harmless(html_of(staff, url("verifiedphone", "change", phone.pk)))


@pytest.mark.parametrize("name", ["purpose__exact", "error_code__exact", "region__exact", "day", "found"])
def test_is_escaped_as_a_filter(staff: Client, name: str) -> None:
    page = staff.get(url("verificationattempt", "changelist"), {name: "".join(HOSTILE)})

    assert page.status_code == 200
    assert_harmless(page.content.decode())


def test_starts_no_formula_in_a_spreadsheet(staff: Client, attempts: list[VerificationAttempt]) -> None:
    cells = [value for line in export(staff) for value in line.values()]

    assert len(cells) > 100
    assert not [cell for cell in cells if cell[:1] in set("=+-@\t\r")]
    assert not set(STEERING) & set("".join(cells))
