"""People in the middle of a verification, and all requests that they can send to a site."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from django.contrib.auth.models import User
from django.test import Client

from django_telroi import services
from django_telroi.models import PhoneNumber
from django_telroi.simulator import Simulator
from tests.webhooks.telroi import body_of, signed

API = "/api/phone/verifications/"

Reply = Any
"""A response of the test client."""


def visitor(user: User | None = None) -> Client:
    """Return a browser. An error of the server is a response with status 500, as in production."""
    client = Client(raise_request_exception=False)
    if user:
        client.force_login(user)
    return client


def numbers() -> Iterator[str]:
    return (f"+234803123{ordinal:04}" for ordinal in count(1))


@dataclass
class People:
    """``program`` uses the API, ``person`` the pages, and both have a call that was placed. ``ada`` has an account.

    ``grace`` is staff.
    """

    telroi: Simulator
    ada: User
    program: Client
    person: Client
    ada_s: Client
    grace_s: Client
    new: Iterator[str] = field(default_factory=numbers)
    attempt: str = ""
    phone_id: int = 0
    number: str = ""
    page_number: str = ""
    proof: str = ""

    @classmethod
    def in_the_middle(cls, telroi: Simulator) -> People:
        ada, grace = User.objects.create_user("ada"), User.objects.create_superuser("grace")
        people = cls(telroi, ada, visitor(), visitor(), visitor(ada), visitor(grace))
        people.start()
        people.open_page()
        number = next(people.new)
        attempt = services.start_verification(number, user=ada)
        services.check_code(attempt.uuid, telroi.last_code_for(number), user=ada)
        people.proof = people.prove()
        return people

    def start(self) -> None:
        """The program starts a call to another number."""
        self.number = next(self.new)
        self.attempt = self.program.post(API, {"number": self.number}, "application/json").json()["id"]
        self.phone_id = PhoneNumber.objects.get(number=self.number).pk

    def open_page(self) -> None:
        """The person starts a call to another number."""
        self.page_number = next(self.new)
        self.person.post("/phone/", {"number": self.page_number})

    def prove(self) -> str:
        """Verify a number without an account and return the proof."""
        number = next(self.new)
        attempt = services.start_verification(number)
        return services.check_code(attempt.uuid, self.telroi.last_code_for(number)).proof or ""

    def phone(self) -> PhoneNumber:
        return PhoneNumber.objects.get(number=self.number)


def check_right_code(people: People) -> Reply:
    code = {"code": people.telroi.last_code_for(people.number)}
    return people.program.post(f"{API}{people.attempt}/check/", code, "application/json")


def type_right_code(people: People) -> Reply:
    """The person types the right code on the page."""
    return people.person.post("/phone/code/", {"code": people.telroi.last_code_for(people.page_number)})


def step_of(page: Reply) -> str:
    """Return which card the page shows."""
    [step] = re.findall('data-telroi-step="([a-z]+)"', page.content.decode())
    return str(step)


def rest(verb: str) -> Callable[[People], Reply]:
    return lambda people: people.program.post(f"{API}{people.attempt}/{verb}/", {"code": "000000"}, "application/json")


def page(path: str) -> Callable[[People], Reply]:
    return lambda people: people.person.get(path)


def sends(path: str, **fields: str) -> Callable[[People], Reply]:
    return lambda people: people.person.post(path, fields)


def staff(staff_action: str, **fields: str) -> Callable[[People], Reply]:
    """Run a staff action, in most cases on the program's number."""
    return lambda people: people.grace_s.post(
        "/admin/django_telroi/phonenumber/" + staff_action.format(id=people.phone_id), fields
    )


def staff_page(path: str) -> Callable[[People], Reply]:
    return lambda people: people.grace_s.get("/admin/django_telroi/" + path.format(id=people.phone_id))


def webhook(people: People) -> Reply:
    body = body_of("otp.completed", to=people.number)
    return visitor().post("/telroi/webhook/", body, "application/json", headers=signed(body))


READERS: Mapping[str, Callable[[People], Reply]] = {
    "api: how it stands": lambda people: people.program.get(f"{API}{people.attempt}/"),
    "api: how it stands, in a browser": lambda people: people.program.get(
        f"{API}{people.attempt}/", headers={"accept": "text/html"}
    ),
    "api: phones": lambda people: people.ada_s.get("/api/phone/phones/"),
    "api: phones, in a browser": lambda people: people.ada_s.get("/api/phone/phones/", headers={"accept": "text/html"}),
    "page: code": page("/phone/code/"),
    "page: start": page("/phone/"),
    "page: done": page("/phone/done/"),
    "page: status": page("/phone/status/"),
    "page: a gate": lambda people: people.ada_s.get("/gated/"),
}
"""Requests that change nothing except the last notice of a flow."""

WRITERS: Mapping[str, Callable[[People], Reply]] = {
    "api: start": lambda people: people.program.post(API, {"number": next(people.new)}, "application/json"),
    "api: start, as a user": lambda people: people.ada_s.post(API, {"number": next(people.new)}, "application/json"),
    "api: start, in a browser": lambda people: people.ada_s.post(
        API, {"number": next(people.new)}, headers={"accept": "text/html"}
    ),
    "api: check": rest("check"),
    "api: call again": rest("call-again"),
    "api: cancel": rest("cancel"),
    "webhook": webhook,
}
"""Requests of a program."""

PAGE_WRITERS: Mapping[str, Callable[[People], Reply]] = {
    "page: start": lambda people: visitor().post("/phone/", {"number": next(people.new)}),
    "page: start, as a user": lambda people: people.ada_s.post("/phone/", {"number": next(people.new)}),
    "page: start, with a session": lambda people: people.person.post("/phone/", {"number": next(people.new)}),
    "page: code": sends("/phone/code/", code="000000"),
    "page: code that is none": sends("/phone/code/", code="none"),
    "page: call again": sends("/phone/call-again/"),
    "page: change number": sends("/phone/change-number/"),
}
"""Requests of a person. The answer is a redirect if they succeed."""

STAFF_ACTIONS: Mapping[str, Callable[[People], Reply]] = {
    staff_action: staff(staff_action, reason="asked us to")
    for staff_action in ("{id}/block/", "{id}/reset/", "{id}/erase/", "{id}/reveal/", "stop-calls/")
}
"""Staff actions."""

STAFF_PAGES: Mapping[str, Callable[[People], Reply]] = {
    "search": staff("search/", term="ada"),
    "numbers": staff_page("phonenumber/"),
    "a number": staff_page("phonenumber/{id}/change/"),
    "overview": staff_page("phonenumber/overview/"),
    "attempts": staff_page("verificationattempt/"),
    "verified phones": staff_page("verifiedphone/"),
}
"""Pages that show rows to staff."""

EXPORTS: Mapping[str, Callable[[People], Reply]] = {
    "attempts as CSV": lambda people: people.grace_s.post("/admin/django_telroi/verificationattempt/export/"),
    "overview as CSV": staff_page("phonenumber/overview/csv/"),
}
"""Downloads, which are recorded in the admin log."""
