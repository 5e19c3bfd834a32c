"""After every connection failure, no log, row or page contains a secret."""

from __future__ import annotations

import http.client
import logging
import pickle
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.cache import cache
from django.test import Client
from django.utils import timezone

from django_telroi import services
from django_telroi.errors import TelroiError
from django_telroi.models import CallControl, VerificationAttempt
from django_telroi.simulator import Simulator
from django_telroi.simulator.fault_rules import CARRIERS
from django_telroi.simulator.faults import FAULTS
from tests.rest.world import PhoneApi
from tests.secrets.canaries import Canaries, all_of
from tests.services.conftest import Configure
from tests.services.world import NUMBER, OTHER_NUMBER, ROWS, database_gone
from tests.web.visitor import Visitor

pytestmark = pytest.mark.django_db

IN_PLAIN_WORDS = {"number"}
"""The column that must contain the number."""
LOGGERS_OF_THE_SITE = ("django.db.backends",)
"""The loggers of SQL statements with their parameters."""


class UnforeseenError(Exception):
    """An unexpected error."""


@pytest.fixture
def everything_logged(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> Callable[[], str]:
    """All loggers at DEBUG with all fields of their records, and the output of ``http.client``."""
    caplog.set_level(logging.DEBUG)
    for name in LOGGERS_OF_THE_SITE:
        caplog.set_level(logging.INFO, name)
    monkeypatch.setattr(http.client.HTTPConnection, "debuglevel", 1)
    return lambda: "\n".join(all_of(each) for each in caplog.records if each.name != "asyncio")


def walk(telroi: Simulator, configure: Configure) -> None:
    """Return each fault and each carrier failure, for a call and for a code."""
    configure(COOLDOWN_SECONDS=0, CALLS_PER_HOUR=10_000, CALLS_PER_DAY=10_000)
    configure(KEY_REQUESTS_PER_MINUTE=1_000_000)
    short = {"READ_TIMEOUT_SECONDS": 0.1, "TOTAL_TIMEOUT_SECONDS": 0.15}
    configure(**short)
    for fault in [*FAULTS, *CARRIERS]:
        telroi.fail_next(fault, on="send")
        with suppress(TelroiError):
            services.start_verification(NUMBER)
        at_peace()
    for fault in FAULTS:
        configure(READ_TIMEOUT_SECONDS=25, TOTAL_TIMEOUT_SECONDS=30)  # the answer to the call itself may be slow
        attempt = services.start_verification(NUMBER)
        configure(**short)
        telroi.fail_next(fault, on="verify")
        services.check_code(attempt.uuid, telroi.last_code_for(NUMBER))
        at_peace()


def at_peace() -> None:
    """Remove the holds and pauses of the last fault."""
    services.release_hold(NUMBER, actor="grace")
    CallControl.objects.update(paused_until=None, paused_reason="", paused_key="")


def test_no_fault_of_telroi_leaves_a_secret_in_logs_or_rows(
    telroi: Simulator,
    canaries: Canaries,
    configure: Configure,
    everything_logged: Callable[[], str],
    capfd: pytest.CaptureFixture[str],
) -> None:
    walk(telroi, configure)

    logged = everything_logged()
    assert logged.count("telroi_") > len(FAULTS)
    assert canaries.lines_with(logged) == []
    assert canaries.lines_with("\n".join(capfd.readouterr())) == []
    assert canaries.lines_with(in_the_cache()) == []
    assert [text for text in texts_of_rows() if canaries.in_(text)] == []


def in_the_cache() -> str:
    """Return keys and values of Django's cache in memory."""
    kept: dict[str, bytes] = getattr(cache, "_cache", {})
    return "\n".join(f"{key} {pickle.loads(value)!r} {value!r}" for key, value in kept.items())


def texts_of_rows() -> list[str]:
    return [
        value
        for model in ROWS
        for row in model._default_manager.values()
        for name, value in row.items()
        if isinstance(value, str) and name not in IN_PLAIN_WORDS
    ]


class TestAnErrorPage:
    """Django's error page with ``DEBUG`` on."""

    @pytest.fixture(autouse=True)
    def debug(self, settings: Any) -> None:
        settings.DEBUG = True

    @pytest.mark.parametrize("after", [0, 2])
    @pytest.mark.parametrize("what", ["number", "code", "follow", "again"])
    def test_of_our_page_shows_no_secret(self, telroi: Simulator, canaries: Canaries, what: str, after: int) -> None:
        visitor = Visitor(Client()).opens("/phone/")
        if what != "number":
            visitor.presses("Call me", number=NUMBER)
        visitor.client.raise_request_exception = False
        ask: dict[str, Callable[[], object]] = {
            "number": lambda: visitor.presses("Call me", number="+234 803 123 4567"),
            "code": lambda: visitor.presses("Verify", code=telroi.last_code_for(NUMBER)),
            "follow": lambda: visitor.opens("/phone/code/"),
            "again": lambda: visitor.presses("Change number"),
        }

        with database_gone(after=after, error=UnforeseenError), suppress(UnforeseenError):
            ask[what]()

        pages = [answer.content.decode() for answer in visitor.trail if answer.status_code == 500]
        assert [canaries.lines_with(page) for page in pages] == [[] for _ in pages]
        assert all("UnforeseenError" in page for page in pages)

    @pytest.mark.parametrize("after", [0, 1, 3])
    def test_of_the_api_shows_no_secret(self, telroi: Simulator, canaries: Canaries, after: int) -> None:
        api = PhoneApi()
        api.client.raise_request_exception = False
        started = api.started(NUMBER)
        answers = []

        with database_gone(after=after, error=UnforeseenError):
            answers += [api.start(OTHER_NUMBER)]
        with database_gone(after=after, error=UnforeseenError):
            answers += [api.check(started, telroi.last_code_for(NUMBER))]

        pages = [answer.content.decode() for answer in answers if answer.status_code == 500]
        assert pages
        assert [canaries.lines_with(page) for page in pages] == [[] for _ in pages]


def test_no_page_of_the_admin_shows_a_secret(
    telroi: Simulator, canaries: Canaries, client: Client, django_user_model: Any
) -> None:
    client.force_login(django_user_model.objects.create_superuser("grace", password="x"))
    attempt = services.start_verification(NUMBER)
    services.check_code(attempt.uuid, telroi.last_code_for(NUMBER))
    VerificationAttempt.objects.update(error_detail="Telroi's words", closed_at=timezone.now())
    home = "/admin/django_telroi/"
    urls = ["/admin/", home]
    for model in ("phonenumber", "verificationattempt", "verifiedphone"):
        urls += [f"{home}{model}/", f"{home}{model}/{attempt.pk}/change/", f"{home}{model}/{attempt.phone.pk}/change/"]

    for url in urls:
        answer = client.get(url, follow=True)
        assert canaries.lines_with(answer.content.decode()) == []
        assert canaries.in_(str(answer.redirect_chain)) == []


def test_no_url_of_a_flow_contains_a_secret(telroi: Simulator, canaries: Canaries, ada: User) -> None:
    visitor = Visitor(Client()).opens("/phone/").presses("Call me", number=NUMBER)
    visitor.presses("Verify", code="1234567890").presses("Verify", code=telroi.last_code_for(NUMBER))

    visited = [answer.request["PATH_INFO"] + "?" + answer.request["QUERY_STRING"] for answer in visitor.trail]
    assert len(visited) > 4
    assert canaries.lines_with("\n".join(visited)) == []
