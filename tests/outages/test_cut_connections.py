"""A connection to a database server that is cut, at every message of every face."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count
from typing import Any
from uuid import uuid4

import pytest
from django.db import connection
from django.test import Client

from django_telroi import services, tasks
from django_telroi.models import VerificationAttempt
from tests.calling_site import Configure
from tests.outages.people import (
    API,
    READERS,
    STAFF_ACTIONS,
    WRITERS,
    People,
    Reply,
    check_right_code,
    step_of,
    type_right_code,
    visitor,
)
from tests.outages.proxy import Cut, Proxy
from tests.services.world import sends

MAX_MESSAGES = 80
TELROI_S_COOLDOWN = 61
PLACED_OR_MAY_BE = (201, 202)

Ask = Callable[[], Reply]
CUTS = pytest.mark.parametrize("cut", Cut)
HOW_LONG = pytest.mark.parametrize("stays_cut", [False, True], ids=["once", "for good"])


@dataclass(frozen=True)
class Broken:
    """The answer to a request whose connection was cut at one message. The connection works again."""

    message: int
    reply: Reply
    calls: int

    @property
    def about(self) -> tuple[int, int, bytes]:
        """Return the text for a failure report."""
        return self.message, self.reply.status_code, self.reply.content[:300]


def at_every_message(
    proxy: Proxy, people: People, cut: Cut, *, stays_cut: bool, prepare: Callable[[], Ask]
) -> Iterator[Broken]:
    """Cut at the first message, at the second, and so on, until a request ends without a cut."""
    for message in count(1):
        assert message < MAX_MESSAGES
        ask = prepare()
        before = sends(people.telroi)
        connection.ensure_connection()
        proxy.cut_at(message, cut, stays_cut=stays_cut)
        reply = ask()
        was_cut = proxy.has_cut
        assert not connection.in_atomic_block, message
        connection.close()
        proxy.mend()
        yield Broken(message, reply, sends(people.telroi) - before)
        if not was_cut:
            return


def api_start(people: People, client: Client, *, key: str = "") -> Ask:
    number = next(people.new)
    headers = {"Idempotency-Key": key} if key else {}
    return lambda: client.post(API, {"number": number}, "application/json", headers=headers)


API_CALLS: dict[str, Callable[[People], Ask]] = {
    "start": lambda people: api_start(people, people.program),
    "start with a key": lambda people: api_start(people, people.program, key=str(uuid4())),
    "start as a user": lambda people: api_start(people, people.ada_s),
    "call again": lambda people: call_again(people),
}


def call_again(people: People) -> Ask:
    people.start()
    people.telroi.advance(TELROI_S_COOLDOWN)
    return lambda: WRITERS["api: call again"](people)


@CUTS
@HOW_LONG
@pytest.mark.parametrize("prepare", API_CALLS.values(), ids=API_CALLS)
def test_the_api_returns_the_id_of_a_call_that_may_ring_and_503_otherwise(
    people: People, proxy: Proxy, cut: Cut, stays_cut: bool, prepare: Callable[[People], Ask]
) -> None:
    for broken in at_every_message(proxy, people, cut, stays_cut=stays_cut, prepare=lambda: prepare(people)):
        assert broken.reply.status_code in (*PLACED_OR_MAY_BE, 503), broken.about
        if broken.calls:
            assert broken.calls == 1, broken.about
            assert broken.reply.status_code in PLACED_OR_MAY_BE, broken.about
            assert VerificationAttempt.objects.filter(uuid=broken.reply.json()["id"]).exists(), broken.about


@CUTS
@HOW_LONG
def test_a_refused_call_does_not_ring_later(
    people: People, proxy: Proxy, cut: Cut, stays_cut: bool, configure: Configure, celery_app: Any
) -> None:
    configure(DISPATCH="celery")

    for broken in at_every_message(
        proxy, people, cut, stays_cut=stays_cut, prepare=lambda: api_start(people, people.program)
    ):
        waiting = VerificationAttempt.objects.filter(status="queued")
        told = {broken.reply.json()["id"]} if broken.reply.status_code == 202 else set()
        assert {str(attempt.uuid) for attempt in waiting} <= told, broken.about
        assert broken.reply.status_code in (202, 503), broken.about
        waiting.delete()


def page_start(people: People, client: Client) -> Ask:
    number = next(people.new)
    people.page_number = number
    return lambda: client.post("/phone/", {"number": number})


def page_call_again(people: People) -> Ask:
    people.person = visitor()
    people.open_page()
    people.telroi.advance(TELROI_S_COOLDOWN)
    return lambda: people.person.post("/phone/call-again/")


PAGE_CALLS: dict[str, Callable[[People], Ask]] = {
    "start, without a session": lambda people: page_start(people, new_person(people)),
    "start, with a session": lambda people: page_start(people, people.person),
    "start as a user": lambda people: page_start(people, people.ada_s),
    "call again": lambda people: page_call_again(people),
}


def go_on(person: Client) -> Reply:
    """Return the page that the person reaches. A session that was not saved has the older call, so ask once more."""
    page = person.get("/phone/code/")
    if step_of(page) == "ended":
        person.post("/phone/call-again/")
        page = person.get("/phone/code/")
    return page


def new_person(people: People) -> Client:
    people.person = visitor()
    return people.person


@CUTS
@HOW_LONG
@pytest.mark.parametrize("name", PAGE_CALLS)
def test_a_page_shows_the_code_form_of_a_call_that_may_ring_and_503_otherwise(
    people: People, proxy: Proxy, cut: Cut, stays_cut: bool, name: str
) -> None:
    for broken in at_every_message(proxy, people, cut, stays_cut=stays_cut, prepare=lambda: PAGE_CALLS[name](people)):
        assert broken.reply.status_code in (302, 503), broken.about
        if broken.calls:
            before = sends(people.telroi) - broken.calls
            person = people.ada_s if name == "start as a user" else people.person
            assert (broken.calls, broken.reply.status_code) == (1, 302), broken.about
            assert step_of(go_on(person)) in ("code", "waiting"), broken.about
            assert sends(people.telroi) == before + broken.calls


@CUTS
@HOW_LONG
def test_a_right_code_verifies_at_once_or_when_it_is_sent_again(
    people: People, proxy: Proxy, cut: Cut, stays_cut: bool
) -> None:
    def prepare() -> Ask:
        people.start()
        return lambda: check_right_code(people)

    for broken in at_every_message(proxy, people, cut, stays_cut=stays_cut, prepare=prepare):
        assert broken.reply.status_code in (200, 503), broken.about
        again = check_right_code(people)
        assert (again.status_code, again.json().get("verified")) == (200, True), (broken.about, again.content)
        assert again.json()["proof"], broken.about


@CUTS
@HOW_LONG
def test_a_right_code_on_the_page_verifies_at_once_or_when_it_is_sent_again(
    people: People, proxy: Proxy, cut: Cut, stays_cut: bool
) -> None:
    def prepare() -> Ask:
        new_person(people)
        people.open_page()
        return lambda: type_right_code(people)

    for broken in at_every_message(proxy, people, cut, stays_cut=stays_cut, prepare=prepare):
        assert broken.reply.status_code in (302, 503), broken.about
        if broken.reply.status_code == 503:
            assert step_of(broken.reply) == "problem", broken.about
        assert step_of(people.person.get("/phone/code/", follow=True)) in ("code", "done"), broken.about
        assert type_right_code(people).status_code == 302, broken.about
        assert step_of(people.person.get("/phone/done/", follow=True)) == "done", broken.about


OTHERS = {**READERS, "api: cancel": WRITERS["api: cancel"], "webhook": WRITERS["webhook"], **STAFF_ACTIONS}


@CUTS
@HOW_LONG
@pytest.mark.parametrize("name", OTHERS)
def test_every_other_request_is_answered_or_gets_503(
    people: People, proxy: Proxy, cut: Cut, stays_cut: bool, name: str
) -> None:
    def prepare() -> Ask:
        if name in STAFF_ACTIONS or name == "api: cancel":
            services.resume_calls(actor="grace")
            people.start()
        return lambda: OTHERS[name](people)

    for broken in at_every_message(proxy, people, cut, stays_cut=stays_cut, prepare=prepare):
        assert broken.reply.status_code in (200, 302, 503), broken.about


@CUTS
@HOW_LONG
def test_a_task_places_one_call_however_often_it_is_delivered(
    people: People, proxy: Proxy, cut: Cut, stays_cut: bool, configure: Configure, celery_app: Any
) -> None:
    configure(DISPATCH="celery")

    def prepare() -> Ask:
        people.start()
        attempt = VerificationAttempt.objects.get(uuid=people.attempt)
        return lambda: tasks.place_call(attempt.pk)

    calls = 0
    for message in count(1):
        ask = prepare()
        attempt = VerificationAttempt.objects.get(uuid=people.attempt)
        before = sends(people.telroi)
        connection.ensure_connection()
        proxy.cut_at(message, cut, stays_cut=stays_cut)
        ask()
        was_cut = proxy.has_cut
        connection.close()
        proxy.mend()
        tasks.place_call(attempt.pk)
        attempt.refresh_from_db()
        assert sends(people.telroi) - before <= 1, message
        assert attempt.status in ("placed", "dialing"), message
        calls += sends(people.telroi) - before
        if not was_cut:
            break

    assert calls
