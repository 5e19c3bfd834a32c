"""A search is posted. The answer is a redirect whose URL does not contain the term."""

from __future__ import annotations

import pytest
from django.contrib.admin import site
from django.contrib.auth.models import User
from django.test import Client, RequestFactory

from django_telroi.models import PhoneNumber, VerificationAttempt
from tests.admin.admin_pages import url
from tests.admin.sample_numbers import client_with, number

pytestmark = pytest.mark.django_db

LIST = "phonenumber", "changelist"


def search(client: Client, term: str) -> str:
    answer = client.post(url("phonenumber", "search"), {"term": term})
    assert answer.status_code == 302
    return str(answer.url)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "spelling", ["+2348031230001", "00 234 803 123 0001", "+234 (803) 123-0001", "  +234 803 1230001 "]
)
def test_a_full_number_redirects_to_its_page_by_id(staff: Client, spelling: str) -> None:
    phone = number("0001")

    assert search(staff, spelling) == url("phonenumber", "change", phone.pk)


def test_the_id_of_an_attempt_finds_its_number(staff: Client, attempt: VerificationAttempt) -> None:
    assert search(staff, str(attempt.uuid)) == url("phonenumber", "change", attempt.phone.pk)


@pytest.mark.parametrize("term", ["0001", " 0001", "••• 0001", "00 01", "\u0660\u0660\u0660\u0661", "\u202d0001\u202c"])
def test_four_digits_filter_the_list_and_are_not_in_the_url(staff: Client, term: str) -> None:
    phone = number("0001")
    number("0002")

    address = search(staff, term)
    page = staff.get(address)

    assert "0001" not in address
    assert [row.pk for row in page.context["cl"].result_list] == [phone.pk]
    assert "ends in 0001" in page.content.decode()


def test_a_search_belongs_to_its_session(staff: Client) -> None:
    number("0001")
    address = search(staff, "0001")

    page = client_with("view_phonenumber").get(address)

    assert page.context["cl"].result_count == 0
    assert "expired search" in page.content.decode()


@pytest.mark.parametrize(
    "term",
    [
        "",
        "  ",
        "x",
        "\x00",
        "+",
        "'; --",
        "<b>",
        "9" * 500,
        "\u202e0001",
        "00\u0660\u0661",
        "4cf97987-c3c1-444b-b24b-254f7d3acc0d",
        "12345",
    ],
)
def test_a_term_that_is_not_found_is_not_repeated(staff: Client, term: str) -> None:
    number("0001")

    address = search(staff, term)

    page = staff.get(address)
    html = page.content.decode()
    is_empty = not term.strip("\x00 ")
    assert ("Nothing was found." in html) == (not is_empty)
    assert len(page.context["cl"].result_list) == int(is_empty)
    assert len(term) < 5 or (term not in html and term not in address)


def test_a_url_with_a_number_redirects_to_one_without(staff: Client) -> None:
    answer = staff.get(url(*LIST), {"q": "+2348031230001", "state": "free"})

    assert (answer.status_code, answer["Location"]) == (302, f"{url(*LIST)}?state=free")


@pytest.mark.parametrize("path", ["//evil.example/admin/django_telroi/phonenumber/", "/\\evil.example/", "/x:y/"])
def test_that_redirect_leads_to_the_list_for_every_path(rf: RequestFactory, path: str) -> None:
    request = rf.get(url(*LIST), {"q": "+2348031230001"})
    request.path = path  # as from a server that forwards any path

    answer = site.get_model_admin(PhoneNumber).changelist_view(request)

    assert answer["Location"] == url(*LIST)


def test_a_session_remembers_only_the_last_searches(staff: Client) -> None:
    for _ in range(30):
        search(staff, "0001")

    assert len(staff.session["telroi_searches"]) == 20


def test_searching_needs_a_post_and_the_view_permission(staff: Client) -> None:
    assert staff.get(url("phonenumber", "search"), {"term": "0001"}).url == url(*LIST)  # type: ignore[attr-defined]
    assert client_with("block_number").get(url("phonenumber", "search")).status_code == 403
    assert client_with("block_number").post(url("phonenumber", "search"), {"term": "0001"}).status_code == 403


def test_searching_needs_the_csrf_token(grace: User) -> None:
    client = Client(enforce_csrf_checks=True)
    client.force_login(grace)

    assert client.post(url("phonenumber", "search"), {"term": "0001"}).status_code == 403
