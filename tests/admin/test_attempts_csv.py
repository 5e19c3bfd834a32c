"""Attempts as CSV: filtered like the list, masked, and without formulas."""

from __future__ import annotations

import asyncio
import csv
import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import User
from django.db import connection, connections
from django.http import StreamingHttpResponse
from django.http.response import HttpResponseBase
from django.test import AsyncRequestFactory, Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_telroi.admin.attempts import attempt_admin
from django_telroi.admin.shared.export import cell
from django_telroi.domain.states import Status
from django_telroi.models import VerificationAttempt
from tests.admin.admin_pages import shows_a_whole_number, url
from tests.admin.test_attempts_list import make
from tests.services.world import NUMBER

pytestmark = pytest.mark.django_db

EXPORT = "verificationattempt", "export"


def csv_rows_of(reply: HttpResponseBase) -> list[dict[str, str]]:
    assert reply.status_code == 200
    assert isinstance(reply, StreamingHttpResponse)
    text = b"".join(reply).decode("utf-8-sig")  # type: ignore[arg-type]
    return list(csv.DictReader(io.StringIO(text, newline="")))


def export(client: Client, query: str = "") -> list[dict[str, str]]:
    return csv_rows_of(client.post(url(*EXPORT) + query))


class TestAnExport:
    """The file contains the filtered list."""

    def test_has_the_columns_of_the_list(self, staff: Client, settings: Any) -> None:
        settings.TIME_ZONE = "Africa/Lagos"
        at = datetime(2027, 1, 1, 12, tzinfo=UTC)
        row = make(
            user=User.objects.create_user("ada"),
            purpose="payout",
            created_at=at,
            placed_at=at + timedelta(seconds=2.25),
            verified_at=at + timedelta(seconds=31),
            tries=1,
            livemode=True,
        )

        [line] = export(staff)

        told = {
            key: line[key] for key in ("id", "requested", "number", "user", "purpose", "status", "tries", "livemode")
        }
        assert told == {
            "id": str(row.pk),
            "requested": "2027-01-01T13:00:00+01:00",
            "number": "'+234 803 ••• 4567",
            "user": "ada",
            "purpose": "payout",
            "status": "verified",
            "tries": "1",
            "livemode": "live",
        }
        assert (line["seconds_to_placed"], line["seconds_to_verified"]) == ("2.2", "31.0")

    def test_has_the_rows_of_the_filters_and_the_search(self, staff: Client) -> None:
        make("+2348029876543", status="locked")
        locked = make(status="locked")
        make()
        found = staff.post(url("verificationattempt", "search"), {"term": "4567"}).headers["Location"].partition("?")[2]

        lines = export(staff, f"?status__exact=locked&{found}")

        assert [line["id"] for line in lines] == [str(locked.pk)]

    def test_shows_the_effective_status_of_overdue_rows(self, staff: Client) -> None:
        ago = timezone.now() - timedelta(hours=1)
        make(status=Status.PLACED, created_at=ago, expires_at=ago, due_at=ago)

        assert [line["status"] for line in export(staff)] == ["expired"]

    def test_reads_in_chunks_and_omits_no_row(self, staff: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        same_moment, first = timezone.now(), make()
        VerificationAttempt.objects.bulk_create(
            VerificationAttempt(
                phone=first.phone, status="verified", max_tries=3, created_at=same_moment, expires_at=first.expires_at
            )
            for _ in range(50)
        )
        monkeypatch.setattr(attempt_admin, "CHUNK", 7)

        with CaptureQueriesContext(connection) as asked:
            ids = [int(line["id"]) for line in export(staff)]

        assert sorted(ids) == sorted(VerificationAttempt.objects.values_list("pk", flat=True))
        assert len(ids) == 51
        assert sum("LIMIT 7" in query["sql"] for query in asked) == 8

    def test_ends_with_a_notice_if_it_is_cut(self, staff: Client, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(attempt_admin, "MAX_ROWS", 2)
        for _ in range(3):
            make()

        lines = export(staff)

        assert len(lines) == 3
        assert lines[-1]["id"].startswith("There are more than 2 rows")

    def test_is_logged_and_named_without_a_number(self, staff: Client, grace: User) -> None:
        row = make()
        reply = staff.post(url(*EXPORT) + f"?status__exact=verified&phone__id__exact={row.phone.pk}")

        entry = LogEntry.objects.get()

        assert entry.user_id == grace.pk
        assert "status__exact=verified" in entry.change_message
        assert not shows_a_whole_number(f"{entry} {entry.change_message} {reply.headers} {b''.join(reply).decode()}")  # type: ignore[arg-type]
        assert reply.headers["Content-Disposition"].startswith('attachment; filename="attempts-20')

    def test_is_logged_without_a_number_of_a_filter(self, staff: Client) -> None:
        for name, value in (
            ("purpose__exact", f"call {NUMBER}"),
            ("purpose__exact", NUMBER[1:]),
            ("prefix", NUMBER[1:]),
        ):
            staff.post(url(*EXPORT), query_params={name: value})

        assert not any(shows_a_whole_number(entry.change_message) for entry in LogEntry.objects.all())

    def test_is_logged_without_digits_beside_encrypted_numbers(self, staff: Client, settings: Any) -> None:
        settings.TELROI = {"NUMBER_ENCRYPTION": "on", "NUMBER_KEYS": ["a key of at least 32 characters, for tests"]}

        staff.post(url(*EXPORT), query_params={"prefix": NUMBER[:11], "address": "198.51.100.123", "day": "2026-11-23"})

        logged = LogEntry.objects.get().change_message
        assert logged.endswith(": prefix=•••, address=198.51.100.123, day=2026-11-23")

    def test_needs_a_post(self, staff: Client) -> None:
        assert staff.get(url(*EXPORT)).status_code == 302
        assert not LogEntry.objects.exists()

    def test_with_an_unknown_filter_is_rejected(self, staff: Client) -> None:
        for query in ("phone__number__startswith=%2B", "foo=1"):
            reply = staff.post(f"{url(*EXPORT)}?{query}")

            assert reply.url == url("verificationattempt", "changelist") + "?e=1"  # type: ignore[attr-defined]
        assert not LogEntry.objects.exists()

    @pytest.mark.parametrize("name", ["purpose__exact", "region__exact", "key_name__exact", "error_code__exact"])
    def test_with_a_nul_in_a_filter_has_the_rows_of_the_list(self, staff: Client, name: str) -> None:
        make(purpose="payout")

        assert len(export(staff, "?purpose__exact=pay%00out")) == 1
        assert export(staff, f"?{name}=%00x") == []

    @pytest.mark.parametrize("user", ["9_" + "9" * 22, "%20" + "9" * 20])
    def test_with_a_user_that_no_row_can_have_is_empty(self, staff: Client, user: str) -> None:
        make()

        assert export(staff, f"?user={user}") == []

    def test_is_offered_with_the_permission_only(self, staff: Client, client: Client) -> None:
        make()

        assert (
            'action="export/?status__exact=verified"'
            in staff.get(url("verificationattempt", "changelist") + "?status__exact=verified&p=1").content.decode()
        )

    @pytest.mark.django_db(transaction=True)
    def test_streams_under_asgi_too(self, grace: User) -> None:
        make()
        request = AsyncRequestFactory().post("/")
        request.user = grace
        request.session = {}  # type: ignore[assignment]
        page = admin.site.get_model_admin(VerificationAttempt)
        request._dont_enforce_csrf_checks = True  # type: ignore[attr-defined]

        reply = page.export_view(request)  # type: ignore[attr-defined]
        lines = asyncio.run(_read(reply))

        assert reply.is_async
        assert lines.count(b"\r\n") == 2


async def _read(reply: StreamingHttpResponse) -> bytes:
    """The thread that makes the lines has its own connection."""
    lines = b"".join([chunk async for chunk in reply])  # type: ignore[union-attr]
    await sync_to_async(connections.close_all)()
    return lines


@pytest.mark.parametrize(
    "text",
    [
        *(
            "=1+1",
            "+1",
            "-1",
            "@SUM(A1)",
            "|calc",
            "%0A",
            "\t=1",
            "\r=1",
            "\n=1",
            " =1",
            "\u00a0=1",
            "\u200e=1",
            "\u202e=1",
        ),
        *("＝1", "＋1", "－1", "＠1", "﹢1", "−1", "\x00=1", "\ufeff=1", "'=1"),
    ],
)
def test_no_cell_starts_a_formula(text: str) -> None:
    assert str(cell(text)).startswith("'")


@pytest.mark.parametrize("text", ["a\r\nb", "a\x1b[31mb", "a\u202eb", "a\u2028b", "a\x85b"])
def test_no_cell_contains_control_characters(text: str) -> None:
    assert str(cell(text)).isprintable()
