"""A database that became read-only, like a demoted primary. It accepts reads and rejects writes."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from django.contrib import admin
from django.core.management import CommandError, call_command
from django.db.models import Model

from django_telroi import services
from django_telroi.errors import Unavailable
from django_telroi.models import PhoneNumber, VerificationAttempt, VerifiedPhone
from tests.outages.outage import read_only
from tests.outages.people import EXPORTS, PAGE_WRITERS, READERS, STAFF_ACTIONS, WRITERS, People, Reply
from tests.outages.test_out_of_reach import NOT_NOW
from tests.services.world import checks, sends
from tests.webhooks.telroi import event_of


def on_the_wire(people: People) -> tuple[int, int]:
    return sends(people.telroi), checks(people.telroi)


@pytest.mark.parametrize("ask", READERS.values(), ids=READERS)
def test_read_requests_are_answered(people: People, ask: Callable[[People], Reply]) -> None:
    with read_only():
        reply = ask(people)

    assert reply.status_code in (200, 302)


@pytest.mark.parametrize("ask", WRITERS.values(), ids=WRITERS)
def test_the_api_answers_503(people: People, ask: Callable[[People], Reply]) -> None:
    before = on_the_wire(people)

    with read_only():
        reply = ask(people)

    assert (reply.status_code, on_the_wire(people)) == (503, before)


@pytest.mark.parametrize("ask", PAGE_WRITERS.values(), ids=PAGE_WRITERS)
def test_a_page_shows_a_card_with_an_error(people: People, ask: Callable[[People], Reply]) -> None:
    before = on_the_wire(people)

    with read_only():
        reply = ask(people)

    assert (reply.status_code, on_the_wire(people)) == (503, before)
    assert NOT_NOW in reply.content.decode()


def test_a_page_of_the_site_works(people: People) -> None:
    with read_only():
        reply = people.person.get("/here/")

    assert reply.status_code == 200


@pytest.mark.parametrize("act", STAFF_ACTIONS.values(), ids=STAFF_ACTIONS)
def test_staff_get_an_error(people: People, act: Callable[[People], Reply]) -> None:
    with read_only():
        reply = act(people)
        page = people.grace_s.get(reply["Location"]) if reply.status_code == 302 else reply

    assert reply.status_code in (302, 503)
    assert reply.status_code == 503 or page.context["messages"]


@pytest.mark.parametrize("ask", EXPORTS.values(), ids=EXPORTS)
def test_an_export_that_cannot_be_logged_is_answered_503(people: People, ask: Callable[[People], Reply]) -> None:
    with read_only():
        reply = ask(people)

    assert (reply.status_code, NOT_NOW in reply.content.decode()) == (503, True)


@pytest.mark.parametrize("model", [PhoneNumber, VerificationAttempt, VerifiedPhone])
def test_no_url_of_the_admin_ends_with_an_error_500(people: People, model: type[Model]) -> None:
    row = model._default_manager.order_by("-pk")[:1].get()
    at = f"/admin/django_telroi/{model._meta.model_name}/"
    routes = [str(each.pattern) for each in admin.site.get_model_admin(model).get_urls()]
    form = {"reason": "x", "text": "x", "term": "x", "destination": "NG", "confirmed": "NG", "hours": "1"}

    with read_only():
        replies = [people.grace_s.post(at + route.replace("<path:object_id>", str(row.pk)), form) for route in routes]

    assert [reply.status_code for reply in replies if reply.status_code >= 500 and reply.status_code != 503] == []


SERVICES: dict[str, Callable[[People], object]] = {
    "start": lambda people: services.start_verification(next(people.new)),
    "start for a user": lambda people: services.start_verification(next(people.new), user=people.ada),
    "call again": lambda people: services.call_again(people.attempt),
    "check": lambda people: services.check_code(people.attempt, "000000"),
    "cancel": lambda people: services.cancel_verification(people.attempt),
    "record an event": lambda people: services.record_event(event_of("otp.completed")),
    "forget": lambda people: services.forget_phone(people.ada, people.ada.verified_phones.get().number),
    "redeem a proof": lambda people: services.redeem_proof(people.proof, purpose="", user=people.ada),
    "block": lambda people: services.block_number(people.number, reason="", actor="grace"),
    "move": lambda people: services.move_number(people.number, user=people.ada, reason="", actor="grace"),
    "erase": lambda people: services.erase_number(people.number, actor="grace"),
    "reveal": lambda people: services.reveal_number(people.phone(), actor="grace"),
    "stop": lambda people: services.stop_calls(reason="", actor="grace"),
}


@pytest.mark.parametrize("serve", SERVICES.values(), ids=SERVICES)
def test_a_service_that_writes_raises_unavailable(people: People, serve: Callable[[People], object]) -> None:
    before = on_the_wire(people)

    with read_only(), pytest.raises(Unavailable):
        serve(people)

    assert on_the_wire(people) == before


def test_a_command_that_calls_ends_with_a_message(people: People) -> None:
    with read_only(), pytest.raises(CommandError, match="could not be placed"):
        call_command("telroi_call", next(people.new))
