"""Views that require a verified phone redirect through the flow and back."""

from __future__ import annotations

import asyncio
import inspect
import pickle
from datetime import timedelta
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import AnonymousUser, User
from django.core.exceptions import ImproperlyConfigured
from django.db import connections
from django.template import Context, Template
from django.test import AsyncClient, Client, RequestFactory
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from django_telroi import services
from django_telroi.models import VerifiedPhone
from django_telroi.services.accounts.phones import known_phone_record
from django_telroi.testing import last_code_for, outbox
from django_telroi.web.gates import phone_verified_required
from tests.services.world import let_time_pass
from tests.web import gated_site
from tests.web.visitor import NUMBER, OTHER_NUMBER, SPELLING, Visitor

pytestmark = [pytest.mark.urls("tests.web.gated_site"), pytest.mark.django_db]

GATES = ["/any/", "/signed-up/", "/lately/7/", "/async/", "/class/", "/async-class/"]


@pytest.fixture
def ada() -> User:
    return User.objects.create_user("ada")


@pytest.fixture
def user(visitor: Visitor, ada: User) -> Visitor:
    """A logged-in visitor, Ada."""
    visitor.client.force_login(ada)
    return visitor


def verify(user: User, purpose: str = "", *, seconds_ago: float = 0, number: str = NUMBER) -> None:
    moment = timezone.now() - timedelta(seconds=seconds_ago)
    VerifiedPhone.objects.create(user=user, number=number, purpose=purpose, verified_at=moment)


def verifies(visitor: Visitor, number: str = NUMBER) -> None:
    visitor.presses("Call me", number=number).presses("Verify", code=last_code_for(number))


@pytest.mark.parametrize("path", GATES)
def test_an_anonymous_user_is_redirected_to_the_login(client: Client, settings: Any, path: str) -> None:
    settings.LOGIN_URL = "/login/"

    assert client.get(path + "?a=1&b=2")["Location"] == f"/login/?next={path}%3Fa%3D1%26b%3D2"


@pytest.mark.parametrize("path", GATES)
def test_a_user_is_redirected_through_the_flow_and_back(user: Visitor, path: str) -> None:
    user.opens(f"{path}?tab=1&lang=de")
    assert (user.statuses, user.heading()) == ([302, 200], "Verify your phone")

    verifies(user, SPELLING.replace(" ", ""))

    assert (user.path, user.statuses[-1]) == (f"{path}?tab=1&lang=de", 200)
    assert user.soup.text.startswith("in")


@pytest.mark.parametrize("path", GATES)
def test_a_user_with_a_verified_phone_passes_with_one_query(
    user: Visitor, ada: User, path: str, django_assert_max_num_queries: Any
) -> None:
    verify(ada)
    verify(ada, "signup")

    with django_assert_max_num_queries(3):  # the session, the user, the phones
        assert user.client.get(path).status_code == 200


def test_a_verification_that_is_too_old_is_repeated_without_a_redirect_loop(user: Visitor) -> None:
    user.opens("/class/")
    verifies(user)
    assert user.path == "/class/"

    let_time_pass(3601)
    before = len(user.trail)
    user.opens("/class/")

    assert user.statuses[before:] == [302, 200]
    assert (user.path, user.heading()) == ("/phone/?purpose=&next=%2Fclass%2F&why=old", "Verify your phone")
    assert "The page that you opened needs a number that was verified more recently." in user.card().text
    verifies(user)
    assert (user.path, user.soup.text, len(outbox)) == ("/class/", "in", 2)


@pytest.mark.parametrize("page", ["/phone/code/", "/phone/done/"])
def test_an_old_page_redirects_to_the_form(user: Visitor, page: str) -> None:
    user.opens("/class/")
    verifies(user)
    let_time_pass(3601)

    user.opens(page)
    goal = user.card().find("a")["href"]

    assert (goal, user.opens(goal).heading()) == ("/class/", "Verify your phone")


@pytest.mark.parametrize("started_at", ["/phone/", "/phone/?next=/any/"])
def test_a_person_with_an_open_call_types_its_code_and_returns_to_the_gate(user: Visitor, started_at: str) -> None:
    user.opens(started_at).presses("Call me", number=SPELLING)

    user.opens("/class/")
    assert user.heading() == "We are calling you"
    user.presses("Verify", code=last_code_for(NUMBER))

    assert (user.path, user.soup.text, len(outbox)) == ("/class/", "in", 1)


def test_a_removed_number_is_not_accepted(user: Visitor, ada: User) -> None:
    verify(ada)
    verify(ada, number=OTHER_NUMBER)

    services.forget_phone(ada, NUMBER)
    assert user.client.get("/any/").status_code == 200
    services.forget_phone(ada, OTHER_NUMBER)

    assert user.opens("/any/").heading() == "Verify your phone"


@pytest.mark.parametrize(
    ("purpose", "path", "status"),
    [("", "/any/", 200), ("signup", "/any/", 200), ("", "/signed-up/", 302), ("signup", "/lately/7/", 302)],
)
def test_another_purpose_is_not_accepted_and_none_means_any(
    user: Visitor, ada: User, purpose: str, path: str, status: int
) -> None:
    verify(ada, purpose)

    assert user.client.get(path).status_code == status


@pytest.mark.parametrize(("seconds_ago", "status"), [(3500, 200), (3700, 302)])
@pytest.mark.parametrize("path", ["/class/", "/async/"])
def test_an_age_can_be_given_in_seconds(user: Visitor, ada: User, path: str, seconds_ago: int, status: int) -> None:
    verify(ada, seconds_ago=seconds_ago)

    assert user.client.get(path).status_code == status


def test_another_users_phone_is_not_accepted(user: Visitor) -> None:
    verify(User.objects.create_user("ben"))

    assert user.client.get("/any/").status_code == 302


def test_a_gate_for_any_purpose_uses_one_of_the_site(user: Visitor, site: Any) -> None:
    site.TELROI = {"PURPOSES": ["signup"]}

    user.opens("/any/")
    verifies(user)

    assert (user.path, user.soup.text) == ("/any/", "in")


def test_a_gate_for_an_unknown_purpose_raises_an_error(user: Visitor) -> None:
    with pytest.raises(ImproperlyConfigured, match='"nonsense" of a gate is not in TELROI'):
        user.client.get("/unknown/")


def test_a_gate_for_a_purpose_without_records_raises_an_error(user: Visitor, site: Any) -> None:
    site.TELROI = {"PURPOSES": ["", "signup"], "PURPOSES_WITHOUT_RECORD": ["signup"]}

    with pytest.raises(ImproperlyConfigured, match="PURPOSES_WITHOUT_RECORD"):
        user.client.get("/signed-up/")


def test_a_gate_for_any_purpose_uses_one_with_records(user: Visitor, site: Any) -> None:
    site.TELROI = {"PURPOSES": ["", "signup"], "PURPOSES_WITHOUT_RECORD": [""]}

    user.opens("/any/")
    verifies(user)

    assert (user.path, user.soup.text) == ("/any/", "in")


def test_a_site_without_the_user_middleware_gets_an_error_that_names_it(rf: RequestFactory) -> None:
    with pytest.raises(ImproperlyConfigured, match="AuthenticationMiddleware"):
        gated_site.any_phone(rf.get("/any/"))


@pytest.mark.parametrize("max_age", [0, -1, timedelta(0)])
def test_an_impossible_age_is_rejected(max_age: Any) -> None:
    with pytest.raises(ImproperlyConfigured, match="max_age must be positive"):
        phone_verified_required(max_age=max_age)


def test_async_views_stay_async(ada: User) -> None:
    assert inspect.iscoroutinefunction(gated_site.async_view)
    assert gated_site.any_phone.__name__ == "any_phone"


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("path", ["/async/", "/async-class/"])
def test_async_views_are_guarded_on_an_async_server(path: str) -> None:
    ada = User.objects.create_user("ada")
    client = AsyncClient()
    client.force_login(ada)

    assert asyncio.run(status_of(client, path)) == 302
    verify(ada)
    verify(ada, "signup")
    assert asyncio.run(status_of(client, path)) == 200


async def status_of(client: AsyncClient, path: str) -> int:
    """Send one request and close its connection: asgiref keeps the thread, and a database in use cannot be dropped."""
    try:
        return (await client.get(path)).status_code
    finally:
        await sync_to_async(connections.close_all)()


def test_templates_know_who_is_verified_with_one_query(
    user: Visitor, ada: User, django_assert_num_queries: Any
) -> None:
    verify(ada, seconds_ago=3700)

    with django_assert_num_queries(3):  # the session, the user, the phones
        user.opens("/page/")

    assert user.soup.find(id="told").text.split() == ["True", "False", "False", "False", "True"]


def test_a_gate_and_its_template_share_one_query(user: Visitor, ada: User, django_assert_num_queries: Any) -> None:
    verify(ada, seconds_ago=61)

    with django_assert_num_queries(3):
        assert user.client.get("/lately/7/").content == b"in True False"


@pytest.mark.parametrize("nobody", [AnonymousUser(), None, ""])
def test_an_anonymous_user_is_not_verified_without_a_query(
    nobody: object, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    template = Template("{% load telroi %}{{ who|phone_verified }} {% phone_verified who max_age=60 %}")

    with django_assert_num_queries(0):
        assert template.render(Context({"who": nobody})) == "False False"


def test_the_cached_answer_is_dropped_when_the_phones_change(ada: User) -> None:
    template = Template("{% load telroi %}{{ who|phone_verified }}")
    shown = [template.render(Context({"who": ada}))]

    attempt = services.start_verification(NUMBER, user=ada)
    services.check_code(attempt.uuid, last_code_for(NUMBER), user=ada)
    shown.append(template.render(Context({"who": ada})))
    services.forget_phone(ada, NUMBER)
    shown.append(template.render(Context({"who": ada})))

    assert shown == ["False", "True", "False"]


def test_every_request_queries_again_and_a_pickled_user_caches_nothing(
    rf: RequestFactory, ada: User, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    first, second = rf.get("/"), rf.get("/")
    with django_assert_num_queries(2):
        for request in (first, first, second, second, None):
            known_phone_record(ada, request=request)

    with django_assert_num_queries(1):
        known_phone_record(pickle.loads(pickle.dumps(ada)))


def test_a_second_click_does_not_log_a_user_out(user: Visitor) -> None:
    user.opens("/any/").presses("Call me", number=SPELLING)
    action, fields = user.form("Verify")
    second = Client()
    second.cookies["sessionid"] = user.client.cookies["sessionid"].value
    second.cookies["csrftoken"] = user.client.cookies["csrftoken"].value
    typed = {**fields, "code": last_code_for(NUMBER)}

    first_answer, second_answer = user.client.post(action, typed), second.post(action, typed)

    assert first_answer["Location"] == second_answer["Location"] == "/any/"
    assert user.client.get("/any/").content == second.get("/any/").content == b"in"
