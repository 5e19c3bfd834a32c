"""Answers, log lines and error reports contain no secret."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.signals import got_request_exception
from django.db import connection
from django.http import HttpRequest
from django.utils import timezone
from django.views.debug import ExceptionReporter

from django_telroi.models import PhoneNumber, VerifiedPhone
from django_telroi.testing import last_code_for
from tests.calling_site import Configure
from tests.rest.world import NUMBER, OTHER_NUMBER, PREMIUM_NUMBER, PhoneApi
from tests.services.world import let_time_pass

pytestmark = pytest.mark.django_db

SATELLITE_NUMBER = "+881612345678"
CODE = "482913"


class Bug(Exception):
    """An unexpected error."""


def as_sent(reply: Any) -> tuple[int, dict[str, str], bytes]:
    return reply.status_code, headers_of(reply), reply.content


def headers_of(reply: Any) -> dict[str, str]:
    """Return the headers without the date of the answer."""
    return {name: value for name, value in reply.headers.items() if name != "Expires"}


def known(number: str, user: User) -> None:
    """Verify the number two days ago."""
    api = PhoneApi(user)
    assert api.check(api.started(number), last_code_for(number)).json()["verified"]
    let_time_pass(48 * 3600)


@pytest.mark.parametrize("one_account", [False, True])
def test_a_known_number_has_the_same_answer_as_a_new_one(
    ada: User, api: PhoneApi, configure: Configure, one_account: bool
) -> None:
    configure(ONE_ACCOUNT_PER_NUMBER=one_account)
    known(NUMBER, ada)
    started = [api.start(NUMBER), api.start(OTHER_NUMBER)]

    answers = []
    for reply in started:
        own = {name: reply.json()[name] for name in ("id", "number", "expires_at", "call_again_in")}
        content = reply.content.decode()
        for name, value in own.items():
            content = content.replace(str(value), name, 1)
        answers.append((reply.status_code, headers_of(reply), content))

    assert answers[0] == answers[1]
    assert PhoneNumber.objects.count() == 2


def test_a_blocked_number_has_exactly_the_answer_of_one_that_is_never_called(api: PhoneApi) -> None:
    moment = timezone.now()
    PhoneNumber.objects.create(number=NUMBER, last4="4567", blocked_at=moment, blocked_reason="fraud")

    blocked = as_sent(api.start(NUMBER))

    assert blocked[0] == 400
    assert as_sent(api.start(PREMIUM_NUMBER)) == as_sent(api.start(SATELLITE_NUMBER)) == blocked


def test_a_number_that_is_blocked_during_its_cooldown_has_the_same_answer(api: PhoneApi) -> None:
    api.start(NUMBER)
    PhoneNumber.objects.update(blocked_at=timezone.now())

    assert as_sent(api.start(NUMBER)) == as_sent(api.start(PREMIUM_NUMBER))


def test_a_taken_number_is_reported_only_after_the_right_code(ada: User, ben: User, configure: Configure) -> None:
    configure(ONE_ACCOUNT_PER_NUMBER=True)
    known(NUMBER, ada)
    api = PhoneApi(ben)
    started = api.start(NUMBER)

    before = api.follow(started.json()["id"])
    after = api.check(started.json()["id"], last_code_for(NUMBER))

    assert (started.status_code, before.json()["status"]) == (201, "placed")
    assert after.json()["outcome"] == "number_taken"
    assert not VerifiedPhone.objects.filter(user=ben).exists()


def test_a_whole_flow_logs_neither_number_nor_code(api: PhoneApi, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        started = api.started()
        code = last_code_for(NUMBER)
        for typed in ("7", code, code):
            proof = api.check(started, typed).json()["proof"]
        api.start(NUMBER)
        api.start(NUMBER + "x")

    told = [record.getMessage() for record in caplog.records if not record.name.startswith("django.db")]
    assert told
    for secret in (NUMBER, NUMBER[1:], code, proof):
        assert not any(secret in line for line in told)


@pytest.mark.parametrize("content_type", ["application/json", "application/x-www-form-urlencoded"])
def test_an_error_report_does_not_contain_the_code(api: PhoneApi, content_type: str) -> None:
    started = api.started()
    body = json.dumps({"code": CODE}) if "json" in content_type else f"code={CODE}"

    with a_bug_in_the_database(), mailed() as reports, pytest.raises(Bug):
        api.send(f"verifications/{started}/check/", body, content_type=content_type)

    [report] = reports
    assert "check_code" in report
    assert CODE not in report


@contextmanager
def a_bug_in_the_database() -> Iterator[None]:
    def bug(*args: object) -> None:
        raise Bug

    with connection.execute_wrapper(bug):
        yield


@contextmanager
def mailed() -> Iterator[list[str]]:
    """Return the error reports for the site's admins, as pages and as text."""
    reports: list[str] = []

    def report(request: HttpRequest, **kwargs: object) -> None:
        reporter = ExceptionReporter(request, *sys.exc_info())
        reports.append(reporter.get_traceback_html() + reporter.get_traceback_text())

    got_request_exception.connect(report)
    try:
        yield reports
    finally:
        got_request_exception.disconnect(report)
