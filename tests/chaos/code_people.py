"""Clients of each face that send the right code to a process that is killed, and send it again."""

from __future__ import annotations

import os
import signal
from typing import Protocol

from django.contrib.auth.models import User
from django.db import connections
from django.test import Client

from django_telroi.errors import AttemptNotFound
from django_telroi.models import VerificationAttempt
from django_telroi.services import check_code, has_verified_phone, start_verification
from tests.chaos.code_points import API, PAGE, SERVICES, arm
from tests.chaos.code_server import Browser, is_killed_by
from tests.web.visitor import Visitor

VERIFICATIONS = "/api/phone/verifications/"
CODE_PAGE = "/phone/code/"
SUCCESS = "Your number is verified"


class Person(Protocol):
    """A person whose number was called. ``statuses``: of all responses to the person or a stranger."""

    attempt: str

    @property
    def statuses(self) -> list[int]: ...

    def is_killed(self, code: str, point: str) -> bool: ...

    def succeeds(self, code: str) -> bool:
        """Send the code. Returns whether it succeeded completely."""
        ...

    def another_succeeds(self, code: str) -> bool:
        """Send this code as a stranger, who knows all that a stranger may know. Returns whether it succeeded."""
        ...


class Caller:
    """A caller of ``django_telroi.services`` in a process that is forked for the check."""

    def __init__(self, url: str, number: str, user: User | None, *, resends: bool) -> None:
        self.statuses: list[int] = []
        self._user = user
        self.attempt = str(start_verification(number, user=user).uuid)

    def is_killed(self, code: str, point: str) -> bool:
        connections.close_all()
        child = os.fork()
        if child == 0:
            try:
                arm(point)
                check_code(self.attempt, code, user=self._user)
            finally:
                os._exit(0)  # after an error too: the child must not go on as a second test run
        _, status = os.waitpid(child, 0)
        return os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL

    def succeeds(self, code: str) -> bool:
        result = check_code(self.attempt, code, user=self._user)
        return result.outcome == "verified" and (bool(result.proof) if self._user is None else is_recorded(self._user))

    def another_succeeds(self, code: str) -> bool:
        return stranger_succeeds(self.attempt, code)


class Program:
    """A JSON client. With a login it has a session and its CSRF token."""

    def __init__(self, url: str, number: str, user: User | None, *, resends: bool) -> None:
        self._browser, self._stranger = Browser(url, session_of(user)), Browser(url)
        self._user = user
        if user:
            self._browser.get("/phone/")  # for the token
        self.attempt = self._browser.post_json(VERIFICATIONS, {"number": number}).json()["id"]
        self._path = f"{VERIFICATIONS}{self.attempt}/check/"

    @property
    def statuses(self) -> list[int]:
        return self._browser.statuses + self._stranger.statuses

    def is_killed(self, code: str, point: str) -> bool:
        return is_killed_by(self._browser.post_json, self._path, {"code": code}, at=point)

    def succeeds(self, code: str) -> bool:
        reply = self._browser.post_json(self._path, {"code": code})
        is_whole = bool(reply.json().get("proof")) if self._user is None else is_recorded(self._user)
        return reply.status_code == 200 and reply.json()["verified"] is True and is_whole

    def another_succeeds(self, code: str) -> bool:
        return bool(self._stranger.post_json(self._path, {"code": code}).json().get("verified"))


class Reader:
    """A person with a browser. After the kill the person loads the code page again, or ``resend``s the form."""

    def __init__(self, url: str, number: str, user: User | None, *, resends: bool) -> None:
        self._url, self._user, self._resends = url, user, resends
        self._browser = Browser(url, session_of(user))
        self._visitor = Visitor(self._browser)  # type: ignore[arg-type]
        self._visitor.opens("/phone/").presses("Call me", number=number)
        self._form = self._visitor.form("Verify")
        self._before = self._browser.cookies
        self.attempt = str(VerificationAttempt.objects.get(phone__number=number).uuid)
        self._strangers: list[Browser] = []

    @property
    def statuses(self) -> list[int]:
        return [status for browser in (self._browser, *self._strangers) for status in browser.statuses]

    def is_killed(self, code: str, point: str) -> bool:
        action, fields = self._form
        return is_killed_by(self._browser.post, action, fields | {"code": code}, at=point)

    def succeeds(self, code: str) -> bool:
        if self._resends:
            action, fields = self._form
            self._visitor.sends(action, fields | {"code": code})
        else:
            self._visitor.opens(CODE_PAGE)
            if "Verify" in self._visitor.buttons():
                self._visitor.presses("Verify", code=code)
        is_whole = self._user is None or is_recorded(self._user)
        return self._visitor.heading() == SUCCESS and is_whole

    def another_succeeds(self, code: str) -> bool:
        """Send it as a stranger who knows the attempt's id, or has the cookies of the time before the code."""
        if self._user:
            return stranger_succeeds(self.attempt, code)
        browser = Browser(self._url, self._before)
        self._strangers.append(browser)
        stranger = Visitor(browser)  # type: ignore[arg-type]
        action, fields = self._form
        stranger.sends(action, fields | {"code": code})
        return SUCCESS in {stranger.heading(), stranger.opens("/phone/done/").heading()}


PEOPLE: dict[str, type[Caller | Program | Reader]] = {SERVICES: Caller, API: Program, PAGE: Reader}


def stranger_succeeds(attempt: str, code: str) -> bool:
    try:
        return check_code(attempt, code).outcome == "verified"
    except AttemptNotFound:
        return False


def is_recorded(user: User) -> bool:
    return has_verified_phone(user)


def session_of(user: User | None) -> dict[str, str]:
    """Return the session cookie of a logged-in user."""
    client = Client()
    if user:
        client.force_login(user)
    return {name: morsel.value for name, morsel in client.cookies.items()}
