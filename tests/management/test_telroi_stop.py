"""``telroi_stop``: it stops and resumes all calls, says so, and fails if there is nothing to do."""

from __future__ import annotations

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db import OperationalError

from django_telroi import services
from django_telroi.errors import CallsStopped
from django_telroi.management.commands import telroi_stop
from django_telroi.models import AttemptEvent

pytestmark = pytest.mark.django_db

NUMBER = "+2348031234567"


def told(*args: str) -> str:
    out = StringIO()
    call_command("telroi_stop", *args, stdout=out)
    return out.getvalue()


def test_it_stops_all_calls_and_says_so() -> None:
    assert told("--reason", "Telroi is down", "--actor", "ada").startswith("All calls are stopped.")

    control = services.call_control()
    assert (control.stopped_by, control.stopped_reason) == ("ada", "Telroi is down")
    with pytest.raises(CallsStopped):
        services.start_verification(NUMBER)


def test_it_resumes_calls_and_says_so() -> None:
    services.stop_calls(reason="Telroi is down", actor="ada")

    assert told("--resume") == "Calls are placed again.\n"

    assert services.call_control().stopped_at is None
    assert services.start_verification(NUMBER).status == "placed"
    assert [each.actor for each in AttemptEvent.objects.filter(kind="calls_resumed")] == ["telroi_stop"]


def test_a_second_stop_fails_and_names_the_first_one() -> None:
    services.stop_calls(reason="an unexpected bill", actor="ada")

    with pytest.raises(CommandError, match=r"stopped already since .* UTC, by ada: an unexpected bill$") as failure:
        told("--reason", "Telroi is down")

    assert failure.value.returncode == 1
    assert services.call_control().stopped_reason == "an unexpected bill"


def test_a_stop_that_ended_at_the_same_moment_is_named_without_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services, "stop_calls", lambda **_: False)

    with pytest.raises(CommandError, match="Another process has just resumed the calls"):
        told("--reason", "Telroi is down")


def test_a_resumption_without_a_stop_fails() -> None:
    with pytest.raises(CommandError, match="Calls are not stopped") as failure:
        told("--resume")

    assert failure.value.returncode == 1


@pytest.mark.parametrize("args", [(), ("--reason", " "), ("--reason", "x", "--resume"), ("--reason", "nul \0")])
def test_it_needs_one_reason_or_a_resumption(args: tuple[str, ...]) -> None:
    with pytest.raises(CommandError):
        told(*args)

    assert services.call_control().stopped_at is None


@pytest.mark.parametrize("args", [("--reason", "x"), ("--resume",)])
def test_a_database_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch, args: tuple[str, ...]) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise OperationalError("Canary")

    monkeypatch.setattr("django_telroi.services.staff.call_stops.ensure_control_row", fails)

    with pytest.raises(CommandError, match=r"^The database does not answer"):
        told(*args)


def test_its_actor_is_its_name_unless_one_is_given() -> None:
    told("--reason", "Telroi is down")

    assert services.call_control().stopped_by == telroi_stop.ACTOR == "telroi_stop"
