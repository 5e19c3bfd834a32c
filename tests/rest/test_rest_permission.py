"""``IsPhoneVerified`` requires a verified phone."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries
from rest_framework.test import APIClient

from django_telroi.models import VerifiedPhone
from tests.rest.world import NUMBER

pytestmark = [pytest.mark.django_db, pytest.mark.urls("tests.rest.own_site")]


def ask(path: str, user: User | None) -> Any:
    client = APIClient()
    if user:
        client.force_authenticate(user)
    return client.get(path)


def verify(user: User, purpose: str = "", *, days_ago: float = 0) -> None:
    moment = timezone.now() - timedelta(days=days_ago)
    VerifiedPhone.objects.create(user=user, number=NUMBER, purpose=purpose, verified_at=moment)


def test_a_user_with_a_verified_phone_is_allowed(ada: User) -> None:
    verify(ada)

    assert ask("/any/", ada).status_code == 200


def test_a_user_without_one_gets_a_code_and_a_sentence(ada: User, ben: User) -> None:
    verify(ben)

    reply = ask("/any/", ada)

    assert reply.status_code == 403
    assert reply.json() == {"code": "phone_not_verified", "detail": "Verify your phone first."}


def test_an_anonymous_user_must_log_in(db: None) -> None:
    reply = ask("/any/", None)

    assert reply.status_code in (401, 403)
    assert reply.json()["detail"] == "Authentication credentials were not provided."


@pytest.mark.parametrize(("purpose", "status"), [("", 403), ("payout", 200)])
def test_a_phone_for_another_purpose_is_not_accepted(ada: User, purpose: str, status: int) -> None:
    verify(ada, purpose)

    assert ask("/payout/", ada).status_code == status
    assert ask("/any/", ada).status_code == 200


@pytest.mark.parametrize("path", ["/lately/", "/lately-in-seconds/"])
@pytest.mark.parametrize(("days_ago", "status"), [(29.9, 200), (30.1, 403)])
def test_an_old_verification_is_not_accepted(ada: User, path: str, days_ago: float, status: int) -> None:
    verify(ada, days_ago=days_ago)

    assert ask(path, ada).status_code == status


@pytest.mark.parametrize("path", ["/any/", "/twice/", "/both/"])
def test_several_permissions_of_a_request_execute_one_query(
    ada: User, path: str, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    verify(ada)
    verify(ada, "payout")

    with django_assert_num_queries(1):
        assert ask(path, ada).status_code == 200


def test_the_browsable_page_executes_one_query_too(
    ada: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    client = APIClient(headers={"Accept": "text/html"})
    client.force_authenticate(ada)

    with django_assert_num_queries(1):
        assert client.get("/any/").status_code == 403


def test_an_anonymous_user_executes_no_query(django_assert_num_queries: DjangoAssertNumQueries) -> None:
    with django_assert_num_queries(0):
        ask("/any/", None)
