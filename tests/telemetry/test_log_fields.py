"""Each log event has its fields as columns, and no more than its line says."""

from __future__ import annotations

import json
import logging
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest

from django_telroi import services
from django_telroi.client import TelroiClient
from django_telroi.errors import ApiError, VerificationRefused
from django_telroi.simulator import Simulator

NUMBER = "+2348031234567"
OF_LOGGING = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class JsonLines(logging.Handler):
    """A handler with a JSON formatter: the message, and each attribute that is not of ``logging`` itself."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        columns = {name: value for name, value in vars(record).items() if name not in OF_LOGGING}
        self.lines.append(json.loads(json.dumps({"message": record.getMessage(), **columns})))


@pytest.fixture
def lines() -> Any:
    handler, logger = JsonLines(), logging.getLogger("django_telroi")
    logger.addHandler(handler)
    level = logger.level
    logger.setLevel(logging.INFO)
    yield handler.lines
    logger.removeHandler(handler)
    logger.setLevel(level)


@pytest.mark.django_db(transaction=True)
def test_events_of_a_call_have_columns(lines: list[dict[str, Any]], telroi: Simulator) -> None:
    telroi.fail_next("close")
    attempt = services.start_verification(NUMBER)
    with suppress(VerificationRefused):
        services.start_verification(NUMBER)

    by_event = {line["telroi_event"]: line for line in lines}
    assert by_event["call_unknown"] == {
        "message": f"call_unknown attempt={attempt.pk} error=no_reply",
        "telroi_event": "call_unknown",
        "telroi_attempt": attempt.pk,
        "telroi_error": "no_reply",
    }
    refused = by_event["refused"]
    assert (refused["telroi_code"], refused["telroi_region"]) == ("cooldown", "NG")
    assert refused["telroi_retry_after"] == 60
    assert NUMBER[4:] not in json.dumps(lines)


def test_events_of_the_client_have_columns(lines: list[dict[str, Any]], telroi: Simulator) -> None:
    with TelroiClient("tlr_live_unknown", base_url=telroi.base_url) as client, suppress(ApiError):
        client.place_otp(NUMBER)

    [line] = lines
    assert (line["telroi_event"], line["telroi_method"], line["telroi_path"]) == ("telroi_refused", "POST", "/v1/otp")
    assert isinstance(line["telroi_ms"], int)
    assert f'why="{line["telroi_why"]}"' in line["message"]


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("", ()),
        ("an ordinary sentence with %s", ("a value",)),
        ("event field=%s", ()),
        ("event field=%s", ({"field": 1},)),
        ("%s%s field=%s", ("a", "b")),
        ("event field=%s other=%s", ("one",)),
    ],
)
def test_other_lines_pass_unchanged(text: str, arguments: tuple[Any, ...]) -> None:
    record = logging.LogRecord("django_telroi", logging.INFO, "x", 1, text, arguments, None)

    assert logging.getLogger("django_telroi").filter(record)
    assert not [name for name in vars(record) if name.startswith("telroi_")]


def test_values_are_numbers_or_the_text_of_the_line() -> None:
    until = datetime(2026, 5, 4, tzinfo=UTC)
    text = "destination_blocked destination=%s until=%s by_itself=%s reason=fixed"
    record = logging.LogRecord("django_telroi", logging.INFO, "x", 1, text, ("+234", until, True), None)

    logging.getLogger("django_telroi").filter(record)

    found = {name: value for name, value in vars(record).items() if name.startswith("telroi_")}
    assert found == {
        "telroi_event": "destination_blocked",
        "telroi_destination": "+234",
        "telroi_until": str(until),
        "telroi_by_itself": True,
        "telroi_reason": "fixed",
    }
