"""Helpers for tests of services: requests on the wire, rows, SQL statements and time."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Generic, TypeVar

from django.db import OperationalError, connection, models
from django.dispatch import Signal
from django.test.utils import CaptureQueriesContext

from django_telroi import signals
from django_telroi.models import (
    AttemptEvent,
    BlockedDestination,
    CallControl,
    PhoneNumber,
    RefusalTally,
    SupportNote,
    UserWrongCodes,
    VerificationAttempt,
    VerifiedPhone,
)
from django_telroi.simulator import Simulator

T = TypeVar("T")

NUMBER = "+2348031234567"
CLAIM_ENDS_AFTER = 2 if connection.vendor == "postgresql" else 3
"""The statements of a start until its call is claimed. PostgreSQL writes number and attempt in one statement."""

OTHER_NUMBER = "+2348029876543"
ROWS: tuple[type[models.Model], ...] = (
    PhoneNumber,
    VerificationAttempt,
    AttemptEvent,
    SupportNote,
    VerifiedPhone,
    CallControl,
    BlockedDestination,
    RefusalTally,
    UserWrongCodes,
)
SIGNALS: dict[str, Signal] = {
    name: getattr(signals, name)
    for name in (
        *("call_placed", "call_failed", "code_rejected", "phone_verified", "verification_refused", "alert"),
        *("destination_blocked", "destination_unblocked", "too_many_wrong_codes"),
    )
}
OF_TRANSACTIONS = ("BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE", "SET ")
LONG_ENOUGH = 120


def sends(telroi: Simulator) -> int:
    """Return how many requests for a call reached Telroi."""
    return sum(request.path == "/v1/otp" for request in telroi.requests)


def checks(telroi: Simulator) -> int:
    """Return how many requests to check a code reached Telroi."""
    return sum(request.path == "/v1/otp/verify" for request in telroi.requests)


def wrong(code: str, *, by: int = 1) -> str:
    """Return a wrong code of the same length."""
    return f"{(int(code) + by) % 10 ** len(code):0{len(code)}d}"


def moments(number: str = NUMBER) -> tuple[datetime, ...]:
    """Return the moments of the calls that count towards the limits."""
    return PhoneNumber.objects.get(number=number).moments


def row_counts() -> dict[str, int]:
    """Return the number of rows of each model that has any."""
    return {model.__name__: count for model in ROWS if (count := model._default_manager.count())}


def let_time_pass(seconds: float, telroi: Simulator | None = None) -> None:
    """Make everything in the database this much older, and in ``telroi`` too.

    Except the tally of refusals. It counts by whole hours, and no code reads its age.
    """
    by = timedelta(seconds=seconds)
    for model in set(ROWS) - {RefusalTally}:
        names = [each.name for each in model._meta.concrete_fields if isinstance(each, models.DateTimeField)]
        for row in model._default_manager.all():
            for name in names:
                if moment := getattr(row, name):
                    setattr(row, name, moment - by)
            if isinstance(row, PhoneNumber):
                row.moments = [moment - by for moment in row.moments]
            if isinstance(row, VerificationAttempt):
                row.judging = {
                    digest: {try_id: (datetime.fromisoformat(at) - by).isoformat() for try_id, at in tries.items()}
                    for digest, tries in row.judging.items()
                }
            row.save()
    if telroi:
        telroi.advance(seconds)


def commit() -> None:
    """Run the functions of ``on_commit``. The transaction of Django's ``TestCase`` never commits."""
    waiting, connection.run_on_commit = connection.run_on_commit, []
    for _, act, _ in waiting:
        act()


@contextmanager
def statements() -> Iterator[list[str]]:
    """Return the statements that read or write data."""
    seen: list[str] = []
    with CaptureQueriesContext(connection) as captured:
        yield seen
    seen += [query["sql"] for query in captured if not query["sql"].startswith(OF_TRANSACTIONS)]


@dataclass
class Heard(AbstractContextManager["Heard"]):
    """A receiver of all signals."""

    told: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    receivers: list[tuple[Signal, Callable[..., None]]] = field(default_factory=list)

    @property
    def names(self) -> list[str]:
        """Return the names of the signals sent so far, as if the test's own transaction were committed."""
        commit()
        return [name for name, _ in self.told]

    def __enter__(self) -> Heard:
        for name, signal in SIGNALS.items():
            receiver = self._listening_to(name)
            self.receivers.append((signal, receiver))
            signal.connect(receiver)
        return self

    def __exit__(self, *exc_info: object) -> None:
        for signal, receiver in self.receivers:
            signal.disconnect(receiver)

    def _listening_to(self, name: str) -> Callable[..., None]:
        def receive(sender: object, signal: Signal, **told: Any) -> None:
            self.told.append((name, told))

        return receive


class Elsewhere(Generic[T]):
    """A function that runs in another thread, with its own database connection."""

    def __init__(self, does: Callable[[], T]) -> None:
        self._does = does
        self._results: list[T] = []
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def result(self) -> T:
        self._thread.join(LONG_ENOUGH)
        [result] = self._results
        return result

    def _run(self) -> None:
        try:
            self._results.append(self._does())
        finally:
            connection.close()


@contextmanager
def before_the_first(verb: str, act: Callable[[], object]) -> Iterator[None]:
    """Run ``act`` just before the first statement that begins with ``verb``, as another process could."""
    done = False

    def execute(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        nonlocal done
        if not done and sql.startswith(verb):
            done = True
            act()
        return execute(sql, params, many, context)

    with connection.execute_wrapper(execute):
        yield


@contextmanager
def database_gone(*, after: int = 0, error: type[Exception] = OperationalError) -> Iterator[None]:
    """The database executes this many more statements. All later statements fail."""
    answered = 0

    def execute(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        nonlocal answered
        if sql.startswith(OF_TRANSACTIONS):
            return execute(sql, params, many, context)
        answered += 1
        if answered > after:
            raise error("server closed the connection unexpectedly")
        return execute(sql, params, many, context)

    with connection.execute_wrapper(execute):
        yield
