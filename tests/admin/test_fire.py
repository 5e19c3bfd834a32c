"""Suspected toll fraud is on the first pages, with what staff can do: see the calls, block them, stop all calls."""

from __future__ import annotations

from datetime import timedelta

import pytest
from bs4 import BeautifulSoup
from django.contrib.admin.models import LogEntry
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from django_telroi import services
from django_telroi.errors import DestinationPaused
from django_telroi.models import AttemptEvent, BlockedDestination, VerificationAttempt
from tests.admin.admin_pages import html_of
from tests.admin.sample_numbers import client_with
from tests.admin.test_who_is_spending import calls, ids_listed
from tests.services.world import NUMBER

pytestmark = pytest.mark.django_db

HOME, APP = "/admin/", "/admin/django_telroi/"
OVERVIEW, NUMBERS = f"{APP}phonenumber/overview/", f"{APP}phonenumber/"
LISTS = [NUMBERS, f"{APP}verificationattempt/", f"{APP}verifiedphone/"]
DESTINATIONS = f"{APP}phonenumber/destinations/"
BLOCK, UNBLOCK = f"{DESTINATIONS}block/", f"{DESTINATIONS}unblock/"
STOP = f"{APP}phonenumber/stop-calls/"


@pytest.fixture
def attack(db: None) -> None:
    calls(40, ago=timedelta(minutes=10), status="expired", requester_ip="203.0.113.9")
    services.sweep()


def page_of(client: Client, address: str) -> BeautifulSoup:
    return BeautifulSoup(html_of(client, address), "html.parser")


def links_of(page: BeautifulSoup) -> dict[str, str]:
    return {link.text: str(link["href"]) for link in page.select(".telroi-attack a")}


@pytest.mark.parametrize("address", [HOME, APP, OVERVIEW])
def test_the_first_pages_tell_of_an_attack(staff: Client, attack: None, address: str) -> None:
    page = page_of(staff, address)

    words = page.select_one(".telroi-attack").text  # type: ignore[union-attr]
    links = links_of(page)
    assert "Numbers that begin with +2348031: 40 calls in the last hour, 0 of them verified." in words
    assert list(links) == ["See these calls", "Block this prefix for an hour", "Stop all calls"]
    assert len(ids_listed(staff, links["See these calls"])) == 40


@pytest.mark.parametrize(
    ("prefix", "is_counted"), [("%2B2348031", True), ("%2B23480312", False), ("%2B2348031234", False)]
)
def test_the_calls_of_a_long_prefix_are_counted_only_for_who_may_view_numbers(
    attack: None, prefix: str, is_counted: bool
) -> None:
    rights = ("view_phonenumber", "block_destination")

    texts = [
        page_of(client_with(*rights, *more), f"{BLOCK}?destination={prefix}").text
        for more in ([], ["view_full_number"])
    ]

    assert ["40 calls of the last 24 hours" in text for text in texts] == [is_counted, True]


def test_a_prefix_is_blocked_for_an_hour_from_the_notice(staff: Client, attack: None) -> None:
    link = links_of(page_of(staff, HOME))["Block this prefix for an hour"]
    form = page_of(staff, link)
    fields = {name: form.select_one(f"[name={name}]") for name in ("destination", "hours")}
    chosen = fields["hours"].select_one("[selected]")["value"]  # type: ignore[union-attr,index]

    posted = {"destination": fields["destination"]["value"], "hours": chosen, "reason": "an attack"}  # type: ignore[index]
    posted["confirmed"] = form.select_one("[name=confirmed]")["value"]  # type: ignore[index]
    assert "40 calls of the last 24 hours, 0 of them verified." in form.text
    assert "Nigeria" in form.text
    answer = staff.post(BLOCK, posted, follow=True)

    row = BlockedDestination.objects.get()
    assert (row.destination, row.blocked_by, row.reason) == ("+2348031", "grace", "an attack")
    assert row.until is not None
    assert timedelta(minutes=59) < row.until - timezone.now() <= timedelta(hours=1)
    assert "+2348031 is blocked: one hour." in answer.content.decode()
    with pytest.raises(DestinationPaused):
        services.start_verification(NUMBER)
    assert LogEntry.objects.get().change_message == "Blocked +2348031 (one hour): an attack"
    assert "Blocked until" in page_of(staff, HOME).select_one(".telroi-attack").text  # type: ignore[union-attr]
    assert "Unblock +2348031" in links_of(page_of(staff, OVERVIEW))


def test_a_region_is_blocked_until_it_is_unblocked(staff: Client) -> None:
    staff.post(BLOCK, {"destination": "gb", "hours": "0", "reason": "an attack", "confirmed": "GB"})
    page = page_of(staff, DESTINATIONS)
    link = str(page.select_one("tbody a")["href"])  # type: ignore[index]

    assert "Blocked until it is unblocked" in page.text
    assert "an attack" in page_of(staff, link).text
    assert services.blocked_destinations()

    answer = staff.post(link.split("?", maxsplit=1)[0], {"destination": "GB"}, follow=True)

    assert "The block of GB has ended." in answer.content.decode()
    assert not services.blocked_destinations()
    assert [entry.change_message for entry in LogEntry.objects.order_by("id")][1:] == ["Unblocked GB"]
    assert "has unblocked GB already" in staff.post(UNBLOCK, {"destination": "GB"}, follow=True).content.decode()


def test_the_list_names_the_site_where_it_paused_a_prefix_by_itself(
    staff: Client, configure: object, settings: object
) -> None:
    settings.TELROI = {**settings.TELROI, "PUMPING_PAUSE_SECONDS": 600}  # type: ignore[attr-defined]
    calls(40, ago=timedelta(minutes=10), status="expired")
    services.sweep()

    page = page_of(staff, DESTINATIONS)

    assert "Paused by itself until" in page.text
    assert "40 calls in an hour, 0 of them verified" in page.text
    assert {cell.text for cell in page.select("td:has(.telroi-label) bdi")} == {"this site"}


@pytest.mark.parametrize(
    ("destination", "hours", "reason"),
    [("0803", "1", "x"), ("+2348031234567", "1", "x"), ("+2348031", "5", "x"), ("+2348031", "1", " "), ("", "1", "x")],
)
def test_a_wrong_answer_blocks_nothing(staff: Client, destination: str, hours: str, reason: str) -> None:
    page = staff.post(BLOCK, {"destination": destination, "hours": hours, "reason": reason}).content.decode()

    assert "errorlist" in page
    assert not BlockedDestination.objects.exists()


def test_a_get_blocks_and_unblocks_nothing(staff: Client) -> None:
    services.block_destination("GB", reason="x", actor="grace")

    staff.get(f"{BLOCK}?destination=NG&hours=1&reason=x")
    staff.get(f"{UNBLOCK}?destination=GB")

    assert [row.destination for row in services.blocked_destinations()] == ["GB"]


@pytest.mark.parametrize(
    "permissions", [["view_phonenumber"], ["block_destination"], ["view_phonenumber", "stop_calls"]]
)
@pytest.mark.parametrize("address", [DESTINATIONS, BLOCK, UNBLOCK])
def test_the_pages_need_the_permission(address: str, permissions: list[str]) -> None:
    client = client_with(*permissions)

    posted = client.post(address, {"destination": "NG", "hours": "1", "reason": "x"})

    assert client.get(address).status_code == posted.status_code == 403
    assert not BlockedDestination.objects.exists()


def test_a_notice_has_only_the_links_that_the_user_may_open(attack: None) -> None:
    assert links_of(page_of(client_with("view_overview"), OVERVIEW)) == {}
    assert not page_of(client_with("view_phonenumber"), APP).select(".telroi-attack")
    seen = links_of(page_of(client_with("view_overview", "view_verificationattempt"), APP))
    assert list(seen) == ["See these calls"]


@pytest.mark.parametrize("address", [HOME, APP, OVERVIEW, *LISTS])
def test_stop_all_calls_is_on_every_first_page_for_who_may(staff: Client, address: str) -> None:
    (link,) = page_of(staff, address).select(".telroi-stop, .telroi-tool-stop")

    assert (link["href"], link.text) == (STOP, "Stop all calls")
    services.stop_calls(reason="x", actor="grace")
    assert not page_of(staff, address).select(".telroi-stop, .telroi-tool-stop")


def test_stop_all_calls_is_not_offered_without_the_permission() -> None:
    client = client_with("view_phonenumber", "view_verificationattempt", "view_overview")

    for address in (HOME, APP, OVERVIEW, *LISTS[:2]):
        assert not page_of(client, address).select(".telroi-stop, .telroi-tool-stop")


def test_the_home_page_says_that_calls_are_stopped_to_our_staff_only(staff: Client) -> None:
    services.stop_calls(reason="a fire", actor="eve")

    assert "a fire" in html_of(staff, HOME)
    assert "a fire" not in html_of(client_with("view_user"), HOME)


def test_without_an_alert_the_first_page_executes_one_query_more(staff: Client) -> None:
    with CaptureQueriesContext(connection) as captured:
        html_of(staff, HOME)

    ours = [query["sql"] for query in captured if "django_telroi" in query["sql"] and "admin_log" not in query["sql"]]
    assert len(ours) == 2  # the switch for all calls, and the alerts of the last hour


def test_an_old_alert_is_no_attack(staff: Client, attack: None) -> None:
    AttemptEvent.objects.update(at=timezone.now() - timedelta(hours=2))
    VerificationAttempt.objects.update(created_at=timezone.now() - timedelta(hours=2))

    assert not page_of(staff, HOME).select(".telroi-attack")


@pytest.mark.parametrize(
    ("typed", "destination", "named"),
    [
        ("+2", "+2", "Algeria, Angola, Aruba"),
        ("+1", "+1", "and 13 others"),
        ("+1 876", "+1876", "Jamaica"),
        ("+44 1481", "+441481", "Guernsey"),
        ("ng", "NG", "Nigeria"),
    ],
)
def test_the_page_says_what_a_destination_covers_before_it_is_blocked(
    staff: Client, typed: str, destination: str, named: str
) -> None:
    calls(3, number="+2348031234567", ago=timedelta(hours=2), status="expired")
    form = {"destination": typed, "hours": "1", "reason": "an attack"}

    asked = BeautifulSoup(staff.post(BLOCK, form).content, "html.parser")

    assert not BlockedDestination.objects.exists()
    covered = asked.select_one(".telroi-switch")
    assert covered
    assert named in covered.text
    count = 3 if destination in ("+2", "NG") else 0
    assert f"{count} calls of the last 24 hours, 0 of them verified." in covered.text
    confirmed = str(asked.select_one("[name=confirmed]")["value"])  # type: ignore[index]

    staff.post(BLOCK, {**form, "confirmed": confirmed})

    assert BlockedDestination.objects.get().pk == destination == confirmed


def test_another_destination_than_the_confirmed_one_is_confirmed_again(staff: Client) -> None:
    form = {"destination": "+2", "hours": "1", "reason": "an attack", "confirmed": "+2348031"}

    page = staff.post(BLOCK, form).content.decode()

    assert not BlockedDestination.objects.exists()
    assert "Algeria" in page


def test_a_block_of_the_region_covers_its_prefix_in_the_notice(staff: Client, attack: None) -> None:
    services.block_destination("NG", reason="an attack", actor="ada")

    page = page_of(staff, OVERVIEW)

    assert "Blocked until it is unblocked" in page.select_one(".telroi-attack").text  # type: ignore[union-attr]
    assert "Unblock NG" in links_of(page)
    assert "Already" in page_of(staff, f"{BLOCK}?destination=%2B2348031").text


@pytest.mark.parametrize("address", [HOME, APP])
def test_the_first_pages_link_to_the_overview_and_to_the_blocks(staff: Client, address: str) -> None:
    links = {link.text: link["href"] for link in page_of(staff, address).select(".telroi-links a")}

    assert links == {"Overview": OVERVIEW, "Blocked prefixes and regions": DESTINATIONS}
    assert not page_of(client_with("view_phonenumber"), address).select(".telroi-links")
