"""The rows of CallControl: one for the kill switch, one for the API key, one for the calls of the day."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection

from django_telroi import services
from django_telroi.backends import KeyInUse, get_backend, key_of
from django_telroi.errors import CallsStopped, Unavailable
from django_telroi.models import CallControl
from django_telroi.services.calls import refusals
from django_telroi.services.shared.site_control import PauseReason, pause_calls, record_refused_codes
from django_telroi.simulator import Simulator
from tests.calling_site import Configure
from tests.services.world import NUMBER, OTHER_NUMBER, sends

pytestmark = pytest.mark.django_db


def names() -> set[str]:
    return set(CallControl.objects.values_list("name", flat=True))


def pause(seconds: int = 60) -> None:
    until = datetime.now(UTC) + timedelta(seconds=seconds)
    pause_calls(PauseReason.KEY_LIMITED, until=until, key=key_of(get_backend()), using="default")


def written_to(name: str) -> dict[str, object]:
    """Return the columns of this row that have another value than that of a new row."""
    row, new = CallControl.objects.get(name=name), CallControl(name=name)
    columns = [field.attname for field in CallControl._meta.concrete_fields]
    return {column: getattr(row, column) for column in columns if getattr(row, column) != getattr(new, column)}


def test_each_row_has_its_own_columns(telroi: Simulator, configure: Configure) -> None:
    configure(CALLS_PER_DAY_TOTAL=5)
    services.start_verification(NUMBER)
    pause()
    record_refused_codes(key=KeyInUse("default", "of the key"), now=datetime.now(UTC), using="default")
    services.stop_calls(reason="fire", actor="grace")

    assert names() == {"", "*", "default"} == set(CallControl.COLUMNS)
    assert {name: set(written_to(name)) for name in names()} == {
        name: set(columns) for name, columns in CallControl.COLUMNS.items()
    }


def test_every_column_belongs_to_one_row() -> None:
    belonging = [column for columns in CallControl.COLUMNS.values() for column in columns]

    assert sorted(["name", *belonging]) == sorted(field.name for field in CallControl._meta.concrete_fields)


def test_one_object_has_the_columns_of_all_rows(telroi: Simulator, configure: Configure) -> None:
    configure(CALLS_PER_DAY_TOTAL=5)
    services.start_verification(NUMBER)
    pause()
    services.stop_calls(reason="fire", actor="grace")

    control = services.call_control()

    assert (control.stopped_reason, control.paused_reason, control.day_calls) == ("fire", "key_limited", 1)


def test_without_rows_nothing_is_stopped_paused_or_counted(telroi: Simulator) -> None:
    control, new = services.call_control(), CallControl()

    assert CallControl.objects.count() == 0
    assert {name: getattr(control, name) for columns in CallControl.COLUMNS.values() for name in columns} == {
        name: getattr(new, name) for columns in CallControl.COLUMNS.values() for name in columns
    }


def test_both_rows_are_obeyed_together(telroi: Simulator) -> None:
    pause()
    services.stop_calls(reason="fire", actor="grace")

    with pytest.raises(CallsStopped):
        services.start_verification(NUMBER)
    services.resume_calls(actor="grace")
    with pytest.raises(Unavailable):
        services.start_verification(NUMBER)

    assert names() == {CallControl.SWITCH, CallControl.DEFAULT_KEY}
    assert sends(telroi) == 0


def test_the_row_of_another_key_is_ignored(telroi: Simulator) -> None:
    pause()
    CallControl.objects.update(name="another")

    assert services.start_verification(OTHER_NUMBER).status == "placed"


def test_a_stop_changes_no_row_of_a_key(telroi: Simulator) -> None:
    pause()
    before = CallControl.objects.filter(name=CallControl.DEFAULT_KEY).values().get()

    services.stop_calls(reason="fire", actor="grace")

    assert CallControl.objects.filter(name=CallControl.DEFAULT_KEY).values().get() == before


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("verb", ["INSERT", "UPDATE"])
def test_a_call_that_fails_keeps_its_outcome_although_the_row_of_the_key_was_locked(
    telroi: Simulator, verb: str
) -> None:
    telroi.fail_next("unauthorized", on="send")
    locked_once = [True]

    def lock_once(execute: Any, sql: str, *arguments: Any) -> Any:
        if sql.startswith(verb) and CallControl._meta.db_table in sql and locked_once:
            locked_once.pop()
            raise OperationalError("database is locked")
        return execute(sql, *arguments)

    with connection.execute_wrapper(lock_once):
        attempt = services.start_verification(NUMBER)

    assert (attempt.status, attempt.error_code, locked_once) == ("failed", "misconfigured", [])
    assert CallControl.objects.get(name=CallControl.DEFAULT_KEY).paused_until is not None


def test_a_start_that_was_counted_slowly_sees_that_staff_stopped_all_calls(
    telroi: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refusals, "STALE_AFTER", 0)

    def stop(_call: object) -> None:
        services.stop_calls(reason="fire", actor="grace")

    with pytest.raises(CallsStopped):
        services.start_verification(NUMBER, admit=stop)

    assert sends(telroi) == 0
