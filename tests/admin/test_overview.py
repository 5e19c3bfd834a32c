"""The overview: permissions, contents, and hostile text."""

from __future__ import annotations

import csv
import io
import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from bs4 import BeautifulSoup
from django.contrib.admin.models import LogEntry
from django.contrib.auth.models import Permission, User
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone, translation

from django_telroi import services
from django_telroi.admin.overview import overview_pages
from django_telroi.admin.overview.formats import percent
from django_telroi.admin.overview.names import ALERT_NAMES, PAUSE_NAMES, REFUSAL_NAMES
from django_telroi.admin.overview.overview_parts import Page
from django_telroi.admin.shared import lists
from django_telroi.errors import VerificationRefused
from django_telroi.models import AttemptEvent, CallControl, EventKind, PhoneNumber, RefusalTally, VerificationAttempt
from django_telroi.services.shared.alerts import Alert
from django_telroi.services.shared.site_control import PauseReason
from django_telroi.services.statistics.figures import count_statistics, current_counts
from django_telroi.services.statistics.periods import Period
from tests.services.world import NUMBER

pytestmark = pytest.mark.django_db

OVERVIEW = "/admin/django_telroi/phonenumber/overview/"
EXPORT = f"{OVERVIEW}csv/"
HOSTILE = '=1+1"><script>alert(1)</script>'
MAX_QUERIES = 26


@pytest.fixture(autouse=True)
def nothing_kept() -> None:
    cache.clear()


def call(*, ago: timedelta = timedelta(minutes=10), **fields: Any) -> VerificationAttempt:
    at = timezone.now() - ago
    phone, _ = PhoneNumber.objects.get_or_create(number=NUMBER, last4=NUMBER[-4:], region="NG")
    given = {
        "phone": phone,
        "region": "NG",
        "prefix": NUMBER[:8],
        "status": "verified",
        "dispatch": "inline",
        "max_tries": 3,
        "created_at": at,
        "dialed_at": at,
        "placed_at": at,
        "expires_at": at + timedelta(minutes=5),
        "verified_at": at + timedelta(seconds=30),
    }
    return VerificationAttempt.objects.create(**(given | fields))


def page_of(client: Client, query: str = "") -> BeautifulSoup:
    answer = client.get(f"{OVERVIEW}{query}")
    assert answer.status_code == 200
    return BeautifulSoup(answer.content, "html.parser")


def tiles(page: BeautifulSoup) -> dict[str, str]:
    return {tile.dt.text: tile.select_one(".telroi-value").text for tile in page.select(".telroi-tile")}


def table(page: BeautifulSoup, key: str) -> list[list[str]]:
    rows = page.select(f"section[aria-labelledby=telroi-{key}] tbody tr")
    return [[cell.get_text(" ", strip=True) for cell in row.select("th, td")] for row in rows]


def exported(client: Client, query: str = "") -> list[dict[str, str]]:
    answer = client.get(f"{EXPORT}{query}")
    text = b"".join(answer.streaming_content).decode("utf-8-sig")  # type: ignore[attr-defined]
    return list(csv.DictReader(io.StringIO(text)))


def test_attempts_with_a_test_key_are_separate_in_the_chart_and_not_verified(staff: Client) -> None:
    call(livemode=False)
    call(livemode=True)

    page = page_of(staff)

    assert tiles(page)["Verified of placed"] == "100.0%"
    assert "With a test key" in page.get_text()
    assert [row["value"] for row in exported(staff) if row["measure"] == "verified"][:1] == ["1"]


def test_attempts_of_app_reviewers_are_no_calls(staff: Client, settings: Any) -> None:
    settings.TELROI = {**settings.TELROI, "REVIEWER_SECRET_NUMBERS": ["+2348031234567"]}
    call(livemode=True)
    call(telroi_id="reviewer-0b6a4f5e", requester_ip="10.0.0.7")

    page = page_of(staff)

    assert (tiles(page)["Calls placed"], "of 1 request" in page.get_text()) == ("1", True)
    assert "10.0.0.7" not in page.get_text()
    assert [row["value"] for row in exported(staff) if row["measure"] == "verified"][:1] == ["1"]
    outcomes = ("placed", "dialed", "verified")
    shown = [staff.get(f"/admin/django_telroi/verificationattempt/?outcome={name}") for name in outcomes]
    assert [len(each.context["cl"].result_list) for each in shown] == [1, 1, 1]


class TestWhoMaySeeIt:
    def somebody(self, client: Client, *rights: str, is_staff: bool = True) -> Client:
        user = User.objects.create_user("somebody", is_staff=is_staff)
        user.user_permissions.set(Permission.objects.filter(codename__in=rights))
        client.force_login(user)
        return client

    @pytest.mark.parametrize(
        ("rights", "page", "export"),
        [
            ((), 403, 403),
            (("view_phonenumber", "view_verificationattempt"), 403, 403),
            (("export_attempts",), 403, 403),
            (("view_overview",), 200, 403),
            (("view_overview", "export_attempts"), 200, 200),
        ],
    )
    def test_staff_with_the_permission(self, client: Client, rights: tuple[str, ...], page: int, export: int) -> None:
        self.somebody(client, *rights)

        assert (client.get(OVERVIEW).status_code, client.get(EXPORT).status_code) == (page, export)

    def test_no_other_users(self, client: Client) -> None:
        strangers = [client.get(address).status_code for address in (OVERVIEW, EXPORT)]
        self.somebody(client, "view_overview", "export_attempts", is_staff=False)

        assert strangers + [client.get(address).status_code for address in (OVERVIEW, EXPORT)] == [302] * 4

    def test_lists_link_to_it_for_permitted_users(self, client: Client) -> None:
        self.somebody(client, "view_phonenumber", "view_verificationattempt")
        without = [link_in(client, name) for name in ("phonenumber", "verificationattempt")]
        user = User.objects.get(username="somebody")
        user.user_permissions.add(Permission.objects.get(codename="view_overview"))

        assert without == [None, None]
        assert [link_in(client, name) for name in ("phonenumber", "verificationattempt")] == [OVERVIEW, OVERVIEW]

    def test_the_export_is_offered_to_permitted_users(self, client: Client) -> None:
        self.somebody(client, "view_overview")

        assert page_of(client).select_one(".telroi-tool-export") is None

    def test_it_is_read_only(self, staff: Client) -> None:
        assert [staff.post(address).status_code for address in (OVERVIEW, EXPORT)] == [405, 405]

    def test_without_the_list_of_numbers_it_has_no_link_to_it(self, rf: Any, grace: User) -> None:
        request = rf.get("/")
        request.user = grace

        assert [tool.url for tool in lists.overview_tools(request, site="admin")] == [OVERVIEW]
        assert reverse(f"admin:{lists.OVERVIEW}") == OVERVIEW


def link_in(client: Client, model: str) -> object:
    html = client.get(f"/admin/django_telroi/{model}/").content
    link = BeautifulSoup(html, "html.parser").select_one(".telroi-tool-overview")
    return link and link["href"]


class TestWhatItShows:
    def test_on_an_empty_site(self, staff: Client) -> None:
        page = page_of(staff)

        assert tiles(page) == {
            "Calls placed": "0",
            "Verified of placed": "–",
            "Median to verified": "–",
            "Outcome unknown": "–",
            "Requests rejected": "0",
            "Numbers limited now": "0",
            "Waiting in the queue now": "0",
        }
        assert page.select_one("svg.telroi-chart") is None
        assert "No calls were requested in this period." in page.text

    @pytest.mark.parametrize("period", Period)
    def test_of_one_call(self, staff: Client, period: Period) -> None:
        call(purpose="payout")

        page = page_of(staff, f"?period={period}")

        assert tiles(page)["Calls placed"] == "1"
        assert tiles(page)["Verified of placed"] == "100.0%"
        assert tiles(page)["Median to verified"] == "30\u00a0s"
        assert len(page.select("svg.telroi-chart path")) == 1
        assert table(page, "regions") == [["Nigeria", "1", "0", "1", "1", "100.0%"]]
        assert table(page, "purposes") == [["payout", "1", "0", "1", "1", "100.0%"]]

    def test_rounded_shares(self, staff: Client) -> None:
        for status in ("verified", "verified", "expired"):
            call(status=status, verified_at=None)

        assert tiles(page_of(staff))["Verified of placed"] == "66.7%"

    def test_a_table_with_the_values_of_the_chart(self, staff: Client) -> None:
        for minutes, status in ((10, "verified"), (70, "failed"), (80, "expired"), (300, "canceled")):
            call(ago=timedelta(minutes=minutes), status=status, verified_at=None)

        page = page_of(staff)

        titles = [bar.title.text for bar in page.select("svg.telroi-chart g")]
        rows = page.select("details tbody tr")
        assert [row.th.text for row in rows] == [title.rpartition(": ")[0] for title in titles]
        assert sum(int(row.select("td")[-1].text) for row in rows) == 4

    def test_refusals_and_alerts_as_text(self, staff: Client) -> None:
        hour = timezone.now().replace(minute=0, second=0, microsecond=0)
        RefusalTally.objects.create(hour=hour, code="cooldown", region="NG", count=1204)
        AttemptEvent.objects.create(kind=EventKind.ALERT, at=timezone.now(), detail="insufficient_funds")

        page = page_of(staff)

        assert table(page, "refusals") == [["cooldown of the number", "1,204", "0"]]
        assert table(page, "alerts")[0][:2] == ["The account at the provider is empty. Top it up.", "1"]

    def test_that_all_calls_are_paused(self, staff: Client, telroi: Any) -> None:
        from django_telroi.backends import get_backend, key_of
        from django_telroi.services.shared.site_control import pause_calls

        until = timezone.now() + timedelta(seconds=40)
        pause_calls(PauseReason.KEY_LIMITED, until=until, key=key_of(get_backend()), using="default")

        assert "the key is over its limit" in page_of(staff).select_one(".telroi-notice").text

    def test_that_all_calls_are_stopped(self, staff: Client) -> None:
        services.stop_calls(reason="an attack", actor="grace")

        assert "an attack" in page_of(staff).select_one(".telroi-stopped").text

    def test_which_prefixes_look_pumped(self, staff: Client) -> None:
        for _ in range(40):
            call(status="expired", verified_at=None)

        line = {"part": "pumped in the last hour", "name": NUMBER[1:8], "measure": "calls", "value": "40"}
        assert f"begin with {NUMBER[:8]}: 40 calls" in page_of(staff).select_one(".telroi-attack").text
        assert line in exported(staff)

    def test_the_age_of_cached_statistics(self, staff: Client) -> None:
        call()
        page_of(staff, "?period=30d")
        call()

        with pytest.MonkeyPatch.context() as patch:
            later = timezone.now() + timedelta(minutes=3)
            patch.setattr(overview_pages, "current_counts", lambda: current_counts(now=later))
            page = page_of(staff, "?period=30d")

        assert tiles(page)["Calls placed"] == "1"
        assert "Counted 3 min ago" in page.select_one(".telroi-span").text

    def test_an_unknown_period_as_one_day(self, staff: Client) -> None:
        assert "The last 24 hours" in page_of(staff, "?period=365d").text

    def test_each_hour_separately_when_clocks_go_back(self) -> None:
        now = datetime(2026, 10, 25, 11, 23, tzinfo=UTC)
        with timezone.override("Europe/Berlin"):
            counted = count_statistics(Period.DAY, zone=timezone.get_current_timezone(), now=now)
            hours = [words for words, *_ in Page(counted, current_counts(now=now)).chart_rows()]

        assert len(set(hours)) == len(hours) == 25
        assert {"Sun 02:00 CEST", "Sun 02:00 CET"} <= set(hours)

    def test_the_same_number_of_statements_for_any_number_of_calls(self, staff: Client) -> None:
        for number in range(30):
            call(region=("NG", "US")[number % 2], purpose=str(number))

        with CaptureQueriesContext(connection) as captured:
            page_of(staff)

        assert len(captured) <= MAX_QUERIES


class TestEveryCodeHasAText:
    def test_for_refusals(self) -> None:
        assert {refusal.code for refusal in VerificationRefused.__subclasses__()} <= REFUSAL_NAMES.keys()

    def test_for_alerts(self) -> None:
        assert {str(alert) for alert in Alert} <= ALERT_NAMES.keys()

    def test_for_pauses(self) -> None:
        assert set(PauseReason) == PAUSE_NAMES.keys()


class TestHostileText:
    @pytest.fixture(autouse=True)
    def hostile(self) -> None:
        call(purpose=HOSTILE, region='"><')
        hour = timezone.now().replace(minute=0, second=0, microsecond=0)
        RefusalTally.objects.create(hour=hour, code=HOSTILE[:32], region="", count=1)
        AttemptEvent.objects.create(kind=EventKind.ALERT, at=timezone.now(), detail=HOSTILE)
        PhoneNumber.objects.update(next_call_at=timezone.now() + timedelta(hours=1), limited_by=HOSTILE[:16])
        CallControl.objects.create(pk=CallControl.SWITCH, stopped_at=timezone.now(), stopped_reason=HOSTILE)

    def test_is_escaped_on_the_page(self, staff: Client) -> None:
        html = staff.get(OVERVIEW).content.decode()

        assert "<script>alert" not in html
        assert table(BeautifulSoup(html, "html.parser"), "purposes")[0][0] == HOSTILE

    def test_starts_no_formula_in_the_file(self, staff: Client) -> None:
        rows = exported(staff)

        assert {row["name"] for row in rows if row["part"] == "purpose"} == {f"'{HOSTILE}"}
        assert not [cell for row in rows for cell in row.values() if cell.startswith(("=", "+", "@"))]

    @pytest.mark.parametrize("query", ["", "?period=30d"])
    def test_needs_no_inline_style_and_no_script(self, staff: Client, query: str) -> None:
        page = page_of(staff, query)
        ours = page.select_one(".telroi-overview")

        assert not page.select("[style]")
        assert not ours.select("script, style, link, [onclick], [onload], img")
        assert not [each for each in page.select("script") if not each.get("src")]
        assert not re.search(r"(?:https?:)?//", " ".join(str(each.get("href", "")) for each in ours.select("a")))

    def test_shows_no_number(self, staff: Client) -> None:
        shown = staff.get(OVERVIEW).content.decode() + str(exported(staff))

        assert NUMBER[1:] not in shown


class TestTheFile:
    def test_has_the_values_of_the_page(self, staff: Client) -> None:
        call(purpose="payout")
        call(status="failed", placed_at=None, verified_at=None)

        figures = {(row["part"], row["name"], row["measure"]): row["value"] for row in exported(staff)}

        assert figures["all", "", "requested"] == "2"
        assert figures["all", "", "placed"] == "1"
        assert figures["all", "", "verified_share"] == "1.0"
        assert figures["purpose", "payout", "verified"] == "1"
        assert figures["region", "NG", "requested"] == "2"
        assert sum(int(value) for (part, _, measure), value in figures.items() if part == "calls") == 2

    def test_is_recorded_in_the_admin_log_once_it_is_sent(self, staff: Client) -> None:
        staff.head(f"{EXPORT}?period=7d")
        assert LogEntry.objects.count() == 0

        staff.get(f"{EXPORT}?period=7d")

        entry = LogEntry.objects.get()
        assert (entry.get_change_message(), entry.object_repr) == ("Exported the overview as CSV: 7 days", "CSV")

    def test_is_a_download_of_the_period_that_is_not_cached(self, staff: Client) -> None:
        answer = staff.get(f"{EXPORT}?period=7d")

        assert re.fullmatch(
            r'attachment; filename="telroi-overview-7d-\d{8}T\d{6}Z\.csv"', answer["Content-Disposition"]
        )
        assert "no-store" in answer["Cache-Control"]
        assert answer.streaming


@pytest.mark.parametrize(
    ("language", "words"), [("en", "82.5%"), ("de", "82,5\u00a0%"), ("pt-br", "82,5%"), ("ar", "\u206682,5%\u2069")]
)
def test_a_share_is_written_as_in_its_language(language: str, words: str) -> None:
    """In Arabic the sign would be on the other side of the digits without the isolate."""
    with translation.override(language):
        assert percent(0.825) == words
