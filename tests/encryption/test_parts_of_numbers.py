"""Prefixes, last digits and masked numbers are found although the database has only encrypted values."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import FieldError
from django.test import Client

from django_telroi import services
from django_telroi.admin.shared.number_lookups import calls_to_prefix, phones_like
from django_telroi.errors import NotCallable, RegionNotAllowed
from django_telroi.models import PhoneNumber, VerificationAttempt
from tests.admin.admin_pages import html_of, url
from tests.admin.sample_numbers import client_with

pytestmark = [pytest.mark.django_db, pytest.mark.clear_numbers]

NIGERIAN, BRITISH, NEXT = "+2348038314987", "+447400123456", "+2348038319987"


@pytest.fixture(autouse=True)
def _encrypted(settings: Any) -> None:
    settings.TELROI = {"NUMBER_ENCRYPTION": "on", "NUMBER_KEYS": ["a key of at least 32 characters, for tests"]}


def called() -> None:
    for number in (NIGERIAN, BRITISH, NEXT):
        services.start_verification(number)


@pytest.mark.parametrize("prefix", ["+234", "+2348038", "+234803831"])
def test_a_blocked_prefix_is_not_called(prefix: str) -> None:
    services.block_destination("+1", reason="another one", actor="eve")
    services.block_destination(prefix, reason="fraud", actor="eve")

    with pytest.raises(NotCallable):
        services.start_verification(NIGERIAN)
    assert services.start_verification(BRITISH).status == "placed"


def test_a_blocked_region_is_not_called_and_the_block_without_an_end_comes_first() -> None:
    services.block_destination("+2348", reason="for an hour", actor="eve", length=timedelta(hours=1))
    services.block_destination("NG", reason="fraud", actor="eve")

    with pytest.raises(RegionNotAllowed):
        services.start_verification(NIGERIAN)


@pytest.mark.parametrize(
    ("prefix", "found"),
    [
        ("+2", [NIGERIAN, NEXT]),
        ("+234", [NIGERIAN, NEXT]),
        ("+23480", [NIGERIAN, NEXT]),
        ("+2348038", [NIGERIAN, NEXT]),
        ("+234803831", [NIGERIAN, NEXT]),
        ("+2348038314", [NIGERIAN]),
        ("+4474", [BRITISH]),
    ],
)
def test_calls_are_found_by_a_prefix_of_any_length(prefix: str, found: list[str]) -> None:
    called()

    calls = VerificationAttempt.objects.filter(calls_to_prefix(prefix)).order_by("pk")

    assert [call.number for call in calls] == found


def test_a_masked_number_is_found_by_its_visible_digits() -> None:
    called()

    assert [phone.number for phone in phones_like(first="+234803", last="4987")] == [NIGERIAN]
    assert [phone.number for phone in phones_like(first="+234803", last="87")] == [NIGERIAN, NEXT]


@pytest.mark.parametrize(
    ("prefix", "shown_to_viewer"),
    [("2348038", True), ("23480383", False), ("44740", True), ("447400", True), ("4474001", False)],
)
def test_a_prefix_confirms_no_hidden_digits_without_the_permission(prefix: str, shown_to_viewer: bool) -> None:
    called()
    address = f"{url('verificationattempt', 'changelist')}?prefix={prefix}"

    shown = {
        right: 'class="field-masked' in html_of(client_with("view_verificationattempt", right), address)
        for right in ("view_full_number", "view_phonenumber")
    }

    assert shown == {"view_full_number": True, "view_phonenumber": shown_to_viewer}


def test_the_filter_of_free_numbers_has_none_of_a_blocked_prefix(admin_client: Client) -> None:
    called()
    PhoneNumber.objects.update(calls=[], last_call_at=None, next_call_at=None, limited_by="")
    services.block_destination("+23480", reason="fraud", actor="eve")

    html = html_of(admin_client, f"{url('phonenumber', 'changelist')}?state=free")

    assert ("••• 456" in html, "4987" in html, "9987" in html) == (True, False, False)


def test_a_comparison_that_would_find_nothing_is_an_error() -> None:
    with pytest.raises(FieldError, match="Unsupported lookup 'startswith'"):
        PhoneNumber.objects.filter(number__startswith="+234").count()
