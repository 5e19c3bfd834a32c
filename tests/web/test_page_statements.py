"""The number of statements that read or write data in a request to a page: those of the API, and the session's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from django_telroi.simulator import Simulator
from tests.documented_statements import documented_statements
from tests.services.world import let_time_pass, statements, wrong
from tests.web.visitor import NUMBER, Visitor

pytestmark = pytest.mark.django_db

DOCUMENTED = documented_statements()


@pytest.fixture
def visitor(telroi: Simulator) -> Visitor:
    return Visitor(Client())


@pytest.fixture
def called(visitor: Visitor) -> Visitor:
    """A visitor who was called and sees the page for the code."""
    visitor.opens("/phone/").presses("Call me", number=NUMBER)
    return visitor


@pytest.fixture
def called_user(visitor: Visitor) -> Visitor:
    visitor.client.force_login(User.objects.create_user("ada"))
    visitor.opens("/phone/").presses("Call me", number=NUMBER)
    return visitor


def cost(act: Callable[[], Any]) -> tuple[int, list[str]]:
    """Return the number of statements of the work, and the verbs of those of the session."""
    with statements() as seen:
        act()
    of_session = [sql for sql in seen if "django_session" in sql]
    of_login = [sql for sql in seen if "auth_user" in sql]
    return len(seen) - len(of_session) - len(of_login), [sql.split()[0] for sql in of_session]


def press(visitor: Visitor, label: str, **typed: str) -> Callable[[], Any]:
    """Return the POST of this button, without the page after it."""
    action, fields = visitor.form(label)

    def act() -> None:
        assert visitor.client.post(action, fields | typed).status_code == 302

    return act


def test_the_page_for_a_new_visitor_executes_none(visitor: Visitor) -> None:
    assert cost(lambda: visitor.opens("/phone/")) == (0, [])


def test_a_start_of_a_new_visitor_creates_a_session(visitor: Visitor) -> None:
    visitor.opens("/phone/")

    assert cost(press(visitor, "Call me", number=NUMBER)) == (DOCUMENTED["start"], ["SELECT", "INSERT"])


def test_a_start_of_a_known_visitor_reads_and_writes_the_session(called: Visitor, telroi: Simulator) -> None:
    let_time_pass(301, telroi)
    called.opens("/phone/")

    assert cost(press(called, "Call me", number=NUMBER)) == (DOCUMENTED["start"], ["SELECT", "UPDATE"])


def test_call_again(called: Visitor, telroi: Simulator) -> None:
    let_time_pass(61, telroi)
    called.opens("/phone/code/")

    assert cost(press(called, "Call again")) == (DOCUMENTED["call again"], ["SELECT", "UPDATE"])


def test_change_number(called: Visitor) -> None:
    assert cost(press(called, "Change number")) == (DOCUMENTED["status"], ["SELECT", "UPDATE"])


@pytest.mark.codes("site")
def test_a_wrong_code(called: Visitor, telroi: Simulator) -> None:
    act = press(called, "Verify", code=wrong(telroi.last_code_for(NUMBER)))

    assert cost(act) == (DOCUMENTED["check of a wrong code"], ["SELECT", "UPDATE"])


@pytest.mark.codes("site")
def test_the_right_code_of_a_visitor_renews_the_session(called: Visitor, telroi: Simulator) -> None:
    act = press(called, "Verify", code=telroi.last_code_for(NUMBER))

    assert cost(act) == (
        DOCUMENTED["check of the right code, no user"],
        ["SELECT", "SELECT", "INSERT", "UPDATE", "UPDATE"],
    )


@pytest.mark.codes("site")
def test_the_right_code_of_a_user(called_user: Visitor, telroi: Simulator) -> None:
    act = press(called_user, "Verify", code=telroi.last_code_for(NUMBER))

    assert cost(act) == (DOCUMENTED["check of the right code of a user"], ["SELECT", "UPDATE"])


@pytest.mark.parametrize("path", ["/phone/code/", "/phone/status/"])
def test_a_page_that_shows_a_call_executes_one(called: Visitor, path: str) -> None:
    assert cost(lambda: called.client.get(path)) == (DOCUMENTED["status"], ["SELECT"])
