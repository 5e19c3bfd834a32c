"""The kill switch while calls are counted."""

from __future__ import annotations

import threading

import pytest
from django.db import connection, transaction

from django_telroi import services
from django_telroi.models import CallControl
from tests.races.racing import AT_MOST_SECONDS, errors, race

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(connection.vendor == "sqlite", reason="SQLite locks the whole file"),
]


@pytest.mark.usefixtures("telroi")
def test_does_not_wait_for_a_call_that_is_counted() -> None:
    CallControl.objects.create(name=CallControl.DAY)
    is_locked, is_stopped = threading.Event(), threading.Event()

    def count() -> None:
        """Lock the row of the day until the calls are stopped."""
        with transaction.atomic():
            CallControl.objects.filter(name=CallControl.DAY).update(day_calls=1)
            is_locked.set()
            assert is_stopped.wait(60)

    def stop() -> None:
        assert is_locked.wait(AT_MOST_SECONDS)
        services.stop_calls(reason="fire", actor="grace")
        is_stopped.set()

    assert errors(race([count, stop])) == []
    assert services.call_control().stopped_reason == "fire"
