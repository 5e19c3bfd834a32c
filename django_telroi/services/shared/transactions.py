"""What we mean about transactions: whose they are, and what a lock error is worth."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TypeVar

from django.db import InterfaceError, InternalError, OperationalError, connections, router, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from django_telroi.client.clean_text import clean_message
from django_telroi.errors import InsideTransaction, Unavailable
from django_telroi.models import VerificationAttempt

logger = logging.getLogger("django_telroi")

T = TypeVar("T")

DATABASE_LOST = (OperationalError, InterfaceError, InternalError)
"""What Django raises where the database does not do what it is asked, for reasons of its own.

Nothing listens, the connection was cut, the server shuts down, no lock or no space is left: OperationalError, or
InterfaceError for a connection that was closed before. A server that turned read-only answers MariaDB's 1290 or 1792 as
an OperationalError, and PostgreSQL's 25006 as an InternalError. Errors about the data (IntegrityError, DataError) and
about the statement (ProgrammingError) are none of these: they are faults of the program.
"""

TIMES_A_LOCK_ERROR_IS_REPEATED = 3
# PostgreSQL: serialization failure, deadlock, lock not available. MariaDB and MySQL: lock wait timeout, deadlock,
# record changed since it was read.
LOCK_ERROR_STATES = frozenset({"40001", "40P01", "55P03"})
LOCK_ERROR_NUMBERS = frozenset({1205, 1213, 1020})


def write_alias() -> str:
    """The one alias that services read from and write to: a replica that lags would forget a call."""
    return router.db_for_write(VerificationAttempt)


def is_autocommit(using: str) -> bool:
    """Whether each statement is a transaction by itself.

    Django's ``get_autocommit()`` connects first, and so fails where no database can be reached. A connection that is
    not open yet opens with what the settings say.
    """
    connection = connections[using]
    if connection.connection is None:
        return bool(connection.settings_dict["AUTOCOMMIT"])
    return connection.autocommit


def is_in_callers_transaction(using: str) -> bool:
    """Whether what is written now could still be rolled back by whoever called us.

    The transaction that Django's ``TestCase`` wraps around every test does not count: it stands for a database, not for
    a caller's decision.
    """
    connection = connections[using]
    if not connection.in_atomic_block:
        return not is_autocommit(using)
    return not getattr(connection.atomic_blocks[-1], "_from_testcase", False)


def tells_of_its_commit(using: str) -> bool:
    """Whether a hook for after the commit can be set: not with autocommit off and no ``atomic`` block."""
    return connections[using].in_atomic_block or is_autocommit(using)


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
    if not (connection.commit_on_exit if connection.in_atomic_block else is_autocommit(using)):
        raise InsideTransaction


def refuse_callers_transaction(using: str) -> None:
    """Raise InsideTransaction where a rollback could undo what is about to be written."""
    if is_in_callers_transaction(using):
        raise InsideTransaction


def lone_statement(using: str) -> AbstractContextManager[object]:
    """For one statement whose error is caught: a savepoint inside a transaction, and nothing at all outside of one.

    With autocommit on, a statement is a transaction by itself; BEGIN and COMMIT would be two more ways to the server.
    """
    return nullcontext() if is_autocommit(using) else transaction.atomic(using=using)


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


def is_lock_error(error: Exception) -> bool:
    number = error.args[0] if error.args else None
    state = getattr(error.__cause__, "sqlstate", None)
    return number in LOCK_ERROR_NUMBERS or state in LOCK_ERROR_STATES or "is locked" in str(error)


class CommitInDoubt(Exception):
    """The connection broke while a transaction was being committed: whether it was, only the database knows."""


@contextmanager
def atomic_unless_in_doubt(using: str) -> Iterator[None]:
    """``transaction.atomic``, which raises CommitInDoubt where the answer to the COMMIT was lost.

    An error of the database before that undoes everything, and is raised as it is. So is one about a lock, which is the
    database's own word that it undid everything. In a caller's transaction there is no COMMIT, and so no doubt.
    """
    is_written = False
    is_whole = not connections[using].in_atomic_block
    try:
        with transaction.atomic(using=using):
            yield
            is_written = True
    except DATABASE_LOST as error:
        if is_written and is_whole and not is_lock_error(error):
            raise CommitInDoubt from None
        raise


def repeat_on_lost_connection(write: Callable[[], T], *, using: str) -> T:
    """Run ``write``, and once more over a new connection if the old one broke.

    For what must be written after a call or a check: they take up to 30 s, and servers, proxies and firewalls cut
    connections that are idle. ``write`` may have been committed before the connection broke, so it must be harmless
    when it is repeated, as a conditional UPDATE is. Never inside a transaction, which the broken connection has undone.
    """
    before = connections[using].connection
    try:
        return write()
    except DATABASE_LOST as error:
        if not renew_connection(using, before=before):
            raise
        logger.warning("database_connection_replaced error=%s", type(error).__name__)
    try:
        return write()
    except DATABASE_LOST:
        drop_if_broken(connections[using])
        raise


def renew_connection(using: str, *, before: object) -> bool:
    """Whether the next statement goes over another connection than ``before``, because that one is of no use any more.

    Django replaces a broken one by itself where a transaction ends, and otherwise at the end of the request.
    """
    connection = connections[using]
    if connection.in_atomic_block:
        return False
    drop_if_broken(connection)
    return connection.connection is None or connection.connection is not before


def drop_if_broken(connection: BaseDatabaseWrapper) -> None:
    """Close a connection that is of no use any more, so that the next statement opens another one.

    On MariaDB and MySQL, one that broke at the end of a transaction is left with autocommit off. A later ``atomic``
    block would then believe that it is inside of a transaction, and Django would never replace the connection.
    """
    is_open = connection.connection is not None and not connection.in_atomic_block
    if is_open and connection.errors_occurred and not connection.is_usable():
        connection.close()


@contextmanager
def unavailable_without_database() -> Iterator[None]:
    """Turn a database that cannot be asked or written to into Unavailable: what cannot be counted is not called.

    It decorates as well, below ``redact_arguments``, so that no frame of it holds a number or a code in the clear.
    """
    try:
        yield
    except DATABASE_LOST as error:
        note_lost_database(error)
        raise Unavailable from None


def note_lost_database(error: Exception) -> None:
    """Log that the database failed: what it said, cut and cleaned. Connections that broke are closed."""
    for connection in connections.all(initialized_only=True):
        drop_if_broken(connection)
    logger.error("database_unavailable error=%s detail=%s", type(error).__name__, clean_message(str(error)))
