"""A database that fails at any statement of a request, on every database. See also the cut connections."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import count

import pytest
from django.db import InterfaceError, InternalError, OperationalError

from django_telroi import services
from django_telroi.errors import Unavailable
from django_telroi.models import VerificationAttempt
from tests.outages.people import API, People, Reply, visitor
from tests.services.world import database_gone, sends

ERRORS = pytest.mark.parametrize("error", [OperationalError, InterfaceError, InternalError])
MAX_STATEMENTS = 40


def at_every_statement(people: People, ask: Callable[[], Reply], error: type[Exception]) -> Iterator[tuple[Reply, int]]:
    """Yield the answer and the number of requested calls, for each failing statement. The last time none fails."""
    for answered in count():
        assert answered < MAX_STATEMENTS
        before = sends(people.telroi)
        with database_gone(after=answered, error=error):
            reply = ask()
        yield reply, sends(people.telroi) - before
        if reply.status_code in (201, 302) and answered > 20:
            return


@ERRORS
def test_the_api_does_not_deny_a_call_that_may_ring(people: People, error: type[Exception]) -> None:
    def start() -> Reply:
        return people.program.post(API, {"number": next(people.new)}, "application/json")

    for reply, calls in at_every_statement(people, start, error):
        assert (reply.status_code in (201, 202)) is (calls == 1)
        assert reply.status_code in (201, 202, 503)
        if calls:
            assert VerificationAttempt.objects.filter(uuid=reply.json()["id"]).exists()


@ERRORS
def test_a_page_does_not_deny_a_call_that_may_ring(people: People, error: type[Exception]) -> None:
    def start() -> Reply:
        return visitor().post("/phone/", {"number": next(people.new)})

    for reply, calls in at_every_statement(people, start, error):
        assert reply.status_code in (302, 503)
        assert not calls or reply["Location"] == "/phone/code/"


@ERRORS
def test_every_kind_of_error_is_treated_as_an_outage(people: People, error: type[Exception]) -> None:
    with database_gone(error=error), pytest.raises(Unavailable):
        services.start_verification(next(people.new))
    with database_gone(error=error), pytest.raises(Unavailable):
        services.check_code(people.attempt, "000000")
