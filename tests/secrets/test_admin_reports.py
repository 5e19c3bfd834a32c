"""An unexpected error at each statement of each page of the admin: its report and its DEBUG page contain no secret."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest
from django.core.signals import got_request_exception
from django.http import HttpResponse
from django.test import Client

from django_telroi import services
from django_telroi.models import VerificationAttempt
from tests.admin.admin_pages import url
from tests.secrets.canaries import Canaries
from tests.secrets.reporting import report
from tests.services.world import NUMBER, database_gone

pytestmark = pytest.mark.django_db(transaction=True)  # an error breaks one request, and not the next one

SPELLED = "0803 123 4567"
NEVER_CALLED = "+234 802 987 6543"
MOST_STATEMENTS = 40


class UnforeseenError(Exception):
    """An unexpected error."""


def _search(model: str, term: str) -> Callable[[Client, VerificationAttempt], Any]:
    return lambda staff, _attempt: staff.post(url(model, "search"), {"term": term}, follow=True)


def _post(page: str, **values: str) -> Callable[[Client, VerificationAttempt], Any]:
    return lambda staff, attempt: staff.post(url("phonenumber", page, attempt.phone_id), values)


ASK: dict[str, Callable[[Client, VerificationAttempt], Any]] = {
    "search of numbers": _search("phonenumber", SPELLED),
    "search of attempts": _search("verificationattempt", SPELLED),
    "search of verified phones": _search("verifiedphone", SPELLED),
    "search of a number without a row": _search("phonenumber", NEVER_CALLED),
    "page of a number": lambda staff, attempt: staff.get(url("phonenumber", "change", attempt.phone_id)),
    "page of an attempt": lambda staff, attempt: staff.get(url("verificationattempt", "change", attempt.pk)),
    "show the full number": _post("reveal"),
    "block": _post("block", reason=f"called as {SPELLED}"),
    "add a note": _post("note", text=f"called as {SPELLED}"),
    "move": _post("move", account="", reason=f"called as {SPELLED}"),
    "erase": _post("erase"),
}


@pytest.mark.parametrize("ask", ASK.values(), ids=ASK)
def test_an_unexpected_error_in_the_admin_shows_no_number(
    admin_client: Client,
    canaries: Canaries,
    ask: Callable[[Client, VerificationAttempt], Any],
    settings: Any,
    django_user_model: Any,
) -> None:
    settings.DEBUG = True
    settings.TELROI = {**settings.TELROI, "DEFAULT_REGION": "NG"}
    attempt = services.start_verification(NUMBER)
    services.record_verification(django_user_model.objects.create_user("ada"), NUMBER)
    admin_client.raise_request_exception = False
    reports: list[str] = []

    def keep(**_: Any) -> None:
        reports.append(report(sys.exc_info()[1]))

    got_request_exception.connect(keep)
    try:
        for after in range(MOST_STATEMENTS):
            failed = len(reports)
            with database_gone(after=after, error=UnforeseenError):
                answer: HttpResponse = ask(admin_client, attempt)
            if len(reports) == failed:
                break
            reports.append(answer.content.decode())  # the DEBUG page
    finally:
        got_request_exception.disconnect(keep)

    assert len(reports) > 2
    assert canaries.lines_with("\n".join(reports)) == []
