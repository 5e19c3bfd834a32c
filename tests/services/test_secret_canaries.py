"""The key, a number and every code are searched for in all output of a verification."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, ClassVar
from uuid import uuid4

import pytest
from django.contrib.auth.models import User
from django.db import transaction
from django.views.debug import ExceptionReporter

from django_telroi import services
from django_telroi.backends.locmem import outbox
from django_telroi.conf import CONSOLE_BACKEND, LOCMEM_BACKEND
from django_telroi.errors import AttemptNotFound, InsideTransaction, TelroiError, VerificationRefused
from django_telroi.models import AttemptEvent, PhoneNumber, VerificationAttempt
from django_telroi.redaction import Secret
from django_telroi.services.calls import claim
from django_telroi.simulator import Simulator
from tests.calling_site import Configure
from tests.services.world import (
    NUMBER,
    OTHER_NUMBER,
    ROWS,
    SIGNALS,
    Heard,
    commit,
    database_gone,
    let_time_pass,
    wrong,
)

pytestmark = pytest.mark.django_db

SEND_FAULTS = (
    *("invalid", "unauthorized", "forbidden", "not_found", "rate_limited", "key_limited", "service_unavailable"),
    *("insufficient_funds", "server_error", "close", "reset", "cut_body", "login", "json_nan", "no_id", "other_to"),
)
READ_OUT = "5647382910"
VERIFY_FAULTS = ("not_verifiable", "invalid", "unauthorized", "key_limited", "server_error", "close", "not_json")


class Canaries:
    """Secrets, and a search for them in a text."""

    def __init__(self, telroi: Simulator) -> None:
        self.telroi = telroi
        self.typed: set[str] = set()

    def in_(self, text: str) -> list[str]:
        codes = {otp.code for otp in self.telroi.otps} | self.typed
        numbers = {each for number in (NUMBER, OTHER_NUMBER) for each in (number[1:], number[4:])}
        return sorted(secret for secret in {self.telroi.api_key, *codes, *numbers} if secret in text)


@pytest.fixture
def canaries(telroi: Simulator, configure: Configure, monkeypatch: pytest.MonkeyPatch) -> Canaries:
    configure(CODE_LENGTH=10)
    telroi.set_policy(cooldown=0, per_hour=1000, per_day=1000)
    for n in range(60):
        telroi.next_otp(code=f"90817263{n:02d}")  # too long to be in a text by chance
    found = Canaries(telroi)
    make = claim.new_code

    def new_code(length: int) -> Secret:
        code = make(length)
        found.typed.add(str(code))
        return code

    # Also the codes of requests that Telroi did not receive, or did not store.
    monkeypatch.setattr(claim, "new_code", new_code)
    return found


@pytest.fixture
def everything_logged(caplog: pytest.LogCaptureFixture) -> Iterator[Callable[[], str]]:
    """All loggers at DEBUG, except the SQL statements, which Django logs on request."""
    caplog.set_level(logging.DEBUG)
    logging.getLogger("django.db.backends").setLevel(logging.INFO)
    yield lambda: "\n".join(
        f"{record.getMessage()} {record.__dict__}" for record in caplog.records if record.name != "asyncio"
    )
    logging.getLogger("django.db.backends").setLevel(logging.NOTSET)


def walk(telroi: Simulator, canaries: Canaries, user: User) -> None:
    """All actions of a person and a site, with connection failures."""
    attempt = services.start_verification(NUMBER, user=user, language="yo", requester_ip="203.0.113.7")
    code = telroi.last_code_for(NUMBER)
    for typed in (wrong(code), code + "x", wrong(code, by=2)):
        canaries.typed.add(typed)
        services.check_code(attempt.uuid, typed, user=user)
    for number in (NUMBER, OTHER_NUMBER + "x", "+449098790000"):
        refused(lambda number=number: services.start_verification(number))
    let_time_pass(61)
    attempt = services.call_again(attempt.uuid, user=user)
    for fault in VERIFY_FAULTS:
        telroi.fail_next(fault, on="verify")
        services.check_code(attempt.uuid, telroi.last_code_for(NUMBER), user=user)
        let_time_pass(3700)
        attempt = services.start_verification(NUMBER, user=user)
    for fault in SEND_FAULTS:
        let_time_pass(3700)
        telroi.fail_next(fault, on="send")
        refused(lambda: services.start_verification(NUMBER))
    let_time_pass(3700)
    with telroi.refusing():
        refused(lambda: services.start_verification(OTHER_NUMBER))
    with transaction.atomic():
        attempt = services.start_verification(OTHER_NUMBER)
        refused(lambda: services.check_code(attempt.uuid, "123456"))
    commit()
    services.check_code(attempt.uuid, telroi.last_code_for(OTHER_NUMBER))
    services.cancel_verification(attempt.uuid)
    services.follow(attempt.uuid)
    canaries.typed.add(READ_OUT)
    for fault in ("invalid", "close", "server_error"):
        let_time_pass(3700)
        telroi.fail_next(fault, on="send")
        services.check_code(services.read_out(OTHER_NUMBER, READ_OUT).uuid, READ_OUT)
    services.block_destination(NUMBER[:7], reason="a bill", actor="grace")
    services.unblock_destination(NUMBER[:7], actor="grace")
    let_time_pass(3700)
    attempt = services.start_verification(NUMBER)
    PhoneNumber.objects.filter(number=NUMBER).update(wrong_codes=99)
    services.check_code(attempt.uuid, wrong(telroi.last_code_for(NUMBER)))


def refused(ask: Callable[[], object]) -> None:
    with suppress(TelroiError):
        ask()


def test_a_whole_flow_with_every_failure_leaves_no_secret_in_logs_rows_events_and_signals(
    telroi: Simulator, canaries: Canaries, everything_logged: Callable[[], str], heard: Heard, ada: User
) -> None:
    walk(telroi, canaries, ada)

    logged = everything_logged()
    assert canaries.in_(logged) == []
    assert all(event in logged for event in ("call_unknown", "call_failed", "phone_verified", "refused code="))
    assert set(heard.names) == SIGNALS.keys()
    assert canaries.in_(str(heard.told)) == []
    assert canaries.in_(str(list(AttemptEvent.objects.values("kind", "actor", "detail")))) == []
    assert [text for text in texts_of_rows() if canaries.in_(text)] == []


def texts_of_rows() -> list[str]:
    """Return all text in the rows, without the numbers, which must be there."""
    return [
        value
        for model in ROWS
        for row in model._default_manager.values()
        for name, value in row.items()
        if isinstance(value, str) and name != "number"
    ]


def test_no_log_entry_has_two_lines(
    telroi: Simulator, canaries: Canaries, caplog: pytest.LogCaptureFixture, ada: User
) -> None:
    caplog.set_level(logging.DEBUG, "django_telroi")
    telroi.fail_next("otp_failed", message="no\r\nroute\x1b[31m\u2028 at all", on="send")
    services.start_verification(NUMBER)
    refused(lambda: services.start_verification("+1\n2024-01-01 CRITICAL hacked"))
    refused(lambda: services.start_verification(NUMBER, purpose="a\nb"))

    assert caplog.messages
    assert all(message.isprintable() for message in caplog.messages)


def test_the_results_of_services_show_no_secret(telroi: Simulator, canaries: Canaries) -> None:
    attempt = services.start_verification(NUMBER)
    result = services.check_code(attempt.uuid, telroi.last_code_for(NUMBER))
    standing = services.follow(attempt.uuid)

    assert result.proof
    assert canaries.in_(f"{attempt!r} {result!r} {standing!r} {attempt} {attempt.phone!r}") == []
    assert result.proof not in repr(result)
    assert NUMBER[1:] not in result.proof


class TestAnErrorReport:
    """The report that Django mails to the site's admins if a service raises an error."""

    ASK: ClassVar[dict[str, Callable[[Any, str], object]]] = {
        "start": lambda attempt, code: services.start_verification(OTHER_NUMBER),
        "start with an id": lambda attempt, code: services.start_verification(OTHER_NUMBER, attempt_uuid=uuid4()),
        "read out": lambda attempt, code: services.read_out(OTHER_NUMBER, READ_OUT),
        "call again": lambda attempt, code: services.call_again(attempt.uuid),
        "check": lambda attempt, code: services.check_code(attempt.uuid, code),
        "follow": lambda attempt, code: services.follow(attempt.uuid),
        "cancel": lambda attempt, code: services.cancel_verification(attempt.uuid),
        "place": lambda attempt, code: services.place_call(attempt.pk),
        "block": lambda attempt, code: services.block_number(NUMBER, reason="", actor="grace"),
        "unblock": lambda attempt, code: services.unblock_number(NUMBER, actor="grace"),
        "release": lambda attempt, code: services.release_hold(NUMBER, actor="grace"),
        "reset": lambda attempt, code: services.reset_limits(NUMBER, actor="grace"),
        "erase": lambda attempt, code: services.erase_number(NUMBER, actor="grace"),
    }

    @pytest.mark.parametrize("ask", ASK.values(), ids=ASK)
    @pytest.mark.parametrize("after", [0, 1, 2, 3])
    def test_shows_no_secret(
        self, telroi: Simulator, canaries: Canaries, ask: Callable[[Any, str], object], after: int
    ) -> None:
        attempt = services.start_verification(NUMBER)
        code = telroi.last_code_for(NUMBER)
        canaries.typed.add(READ_OUT)
        let_time_pass(61)
        VerificationAttempt.objects.update(status="placed" if ask is self.ASK["check"] else "queued")

        try:
            with database_gone(after=after, error=UnforeseenError):
                ask(attempt, code)
        except UnforeseenError:
            reporter = ExceptionReporter(None, *sys.exc_info())
        else:
            return  # the service executed fewer statements

        frames = [frame for frame in reporter.get_traceback_frames() if "/tests/" not in frame["filename"]]
        shown = "\n".join(f"{frame['filename']} {frame['vars']}" for frame in frames)
        assert canaries.in_(shown) == []


class UnforeseenError(Exception):
    """An unexpected error."""


@pytest.mark.parametrize("error", [AttemptNotFound, InsideTransaction])
def test_not_found_and_not_possible_contain_no_details(telroi: Simulator, error: type[TelroiError]) -> None:
    attempt = services.start_verification(NUMBER)
    ask: Callable[[], Any] = lambda: services.check_code("nothing", "123456")  # noqa: E731
    if error is InsideTransaction:
        ask = transaction.atomic(lambda: services.check_code(attempt.uuid, "123456"))

    with pytest.raises(error) as raised:
        ask()

    assert (raised.value.args, vars(raised.value)) == ((), {})
    assert raised.value.__cause__ is None


@pytest.mark.parametrize("backend", [CONSOLE_BACKEND, LOCMEM_BACKEND])
def test_the_other_backends_log_no_secret(
    configure: Configure, everything_logged: Callable[[], str], capsys: pytest.CaptureFixture[str], backend: str
) -> None:
    configure(BACKEND=backend, CODE_LENGTH=10)

    attempt = services.start_verification(NUMBER)
    code = outbox[-1].code if outbox else capsys.readouterr().out.split()[-1].strip(".")
    for typed in (wrong(code), code):
        services.check_code(attempt.uuid, typed)

    logged = everything_logged()
    assert [secret for secret in (NUMBER[1:], code, wrong(code)) if secret in logged] == []
    assert VerificationAttempt.objects.get().status == "verified"


def test_a_refusal_is_logged_as_one_line(telroi: Simulator, caplog: pytest.LogCaptureFixture) -> None:
    services.start_verification(NUMBER)
    caplog.clear()

    with caplog.at_level(logging.DEBUG, "django_telroi"), pytest.raises(VerificationRefused):
        services.start_verification(NUMBER)

    assert len(caplog.messages) == 1
