"""Transactions: whether the caller has one, retries after lock errors, and lost database connections.

See "Transactions and locks" in docs/explanation/how.rst.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, TypeVar

from django.db import InterfaceError, InternalError, OperationalError, connections, router, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from django_telroi.client.json_values import clean_message
from django_telroi.errors import InsideTransaction, Unavailable
from django_telroi.models import VerificationAttempt
from django_telroi.models.sealed import NumbersUnreadable

logger = logging.getLogger("django_telroi")

T = TypeVar("T")

DATABASE_LOST = (OperationalError, InterfaceError, InternalError)
"""The exceptions for a database that is not available.

OperationalError: the server cannot be reached, the connection was cut, the server shuts down, or no lock or disk space
is left. InterfaceError: the connection was closed before. A read-only server raises OperationalError on MariaDB (1290,
1792) and InternalError on PostgreSQL (25006). Errors about the data (IntegrityError, DataError) and the statement
(ProgrammingError) are bugs of the program, so they are not included.
"""

TIMES_A_LOCK_ERROR_IS_REPEATED = 3
# PostgreSQL: serialization failure, deadlock, lock not available. MariaDB and MySQL: lock wait timeout, deadlock,
# record changed since it was read.
LOCK_ERROR_STATES = frozenset({"40001", "40P01", "55P03"})
LOCK_ERROR_NUMBERS = frozenset({1205, 1213, 1020})
# A statement that took too long: of PostgreSQL, MariaDB and MySQL. It may have waited for a lock.
STATEMENT_TIMEOUTS = frozenset({"57014", 1969, 3024})


def write_alias() -> str:
    """Return the alias that all services read from and write to. A replica may lag, so it could miss a call."""
    return router.db_for_write(VerificationAttempt)


def is_autocommit(using: str) -> bool:
    """Return whether each statement is its own transaction.

    This does not use Django's ``get_autocommit()``, which opens a connection and fails if the database cannot be
    reached. For a connection that is not open, the settings decide.
    """
    connection = connections[using]
    if connection.connection is None:
        return bool(connection.settings_dict["AUTOCOMMIT"])
    return connection.autocommit


def is_in_callers_transaction(using: str) -> bool:
    """Return whether the caller could still roll back what is written now.

    The transaction that Django's ``TestCase`` opens around each test is ignored, because it only resets the database.
    """
    connection = connections[using]
    if not connection.in_atomic_block:
        return not is_autocommit(using)
    # Django has no public way to recognize it. Django itself uses this attribute, for ``durable=True``.
    return not getattr(connection.atomic_blocks[-1], "_from_testcase", False)


def tells_of_its_commit(using: str) -> bool:
    """Return whether ``transaction.on_commit`` works: with autocommit on, or inside an ``atomic`` block."""
    return connections[using].in_atomic_block or is_autocommit(using)


def after_commit(act: Callable[[], object], *, using: str) -> None:
    """Run ``act`` after the commit. Django logs its exceptions. If ``on_commit`` does not work, run ``act`` now."""

    def run() -> None:
        # A function of its own: Django logs the ``__qualname__`` of one that raises, and a ``partial`` has none. Then
        # Django raises AttributeError into the caller, and the functions of other packages after it do not run.
        act()

    if tells_of_its_commit(using):
        transaction.on_commit(run, using=using, robust=True)
    else:
        act()


def refuse_manual_transactions(using: str) -> None:
    """Raise InsideTransaction if autocommit is off, because then ``on_commit`` runs too late or never.

    This also applies inside an ``atomic`` block, because with autocommit off it does not commit at its end.
    """
    connection = connections[using]
    if not (connection.commit_on_exit if connection.in_atomic_block else is_autocommit(using)):
        raise InsideTransaction


def refuse_callers_transaction(using: str) -> None:
    """Raise InsideTransaction if the caller has an open transaction, whose rollback would undo what is written."""
    if is_in_callers_transaction(using):
        raise InsideTransaction


def savepoint_if_needed(using: str) -> AbstractContextManager[object]:
    """Return a context manager for one statement whose database error is caught.

    Inside a transaction it opens a savepoint. With autocommit on it does nothing, because the statement is its own
    transaction. BEGIN and COMMIT would cost two more round trips.
    """
    return nullcontext() if is_autocommit(using) else transaction.atomic(using=using)


def repeat_on_lock_error(write: Callable[[], T], *, using: str) -> T:
    """Run ``write`` and return its result. Retry after a deadlock, a lock timeout or a serialization failure.

    ``write`` must be a transaction of its own. Inside an open transaction it is not retried, because the database has
    undone more than ``write``.
    """
    for times_left in reversed(range(TIMES_A_LOCK_ERROR_IS_REPEATED + 1)):
        try:
            return write()
        except OperationalError as error:
            if not times_left or connections[using].in_atomic_block or not is_lock_error(error):
                raise
            # A random time, so that two transactions that blocked each other do not start together again.
            time.sleep(random.uniform(0.005, 0.05))
    raise AssertionError("unreachable")  # the last round returns or raises


def is_lock_error(error: Exception) -> bool:
    number, state = _number_and_state(error)
    # SQLite has neither a number nor a state, only the text "database is locked" or "database table is locked".
    return number in LOCK_ERROR_NUMBERS or state in LOCK_ERROR_STATES or "is locked" in str(error)


def is_wait_for_row(error: Exception) -> bool:
    """Return whether another transaction may have locked a row, and the connection can still be used."""
    return is_lock_error(error) or not STATEMENT_TIMEOUTS.isdisjoint(_number_and_state(error))


def _number_and_state(error: Exception) -> tuple[object, object]:
    """Return the error's number (MariaDB, MySQL) and its SQLSTATE (PostgreSQL), which is ``pgcode`` in psycopg2."""
    number = error.args[0] if error.args and isinstance(error.args[0], int) else None
    cause = error.__cause__
    return number, getattr(cause, "sqlstate", None) or getattr(cause, "pgcode", None)


class CommitInDoubt(Exception):
    """The connection broke during a COMMIT. It is not known whether the transaction was committed."""


@contextmanager
def atomic_unless_in_doubt(using: str) -> Iterator[None]:
    """Like ``transaction.atomic``, but raise CommitInDoubt if the answer to the COMMIT was lost.

    An error before the COMMIT is raised unchanged, because everything was undone. A lock error at the COMMIT is raised
    unchanged too, because it means that the database undid everything. In a transaction of the caller there is no
    COMMIT here, so there is no doubt.
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
    """Run ``write`` and return its result. Retry over a new connection if the connection broke.

    Use it to write the outcome of a call or a check. Their requests take up to 40 s, and servers, proxies and firewalls
    cut idle connections. ``write`` may have been committed before the connection broke, so it must be idempotent, for
    example a conditional UPDATE. Inside a transaction it is not retried, because the broken connection undid that.
    """
    # Not tested with a query before ``write``: that costs a round trip for every call, and the connection can still
    # break afterwards.
    pool = _pool_of(using)
    for _ in range(pool.max_size if pool else 1):
        # A connection from the pool was open before, although this thread had none.
        before = connections[using].connection or pool
        try:
            return write()
        except DATABASE_LOST as error:
            if _is_pool_exhausted(error) or not renew_connection(using, before=before):
                raise
            logger.warning("database_connection_replaced error=%s", type(error).__name__)
    try:
        return write()
    except DATABASE_LOST:
        drop_if_broken(connections[using])
        raise


def _pool_of(using: str) -> Any:
    """Return Django's pool of connections, None without one. A restart of the server breaks all its connections."""
    connection: Any = connections[using]
    return connection.pool if connection.settings_dict["OPTIONS"].get("pool") else None


def _is_pool_exhausted(error: Exception) -> bool:
    """Return whether the pool had no connection in time, because the server does not answer."""
    return type(error.__cause__).__name__ == "PoolTimeout"


def renew_connection(using: str, *, before: object) -> bool:
    """Close a broken connection. Return whether the next statement uses another connection than ``before``.

    Django itself replaces a broken connection only at the end of a transaction or of the request. Returns False if no
    connection could be made at all: a second attempt would only double the wait for a server that does not answer.
    """
    connection = connections[using]
    could_not_connect = before is None and connection.connection is None
    if connection.in_atomic_block or could_not_connect:
        return False
    drop_if_broken(connection)
    return connection.connection is None or connection.connection is not before


def drop_if_broken(connection: BaseDatabaseWrapper) -> None:
    """Close a broken connection, so that the next statement opens a new one.

    On MariaDB and MySQL, a connection that broke at the end of a transaction still has autocommit off. A later
    ``atomic`` block would then act as if it were inside a transaction, and Django would never replace the connection.
    """
    is_open = connection.connection is not None and not connection.in_atomic_block
    if is_open and connection.errors_occurred and not connection.is_usable():
        connection.close()


@contextmanager
def unavailable_without_database(*, also_without_key: bool = True) -> Iterator[None]:
    """Turn a lost database connection into Unavailable. A call that cannot be counted is not placed.

    ``also_without_key``: rows that cannot be read without a key of ``NUMBER_KEYS`` are unavailable too.

    It is also a decorator. Place it below ``redact_arguments``, so that none of its frames holds a full number or code.
    """
    try:
        yield
    except DATABASE_LOST as error:
        close_lost_connections(error)
        raise Unavailable from None
    except NumbersUnreadable:
        if not also_without_key:
            raise
        log_unreadable_numbers()
        raise Unavailable from None


def log_unreadable_numbers() -> None:
    logger.error("misconfigured reason=number_keys")


def close_lost_connections(error: Exception) -> None:
    """Close broken connections, and log the database error with a shortened, cleaned message."""
    for connection in connections.all(initialized_only=True):
        drop_if_broken(connection)
    logger.error("database_unavailable error=%s detail=%s", type(error).__name__, clean_message(str(error)))
