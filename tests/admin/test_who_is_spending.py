"""The overview answers who causes the calls: rankings, costs, the period before, links to exactly these attempts."""

from __future__ import annotations

import csv
import io
import itertools
import re
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from bs4 import BeautifulSoup, Tag
from django.contrib.auth.models import User
from django.core.cache import cache
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_telroi.admin.shared.lists import CheapList
from django_telroi.domain.phone import prefix_of
from django_telroi.models import PhoneNumber, RefusalTally, VerificationAttempt
from django_telroi.services.statistics import rankings
from tests.admin.admin_pages import html_of
from tests.admin.sample_numbers import client_with
from tests.calling_site import Configure

pytestmark = pytest.mark.django_db

OVERVIEW = "/admin/django_telroi/phonenumber/overview/"
DAY = timedelta(days=1)
ROW_LINK = re.compile(r'<th class="field-[^"]*"><a href="([^"]+)/change/')
RANKINGS = ("rank-prefix", "rank-user", "rank-address", "rank-number")


@pytest.fixture(autouse=True)
def nothing_kept() -> None:
    cache.clear()


def calls(count: int, *, number: str = "+2348031234567", ago: timedelta = timedelta(hours=2), **fields: Any) -> None:
    region = "GB" if number.startswith("+44") else "NG"
    phone, _ = PhoneNumber.objects.get_or_create(number=number, defaults={"last4": number[-4:], "region": region})
    at = timezone.now() - ago
    given = {
        "phone": phone,
        "last4": phone.last4,
        "region": phone.region,
        "prefix": prefix_of(number),
        "status": "verified",
        "dispatch": "inline",
        "max_tries": 3,
        "created_at": at,
        "dialed_at": at,
        "placed_at": at,
        "expires_at": at,
        "verified_at": at if fields.get("status", "verified") == "verified" else None,
    }
    VerificationAttempt.objects.bulk_create(VerificationAttempt(**(given | fields)) for _ in range(count))


@pytest.fixture
def attack(db: None) -> None:
    """Two people verify their numbers, and one address calls a third number without typing a code."""
    amy, ben = (User.objects.create_user(name) for name in ("amy", "ben"))
    calls(20, user=amy, requester_ip="198.51.100.1")
    calls(12, user=ben, requester_ip="198.51.100.2", number="+447400123456")
    calls(30, requester_ip="203.0.113.9", number="+2348029876543", status="expired")
    calls(1, requester_ip="203.0.113.9", number="+2348029876543", status="failed", placed_at=None)
    calls(4, ago=DAY + timedelta(hours=2), requester_ip="203.0.113.9", number="+2348029876543")
    calls(6, ago=DAY + timedelta(hours=2), user=amy)


def page_of(client: Client, address: str = OVERVIEW) -> BeautifulSoup:
    answer = client.get(address)
    assert answer.status_code == 200, address
    return BeautifulSoup(answer.content, "html.parser")


def csv_rows_of(page: BeautifulSoup, key: str) -> list[Tag]:
    return page.select(f"section[aria-labelledby=telroi-{key}] tbody tr")


def texts(row: Tag) -> list[str]:
    return [cell.get_text(" ", strip=True).replace("\N{NO-BREAK SPACE}", " ") for cell in row.select("th, td")]


def ids_listed(client: Client, address: str) -> set[str]:
    """Return the primary keys on all pages of the list at ``address``."""
    found: set[str] = set()
    for number in itertools.count(1):
        answer = client.get(f"{address}&p={number}")
        # The list redirects from a page that does not exist: the one after a full last page.
        assert answer.status_code == (200 if number == 1 or answer.content else 302)
        links = ROW_LINK.findall(answer.content.decode())
        found |= set(links)
        if len(links) < CheapList.list_per_page:
            return found
    raise AssertionError("a list without end")


def test_users_addresses_prefixes_and_numbers_are_ranked(staff: Client, attack: None) -> None:
    page = page_of(staff)

    top = {key: [texts(row)[:5] for row in csv_rows_of(page, key)] for key in RANKINGS}
    assert top["rank-user"] == [
        ["amy", "20", "6", "20", "20"],
        ["ben", "12", "0", "12", "12"],
    ]
    assert top["rank-address"][0] == ["203.0.113.9", "31", "4", "30", "0"]
    assert top["rank-prefix"][0] == ["+2348029", "31", "4", "30", "0"]
    assert top["rank-number"][0] == ["+234 802 ••• 6543", "31", "4", "30", "0"]


@pytest.mark.parametrize("period", ["24h", "7d"])
def test_each_figure_is_a_link_to_exactly_its_attempts(staff: Client, attack: None, period: str) -> None:
    page = page_of(staff, f"{OVERVIEW}?period={period}")

    figures = [link for link in page.select("td.telroi-n a, .telroi-legend b a") if link.text.isdigit()]
    assert len(figures) > 50
    for link in figures:
        assert len(ids_listed(staff, str(link["href"]))) == int(link.text), link


def test_a_tile_links_to_its_attempts(staff: Client, attack: None) -> None:
    tiles = {tile.dt.text: tile.select_one("a") for tile in page_of(staff).select(".telroi-tile") if tile.dt}

    assert len(ids_listed(staff, tiles["Calls placed"]["href"])) == 62
    assert len(ids_listed(staff, tiles["Verified of placed"]["href"])) == 32
    assert tiles["Requests rejected"]["href"] == "#telroi-refusals"


def test_a_share_far_below_the_usual_one_stands_out_in_words(staff: Client, attack: None) -> None:
    page = page_of(staff)

    flagged = {
        key: [texts(row)[0] for row in csv_rows_of(page, key) if row.select_one(".telroi-warning")] for key in RANKINGS
    }
    assert flagged == {
        "rank-prefix": ["+2348029"],
        "rank-user": [],
        "rank-address": ["203.0.113.9"],
        "rank-number": ["+234 802 ••• 6543"],
    }
    assert "far below the usual 100.0%" in page.text


def test_the_period_before_is_beside_the_tiles(staff: Client, attack: None) -> None:
    notes = [each.text for each in page_of(staff).select(".telroi-tile .telroi-of")]

    assert "24 hours before: 10" in notes
    assert "24 hours before: 100.0%" in notes


def test_costs_are_estimated_from_the_prices_of_the_site(staff: Client, attack: None, configure: Configure) -> None:
    configure(CALL_PRICES={"GB": 0.5, "": 0.1}, CALL_PRICE_CURRENCY="USD")

    page = page_of(staff)

    tiles = {tile.dt.text: texts_of_tile(tile) for tile in page.select(".telroi-tile") if tile.dt}
    assert tiles["Estimated cost"] == ["≈ 11.00 USD", "placed calls × CALL_PRICES", "24 hours before: ≈ 1.00 USD"]
    assert [texts(row)[-1] for row in csv_rows_of(page, "rank-user")] == ["≈ 2.00 USD", "≈ 6.00 USD"]
    assert [texts(row)[-1] for row in csv_rows_of(page, "regions")] == ["≈ 5.00 USD", "≈ 6.00 USD"]
    assert "Costs are estimates" in page.text


def texts_of_tile(tile: Tag) -> list[str]:
    return [each.get_text(" ", strip=True) for each in tile.select("dd")]


def test_without_prices_no_cost_is_shown(staff: Client, attack: None) -> None:
    page = page_of(staff)

    assert "Estimated cost" not in page.text
    assert "Cost" not in [head.text for head in page.select("th")]


def test_who_may_not_see_attempts_sees_only_prefixes_and_no_links(attack: None) -> None:
    page = page_of(client_with("view_overview"))

    assert [bool(page.select(f"#telroi-{key}")) for key in RANKINGS] == [True, False, False, False]
    assert not page.select("a[href*=verificationattempt]")
    assert "203.0.113.9" not in page.text


def test_ten_are_ranked(staff: Client) -> None:
    for n in range(12):
        calls(n + 1, number=f"+23480300000{n:02}", requester_ip=f"203.0.113.{n}")

    assert [texts(row)[1] for row in csv_rows_of(page_of(staff), "rank-address")] == [str(n) for n in range(12, 2, -1)]


def test_of_very_many_attempts_the_newest_are_ranked(
    staff: Client, attack: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls(5, ago=timedelta(minutes=1), requester_ip="203.0.113.77")
    monkeypatch.setattr(rankings, "MAX_ATTEMPTS", 4)

    page = page_of(staff)

    (row,) = csv_rows_of(page, "rank-address")
    assert texts(row)[:2] == ["203.0.113.77", "5"]
    assert "of the newest" in page.text
    assert len(ids_listed(staff, str(row.select_one("td a")["href"]))) == 5  # type: ignore[index]


def test_the_address_is_a_filter_and_searchable(staff: Client, attack: None) -> None:
    attempts = "/admin/django_telroi/verificationattempt/"

    by_form = ids_listed(staff, f"{attempts}?address=198.51.100.2")
    found = staff.post(f"{attempts}search/", {"term": " 198.51.100.2 "}).headers["Location"]

    assert len(by_form) == 12
    assert ids_listed(staff, found) == by_form
    assert "198.51" not in found
    assert page_of(staff, attempts).select_one("input[name=address]")


def test_a_span_with_an_offset_of_almost_a_day_is_read(staff: Client, attack: None) -> None:
    span = "2020-01-01T00:00:00%2B23:59--2999-12-31T23:59:59-23:59"

    page = page_of(staff, f"/admin/django_telroi/verificationattempt/?span={span}")

    assert page.select("#result_list tbody tr")


@pytest.mark.parametrize("page", ["change", "note", "history"])
def test_a_key_of_thousands_of_digits_is_not_found(staff: Client, attack: None, page: str) -> None:
    url = f"/admin/django_telroi/verificationattempt/{'9' * 5000}/{page}/"

    assert staff.get(url).status_code in (302, 404)


@pytest.mark.parametrize(
    "query",
    [
        *(
            "user=x",
            "user=" + "9" * 30,
            "user=-" + "9" * 30,
            "user=9_" + "9" * 22,
            "user=%20" + "9" * 20,
            "user=" + "9" * 5000,
            "address=x",
            "address=1.2.3",
            "prefix=x",
            "prefix=%2B2348031234567",
            "span=x",
        ),
        *("span=2026-01-01--2026-01-02", "span=0001-01-01T00:00Z--2026-01-01T00:00Z", "outcome=x", "prefix=", "span="),
    ],
)
def test_an_invalid_value_in_the_url_shows_no_attempts(staff: Client, attack: None, query: str) -> None:
    page = page_of(staff, f"/admin/django_telroi/verificationattempt/?{query}")

    assert not page.select("#result_list tbody tr")


VIEWER = ("view_phonenumber", "view_verificationattempt", "view_verifiedphone")


@pytest.mark.parametrize(
    ("number", "prefix", "shown_to_viewer"),
    [
        ("+2348031234567", "+2348031", True),
        ("+2348031234567", "+23480312", False),
        ("+2348031234567", "+2348031234", False),
        ("+2348031234567", "23480 31234", False),
        ("+2348031234567", "٢٣٤٨٠٣١٢٣", False),
        ("+16502530000", "+16502", True),
        ("+16502530000", "+165025", False),
        ("+16502530000", "+1650253", False),
    ],
)
def test_a_prefix_confirms_no_hidden_digits_without_the_permission(
    number: str, prefix: str, shown_to_viewer: bool
) -> None:
    calls(1, number=number)
    one = PhoneNumber.objects.get(number=number).pk
    url = f"/admin/django_telroi/verificationattempt/?{urlencode({'phone__id__exact': one, 'prefix': prefix})}"

    shown = {
        right: bool(page_of(client_with(*VIEWER, right), url).select("#result_list tbody tr"))
        for right in ("view_full_number", "view_phonenumber")
    }

    assert shown == {"view_full_number": True, "view_phonenumber": shown_to_viewer}


def test_a_list_by_prefix_says_that_it_leaves_out_numbers() -> None:
    """For each prefix, because a sentence only beside a shorter list would confirm hidden digits."""
    calls(1, number="+16502530000")
    attempts, left_out = "/admin/django_telroi/verificationattempt/", "this list leaves out the numbers"

    for query in ("prefix=1650253", "prefix=2348031"):
        assert left_out in page_of(client_with(*VIEWER), f"{attempts}?{query}").text
        assert left_out not in page_of(client_with(*VIEWER, "view_full_number"), f"{attempts}?{query}").text
    assert left_out not in page_of(client_with(*VIEWER), attempts).text


def test_a_filtered_list_executes_no_more_statements(staff: Client, attack: None) -> None:
    link = str(csv_rows_of(page_of(staff), "rank-prefix")[0].select_one("a")["href"])  # type: ignore[index]

    with CaptureQueriesContext(connection) as captured:
        page_of(staff, link)

    assert len(captured) <= 6


@pytest.mark.clear_numbers
@pytest.mark.parametrize("name", ["2348031234567", "08031234567", "0803 123 4567", "amy-2348031234567"])
def test_a_user_name_that_is_a_number_is_masked(staff: Client, configure: Configure, name: str) -> None:
    configure(DEFAULT_REGION="NG")
    calls(1, user=User.objects.create_user(name))
    calls(1, user=User.objects.create_user("customer 10023456789"))

    (user, other) = sorted(texts(row)[0] for row in csv_rows_of(page_of(staff), "rank-user"))
    file = b"".join(staff.get(f"{OVERVIEW}csv/")).decode()

    assert (user, other) == ("+234 803 ••• 4567", "customer 10023456789")
    assert "8031234567" not in file
    assert "803 123 4567" not in file


def test_the_csv_file_has_the_rankings_with_the_names_of_the_page(staff: Client, attack: None) -> None:
    text = b"".join(staff.get(f"{OVERVIEW}csv/").streaming_content).decode("utf-8-sig")  # type: ignore[attr-defined]
    rows = list(csv.DictReader(io.StringIO(text)))

    ranked = {(row["part"], row["name"]): row["value"] for row in rows if row["measure"] == "requested"}
    assert ranked["user with most calls", "amy"] == "20"
    assert ("address with most calls", "198.51.100.1") in ranked
    assert ("prefix with most calls", "2348031") in ranked
    assert any("•••" in name for part, name in ranked if part == "number with most calls")


def test_the_csv_file_ranks_only_prefixes_without_the_permission_to_view_attempts(attack: None) -> None:
    client = client_with("view_overview", "export_attempts", "view_phonenumber")
    text = b"".join(client.get(f"{OVERVIEW}csv/").streaming_content).decode()  # type: ignore[attr-defined]

    assert "prefix with most calls" in text
    assert not any(f"{kind} with most calls" in text for kind in ("user", "address", "number"))


def test_every_figure_has_the_one_of_the_period_before(staff: Client) -> None:
    calls(4, ago=timedelta(hours=2), status="expired")
    calls(3, ago=timedelta(hours=30))
    calls(1, ago=timedelta(hours=30), status="expired", placed_at=None)
    hour = timezone.now().replace(minute=0, second=0, microsecond=0)
    for hours, count in ((1, 7), (30, 5)):
        RefusalTally.objects.create(hour=hour - timedelta(hours=hours), code="cooldown", region="NG", count=count)

    page = BeautifulSoup(html_of(staff, OVERVIEW), "html.parser")

    tiles = {tile.dt.text: tile.text for tile in page.select(".telroi-tile")}  # type: ignore[union-attr]
    assert "24 hours before: 3" in tiles["Calls placed"]
    assert "24 hours before: 25" in tiles["Outcome unknown"]
    assert "24 hours before: 5" in tiles["Requests rejected"]
    assert "24 hours before: 0\u00a0s" in tiles["Median to verified"]
    row = page.select_one("section[aria-labelledby=telroi-regions] tbody tr")
    assert row
    assert [cell.text for cell in row.select("td")[:2]] == ["4", "4"]
    refused = page.select_one("section[aria-labelledby=telroi-refusals] tbody tr")
    assert refused
    assert [cell.text for cell in refused.select("td")[1:]] == ["7", "5"]


def test_the_limited_numbers_are_a_link(staff: Client) -> None:
    calls(1, ago=timedelta(seconds=10))
    PhoneNumber.objects.update(
        calls=[timezone.now().isoformat()],
        last_call_at=timezone.now(),
        next_call_at=timezone.now() + timedelta(minutes=1),
        limited_by="cooldown",
    )
    tile = BeautifulSoup(html_of(staff, OVERVIEW), "html.parser").find("dt", string="Numbers limited now")
    assert tile
    link = tile.find_next("a")

    assert link
    assert link.text == "1"  # type: ignore[union-attr]
    assert len(staff.get(str(link["href"])).context["cl"].result_list) == 1  # type: ignore[index]
