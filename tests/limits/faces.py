"""The faces with rate limits: API, page and drop-in card. Each starts a call and checks a code."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol
from uuid import UUID

from bs4 import BeautifulSoup
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client

from django_telroi.models import VerificationAttempt
from tests.web.visitor import Visitor

TOO_MANY = "There were many requests from your network or account in a short time."


@dataclass(frozen=True)
class Answer:
    """The response of a face. ``wait``: seconds, in the form that a program can read."""

    text: str
    status: int = 200
    wait: int | None = None

    @property
    def is_too_many(self) -> bool:
        return TOO_MANY in self.text


class Face(Protocol):
    def starts(self, number: str, **meta: str) -> Answer: ...

    def calls_again(self, **meta: str) -> Answer: ...

    def checks(self, code: str, **meta: str) -> Answer: ...


@dataclass
class Api:
    """A client of the API."""

    user: User | None = None
    client: Client = field(default_factory=Client)
    id: str = ""

    def __post_init__(self) -> None:
        if self.user:
            self.client.force_login(self.user)

    def starts(self, number: str, **meta: str) -> Answer:
        reply = self._posts("", {"number": number}, **meta)
        self.id = reply.json().get("id", self.id)
        return self._answer(reply)

    def calls_again(self, **meta: str) -> Answer:
        return self._answer(self._posts(f"{self.id}/call-again/", {}, **meta))

    def checks(self, code: str, **meta: str) -> Answer:
        return self._answer(self._posts(f"{self.id}/check/", {"code": code}, **meta))

    def takes_over(self, attempt: VerificationAttempt) -> None:
        self.id = str(attempt.uuid)

    def _posts(self, path: str, body: dict[str, str], **meta: str) -> Any:
        return self.client.post(f"/api/phone/verifications/{path}", body, "application/json", **meta)

    def _answer(self, reply: Any) -> Answer:
        wait = reply.headers.get("Retry-After")
        return Answer(str(reply.json().get("detail")), reply.status_code, int(wait) if wait else None)


@dataclass
class Page:
    """A visitor of the pages, or of a card in one of the site's pages. Each number is typed into a new form."""

    user: User | None = None
    client: Client = field(default_factory=Client)
    opens: str = "/phone/"

    def __post_init__(self) -> None:
        if self.user:
            self.client.force_login(self.user)

    def starts(self, number: str, **meta: str) -> Answer:
        # A session that knows no call, and has another key: two forms of one session would request the same call.
        session = self.client.session
        session.pop("telroi", None)
        session.cycle_key()
        self.client.cookies[settings.SESSION_COOKIE_NAME] = session.session_key
        return self._presses("Call me", number=number, **meta)

    def calls_again(self, **meta: str) -> Answer:
        return self._presses("Call again", **meta)

    def checks(self, code: str, **meta: str) -> Answer:
        return self._presses("Verify", code=code, **meta)

    def takes_over(self, attempt: VerificationAttempt) -> None:
        session = self.client.session
        session["telroi"] = {"": {"attempt": UUID(str(attempt.uuid)).hex, "next": "", "notice": None}}
        session.save()

    def _presses(self, label: str, **typed: str) -> Answer:
        meta = {name: typed.pop(name) for name in list(typed) if name.isupper()}
        visitor = Visitor(self.client).opens(self.opens)
        action, fields = visitor.form(label)
        reply = self.client.post(action, {**fields, **typed}, follow=True, **meta)
        text = " ".join(BeautifulSoup(reply.content, "html.parser").get_text().split())
        return Answer(text, reply.status_code)


def drop_in(user: User | None = None) -> Page:
    return Page(user, opens="/here/")


FACES: dict[str, Any] = {"rest": Api, "page": Page, "drop-in": drop_in}
