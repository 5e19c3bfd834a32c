"""What we mean about transactions: whose they are, and what a lock error is worth."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TypeVar

from django.db import InterfaceError, OperationalError, connections, router, transaction

from django_telroi.client.words import clean_message
from django_telroi.errors import InsideTransaction, Unavailable
from django_telroi.models import VerificationAttempt

T = TypeVar("T")

logger = logging.getLogger("django_telroi")

TIMES_A_LOCK_ERROR_IS_REPEATED = 3
# PostgreSQL: serialization failure, deadlock, lock not available. MariaDB and MySQL: lock wait timeout, deadlock,
# record changed since it was read.
LOCK_ERROR_STATES = frozenset({"40001", "40P01", "55P03"})
LOCK_ERROR_NUMBERS = frozenset({1205, 1213, 1020})


def write_alias() -> str:
    """The one alias that services read from and write to: a replica that lags would forget a call."""
    return router.db_for_write(VerificationAttempt)


def is_in_callers_transaction(using: str) -> bool:
    """Whether what is written now could still be rolled back by whoever called us.

    The transaction that Django's ``TestCase`` wraps around every test does not count: it stands for a database, not for
    a caller's decision.
    """
    connection = connections[using]
    if not connection.in_atomic_block:
        return not connection.get_autocommit()
    return not getattr(connection.atomic_blocks[-1], "_from_testcase", False)


def tells_of_its_commit(using: str) -> bool:
    """Whether a hook for after the commit can be set: not with autocommit off and no ``atomic`` block."""
    connection = connections[using]
    return connection.in_atomic_block or connection.get_autocommit()


def after_commit(act: Callable[[], object], *, using: str) -> None:
    """Do it once the commit is certain, or as certain as can be known. Its error is logged and goes no further."""
    if tells_of_its_commit(using):
        transaction.on_commit(act, using=using, robust=True)
    else:
        act()


def refuse_manual_transactions(using: str) -> None:
    """Raise InsideTransaction where autocommit is off: no hook would tell us of the commit in time, or at all.

    An ``atomic`` block changes nothing about it: it leaves the commit to whoever switched autocommit off.
    """
    connection = connections[using]
    if not (connection.commit_on_exit if connection.in_atomic_block else connection.get_autocommit()):
        raise InsideTransaction


def refuse_callers_transaction(using: str) -> None:
    """Raise InsideTransaction where a rollback could undo what is about to be written."""
    if is_in_callers_transaction(using):
        raise InsideTransaction


def lone_statement(using: str) -> AbstractContextManager[object]:
    """For one statement whose error is caught: a savepoint inside a transaction, and nothing at all outside of one.

    With autocommit on, a statement is a transaction by itself; BEGIN and COMMIT would be two more ways to the server.
    """
    return nullcontext() if connections[using].get_autocommit() else transaction.atomic(using=using)


def repeat_on_lock_error(write: Callable[[], T], *, using: str) -> T:
    """Run ``write``, a transaction of its own, again if the database says that it lost out over a lock.

    Never inside a transaction that is already open: the database has undone more than ``write`` then.
    """
    for times_left in reversed(range(TIMES_A_LOCK_ERROR_IS_REPEATED + 1)):
        try:
            return write()
        except OperationalError as error:
            if not times_left or connections[using].in_atomic_block or not is_lock_error(error):
                raise
            time.sleep(random.uniform(0.005, 0.05))
    raise AssertionError("unreachable")


def is_lock_error(error: OperationalError) -> bool:
    number = error.args[0] if error.args else None
    state = getattr(error.__cause__, "sqlstate", None)
    return number in LOCK_ERROR_NUMBERS or state in LOCK_ERROR_STATES or "is locked" in str(error)


@contextmanager
def unavailable_without_database() -> Iterator[None]:
    """Turn a database that cannot be asked into Unavailable: what cannot be counted is not called."""
    try:
        yield
    except (OperationalError, InterfaceError) as error:
        logger.error("database_unavailable error=%s detail=%s", type(error).__name__, clean_message(str(error)))
        raise Unavailable from None
