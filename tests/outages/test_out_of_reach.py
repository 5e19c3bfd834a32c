"""A database that cannot be reached: every face answers 503, and no phone rings."""

from __future__ import annotations

from collections.abc import Callable
from io import StringIO
from typing import Any
from uuid import uuid4

import pytest
from django.contrib import admin
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models import Model

from django_telroi import services, tasks
from django_telroi.domain.number_cipher import NumberEncryption
from django_telroi.errors import Unavailable
from django_telroi.models import PhoneNumber, VerificationAttempt, VerifiedPhone
from tests.calling_site import Configure
from tests.management.test_missing_tables import COMMANDS
from tests.outages.outage import unreachable
from tests.outages.people import EXPORTS, PAGE_WRITERS, READERS, STAFF_ACTIONS, STAFF_PAGES, WRITERS, People, Reply
from tests.services.world import sends
from tests.webhooks.telroi import event_of

NOT_NOW = "This does not work at the moment. Try again in a few minutes."
PAGES = {name: ask for name, ask in {**READERS, **PAGE_WRITERS}.items() if name.startswith("page: ")}
STAFF = {**STAFF_ACTIONS, **STAFF_PAGES, **EXPORTS}
PROGRAMS = {name: ask for name, ask in {**READERS, **WRITERS}.items() if name.startswith("api: ")}


@pytest.mark.parametrize("ask", PROGRAMS.values(), ids=PROGRAMS)
def test_the_api_answers_503(people: People, ask: Callable[[People], Reply]) -> None:
    calls = sends(people.telroi)

    with unreachable():
        reply = ask(people)

    assert (reply.status_code, reply.json()["code"], sends(people.telroi)) == (503, "unavailable", calls)


@pytest.mark.parametrize("ask", [*PAGES.values()], ids=PAGES)
def test_a_page_shows_a_card_with_an_error(people: People, ask: Callable[[People], Reply]) -> None:
    calls = sends(people.telroi)

    with unreachable():
        reply = ask(people)

    assert (reply.status_code, sends(people.telroi)) == (503, calls)
    assert NOT_NOW in reply.content.decode()


def test_a_page_of_the_site_works_with_a_card_in_it(people: People) -> None:
    with unreachable():
        reply = people.person.get("/here/")

    assert reply.status_code == 200
    assert "We cannot call right now" in reply.content.decode()


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_a_command_says_so_also_if_the_system_checks_ask_first(
    command: tuple[str, ...], people: People, configure: Configure
) -> None:
    configure(NUMBER_ENCRYPTION=NumberEncryption.PREPARE, NUMBER_KEYS=["k" * 32])
    with unreachable():
        # A process that has just started does not know yet what the database supports.
        vars(connection.features).pop("supports_json_field", None)
        with pytest.raises(CommandError, match=r"database|could not be placed"):
            call_command(*command, skip_checks=False, stdout=StringIO(), stderr=StringIO())


@pytest.mark.parametrize("act", STAFF.values(), ids=STAFF)
def test_staff_get_an_error(people: People, act: Callable[[People], Reply]) -> None:
    with unreachable():
        reply = act(people)

    assert (reply.status_code, NOT_NOW in reply.content.decode()) == (503, True)


@pytest.mark.parametrize("model", [PhoneNumber, VerificationAttempt, VerifiedPhone])
def test_every_url_of_the_admin_is_answered_503(people: People, model: type[Model]) -> None:
    at = f"/admin/django_telroi/{model._meta.model_name}/"
    routes = [str(each.pattern) for each in admin.site.get_model_admin(model).get_urls()]

    with unreachable():
        replies = {route: people.grace_s.post(at + route.replace("<path:object_id>", "1")) for route in routes}

    assert {route: reply.status_code for route, reply in replies.items()} == dict.fromkeys(routes, 503)


def test_an_outdated_form_gets_503(people: People) -> None:
    people.person.handler.enforce_csrf_checks = True

    with unreachable():
        reply = people.person.post("/phone/code/", {"code": "000000", "csrfmiddlewaretoken": "x" * 64})

    assert (reply.status_code, NOT_NOW in reply.content.decode()) == (503, True)


def test_the_health_check_attempts_one_connection(
    people: People, settings: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A second attempt would double the wait for a server that does not answer, and outlast the probe."""
    settings.ROOT_URLCONF = "tests.telemetry.measured_urls"
    attempts: list[object] = []
    connect = connection.get_new_connection

    def count(parameters: Any) -> object:
        attempts.append(parameters)
        return connect(parameters)

    with unreachable():
        connection.close()
        monkeypatch.setattr(connection, "get_new_connection", count)
        reply = people.person.get("/health/")

    assert (reply.status_code, len(attempts)) == (503, 1)
    assert "database_connection_replaced" not in caplog.text


def test_telroi_redelivers_its_webhook(people: People) -> None:
    with unreachable():
        reply = WRITERS["webhook"](people)

    assert reply.status_code == 503


SERVICES: dict[str, Callable[[People], object]] = {
    "start": lambda people: services.start_verification(next(people.new)),
    "start with an id": lambda people: services.start_verification(next(people.new), attempt_uuid=uuid4()),
    "start for a user": lambda people: services.start_verification(next(people.new), user=people.ada),
    "call again": lambda people: services.call_again(people.attempt),
    "check": lambda people: services.check_code(people.attempt, "000000"),
    "cancel": lambda people: services.cancel_verification(people.attempt),
    "follow": lambda people: services.follow(people.attempt),
    "place": lambda people: services.place_call(1),
    "sweep": lambda people: services.sweep(),
    "purge": lambda people: services.purge(),
    "record an event": lambda people: services.record_event(event_of("otp.completed")),
    "phones": lambda people: services.has_verified_phone(people.ada),
    "record of phones": lambda people: services.phone_record(people.ada),
    "forget": lambda people: services.forget_phone(people.ada, people.number),
    "read a proof": lambda people: services.read_proof(people.proof, purpose=""),
    "redeem a proof": lambda people: services.redeem_proof(people.proof, purpose="", user=people.ada),
    "block": lambda people: services.block_number(people.number, reason="", actor="grace"),
    "unblock": lambda people: services.unblock_number(people.number, actor="grace"),
    "release": lambda people: services.release_hold(people.number, actor="grace"),
    "reset": lambda people: services.reset_limits(people.number, actor="grace"),
    "erase": lambda people: services.erase_number(people.number, actor="grace"),
    "move": lambda people: services.move_number(people.number, user=people.ada, reason="", actor="grace"),
    "export": lambda people: services.export_number(people.number),
    "reveal": lambda people: services.reveal_number(PhoneNumber(number=people.number), actor="grace"),
    "stop": lambda people: services.stop_calls(reason="", actor="grace"),
    "resume": lambda people: services.resume_calls(actor="grace"),
    "control": lambda people: services.call_control(),
}


@pytest.mark.parametrize("serve", SERVICES.values(), ids=SERVICES)
def test_a_service_raises_unavailable(people: People, serve: Callable[[People], object]) -> None:
    calls = sends(people.telroi)

    with unreachable(), pytest.raises(Unavailable):
        serve(people)

    assert sends(people.telroi) == calls


TASKS: dict[str, Callable[[], None]] = {
    "place": lambda: tasks.place_call(1),
    "sweep": tasks.sweep,
    "purge": tasks.purge,
}


@pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)
def test_a_task_leaves_the_row_to_the_next_sweep(
    people: People, task: Callable[[], None], caplog: pytest.LogCaptureFixture
) -> None:
    with unreachable():
        task()

    assert "database_unavailable" in caplog.text


COMMANDS = [
    ("telroi_call", "+2348031239999"),
    ("telroi_sweep",),
    ("telroi_purge",),
    ("telroi_limits", "+2348031239999"),
    ("telroi_doctor",),
]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_a_command_ends_with_a_message(people: People, command: tuple[str, ...]) -> None:
    with unreachable(), pytest.raises(CommandError):
        call_command(*command)
